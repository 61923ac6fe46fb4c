/* SPDX-License-Identifier: ISC */
/*
 * Lines of an OpenAI batch file: each is a request whose body goes out as it
 * stands. What stands around it must be what this program does.
 */
#include "base/err.h"
#include "base/json.h"
#include "data/messages.h"
#include "data/reader.h"
#include "data/source.h"

#define REQUEST_URL "/v1/chat/completions"

struct batch {
	struct reader *reader;
	struct span raw; /* of its body */
	struct buf key;
	struct buf body; /* {"request":…} */
};

/* Gives the raw text of a member, none when it is not there. */
static struct span
find_member(struct span object, const char *name, struct buf *scratch)
{
	struct span found = {NULL, 0};
	struct span key;
	struct span raw;
	size_t at = 0;

	while (json_next_member(object, &at, scratch, &key, &raw))
		if (span_equals(key, span_of(name)))
			found = raw;
	return found;
}

static bool
says(struct json *value, const char *word)
{
	return span_equals(json_string(value), span_of(word));
}

/* What is wrong with what stands around the body? NULL: nothing. */
static const char *
frame_trouble(struct json *root)
{
	struct json *custom_id = json_get(root, "custom_id");

	if (!json_is_object(root))
		return "not a JSON object";
	if (!json_is_string(custom_id) || json_string(custom_id).size == 0)
		return "custom_id is no string";
	if (!says(json_get(root, "method"), "POST"))
		return "method is not POST";
	if (!says(json_get(root, "url"), REQUEST_URL))
		return "url is not " REQUEST_URL
		       ": only such requests are sent";
	if (!json_is_object(json_get(root, "body")))
		return "body is no object";
	return NULL;
}

/* What of a body cannot be done? NULL: nothing. */
static const char *
body_trouble(struct json *body)
{
	if (!json_is_string(json_get(body, "model")))
		return "body: model is no string";
	if (json_real(json_get(body, "n"), 1) != 1)
		return "body: n above 1 is not supported: one record, one "
		       "answer; --repeat N asks N times";
	if (span_equals(json_text(json_get(body, "stream")), span_of("true")))
		return "body: it asks for a stream, and a batch is none";
	return messages_trouble(json_get(body, "messages"));
}

static int
take_request(void *arg, const struct json_line *line, struct err *err)
{
	struct batch *batch = arg;
	struct record record = {
	    .file = batch->reader->file,
	    .line = line->number,
	};
	struct json *body = json_get(line->root, "body");
	struct json *messages = json_get(body, "messages");
	const char *trouble = frame_trouble(line->root);
	struct span raw;

	if (trouble == NULL)
		trouble = body_trouble(body);
	if (trouble == NULL && batch->reader->conf->text_only &&
	    !messages_is_one_text(messages))
		trouble = MESSAGES_ONLY_HTTP;
	if (trouble != NULL)
		return reader_refuse(
		    batch->reader, line->number, err, "%s", trouble);
	raw = find_member(line->text, "body", &batch->key);
	record.custom_id = json_string(json_get(line->root, "custom_id"));
	record.text = messages_text(messages);
	if (record.text.data == NULL)
		record.text = find_member(raw, "messages", &batch->key);
	buf_clear(&batch->body);
	buf_add_text(&batch->body, RECORD_REQUEST);
	buf_add(&batch->body, raw.data, raw.size);
	buf_add_byte(&batch->body, '}');
	if (batch->body.failed || batch->key.failed)
		return err_set_memory(err, "a record");
	record.body = buf_span(&batch->body);

	return reader_take_named(batch->reader, &record, err);
}

int
read_batch(struct reader *reader, struct source *source, struct err *err)
{
	struct batch batch = {.reader = reader};
	int got;

	buf_init(&batch.key, 2 * reader_json_max(reader));
	buf_init(&batch.body, 2 * reader_json_max(reader));
	got = reader_each_json(reader, source, take_request, &batch, err);
	buf_free(&batch.body);
	buf_free(&batch.key);
	return got;
}

bool
read_batch_knows(struct span line)
{
	struct json *root;
	bool knows;

	if (line.size == 0 || line.data[0] != '{')
		return false;
	root = json_parse(line, NULL);
	knows = json_get(root, "custom_id") != NULL &&
		json_get(root, "method") != NULL &&
		json_get(root, "url") != NULL && json_get(root, "body") != NULL;
	json_free(root);
	return knows;
}
