/* SPDX-License-Identifier: ISC */
/*
 * Trees come from json-c; whether a text is JSON at all is said by base/scan,
 * and json-c then reads it in its generous mode, where it refuses nothing
 * that is right. A struct json is a json_object under another name.
 */
#include "base/json.h"

#include <limits.h>
#include <math.h>
#include <string.h>

#include <json-c/json.h>

#include "base/err.h"
#include "base/must.h"
#include "base/scan.h"
#include "base/text.h"

static struct json *
json_of(struct json_object *object)
{
	return (struct json *)object;
}

static struct json_object *
object_of(struct json *value)
{
	return (struct json_object *)value;
}

static int
print_null(
    struct json_object *object, struct printbuf *out, int level, int flags)
{
	(void)object;
	(void)level;
	(void)flags;
	return printbuf_memappend(out, "null", 4);
}

/* json-c has no object for null; as a root it must be one all the same: a
 * boolean that prints as null, and is neither object, array, string nor
 * number. */
static struct json_object *
null_root(void)
{
	struct json_object *object = json_object_new_boolean(0);

	if (object != NULL)
		json_object_set_serializer(object, print_null, NULL, NULL);
	return object;
}

/* json-c counts a scalar as a level too. */
#define JSON_LEVELS (SCAN_DEPTH_MAX + 1)

/* Gives the text without its byte order mark, never "none". */
static struct span
without_mark(struct span text)
{
	struct scan scan;

	if (text.data == NULL)
		return span_of("");
	scan_init(&scan, text);
	return (struct span){text.data + scan.at, text.size - scan.at};
}

/* Let json-c read. Gives NULL with *error and *at. */
static struct json_object *
build(struct span text, enum json_tokener_error *error, size_t *at)
{
	struct json_tokener *tokener = json_tokener_new_ex(JSON_LEVELS);
	struct json_object *object;

	*at = 0;
	*error = json_tokener_error_size;
	if (tokener == NULL)
		return NULL;
	object = json_tokener_parse_ex(tokener, text.data, (int)text.size);
	*error = json_tokener_get_error(tokener);
	*at = json_tokener_get_parse_end(tokener);
	if (*error == json_tokener_continue) {
		/* The NUL says that a number has come to its end. */
		object = json_tokener_parse_ex(tokener, "", 1);
		*error = json_tokener_get_error(tokener);
	}
	if (*error == json_tokener_success && object == NULL)
		object = null_root();
	json_tokener_free(tokener);
	return object;
}

static int
check_size(struct span text, struct err *err)
{
	if (text.size < INT_MAX)
		return 0;
	return err_set(err, ERR_INPUT, "more than 2 GiB of JSON at byte 0");
}

struct json *
json_parse(struct span text, struct err *err)
{
	struct json_object *object;
	enum json_tokener_error error;
	const char *reason;
	size_t at;

	if (check_size(text, err) == -1)
		return NULL;
	if (!scan_whole(text, &at, &reason)) {
		err_set(err, ERR_INPUT, "%s at byte %zu", reason, at);
		return NULL;
	}
	object = build(without_mark(text), &error, &at);
	if (object == NULL)
		err_set_memory(err, "JSON"); /* the text itself is right */
	return json_of(object);
}

/* A NUL byte inside a string ends the text for json-c: write it as it should
 * have been written, and read again. */
static struct json_object *
build_repaired(struct span text, enum json_tokener_error *error, size_t *at)
{
	struct json_object *object = NULL;
	struct buf repaired;

	buf_init(&repaired, INT_MAX);
	for (size_t i = 0; i < text.size; i++) {
		if (text.data[i] == '\0')
			buf_add_text(&repaired, "\\u0000");
		else
			buf_add_byte(&repaired, text.data[i]);
	}
	if (!repaired.failed)
		object = build(buf_span(&repaired), error, at);
	buf_free(&repaired);
	return object;
}

struct json *
json_parse_lenient(struct span text, struct err *err)
{
	struct json_object *object;
	struct span bare = without_mark(text);
	enum json_tokener_error error;
	size_t at;

	if (check_size(text, err) == -1)
		return NULL;
	object = build(bare, &error, &at);
	if (object == NULL && memchr(bare.data, '\0', bare.size) != NULL)
		object = build_repaired(bare, &error, &at);
	if (object != NULL)
		return json_of(object);
	if (error == json_tokener_error_size || error == json_tokener_success)
		err_set_memory(err, "JSON");
	else
		err_set(err, ERR_INPUT, "%s at byte %zu",
		    json_tokener_error_desc(error), text.size - bare.size + at);
	return NULL;
}

void
json_free(struct json *root)
{
	json_object_put(object_of(root));
}

struct json *
json_get(struct json *value, const char *key)
{
	struct json_object *member = NULL;

	if (json_is_object(value))
		json_object_object_get_ex(object_of(value), key, &member);
	return json_of(member);
}

struct json *
json_at(struct json *value, size_t index)
{
	if (!json_is_array(value))
		return NULL;
	return json_of(json_object_array_get_idx(object_of(value), index));
}

size_t
json_count(struct json *value)
{
	if (json_is_array(value))
		return json_object_array_length(object_of(value));
	if (json_is_object(value))
		return (size_t)json_object_object_length(object_of(value));
	return 0;
}

bool
json_is_object(struct json *value)
{
	return json_object_is_type(object_of(value), json_type_object);
}

bool
json_is_array(struct json *value)
{
	return json_object_is_type(object_of(value), json_type_array);
}

bool
json_is_string(struct json *value)
{
	return json_object_is_type(object_of(value), json_type_string);
}

bool
json_is_number(struct json *value)
{
	return json_object_is_type(object_of(value), json_type_int) ||
	       json_object_is_type(object_of(value), json_type_double);
}

struct span
json_string(struct json *value)
{
	struct json_object *object = object_of(value);

	if (!json_is_string(value))
		return (struct span){NULL, 0};
	return (struct span){json_object_get_string(object),
	    (size_t)json_object_get_string_len(object)};
}

int64_t
json_integer(struct json *value, int64_t otherwise)
{
	if (!json_is_number(value) ||
	    isnan(json_object_get_double(object_of(value))))
		return otherwise;
	return json_object_get_int64(object_of(value));
}

double
json_real(struct json *value, double otherwise)
{
	if (!json_is_number(value))
		return otherwise;
	return json_object_get_double(object_of(value));
}

struct span
json_text(struct json *value)
{
	const int flags =
	    JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE;
	size_t size;
	const char *text =
	    json_object_to_json_string_length(object_of(value), flags, &size);

	return (struct span){text, text == NULL ? 0 : size};
}

/* Step to the next part of what opens so; at is where the last one ended, 0
 * for the first. False behind the last. */
static bool
step_to_part(struct scan *scan, struct span text, size_t at, char opens)
{
	scan_init(scan, text);
	if (at > 0)
		scan->at = at;
	scan_blanks(scan);
	if (!scan_byte(scan, at > 0 ? ',' : opens))
		return false;
	scan_blanks(scan);
	return true;
}

bool
json_next_member(struct span text, size_t *at, struct buf *scratch,
    struct span *key, struct span *raw)
{
	struct scan scan;
	size_t from;

	if (!step_to_part(&scan, text, *at, '{'))
		return false;
	from = scan.at;
	if (!scan_string(&scan))
		return false; /* the closing bracket of an empty object */
	buf_clear(scratch);
	scan_decode(scratch, (struct span){text.data + from, scan.at - from});
	*key = buf_span(scratch);
	scan_blanks(&scan);
	MUST(scan_byte(&scan, ':'));
	scan_blanks(&scan);
	from = scan.at;
	MUST(scan_value(&scan, 1));
	*raw = (struct span){text.data + from, scan.at - from};
	*at = scan.at;
	return !scratch->failed;
}

bool
json_next_item(struct span text, size_t *at, struct span *raw)
{
	struct scan scan;
	size_t from;

	if (!step_to_part(&scan, text, *at, '['))
		return false;
	from = scan.at;
	if (!scan_value(&scan, 1))
		return false; /* the closing bracket of an empty array */
	*raw = (struct span){text.data + from, scan.at - from};
	*at = scan.at;
	return true;
}

void
json_put_string(struct buf *buf, struct span text)
{
	size_t safe = 0; /* from here on nothing has been added yet */
	size_t step;

	buf_add_byte(buf, '"');
	for (size_t at = 0; at < text.size; at += step) {
		unsigned char byte = (unsigned char)text.data[at];
		uint32_t code;

		step = 1;
		if (byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\')
			continue;
		step = text_decode(
		    (struct span){text.data + at, text.size - at}, &code);
		if (step > 1)
			continue;
		buf_add(buf, text.data + safe, at - safe);
		if (step == 0)
			text_encode(buf, 0xFFFD);
		else if (byte == '"' || byte == '\\')
			buf_printf(buf, "\\%c", byte);
		else if (byte == '\n')
			buf_add_text(buf, "\\n");
		else if (byte == '\t')
			buf_add_text(buf, "\\t");
		else if (byte == '\r')
			buf_add_text(buf, "\\r");
		else
			buf_printf(buf, "\\u%04x", byte);
		step = 1;
		safe = at + 1;
	}
	buf_add(buf, text.data + safe, text.size - safe);
	buf_add_byte(buf, '"');
}

void
json_put_key(struct buf *buf, const char *key)
{
	char last = buf->size == 0 ? '{' : buf->data[buf->size - 1];

	if (last != '{' && last != '[')
		buf_add_byte(buf, ',');
	json_put_string(buf, span_of(key));
	buf_add_byte(buf, ':');
}

void
json_put_text(struct buf *buf, const char *key, struct span text)
{
	json_put_key(buf, key);
	if (text.data == NULL)
		buf_add_text(buf, "null");
	else
		json_put_string(buf, text);
}

void
json_put_integer(struct buf *buf, const char *key, int64_t value)
{
	json_put_key(buf, key);
	buf_printf(buf, "%jd", (intmax_t)value);
}

void
json_put_bool(struct buf *buf, const char *key, bool value)
{
	json_put_key(buf, key);
	buf_add_text(buf, value ? "true" : "false");
}
