/* SPDX-License-Identifier: ISC */
/*
 * A template is a list of pieces: text that stands there, or the place of a
 * value. It is cut up once and filled in for each record.
 */
#include "data/template.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "base/scan.h"
#include "base/text.h"

#define NAMES_MAX 256

struct piece {
	struct span text; /* of the template; none: a value */
	size_t name;	  /* which */
	bool quoted;
};

struct template
{
	char *text;
	struct piece *pieces;
	size_t piece_count;
	struct span *names;
	size_t name_count;
};

static bool
begins(struct span text, const char *word)
{
	size_t size = strlen(word);

	return text.size >= size && memcmp(text.data, word, size) == 0;
}

/* Gives room for a piece, or NULL with err. */
static struct piece *
add_piece(struct template *template, struct err *err)
{
	struct piece *pieces = reallocarray(template->pieces,
	    template->piece_count + 1, sizeof(*template->pieces));

	if (pieces == NULL) {
		err_set_memory(err, "a template");
		return NULL;
	}
	template->pieces = pieces;
	pieces += template->piece_count++;
	*pieces = (struct piece){.text = {NULL, 0}};
	return pieces;
}

static int
add_text(struct template *template, struct span text, struct err *err)
{
	struct piece *piece;

	if (text.size == 0)
		return 0;
	piece = add_piece(template, err);
	if (piece == NULL)
		return -1;
	piece->text = text;
	return 0;
}

/* Gives the name's number, or -1 with err. */
static ssize_t
add_name(struct template *template, struct span name, struct err *err)
{
	struct span *names;

	for (size_t i = 0; i < template->name_count; i++)
		if (span_equals(template->names[i], name))
			return (ssize_t)i;
	if (template->name_count == NAMES_MAX)
		return err_set(err, ERR_USAGE, "more than %d names", NAMES_MAX);
	names = reallocarray(template->names, template->name_count + 1,
	    sizeof(*template->names));
	if (names == NULL)
		return err_set_memory(err, "a template");
	template->names = names;
	names[template->name_count] = name;
	return (ssize_t) template->name_count++;
}

/* What stands between the braces. at: of its first byte, for people. */
static int
add_value(
    struct template *template, struct span inside, size_t at, struct err *err)
{
	const char *bar = memrchr(inside.data, '|', inside.size);
	struct span name = inside;
	struct span filter = {NULL, 0};
	struct piece *piece;
	ssize_t number;

	if (bar != NULL) {
		name.size = (size_t)(bar - inside.data);
		filter = text_trim(
		    (struct span){bar + 1, inside.size - name.size - 1});
	}
	name = text_trim(name);
	if (bar != NULL && !span_equals(filter, span_of("json")))
		return err_set(err, ERR_USAGE,
		    "{{…|%.*s}} at byte %zu: the only filter is json",
		    (int)filter.size, filter.data, at);
	if (name.size == 0)
		return err_set(err, ERR_USAGE,
		    "{{}} at byte %zu has no name in it; \\{{ stands for the "
		    "braces themselves",
		    at);
	number = add_name(template, name, err);
	piece = number == -1 ? NULL : add_piece(template, err);
	if (piece == NULL)
		return -1;
	piece->name = (size_t)number;
	piece->quoted = bar != NULL;
	return 0;
}

/* Cut it up. Gives 0, or -1 with err. */
static int
cut_up(struct template *template, struct span text, struct err *err)
{
	struct span rest = text;
	struct span plain = {text.data, 0};

	while (rest.size > 0) {
		bool literal = begins(rest, "\\{{");
		const char *end;

		if (!literal && !begins(rest, "{{")) {
			plain.size++;
			rest.data++;
			rest.size--;
			continue;
		}
		if (add_text(template, plain, err) == -1)
			return -1;
		if (literal) {
			plain = (struct span){rest.data + 1, 2};
			rest.data += 3;
			rest.size -= 3;
			continue;
		}
		end = memmem(rest.data, rest.size, "}}", 2);
		if (end == NULL)
			return err_set(err, ERR_USAGE,
			    "{{ at byte %zu has no }} behind it; \\{{ stands "
			    "for the braces themselves",
			    (size_t)(rest.data - text.data) + 1);
		if (add_value(template,
			(struct span){
			    rest.data + 2, (size_t)(end - rest.data) - 2},
			(size_t)(rest.data - text.data) + 1, err) == -1)
			return -1;
		rest.size -= (size_t)(end + 2 - rest.data);
		rest.data = end + 2;
		plain = (struct span){rest.data, 0};
	}
	return add_text(template, plain, err);
}

struct template *
template_parse(struct span text, struct err *err)
{
	struct template *template = calloc(1, sizeof(*template));
	size_t bad;

	if (template != NULL)
		template->text = malloc(text.size + 1);
	if (template == NULL || template->text == NULL) {
		err_set_memory(err, "a template");
		goto failed;
	}
	if (!text_is_utf8(text, &bad)) {
		err_set(err, ERR_USAGE, "not UTF-8 at byte %zu", bad + 1);
		goto failed;
	}
	if (text.size > 0)
		memcpy(template->text, text.data, text.size);
	template->text[text.size] = '\0';
	text.data = template->text;
	if (cut_up(template, text, err) == 0)
		return template;
failed:
	template_free(template);
	return NULL;
}

void
template_free(struct template *template)
{
	if (template == NULL)
		return;
	free(template->pieces);
	free(template->names);
	free(template->text);
	free(template);
}

size_t
template_count(const struct template *template)
{
	return template->name_count;
}

struct span
template_name(const struct template *template, size_t index)
{
	return template->names[index];
}

void
template_find(const struct template *template, struct span record,
    struct buf *scratch, struct span *values)
{
	struct span key;
	struct span raw;
	size_t at = 0;

	for (size_t i = 0; i < template->name_count; i++)
		values[i] = (struct span){NULL, 0};
	while (json_next_member(record, &at, scratch, &key, &raw))
		for (size_t i = 0; i < template->name_count; i++)
			if (span_equals(key, template->names[i]))
				values[i] = raw;
}

/* Append a value as text. */
static void
put_value(struct buf *out, struct span raw)
{
	if (raw.data[0] == '"')
		scan_decode(out, raw);
	else if (!span_equals(raw, span_of("null")))
		buf_add(out, raw.data, raw.size);
}

static void
put_quoted(struct buf *out, struct buf *scratch, struct span raw)
{
	if (raw.data[0] == '"') {
		buf_add(out, raw.data, raw.size); /* its escapes stay */
		return;
	}
	buf_clear(scratch);
	put_value(scratch, raw);
	json_put_string(out, buf_span(scratch));
}

void
template_render(const struct template *template, const struct span *values,
    struct buf *scratch, struct buf *out)
{
	for (size_t i = 0; i < template->piece_count; i++) {
		const struct piece *piece = &template->pieces[i];

		if (piece->text.data != NULL)
			buf_add(out, piece->text.data, piece->text.size);
		else if (piece->quoted)
			put_quoted(out, scratch, values[piece->name]);
		else
			put_value(out, values[piece->name]);
	}
}
