/* SPDX-License-Identifier: ISC */
/*
 * Tables (RFC 4180): a row of names, then a record per row. Values may hold
 * separators, quotes and line ends if they stand in quotes. All columns
 * become members of a JSON object of strings, in their order.
 */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "base/text.h"
#include "data/reader.h"
#include "data/source.h"

#define COLUMNS_MAX 16384
#define NAMES_SHOWN_BYTES ((size_t)600)
#define SHOWN_BYTES ((size_t)60) /* of one name */

/* A field is a place in values, which moves while it grows. */
struct field {
	size_t at;
	size_t size;
};

struct row {
	struct buf values; /* of all fields, decoded */
	struct field *fields;
	size_t count;
	size_t room;
	uint64_t line; /* where it begins, from 1 */
};

struct table {
	struct reader *reader;
	struct source *source;
	char separator;
	struct row names;
	struct row row;
	size_t prompt; /* which column; COLUMNS_MAX: none */
	size_t custom_id;
	struct buf members; /* the row as a JSON object */
};

enum row_got {
	ROW_FAILED = -1,
	ROW_END = 0,
	ROW_READ = 1,
	ROW_BAD = 2, /* refused already */
};

static struct span
field_of(const struct row *row, size_t index)
{
	const struct field *field = &row->fields[index];

	return (struct span){row->values.data + field->at, field->size};
}

/* ---- rows ---- */

static int
row_add(struct row *row, size_t at, struct err *err)
{
	if (row->count == row->room) {
		size_t room = row->room == 0 ? 16 : 2 * row->room;
		struct field *fields =
		    reallocarray(row->fields, room, sizeof(*fields));

		if (fields == NULL)
			return err_set_memory(err, "a row");
		row->fields = fields;
		row->room = room;
	}
	row->fields[row->count++] = (struct field){at, row->values.size - at};
	return 0;
}

static void
row_clear(struct row *row)
{
	buf_clear(&row->values);
	row->count = 0;
}

static void
row_free(struct row *row)
{
	buf_free(&row->values);
	free(row->fields);
}

static enum row_got
refuse(struct table *table, const char *why, struct err *err)
{
	return reader_refuse(table->reader, table->row.line, err, "%s", why) ==
		       -1
		   ? ROW_FAILED
		   : ROW_BAD;
}

/* Read one line more. Gives what source_next gives; a line that is too long
 * is refused. */
static enum row_got
next_line(struct table *table, struct span *line, struct err *err)
{
	switch (source_next(table->source, '\n', line, err)) {
	case SOURCE_FAILED:
		return ROW_FAILED;
	case SOURCE_END:
		return ROW_END;
	case SOURCE_LONG:
		table->row.line = table->source->piece_count;
		return refuse(table, "line too long (--max-prompt-bytes)", err);
	default:
		return ROW_READ;
	}
}

/* The end of a line in quotes belongs to the value. */
static enum row_got
next_in_quotes(struct table *table, struct span *line, struct err *err)
{
	struct buf *values = &table->row.values;
	enum row_got got = ROW_END;

	if (!table->source->torn && values->size <= values->cap / 2)
		got = next_line(table, line, err);
	if (got == ROW_END)
		return refuse(
		    table, "a quote that is opened here is never closed", err);
	buf_add_byte(values, '\n');
	return got;
}

/* A value in quotes; *at stands behind the first one. */
static enum row_got
read_quoted(struct table *table, struct span *line, size_t *at, struct err *err)
{
	struct buf *values = &table->row.values;

	for (;;) {
		const char *start = line->data + *at;
		const char *quote = memchr(start, '"', line->size - *at);
		enum row_got got;

		if (quote == NULL) {
			buf_add(values, start, line->size - *at);
			got = next_in_quotes(table, line, err);
			if (got != ROW_READ)
				return got;
			*at = 0;
			continue;
		}
		buf_add(values, start, (size_t)(quote - start));
		*at = (size_t)(quote - line->data) + 1;
		if (*at == line->size || line->data[*at] != '"')
			return ROW_READ;
		buf_add_byte(values, '"');
		(*at)++;
	}
}

/* Is there nothing but a line end at *at? */
static bool
is_at_end(struct span line, size_t at)
{
	return at == line.size ||
	       (at + 1 == line.size && line.data[at] == '\r');
}

static void
read_plain(struct table *table, struct span line, size_t *at)
{
	const char *start = line.data + *at;
	const char *end = memchr(start, table->separator, line.size - *at);
	size_t size = end != NULL ? (size_t)(end - start) : line.size - *at;

	*at += size;
	if (end == NULL && size > 0 && start[size - 1] == '\r')
		size--;
	buf_add(&table->row.values, start, size);
}

/* Cut a line, and those that quotes go on in, into fields. */
static enum row_got
cut_row(struct table *table, struct span line, struct err *err)
{
	size_t at = 0;

	for (;;) {
		const size_t begin = table->row.values.size;
		enum row_got got = ROW_READ;

		if (at < line.size && line.data[at] == '"') {
			at++;
			got = read_quoted(table, &line, &at, err);
		} else {
			read_plain(table, line, &at);
		}
		if (got != ROW_READ)
			return got;
		if (row_add(&table->row, begin, err) == -1)
			return ROW_FAILED;
		if (is_at_end(line, at))
			return ROW_READ;
		if (line.data[at] != table->separator)
			return refuse(table,
			    "something stands between a closing quote and the "
			    "end of its value; a quote in quotes is written "
			    "twice",
			    err);
		if (table->row.count == COLUMNS_MAX)
			return refuse(table, "more than 16,384 columns", err);
		at++;
	}
}

/* Read the next row that is not blank. */
static enum row_got
next_row(struct table *table, struct err *err)
{
	struct span line;
	enum row_got got;

	for (;;) {
		row_clear(&table->row);
		got = next_line(table, &line, err);
		if (got != ROW_READ)
			return got;
		if (!is_at_end(line, 0))
			break;
		table->reader->facts->empty_count++;
	}
	table->row.line = table->source->piece_count;
	got = cut_row(table, line, err);
	if (table->row.values.failed && got != ROW_FAILED) {
		err_set_memory(err, "a row");
		return ROW_FAILED;
	}
	return got;
}

/* ---- columns ---- */

static size_t
find_column(const struct table *table, const char *name)
{
	for (size_t i = 0; i < table->names.count; i++)
		if (span_equals(field_of(&table->names, i), span_of(name)))
			return i;
	return COLUMNS_MAX;
}

/* Fails ERR_SYSTEM with what is wrong with the names. */
static int
check_names(const struct table *table, struct err *err)
{
	const struct row *names = &table->names;
	size_t bad;

	for (size_t i = 0; i < names->count; i++) {
		struct span name = field_of(names, i);

		if (!text_is_utf8(name, &bad))
			return err_set(err, ERR_SYSTEM,
			    "the name of column %zu is not UTF-8", i + 1);
		for (size_t j = 0; j < i; j++)
			if (span_equals(name, field_of(names, j)))
				return err_set(err, ERR_SYSTEM,
				    "columns %zu and %zu have the same name",
				    j + 1, i + 1);
	}
	return 0;
}

/* Which column is the prompt? Fails ERR_SYSTEM, listing those that there
 * are. */
static int
choose_prompt(struct table *table, struct err *err)
{
	const struct row *names = &table->names;
	struct buf shown;

	table->prompt = find_column(table, "prompt");
	if (table->reader->shape.prompt.template != NULL)
		return 0;
	if (table->prompt == COLUMNS_MAX && names->count == 1) {
		/* Whole rows would be sent, and paid for. */
		if (memchr(names->values.data, ';', names->values.size) != NULL)
			return err_set(err, ERR_SYSTEM,
			    "has one column, with ; in its name: between "
			    "columns stand commas, or tabs in tsv");
		table->prompt = 0;
	}
	if (table->prompt != COLUMNS_MAX)
		return 0;
	buf_init(&shown, 16 * NAMES_SHOWN_BYTES);
	for (size_t i = 0; i < names->count; i++) {
		if (i > 0)
			buf_add_text(&shown, ", ");
		if (shown.size > NAMES_SHOWN_BYTES) {
			buf_add_text(&shown, "…");
			break;
		}
		text_escape(&shown, field_of(names, i), SHOWN_BYTES);
	}
	err_set(err, ERR_SYSTEM,
	    "has no column called prompt; say with -t '{{name}}' which it is: "
	    "%s",
	    shown.data != NULL ? shown.data : "");
	buf_free(&shown);
	return -1;
}

/* Read the names. Gives ROW_END for a table without any. */
static enum row_got
read_names(struct table *table, struct err *err)
{
	enum row_got got = next_row(table, err);

	if (got == ROW_BAD)
		err_set(err, ERR_SYSTEM, "has no good row of names");
	if (got == ROW_BAD || got == ROW_FAILED)
		return ROW_FAILED;
	if (got == ROW_END)
		return ROW_END;
	table->names = table->row;
	table->row = (struct row){.count = 0};
	buf_init(&table->row.values, table->names.values.cap);
	table->custom_id = find_column(table, "custom_id");
	if (table->custom_id == COLUMNS_MAX)
		table->custom_id = find_column(table, "id");
	if (check_names(table, err) == -1 || choose_prompt(table, err) == -1)
		return ROW_FAILED;
	return ROW_READ;
}

/* ---- records ---- */

/* Gives the number of the first field that is no UTF-8, from 1; 0: none. */
static size_t
find_bad_field(const struct row *row)
{
	size_t bad;

	if (text_is_utf8(buf_span(&row->values), &bad))
		return 0;
	for (size_t i = 0; i < row->count; i++)
		if (!text_is_utf8(field_of(row, i), &bad))
			return i + 1;
	return 0;
}

static int
take_row(struct table *table, struct err *err)
{
	struct reader *reader = table->reader;
	const struct row *row = &table->row;
	struct record record = {.file = reader->file, .line = row->line};
	const size_t bad = find_bad_field(row);

	if (row->count != table->names.count)
		return reader_refuse(reader, row->line, err,
		    "it has %zu value%s, and there are %zu columns", row->count,
		    row->count == 1 ? "" : "s", table->names.count);
	if (bad > 0)
		return reader_refuse(
		    reader, row->line, err, "column %zu is not UTF-8", bad);
	buf_clear(&table->members);
	for (size_t i = 0; i < row->count; i++) {
		buf_add_byte(&table->members, i == 0 ? '{' : ',');
		json_put_string(&table->members, field_of(&table->names, i));
		buf_add_byte(&table->members, ':');
		json_put_string(&table->members, field_of(row, i));
	}
	buf_add_byte(&table->members, '}');
	if (table->members.failed)
		return err_set_memory(err, "a row");
	record.fields = buf_span(&table->members);
	if (table->custom_id != COLUMNS_MAX)
		record.custom_id = field_of(row, table->custom_id);
	if (table->prompt != COLUMNS_MAX)
		record.text = field_of(row, table->prompt);
	return reader_take_shaped(reader, &record, record.fields, err);
}

int
read_csv(struct reader *reader, struct source *source, char separator,
    struct err *err)
{
	struct table table = {
	    .reader = reader, .source = source, .separator = separator};
	const size_t cap = 4 * reader_json_max(reader);
	enum row_got got;
	int done = 0;

	buf_init(&table.row.values, cap);
	buf_init(&table.members, 4 * cap);
	got = read_names(&table, err);
	while (got != ROW_END && got != ROW_FAILED && done == 0) {
		got = next_row(&table, err);
		if (got == ROW_READ)
			done = take_row(&table, err);
	}
	row_free(&table.names);
	row_free(&table.row);
	buf_free(&table.members);
	return got == ROW_FAILED ? -1 : done;
}
