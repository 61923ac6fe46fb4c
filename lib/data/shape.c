/* SPDX-License-Identifier: ISC */
/*
 * Two templates over one record. A name that one record lacks is that
 * record's fault, one that all lack is the template's: which it is, is known
 * only at the end.
 */
#include "data/shape.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "base/text.h"
#include "data/template.h"

#define SCRATCH_BYTES ((size_t)64 << 20) /* a key, a value that is quoted */
#define KNOWN_BYTES ((size_t)1000)
#define NAME_SHOWN_BYTES ((size_t)100)

static int
half_open(struct shape_half *half, const char *option, const char *text,
    size_t cap_bytes, struct err *err)
{
	size_t count;

	half->option = option;
	buf_init(&half->text, cap_bytes);
	if (text == NULL)
		return 0;
	half->template = template_parse(span_of(text), err);
	if (half->template == NULL)
		return err_add(err, "%s", option);
	count = template_count(half->template);
	half->seen = calloc(count + 1, sizeof(*half->seen));
	half->values = calloc(count + 1, sizeof(*half->values));
	if (half->seen == NULL || half->values == NULL)
		return err_set_memory(err, "a template");
	return 0;
}

static void
half_close(struct shape_half *half)
{
	template_free(half->template);
	free(half->seen);
	free(half->values);
	buf_free(&half->text);
}

int
shape_open(struct shape *shape, const char *prompt, const char *system,
    size_t cap_bytes, struct err *err)
{
	*shape = (struct shape){.prompt = {.template = NULL}};
	buf_init(&shape->scratch, SCRATCH_BYTES);
	buf_init(&shape->known, 4 * KNOWN_BYTES);
	if (system != NULL && strstr(system, "{{") == NULL)
		system = NULL;
	if (half_open(&shape->prompt, "-t", prompt, cap_bytes, err) == -1)
		return -1;
	return half_open(&shape->system, "-s", system, cap_bytes, err);
}

void
shape_close(struct shape *shape)
{
	half_close(&shape->prompt);
	half_close(&shape->system);
	buf_free(&shape->scratch);
	buf_free(&shape->known);
}

bool
shape_is_active(const struct shape *shape)
{
	return shape->prompt.template != NULL || shape->system.template != NULL;
}

/* Keep the names of one record for people, as many as there is room for. */
static void
learn_names(struct shape *shape, struct span record)
{
	struct span key;
	struct span raw;
	size_t at = 0;

	if (shape->known.size > 0)
		return;
	while (json_next_member(record, &at, &shape->scratch, &key, &raw)) {
		if (shape->known.size > 0)
			buf_add_text(&shape->known, ", ");
		if (shape->known.size > KNOWN_BYTES) {
			buf_add_text(&shape->known, "…");
			break;
		}
		text_escape(&shape->known, key, NAME_SHOWN_BYTES);
	}
}

static const char *
say_missing(
    struct shape *shape, const struct shape_half *half, struct span name)
{
	snprintf(shape->why, sizeof(shape->why), "it has no {{%.*s}} for %s",
	    (int)(name.size < NAME_SHOWN_BYTES ? name.size : NAME_SHOWN_BYTES),
	    name.data, half->option);
	return shape->why;
}

/* Gives NULL, or what is wrong with the record. */
static const char *
half_fill(struct shape *shape, struct shape_half *half, struct span record)
{
	const char *missing = NULL;

	if (half->template == NULL)
		return NULL;
	template_find(half->template, record, &shape->scratch, half->values);
	for (size_t i = template_count(half->template); i > 0; i--) {
		half->seen[i - 1] |= half->values[i - 1].data != NULL;
		if (half->values[i - 1].data == NULL)
			missing = say_missing(
			    shape, half, template_name(half->template, i - 1));
	}
	if (missing != NULL) {
		learn_names(shape, record);
		return missing;
	}
	buf_clear(&half->text);
	template_render(
	    half->template, half->values, &shape->scratch, &half->text);
	return NULL;
}

const char *
shape_fill(struct shape *shape, struct span record)
{
	const char *prompt = half_fill(shape, &shape->prompt, record);
	const char *system = half_fill(shape, &shape->system, record);

	return prompt != NULL ? prompt : system;
}

bool
shape_is_too_long(const struct shape *shape)
{
	return shape->prompt.text.failed || shape->system.text.failed;
}

static int
half_check(
    const struct shape *shape, const struct shape_half *half, struct err *err)
{
	for (size_t i = 0; shape->known.size > 0 && half->template != NULL &&
			   i < template_count(half->template);
	     i++) {
		struct span name = template_name(half->template, i);

		if (!half->seen[i])
			return err_set(err, ERR_USAGE,
			    "%s: there is no {{%.*s}}; the names are: %s",
			    half->option, (int)name.size, name.data,
			    shape->known.data);
	}
	return 0;
}

int
shape_check(const struct shape *shape, struct err *err)
{
	if (half_check(shape, &shape->prompt, err) == -1)
		return -1;
	return half_check(shape, &shape->system, err);
}
