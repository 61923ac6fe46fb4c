/* SPDX-License-Identifier: ISC */
#ifndef TEMPLATE_H
#define TEMPLATE_H

#include <stdbool.h>

#include "base/buf.h"

struct err;

/*
 * A text with {{name}} in it, where the values of a record go. {{name|json}}
 * is the value's text as a JSON string; \{{ stands for {{ itself.
 */
struct template;

/* Fails ERR_USAGE: says what is wrong, and at which byte. */
struct template *template_parse(struct span text, struct err *err);
void template_free(struct template *template); /* takes NULL calmly */

/* The names in it, each once, in their order. */
size_t template_count(const struct template *template);
struct span template_name(const struct template *template, size_t index);

/*
 * Find the values in a record's raw JSON object, as texts of JSON; values has
 * room for template_count, none where there is no such member.
 */
void template_find(const struct template *template, struct span record,
    struct buf *scratch, struct span *values);

/*
 * Append the text with these values, none of which is none: strings as what
 * they mean, null as nothing, all else as it stands. Failure is sticky in
 * out, and in scratch.
 */
void template_render(const struct template *template, const struct span *values,
    struct buf *scratch, struct buf *out);

#endif
