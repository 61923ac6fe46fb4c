/* SPDX-License-Identifier: ISC */
/*
 * One JSON object per line. The tree judges types and decodes the prompt;
 * what travels on (body, fields) is cut out of the raw text, so that numbers
 * and escapes stay as the user wrote them.
 */
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "base/scan.h"
#include "base/text.h"
#include "data/messages.h"
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
#define KEY_SHOWN_BYTES ((size_t)60)
#define WHY_BYTES ((size_t)1000)
#define PART_COUNT 7
#define PART_BODY_COUNT 4 /* the first four stand in body */

static const char *const part_names[PART_COUNT] = {
    "messages", "system", "model", "params", "prompt", "custom_id", "id"};

/* A line on its way to a record; the buffers are used again for the next. */
struct item {
	struct reader *reader;
	struct json *root;
	struct span raw[PART_COUNT]; /* none: absent or null */
	struct buf key;
	struct buf body;
	struct buf fields;
	struct buf system; /* of -s, as JSON */
	struct buf only;   /* the only text there is */
	struct buf why;
};

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

/* Sort the line's members into parts, body and fields. With a template prompt
 * and messages are members like others. */
static void
item_sort(struct item *item, struct span line, bool has_template)
{
	struct span key;
	struct span raw;
	size_t at = 0;

	buf_clear(&item->body);
	buf_clear(&item->fields);
	memset(item->raw, 0, sizeof item->raw);
	while (json_next_member(line, &at, &item->key, &key, &raw)) {
		int part = part_of(key);

		if (has_template &&
		    (part == PART_PROMPT || part == PART_MESSAGES))
			part = -1;
		if (part == -1)
			put_member(&item->fields, key, raw);
		else if (json_get(item->root, part_names[part]) != NULL)
			item->raw[part] = raw;
	}
	/* The record has two names: ours is custom_id, id is a field. */
	if (item->raw[PART_CUSTOM_ID].data != NULL &&
	    item->raw[PART_ID].data != NULL)
		put_member(&item->fields, span_of("id"), item->raw[PART_ID]);
	if (item->fields.size > 0)
		buf_add_byte(&item->fields, '}');
}

/* Put together what goes out beside the text. */
static void
item_put_body(struct item *item)
{
	for (int i = 0; i < PART_BODY_COUNT; i++)
		if (item->raw[i].data != NULL)
			put_member(
			    &item->body, span_of(part_names[i]), item->raw[i]);
	if (item->body.size > 0)
		buf_add_byte(&item->body, '}');
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

/* What is wrong with what it asks? NULL: nothing. */
static const char *
prompt_trouble(struct json *root)
{
	struct json *prompt = json_get(root, "prompt");
	struct json *messages = json_get(root, "messages");

	if (prompt != NULL && messages != NULL)
		return "both prompt and messages";
	if (is_wrong(prompt, json_is_string))
		return "prompt is no string";
	return messages == NULL ? NULL : messages_trouble(messages);
}

/* What is wrong with the rest of it? NULL: nothing. */
static const char *
object_trouble(struct json *root)
{
	if (!json_is_object(root))
		return "not a JSON object";
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
	return NULL;
}

/* A value of params that the request cannot have, and what to say of it. */
static const struct ban {
	const char *key;
	const char *allowed; /* NULL: nothing */
	const char *why;
} bans[] = {
    {"n", "1",
	"params: n above 1 is not supported: one record, one answer; "
	"--repeat N asks N times"},
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

/* What is in a record beside its text, for whom can only use that? */
static const char *
text_only_trouble(const struct item *item)
{
	static const char *const whys[PART_BODY_COUNT] = {
	    [PART_MESSAGES] = MESSAGES_ONLY_HTTP,
	    [PART_SYSTEM] = "system: only the http backend takes it",
	    [PART_MODEL] = "model: only the http backend takes it",
	    [PART_PARAMS] = "params: only the http backend takes them",
	};

	for (int i = 0; i < PART_BODY_COUNT; i++)
		if (item->raw[i].data != NULL &&
		    (i != PART_MESSAGES || !messages_is_one_text(json_get(
					       item->root, "messages"))))
			return whys[i];
	return NULL;
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

/* The only member that is not one of ours, if it is a string, is the prompt.
 * Gives none with why, which names those that there are. */
static struct span
only_text(struct item *item)
{
	const struct span none = {NULL, 0};
	struct span fields = buf_span(&item->fields);
	struct span only = none;
	struct span key;
	struct span raw;
	size_t count = 0;
	size_t at = 0;

	buf_clear(&item->why);
	buf_add_text(&item->why, "neither prompt nor messages");
	while (json_next_member(fields, &at, &item->key, &key, &raw)) {
		buf_add_text(&item->why,
		    count++ == 0 ? "; say with -t '{{name}}' which it is: "
				 : ", ");
		text_escape(&item->why, key, KEY_SHOWN_BYTES);
		only = raw;
	}
	if (count != 1 || only.data[0] != '"')
		return none;
	buf_clear(&item->only);
	scan_decode(&item->only, only);
	return item->only.failed ? none : buf_span(&item->only);
}

/* Gives the prompt, as people see it; none with trouble. */
static struct span
item_text(struct item *item, const struct reader *reader, const char **trouble)
{
	struct span messages = item->raw[PART_MESSAGES];
	struct span text = {NULL, 0};

	if (reader->shape.prompt.template != NULL)
		return buf_span(&reader->shape.prompt.text);
	*trouble = prompt_trouble(item->root);
	if (*trouble != NULL)
		return text;
	if (item->raw[PART_PROMPT].data != NULL)
		return json_string(json_get(item->root, "prompt"));
	if (messages.data != NULL) {
		text = messages_text(json_get(item->root, "messages"));
		return text.data != NULL ? text : messages;
	}
	text = only_text(item);
	if (text.data == NULL)
		*trouble = item->why.data;
	return text;
}

/* Fill in the templates, and put what -s gives where a record's own system
 * text stands. Gives NULL, or what is wrong with the record. */
static const char *
item_shape(struct item *item, struct reader *reader, struct span line)
{
	const struct shape *shape = &reader->shape;
	const char *trouble;

	if (!shape_is_active(shape))
		return NULL;
	trouble = reader_shape(reader, line);
	if (trouble != NULL || shape->system.template == NULL ||
	    item->raw[PART_SYSTEM].data != NULL)
		return trouble;
	buf_clear(&item->system);
	json_put_string(&item->system, buf_span(&shape->system.text));
	item->raw[PART_SYSTEM] = buf_span(&item->system);
	return NULL;
}

static bool
item_failed(const struct item *item)
{
	return item->body.failed || item->fields.failed || item->key.failed ||
	       item->system.failed || item->only.failed;
}

static int
item_take(void *arg, const struct json_line *line, struct err *err)
{
	struct item *item = arg;
	struct reader *reader = item->reader;
	struct record record = {.file = reader->file, .line = line->number};
	const char *trouble = object_trouble(line->root);

	if (trouble != NULL)
		return reader_refuse(reader, line->number, err, "%s", trouble);
	item->root = line->root;
	item_sort(item, line->text, reader->shape.prompt.template != NULL);
	trouble = params_trouble(item);
	if (trouble == NULL)
		trouble = item_shape(item, reader, line->text);
	if (trouble == NULL && reader->conf->text_only)
		trouble = text_only_trouble(item);
	if (trouble == NULL)
		record.text = item_text(item, reader, &trouble);
	if (trouble == NULL &&
	    item->raw[PART_MESSAGES].size > reader->prompt_max_bytes)
		return reader_refuse(reader, line->number, err,
		    "longer than %zu bytes (--max-prompt-bytes)",
		    reader->prompt_max_bytes);
	item_put_body(item);
	if (item_failed(item))
		return err_set_memory(err, "a record");
	if (trouble != NULL)
		return reader_refuse(reader, line->number, err, "%s", trouble);
	record.custom_id = item_name(item);
	if (item->body.size > 0)
		record.body = buf_span(&item->body);
	if (item->fields.size > 0)
		record.fields = buf_span(&item->fields);
	return reader_take(reader, &record, err);
}

int
read_jsonl(struct reader *reader, struct source *source, struct err *err)
{
	struct item item = {.reader = reader};
	size_t cap = 2 * reader_json_max(reader);
	int got;

	buf_init(&item.key, cap);
	buf_init(&item.body, cap);
	buf_init(&item.fields, cap);
	buf_init(&item.system, cap);
	buf_init(&item.only, cap);
	buf_init(&item.why, WHY_BYTES);
	got = reader_each_json(reader, source, item_take, &item, err);
	buf_free(&item.why);
	buf_free(&item.only);
	buf_free(&item.system);
	buf_free(&item.fields);
	buf_free(&item.body);
	buf_free(&item.key);
	return got;
}

bool
read_jsonl_knows(struct span line, bool any)
{
	struct json *root;
	bool knows;

	if (line.size == 0 || line.data[0] != '{')
		return false;
	root = json_parse(line, NULL);
	knows =
	    json_is_object(root) && (any || json_get(root, "prompt") != NULL ||
					json_get(root, "messages") != NULL);
	json_free(root);
	return knows;
}
