/* SPDX-License-Identifier: ISC */
#ifndef HEADER_H
#define HEADER_H

#include <stdbool.h>
#include <stddef.h>

struct err;

/*
 * Lines "Name: value" that users add to a request, in lists that end with
 * NULL; a NULL list is empty. A value may be a key: it never stands in an
 * error. Pure.
 */

/* Is it fit to be sent? Takes its number for the sentence, from 1; its text is
 * not shown, it may be a key.
 * Fails ERR_USAGE: no "Name:", control bytes, a header that holds HTTP's own
 * framing. */
int header_check(const char *line, size_t number, struct err *err);

/* Does the list have a header so named? Takes its name, or a line of it. */
bool header_has(const char *const *lines, const char *name);

/* Does the list have one whose value is a key (Authorization, Cookie …)? */
bool header_has_secret(const char *const *lines);

/* Strike such values out of text, in place. Gives the new size. */
size_t header_redact(const char *const *lines, char *text, size_t size);

/* Is there a byte in it that no header, URL or key can have? Takes NULL. */
bool header_has_control(const char *text);

#endif
