/* SPDX-License-Identifier: ISC */
/*
 * Rows as tables (RFC 4180), and as objects of chosen members. A value of a
 * record is put in as what it means: a text without its quotes, null as
 * nothing, everything else as it stands.
 */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "base/scan.h"
#include "data/store.h"
#include "view/export_inner.h"

#define SCRATCH_CAP ((size_t)1 << 30)

/* What a row has, while it is written. */
struct cells {
	struct span *values; /* raw, one per own name */
	struct buf scratch;
};

/* Gives false without memory. */
static bool
cells_open(struct cells *cells, const struct columns *columns,
    const struct store_row *row)
{
	buf_init(&cells->scratch, SCRATCH_CAP);
	cells->values = calloc(columns->own_count + 1, sizeof(*cells->values));
	if (cells->values != NULL)
		columns_find(
		    columns, row->fields, &cells->scratch, cells->values);
	return cells->values != NULL;
}

static void
cells_close(struct cells *cells, struct buf *buf)
{
	buf->failed |= cells->scratch.failed;
	free(cells->values);
	buf_free(&cells->scratch);
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

/* Gives a column's value as text. */
static struct span
text_of(struct cells *cells, const struct column *column,
    const struct store_row *row)
{
	return column->own == COLUMN_OURS
		   ? row_key_text(row, column->key, &cells->scratch)
		   : decode(cells->values[column->own], &cells->scratch);
}

int
export_put_values(struct buf *buf, const struct export_style *style,
    const struct columns *columns, const struct store_row *row, struct err *err)
{
	const size_t mark = buf->size;
	struct cells cells;
	int done = 0;

	if (!cells_open(&cells, columns, row))
		done = err_set_memory(err, "a row of the output");
	for (size_t i = 0; i < columns->count && done == 0; i++) {
		const struct column *column = &columns->list[i];
		struct span text = text_of(&cells, column, row);

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
	cells_close(&cells, buf);
	return done;
}

void
export_put_chosen(
    struct buf *buf, const struct columns *columns, const struct store_row *row)
{
	struct cells cells;

	buf->failed |= !cells_open(&cells, columns, row);
	buf_add_byte(buf, '{');
	for (size_t i = 0; i < columns->count && !buf->failed; i++) {
		const struct column *column = &columns->list[i];
		struct span raw;

		json_put_key(buf, column->name);
		if (column->own == COLUMN_OURS) {
			row_key_put_json(buf, row, column->key, &cells.scratch);
			continue;
		}
		raw = cells.values[column->own];
		if (raw.data == NULL)
			raw = span_of("null");
		buf_add(buf, raw.data, raw.size);
	}
	buf_add_text(buf, "}\n");
	cells_close(&cells, buf);
}
