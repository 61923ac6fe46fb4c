/* SPDX-License-Identifier: ISC */
#ifndef HEADERS_H
#define HEADERS_H

#include "opts.h"

/*
 * Fill opts->lines from all -H: "Name: value" as typed, @FILE line by line. A
 * header that holds a key is taken from a file only, because a command line
 * can be seen by all users of the machine; its value stands in no message.
 * Fails LLMILL_EXIT_USAGE. Whether a line is a header is the library's to say.
 */
int headers_fill(struct opts *opts, struct llmill_err *err);

#endif
