/* SPDX-License-Identifier: ISC */
#ifndef BACKEND_H
#define BACKEND_H

#include "opts.h"

/* Gives "http" for its bit. */
const char *backend_name(unsigned backend);

/* Fill opts->backend: by its name, else by whether there is a command.
 * Fails LLMILL_EXIT_USAGE. */
int backend_choose(struct opts *opts, struct llmill_err *err);

/* An option that the backend does not know is refused, not ignored.
 * Fails LLMILL_EXIT_USAGE naming the first one. */
int backend_check(const struct opts *opts, struct llmill_err *err);

#endif
