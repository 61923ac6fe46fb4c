/* SPDX-License-Identifier: ISC */
/*
 * Rows as tables (RFC 4180), and as objects of chosen members. A value of a
 * record is put in as what it means: a text without its quotes, null as
 * nothing, everything else as it stands.
 */
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "base/scan.h"
#include "data/store.h"
#include "view/export_inner.h"

#define SCRATCH_CAP ((size_t)1 << 30)

/* Gives the raw value of an own member; none where the record has none. */
static struct span
find_own(const struct store_row *row, const char *name, struct buf *scratch)
{
	struct span found = {NULL, 0};
	struct span key;
	struct span raw;
	size_t at = 0;

	while (row->fields.data != NULL &&
	       json_next_member(row->fields, &at, scratch, &key, &raw))
		if (span_equals(key, span_of(name)))
			found = raw;
	return found;
}

/* Gives what a raw JSON value means as text, decoded into scratch. */
static struct span
decode(struct span raw, struct buf *scratch)
{
	if (raw.data == NULL || span_equals(raw, span_of("null")))
		return (struct span){NULL, 0};
	if (raw.data[0] != '"')
		return raw;
	buf_clear(scratch);
	scan_decode(scratch, raw);
	return buf_span(scratch);
}

/* Would a spreadsheet take it for a formula? */
static bool
is_formula(struct span text)
{
	return text.size > 0 && strchr("=+-@\t\r", text.data[0]) != NULL &&
	       text.data[0] != '\0';
}

static bool
wants_quotes(struct span text, char separator)
{
	for (size_t i = 0; i < text.size; i++)
		if (text.data[i] == separator || text.data[i] == '"' ||
		    text.data[i] == '\n' || text.data[i] == '\r')
			return true;
	/* What a reader may trim, or take for a mark at the file's start. */
	return text.size > 0 &&
	       (text.data[0] == ' ' || text.data[text.size - 1] == ' ' ||
		   (unsigned char)text.data[0] == 0xef);
}

static void
put_quoted(struct buf *buf, struct span text)
{
	for (size_t i = 0; i < text.size; i++) {
		if (text.data[i] == '"')
			buf_add_byte(buf, '"');
		buf_add_byte(buf, text.data[i]);
	}
}

static void
put_value(struct buf *buf, struct span text, char separator, bool safe)
{
	bool guarded = safe && is_formula(text);

	if (!guarded && !wants_quotes(text, separator)) {
		buf_add(buf, text.data, text.size);
		return;
	}
	buf_add_byte(buf, '"');
	if (guarded)
		buf_add_byte(buf, '\'');
	put_quoted(buf, text);
	buf_add_byte(buf, '"');
}

static void
put_row_end(struct buf *buf, const struct export_style *style)
{
	buf_add_text(buf, style->format == EXPORT_CSV ? "\r\n" : "\n");
}

static char
separator_of(const struct export_style *style)
{
	return style->format == EXPORT_CSV ? ',' : '\t';
}

void
export_put_names(struct buf *buf, const struct export_style *style,
    const struct columns *columns)
{
	for (size_t i = 0; i < columns->count; i++) {
		if (i > 0)
			buf_add_byte(buf, separator_of(style));
		put_value(buf, span_of(columns->list[i].name),
		    separator_of(style), style->csv_safe);
	}
	put_row_end(buf, style);
}

int
export_put_values(struct buf *buf, const struct export_style *style,
    const struct columns *columns, const struct store_row *row, struct err *err)
{
	const size_t mark = buf->size;
	struct buf scratch;
	int done = 0;

	buf_init(&scratch, SCRATCH_CAP);
	for (size_t i = 0; i < columns->count && done == 0; i++) {
		const struct column *column = &columns->list[i];
		struct span text =
		    column->own != NULL
			? decode(find_own(row, column->own, &scratch), &scratch)
			: row_key_text(row, column->key, &scratch);

		if (i > 0)
			buf_add_byte(buf, separator_of(style));
		put_value(buf, text, separator_of(style), style->csv_safe);
		if (text.size > 0 && memchr(text.data, '\0', text.size) != NULL)
			done = err_set(err, ERR_INPUT,
			    "prompt %lld: %s has a NUL byte, which no table "
			    "can hold; jsonl can",
			    (long long)row->id, column->name);
	}
	/* A row of one empty value must not look like no row. */
	if (columns->count == 1 && buf->size == mark)
		buf_add_text(buf, "\"\"");
	put_row_end(buf, style);
	buf->failed |= scratch.failed;
	buf_free(&scratch);
	return done;
}

void
export_put_chosen(
    struct buf *buf, const struct columns *columns, const struct store_row *row)
{
	struct buf scratch;

	buf_init(&scratch, SCRATCH_CAP);
	buf_add_byte(buf, '{');
	for (size_t i = 0; i < columns->count; i++) {
		const struct column *column = &columns->list[i];
		struct span raw;

		json_put_key(buf, column->name);
		if (column->own == NULL) {
			row_key_put_json(buf, row, column->key, &scratch);
			continue;
		}
		raw = find_own(row, column->own, &scratch);
		if (raw.data == NULL)
			raw = span_of("null");
		buf_add(buf, raw.data, raw.size);
	}
	buf_add_text(buf, "}\n");
	buf->failed |= scratch.failed;
	buf_free(&scratch);
}
