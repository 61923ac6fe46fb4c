/* SPDX-License-Identifier: ISC */
#ifndef TAKE_H
#define TAKE_H

#include "opts.h"

/*
 * Read a value as its option's kind says and keep it in the option's field; a
 * later one replaces it, or joins the list.
 * Takes value, lent; NULL for an option without one.
 * Fails LLMILL_EXIT_USAGE naming the option, the value and what is allowed.
 */
int take_value(struct opts *opts, const struct opt *opt, const char *value,
    struct llmill_err *err);

#endif
