/* SPDX-License-Identifier: ISC */
/*
 * One row as bytes. The input's own keys are spliced in as they stand, never
 * parsed and written again; our keys come behind them, and step back when a
 * name is taken.
 */
#include "view/export.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/must.h"
#include "base/scan.h"
#include "base/text.h"
#include "data/store.h"
#include "view/export_inner.h"
#include "view/row_key.h"

#define EXPORT_PREFIX "llmill_"
#define SCRATCH_CAP ((size_t)1 << 30)	  /* an answer in base64 */
#define EXPORT_KEY_CAP ((size_t)16 << 20) /* an own key, decoded */

/* For each of our keys, bit n: it is taken with n prefixes before it. */
struct taken {
	uint32_t prefixes[ROW_KEYS_USUAL];
};

static void
take_key(struct taken *taken, struct span key)
{
	const size_t prefix_size = strlen(EXPORT_PREFIX);

	for (unsigned n = 0; n < 32; n++) {
		for (int i = 0; i < ROW_KEYS_USUAL; i++)
			if (span_equals(
				key, span_of(row_key_name((enum row_key)i))))
				taken->prefixes[i] |= UINT32_C(1) << n;
		if (key.size < prefix_size ||
		    memcmp(key.data, EXPORT_PREFIX, prefix_size) != 0)
			return;
		key.data += prefix_size;
		key.size -= prefix_size;
	}
}

/* Gives the members of an object's text without its brackets; none when it is
 * no object: a damaged database must not damage the record. */
static struct span
object_inside(struct span object)
{
	const struct span none = {NULL, 0};
	const char *reason;
	const char *first;
	const char *last;
	size_t at = 0;

	if (object.data == NULL || !scan_whole(object, &at, &reason))
		return none;
	first = memchr(object.data, '{', object.size);
	last = memrchr(object.data, '}', object.size);
	if (first == NULL || last == NULL ||
	    strspn(object.data, " \t\r\n") != (size_t)(first - object.data))
		return none;
	for (first++; first < last && strchr(" \t\r\n", *first) != NULL;)
		first++;
	while (last > first && strchr(" \t\r\n", last[-1]) != NULL)
		last--;
	return (struct span){first, (size_t)(last - first)};
}

/* Append the own keys and learn which names they take. */
static void
put_own_keys(struct buf *buf, struct span fields, struct taken *taken)
{
	struct span inside = object_inside(fields);
	size_t mark = buf->size;
	struct buf scratch;
	struct span key;
	struct span raw;
	size_t at = 0;

	if (inside.size == 0)
		return;
	buf_init(&scratch, EXPORT_KEY_CAP);
	while (json_next_member(fields, &at, &scratch, &key, &raw))
		take_key(taken, key);
	if (scratch.failed)
		buf->failed = true;
	buf_free(&scratch);

	/* A line end in JSON can only be white space between its parts, but
	   the record is one line. */
	buf_add(buf, inside.data, inside.size);
	for (size_t i = mark; i < buf->size; i++)
		if (buf->data[i] == '\n' || buf->data[i] == '\r')
			buf->data[i] = ' ';
}

/* Gives the name under which our key goes out. */
static const char *
free_name(const struct taken *taken, enum row_key key, char *out, size_t size)
{
	size_t used = 0;

	for (uint32_t bits = taken->prefixes[key]; bits & 1; bits >>= 1)
		used += (size_t)snprintf(
		    out + used, size - used, "%s", EXPORT_PREFIX);
	snprintf(out + used, size - used, "%s", row_key_name(key));
	return out;
}

static void
put_jsonl(struct buf *buf, const struct store_row *row)
{
	struct taken taken = {{0}};
	struct buf scratch;
	char name[256];

	buf_init(&scratch, SCRATCH_CAP);
	buf_add_byte(buf, '{');
	put_own_keys(buf, row->fields, &taken);
	for (int i = 0; i < ROW_KEYS_USUAL; i++) {
		enum row_key key = (enum row_key)i;

		/* Only where it is needed. */
		if (key == ROW_RESULT_BASE64 &&
		    row_key_text(row, key, &scratch).data == NULL)
			continue;
		json_put_key(buf, free_name(&taken, key, name, sizeof(name)));
		row_key_put_json(buf, row, key, &scratch);
	}
	buf_add_text(buf, "}\n");
	buf->failed |= scratch.failed;
	buf_free(&scratch);
}

static struct span
row_text(const struct store_row *row)
{
	return row->state == STORE_FAILED ? row_error(row) : row->result;
}

/* A terminal gets lines and tabs as they are, everything else made safe. */
static void
put_terminal(struct buf *buf, struct span text)
{
	while (text.size > 0) {
		size_t size = 0;

		while (size < text.size && text.data[size] != '\n' &&
		       text.data[size] != '\t')
			size++;
		text_escape(buf, (struct span){text.data, size}, 0);
		if (size < text.size)
			buf_add_byte(buf, text.data[size++]);
		text.data += size;
		text.size -= size;
	}
}

static void
put_text(
    struct buf *buf, enum export_format format, const struct store_row *row)
{
	struct span text = row_text(row);

	if (format == EXPORT_TERMINAL)
		put_terminal(buf, text);
	else
		buf_add(buf, text.data, text.size);
	buf_add_byte(buf, format == EXPORT_NUL ? '\0' : '\n');
}

int
export_put_row(struct buf *buf, const struct export_style *style,
    const struct columns *columns, const struct store_row *row, struct err *err)
{
	MUST(style->format != EXPORT_AUTO);
	switch (style->format) {
	case EXPORT_CSV:
	case EXPORT_TSV:
		return export_put_values(buf, style, columns, row, err);
	case EXPORT_BATCH:
		export_put_response(buf, row);
		return 0;
	case EXPORT_JSONL:
		if (columns != NULL)
			export_put_chosen(buf, columns, row);
		else
			put_jsonl(buf, row);
		return 0;
	default:
		put_text(buf, style->format, row);
		return 0;
	}
}
