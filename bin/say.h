/* SPDX-License-Identifier: ISC */
#ifndef SAY_H
#define SAY_H

#include "llmill_run.h"

/*
 * Print "llmill: text" as one line on stderr; controls in it are escaped, so
 * that a file name or a server cannot play with the terminal.
 */
void say_error(const char *text);

/* The same with "warning: " in front. */
void say_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * Fill err with LLMILL_EXIT_USAGE and a sentence.
 * Gives always -1, so that a failing check can end with return say_refuse(…).
 */
int say_refuse(struct llmill_err *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The same for LLMILL_EXIT_SYSTEM: no memory. Gives always -1. */
int say_no_memory(struct llmill_err *err);

/*
 * Bring out what stdio still holds for stdout.
 * Gives status, or LLMILL_EXIT_NOT_SAVED after a line on stderr when the
 * output was lost and status knew of nothing worse.
 */
int say_end(int status);

#endif
