/* SPDX-License-Identifier: ISC */
#ifndef TEXT_H
#define TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* Is it well-formed UTF-8 (no surrogates, no overlong forms)? Gives true, or
 * false with *bad (may be NULL) at the first wrong byte. */
bool text_is_utf8(struct span text, size_t *bad);

/* Gives the bytes of the first character of text (1 … 4) with *code, or 0
 * when it is empty or wrong. */
size_t text_decode(struct span text, uint32_t *code);

/* Append a character; surrogates and numbers past U+10FFFF become U+FFFD. */
void text_encode(struct buf *buf, uint32_t code);

/*
 * Append text made safe for a terminal or a one-line log: C0, C1, DEL, bidi
 * controls and bad UTF-8 become \xNN, \n, \t, \r or \u{NNNN}; at most max
 * bytes of text are looked at, then "…" follows (max 0: all). Backslashes stay:
 * what is safe already does not change.
 */
void text_escape(struct buf *buf, struct span text, size_t max);

/* Append text as one line: line ends and runs of blanks become one blank, no
 * blank at either end; bytes over max are cut at a character ("…"; max 0:
 * all). */
void text_one_line(struct buf *buf, struct span text, size_t max);

/* Gives the columns text takes in a terminal (wcwidth-like: 0, 1 or 2 a
 * character, 1 a wrong byte; whatever the locale is). */
size_t text_columns(struct span text);

/* Gives the longest start of text that fits columns, cut at a character. */
struct span text_fit(struct span text, size_t columns);

/* Write a duration for people: "340 ms", "4.2 s", "3 m 20 s", "2 h 5 m".
 * Takes size ≥ 24 bytes at out. Gives out. */
const char *text_duration(int64_t duration_ns, char *out, size_t size);

/* Write a count for people: "1,234,567". Takes size ≥ 32. Gives out. */
const char *text_count(uint64_t count, char *out, size_t size);

/* Write a size for people, in powers of ten: "1 byte", "12 kB", "3.4 MB".
 * Takes size ≥ 24 bytes at out. Gives out. */
const char *text_size(uint64_t bytes, char *out, size_t size);

/* Append a word quoted for a POSIX shell, only where it needs to be. */
void text_quote_shell(struct buf *buf, const char *word);

/* Append bytes as base64 (RFC 4648 §4, with its padding). */
void text_base64(struct buf *buf, struct span bytes);

/* Gives it without the blanks and line ends around it. */
struct span text_trim(struct span text);

#endif
