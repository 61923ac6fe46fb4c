/* SPDX-License-Identifier: ISC */
#ifndef SECRET_H
#define SECRET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

struct err;

/*
 * Keys: read from a file, a pipe or the environment, held in one place, and
 * struck out of every text that leaves the process.
 */
#define SECRET_MAX_BYTES 16384 /* a larger key or header file is a mistake */
#define SECRET_REDACT_MIN 8    /* shorter keys (EMPTY) are no secret */

struct secret {
	char *text; /* NULL: none; NUL-terminated, no control bytes */
	size_t size;
};

/*
 * Read a key file or pipe ("/dev/fd/3"): one line; blanks and line ends around
 * it are dropped. Waits for the writer of a pipe.
 * Fails ERR_USAGE: unreadable, a directory, writable by group or others, too
 * large, empty, holds control bytes or a second line. The sentence names the
 * file, never the value; secret is none.
 * Warns by log when group or others can read it.
 */
int secret_read_file(struct secret *secret, const char *path, struct err *err);

/* Take a copy of text as the secret, trimmed likewise (ERR_USAGE when it is
 * empty or holds control bytes; named says where it came from). */
int secret_set(struct secret *secret, const char *text, const char *named,
    struct err *err);

/* Overwrite and free; it is none then. */
void secret_free(struct secret *secret);

/* Replace each place where the secret stands in text by [key], in place
 * (the text only shrinks). Takes size bytes. Gives the new size. */
size_t secret_redact(const struct secret *secret, char *text, size_t size);

/* Keep this process's memory out of core files and ptrace. */
void secret_guard_process(void);

#endif
