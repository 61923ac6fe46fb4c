/* SPDX-License-Identifier: ISC */
#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

struct err;

/*
 * The only door to the JSON library (json-c: it keeps 0.30, \u0000 and lone
 * surrogates, where jansson refuses the latter two). Reading gives a tree
 * that is freed as a whole; writing appends to a buf. Own columns of users
 * never pass through a tree: they travel as spans of the raw text.
 */
struct json; /* a value; its members die with the root */

/*
 * Parse one JSON text (RFC 8259 by the letter; a leading BOM and surrounding
 * white space are dropped; nesting ≤ 64; bad UTF-8 refused).
 * Gives the root for json_free, or NULL with err ERR_INPUT: "reason at byte
 * N", from 0.
 */
struct json *json_parse(struct span text, struct err *err);

/* The same for what a server sent: comments, bad UTF-8 (its bytes stay), raw
 * control bytes, trailing commas and bytes behind the value are taken, because
 * a paid answer is read if it can be. */
struct json *json_parse_lenient(struct span text, struct err *err);

void json_free(struct json *root);

/* Gives the member, or NULL when value is no object or has none so named or
 * it is null. NULL goes through all of these calmly. */
struct json *json_get(struct json *value, const char *key);
struct json *json_at(struct json *value, size_t index);
size_t json_count(struct json *value); /* array items, object members */

bool json_is_object(struct json *value);
bool json_is_array(struct json *value);
bool json_is_string(struct json *value);
bool json_is_number(struct json *value);

/* Gives the bytes of a string, none when it is no string. Dies with root. */
struct span json_string(struct json *value);

/* Gives an integer (or a real, cut; both held within 64 bits), or otherwise
 * when it is no number. */
int64_t json_integer(struct json *value, int64_t otherwise);

/* Gives a number, or otherwise when it is none. */
double json_real(struct json *value, double otherwise);

/* Gives the value as JSON text; reals keep their digits, integers are held
 * within 64 bits. Dies with root or at the next call on it. */
struct span json_text(struct json *value);

/*
 * Walk the members of an object's raw text that json_parse has accepted.
 * Set *at to 0 before the first call.
 * Gives true with key (decoded into scratch, lent) and raw (the value's text
 * as it stands in text), or false at the end, also when text is no object;
 * scratch->failed tells want of memory.
 */
bool json_next_member(struct span text, size_t *at, struct buf *scratch,
    struct span *key, struct span *raw);

/* The same for the items of an array's raw text. */
bool json_next_item(struct span text, size_t *at, struct span *raw);

/* Append a JSON string with its quotes. Bytes that are no UTF-8 become
 * U+FFFD. */
void json_put_string(struct buf *buf, struct span text);

/* Append ,"key": (without the comma right after { or [). */
void json_put_key(struct buf *buf, const char *key);

/* Append a member: string (null when data is NULL), integer, bool. */
void json_put_text(struct buf *buf, const char *key, struct span text);
void json_put_integer(struct buf *buf, const char *key, int64_t value);
void json_put_bool(struct buf *buf, const char *key, bool value);

#endif
