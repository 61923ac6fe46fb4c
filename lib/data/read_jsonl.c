/* SPDX-License-Identifier: ISC */
/*
 * One JSON object per line. The tree judges types and decodes the prompt;
 * what travels on (body, fields) is cut out of the raw text, so that numbers
 * and escapes stay as the user wrote them.
 */
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "data/reader.h"
#include "data/source.h"

/* The keys that mean something to us, in the order of body. */
enum part {
	PART_MESSAGES = 0,
	PART_SYSTEM = 1,
	PART_MODEL = 2,
	PART_PARAMS = 3,
	PART_PROMPT = 4,
	PART_CUSTOM_ID = 5,
	PART_ID = 6,
};
#define PART_COUNT 7
#define PART_BODY_COUNT 4 /* the first four stand in body */

static const char *const part_names[PART_COUNT] = {
    "messages", "system", "model", "params", "prompt", "custom_id", "id"};

/* A line on its way to a record; the buffers are used again for the next. */
struct item {
	struct json *root;
	struct span raw[PART_COUNT]; /* none: absent or null */
	struct buf key;
	struct buf body;
	struct buf fields;
};

static bool
is_blank(struct span line)
{
	for (size_t i = 0; i < line.size; i++)
		if (line.data[i] != ' ' && line.data[i] != '\t' &&
		    line.data[i] != '\r')
			return false;
	return true;
}

static int
part_of(struct span key)
{
	for (int i = 0; i < PART_COUNT; i++)
		if (span_equals(key, span_of(part_names[i])))
			return i;
	return -1;
}

static void
put_member(struct buf *buf, struct span key, struct span raw)
{
	buf_add_byte(buf, buf->size == 0 ? '{' : ',');
	json_put_string(buf, key);
	buf_add_byte(buf, ':');
	buf_add(buf, raw.data, raw.size);
}

/* Sort the line's members into parts, body and fields. */
static void
item_sort(struct item *item, struct span line)
{
	struct span key;
	struct span raw;
	size_t at = 0;

	buf_clear(&item->body);
	buf_clear(&item->fields);
	memset(item->raw, 0, sizeof item->raw);
	while (json_next_member(line, &at, &item->key, &key, &raw)) {
		int part = part_of(key);

		if (part == -1)
			put_member(&item->fields, key, raw);
		else if (json_get(item->root, part_names[part]) != NULL)
			item->raw[part] = raw;
	}
	/* The record has two names: ours is custom_id, id is a field. */
	if (item->raw[PART_CUSTOM_ID].data != NULL &&
	    item->raw[PART_ID].data != NULL)
		put_member(&item->fields, span_of("id"), item->raw[PART_ID]);
	for (int i = 0; i < PART_BODY_COUNT; i++)
		if (item->raw[i].data != NULL)
			put_member(
			    &item->body, span_of(part_names[i]), item->raw[i]);
	if (item->body.size > 0)
		buf_add_byte(&item->body, '}');
	if (item->fields.size > 0)
		buf_add_byte(&item->fields, '}');
}

/* Is the value there and not what it should be? */
static bool
is_wrong(struct json *value, bool (*is_right)(struct json *value))
{
	return value != NULL && !is_right(value);
}

static bool
is_name(struct json *value)
{
	return json_is_string(value) || json_is_number(value);
}

static const char *
messages_trouble(struct json *messages)
{
	if (!json_is_array(messages) || json_count(messages) == 0)
		return "messages is no array with something in it";
	for (size_t i = 0; i < json_count(messages); i++) {
		struct json *message = json_at(messages, i);

		if (!json_is_object(message))
			return "a message is no object";
		if (!json_is_string(json_get(message, "role")))
			return "a message has no role";
	}
	return NULL;
}

/* What is wrong with the object? NULL: nothing. */
static const char *
object_trouble(struct json *root)
{
	struct json *prompt = json_get(root, "prompt");
	struct json *messages = json_get(root, "messages");

	if (!json_is_object(root))
		return "not a JSON object";
	if (prompt == NULL && messages == NULL)
		return "neither prompt nor messages";
	if (prompt != NULL && messages != NULL)
		return "both prompt and messages";
	if (is_wrong(prompt, json_is_string))
		return "prompt is no string";
	if (is_wrong(json_get(root, "system"), json_is_string))
		return "system is no string";
	if (is_wrong(json_get(root, "model"), json_is_string))
		return "model is no string";
	if (is_wrong(json_get(root, "params"), json_is_object))
		return "params is no object";
	if (is_wrong(json_get(root, "custom_id"), is_name))
		return "custom_id is neither string nor number";
	if (is_wrong(json_get(root, "id"), is_name))
		return "id is neither string nor number";
	return messages == NULL ? NULL : messages_trouble(messages);
}

/* A value of params that the request cannot have, and what to say of it. */
static const struct ban {
	const char *key;
	const char *allowed; /* NULL: nothing */
	const char *why;
} bans[] = {
    {"n", "1",
	"params: n above 1 is not supported: one record, one answer; repeat "
	"the record instead"},
    {"stream", "false", "params: stream is said with --stream"},
    {"stream_options", NULL, "params: stream_options come with --stream"},
    {"messages", NULL, "params: messages stand beside params, not in them"},
};
#define BAN_COUNT (sizeof bans / sizeof *bans)

/* May it stand there? "1.0" is "1". */
static bool
is_allowed(struct span raw, const char *allowed)
{
	size_t size = raw.size;

	while (size > 2 && raw.data[size - 1] == '0')
		size--;
	if (size > 1 && raw.data[size - 1] == '.')
		raw.size = size - 1;
	return span_equals(raw, span_of("null")) ||
	       span_equals(raw, span_of(allowed));
}

/* What in a record's params would not go out as it stands? NULL: nothing. */
static const char *
params_trouble(struct item *item)
{
	struct span key;
	struct span raw;
	size_t at = 0;

	if (item->raw[PART_PARAMS].data == NULL)
		return NULL;
	while (json_next_member(
	    item->raw[PART_PARAMS], &at, &item->key, &key, &raw)) {
		for (size_t i = 0; i < BAN_COUNT; i++)
			if (span_equals(key, span_of(bans[i].key)) &&
			    !is_allowed(raw, bans[i].allowed))
				return bans[i].why;
	}
	return NULL;
}

/* Is it one message of the user's, and that a text? */
static bool
is_one_text(struct json *messages)
{
	struct json *only = json_at(messages, 0);

	return json_count(messages) == 1 &&
	       span_equals(
		   json_string(json_get(only, "role")), span_of("user")) &&
	       json_is_string(json_get(only, "content"));
}

/* What is in a record beside its text, for whom can only use that? */
static const char *
text_only_trouble(const struct item *item)
{
	static const char *const whys[PART_BODY_COUNT] = {
	    [PART_MESSAGES] = ("more than one text in messages: only the http "
			       "backend takes that"),
	    [PART_SYSTEM] = "system: only the http backend takes it",
	    [PART_MODEL] = "model: only the http backend takes it",
	    [PART_PARAMS] = "params: only the http backend takes them",
	};

	for (int i = 0; i < PART_BODY_COUNT; i++)
		if (item->raw[i].data != NULL &&
		    (i != PART_MESSAGES ||
			!is_one_text(json_get(item->root, "messages"))))
			return whys[i];
	return NULL;
}

/* Gives the text that messages come down to: that of the only user message
 * beside system messages; none when there is more to it. */
static struct span
messages_text(struct json *messages)
{
	struct span text = {NULL, 0};

	for (size_t i = 0; i < json_count(messages); i++) {
		struct json *message = json_at(messages, i);
		struct span role = json_string(json_get(message, "role"));

		if (span_equals(role, span_of("system")))
			continue;
		if (!span_equals(role, span_of("user")) || text.data != NULL)
			return (struct span){NULL, 0};
		text = json_string(json_get(message, "content"));
		if (text.data == NULL)
			return text;
	}
	return text;
}

/* Gives the record's own id: the bytes of a string, a number as written. */
static struct span
item_name(const struct item *item)
{
	enum part part =
	    item->raw[PART_CUSTOM_ID].data != NULL ? PART_CUSTOM_ID : PART_ID;
	struct json *value = json_get(item->root, part_names[part]);

	return json_is_string(value) ? json_string(value) : item->raw[part];
}

static int
item_take(struct item *item, struct reader *reader, struct span line,
    uint64_t number, struct err *err)
{
	struct record record = {.file = reader->file, .line = number};
	const char *trouble = object_trouble(item->root);
	struct span messages;

	if (trouble != NULL)
		return reader_refuse(reader, number, err, "%s", trouble);
	item_sort(item, line);
	if (item->body.failed || item->fields.failed || item->key.failed)
		return err_set_memory(err, "a record");
	trouble = params_trouble(item);
	if (trouble == NULL && reader->conf->text_only)
		trouble = text_only_trouble(item);
	if (trouble != NULL)
		return reader_refuse(reader, number, err, "%s", trouble);
	messages = item->raw[PART_MESSAGES];
	if (messages.size > reader->prompt_max_bytes)
		return reader_refuse(reader, number, err,
		    "longer than %zu bytes (--max-prompt-bytes)",
		    reader->prompt_max_bytes);
	record.text = json_string(json_get(item->root, "prompt"));
	if (messages.data != NULL) {
		record.text = messages_text(json_get(item->root, "messages"));
		if (record.text.data == NULL)
			record.text = messages;
	}
	record.custom_id = item_name(item);
	if (item->body.size > 0)
		record.body = buf_span(&item->body);
	if (item->fields.size > 0)
		record.fields = buf_span(&item->fields);
	return reader_take(reader, &record, err);
}

static int
read_line(struct item *item, struct reader *reader, struct span line,
    uint64_t number, struct err *err)
{
	struct err why = {0};
	int done;

	if (is_blank(line)) {
		reader->facts->empty_count++;
		return 0;
	}
	item->root = json_parse(line, &why);
	if (item->root == NULL && why.class == ERR_MEMORY)
		return err_set_memory(err, "a record");
	if (item->root == NULL)
		return reader_refuse(
		    reader, number, err, "bad JSON: %s", why.text);
	done = item_take(item, reader, line, number, err);
	json_free(item->root);
	item->root = NULL;
	return done;
}

int
read_jsonl(struct reader *reader, struct source *source, struct err *err)
{
	struct item item = {0};
	size_t cap = 2 * reader_json_max(reader);
	struct span line;
	int done = 0;

	buf_init(&item.key, cap);
	buf_init(&item.body, cap);
	buf_init(&item.fields, cap);
	while (done == 0) {
		enum source_piece got = source_next(source, '\n', &line, err);

		if (got == SOURCE_END)
			break;
		if (got == SOURCE_FAILED)
			done = -1;
		else if (got == SOURCE_LONG)
			done = reader_refuse(reader, source->piece_count, err,
			    "line longer than %zu bytes (--max-prompt-bytes)",
			    source->piece_max);
		else
			done = read_line(
			    &item, reader, line, source->piece_count, err);
	}
	buf_free(&item.fields);
	buf_free(&item.body);
	buf_free(&item.key);
	return done;
}

bool
read_jsonl_knows(struct span line)
{
	struct json *root;
	bool knows;

	if (line.size == 0 || line.data[0] != '{')
		return false;
	root = json_parse(line, NULL);
	knows = json_is_object(root) && (json_get(root, "prompt") != NULL ||
					    json_get(root, "messages") != NULL);
	json_free(root);
	return knows;
}
