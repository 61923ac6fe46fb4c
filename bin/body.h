/* SPDX-License-Identifier: ISC */
#ifndef BODY_H
#define BODY_H

#include "opts.h"

/*
 * Fill opts->body with "KEY=VALUE" of all that goes into the request: what was
 * recalled from a database, what -p says, then the options that are nothing but
 * a key with a name of its own. Fails LLMILL_EXIT_USAGE: n above 1, one thing
 * said in two ways.
 */
int body_fill(struct opts *opts, struct llmill_err *err);

#endif
