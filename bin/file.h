/* SPDX-License-Identifier: ISC */
#ifndef FILE_H
#define FILE_H

#include <stddef.h>
#include <sys/types.h>

#include "llmill_run.h"

/*
 * Read a whole text file, or pipe, that an option names with @FILE.
 * Takes label, the option as people know it; cap_bytes; mode may be NULL.
 * Gives the text, NUL-terminated, to be freed, and how the file may be
 * accessed (0 for what is no regular file); NULL with LLMILL_EXIT_USAGE when
 * it cannot be read, is longer than the cap or holds a NUL byte.
 */
char *file_read_text(const char *label, const char *path, size_t cap_bytes,
    mode_t *mode, struct llmill_err *err);

#endif
