/* SPDX-License-Identifier: ISC */
#ifndef SCAN_H
#define SCAN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/*
 * The grammar of JSON (RFC 8259) by the letter, read without building
 * anything: where is a text wrong, and where does a value end. Steps through
 * a text that is lent; at stands at the next byte, or where it is wrong.
 */
#define SCAN_DEPTH_MAX 64 /* nesting; each level is one call deep */

struct scan {
	struct span text;
	size_t at;
	const char *reason; /* NULL: nothing wrong so far */
};

/* Begin, behind a byte order mark if there is one. */
void scan_init(struct scan *scan, struct span text);

/* Is the text one value, in UTF-8, and nothing else? False with at and reason.
 * Cost: linear in the text. */
bool scan_whole(struct span text, size_t *at, const char **reason);

/* Step over blanks. */
void scan_blanks(struct scan *scan);

/* Step over one byte if it is next. */
bool scan_byte(struct scan *scan, char byte);

/* Step over a string, or over any value. False with reason. */
bool scan_string(struct scan *scan);
bool scan_value(struct scan *scan, unsigned depth);

/* Append what a string that scan_string took means: raw includes its quotes;
 * lone surrogates become U+FFFD. */
void scan_decode(struct buf *buf, struct span raw);

#endif
