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

#define EXPORT_PREFIX "llmill_"
#define EXPORT_KEY_CAP ((size_t)16 << 20) /* an own key, decoded */

/* Our keys, in the order of the record. */
enum key {
	KEY_ID = 0,
	KEY_CUSTOM_ID = 1,
	KEY_RESULT = 2,
	KEY_RESULT_BASE64 = 3,
	KEY_OK = 4,
	KEY_ERROR = 5,
	KEY_MODEL = 6,
	KEY_FINISH_REASON = 7,
	KEY_REASONING = 8,
	KEY_ATTEMPTS = 9,
	KEY_DURATION_MS = 10,
	KEY_INPUT_TOKENS = 11,
	KEY_OUTPUT_TOKENS = 12,
	KEY_COUNT = 13,
};

static const char *const key_names[KEY_COUNT] = {
    [KEY_ID] = "id",
    [KEY_CUSTOM_ID] = "custom_id",
    [KEY_RESULT] = "result",
    [KEY_RESULT_BASE64] = "result_base64", /* only where it is needed */
    [KEY_OK] = "ok",
    [KEY_ERROR] = "error",
    [KEY_MODEL] = "model",
    [KEY_FINISH_REASON] = "finish_reason",
    [KEY_REASONING] = "reasoning",
    [KEY_ATTEMPTS] = "attempts",
    [KEY_DURATION_MS] = "duration_ms",
    [KEY_INPUT_TOKENS] = "input_tokens",
    [KEY_OUTPUT_TOKENS] = "output_tokens",
};

/* For each of our keys, bit n: it is taken with n prefixes before it. */
struct taken {
	uint32_t prefixes[KEY_COUNT];
};

static void
take_key(struct taken *taken, struct span key)
{
	const size_t prefix_size = strlen(EXPORT_PREFIX);

	for (unsigned n = 0; n < 32; n++) {
		for (int i = 0; i < KEY_COUNT; i++)
			if (span_equals(key, span_of(key_names[i])))
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
free_name(const struct taken *taken, enum key key, char *out, size_t size)
{
	size_t used = 0;

	for (uint32_t bits = taken->prefixes[key]; bits & 1; bits >>= 1)
		used += (size_t)snprintf(
		    out + used, size - used, "%s", EXPORT_PREFIX);
	snprintf(out + used, size - used, "%s", key_names[key]);
	return out;
}

struct record_writer {
	struct buf *buf;
	struct taken taken;
};

static void
put_text(struct record_writer *writer, enum key key, struct span text)
{
	char name[256];

	json_put_text(writer->buf,
	    free_name(&writer->taken, key, name, sizeof(name)), text);
}

/* -1 is null. */
static void
put_number(struct record_writer *writer, enum key key, int64_t value)
{
	char name[256];

	if (value < 0)
		put_text(writer, key, (struct span){NULL, 0});
	else
		json_put_integer(writer->buf,
		    free_name(&writer->taken, key, name, sizeof(name)), value);
}

/* The bytes of an answer that is no UTF-8, and so cannot stand in JSON. */
static void
put_bytes(struct record_writer *writer, struct span result)
{
	char name[256];

	if (result.data == NULL || text_is_utf8(result, NULL))
		return;
	json_put_key(writer->buf,
	    free_name(&writer->taken, KEY_RESULT_BASE64, name, sizeof(name)));
	buf_add_byte(writer->buf, '"');
	text_base64(writer->buf, result);
	buf_add_byte(writer->buf, '"');
}

static struct span
row_error(const struct store_row *row)
{
	if (row->state != STORE_FAILED)
		return (struct span){NULL, 0};
	if (row->result.data != NULL)
		return row->result;
	return row->error.data != NULL ? row->error : span_of("Error");
}

static void
put_jsonl(struct buf *buf, const struct store_row *row)
{
	struct record_writer writer = {.buf = buf};
	bool ok = row->state == STORE_ANSWERED;
	struct span result = ok ? row->result : (struct span){NULL, 0};
	char name[256];

	buf_add_byte(buf, '{');
	put_own_keys(buf, row->fields, &writer.taken);
	put_number(&writer, KEY_ID, row->id);
	put_text(&writer, KEY_CUSTOM_ID, row->custom_id);
	put_text(&writer, KEY_RESULT, result);
	put_bytes(&writer, result);
	json_put_bool(
	    buf, free_name(&writer.taken, KEY_OK, name, sizeof(name)), ok);
	put_text(&writer, KEY_ERROR, row_error(row));
	put_text(&writer, KEY_MODEL, row->model);
	put_text(&writer, KEY_FINISH_REASON, row->finish_reason);
	put_text(&writer, KEY_REASONING, row->reasoning);
	put_number(&writer, KEY_ATTEMPTS, row->attempts);
	put_number(&writer, KEY_DURATION_MS, row->duration_ms);
	put_number(&writer, KEY_INPUT_TOKENS, row->input_tokens);
	put_number(&writer, KEY_OUTPUT_TOKENS, row->output_tokens);
	buf_add_text(buf, "}\n");
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

void
export_put_row(
    struct buf *buf, enum export_format format, const struct store_row *row)
{
	struct span text = row_text(row);

	MUST(format == EXPORT_JSONL || format == EXPORT_TXT ||
	     format == EXPORT_TERMINAL);
	if (format == EXPORT_JSONL) {
		put_jsonl(buf, row);
		return;
	}
	if (format == EXPORT_TERMINAL)
		put_terminal(buf, text);
	else
		buf_add(buf, text.data, text.size);
	buf_add_byte(buf, '\n');
}
