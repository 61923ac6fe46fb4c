/* SPDX-License-Identifier: ISC */
/*
 * What goes out is composed of raw text, so that numbers and escapes of users
 * stay theirs; what comes back is read strictly: a line that is not exactly
 * what was agreed on may be somebody's print, and then nothing behind it can
 * be trusted.
 */
#include "chat/coproc_line.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/json.h"
#include "base/text.h"

#define SHOWN_MAX_BYTES 200		       /* of a line that is garbage */
#define AFTER_MAX_S ((int64_t)400 * 24 * 3600) /* taken as this */

/* ---- the request ---- */

static bool
is_key(struct span key, const char *name)
{
	return span_equals(key, span_of(name));
}

/* Names of ours: a record's own members so named do not stand beside. */
static bool
is_taken(struct span key)
{
	return is_key(key, "id") || is_key(key, "custom_id") ||
	       is_key(key, "prompt") || is_key(key, "messages") ||
	       is_key(key, "system");
}

static void
put_raw(struct buf *line, struct span key, struct span raw)
{
	buf_add_byte(line, ',');
	json_put_string(line, key);
	buf_add_byte(line, ':');
	buf_add(line, raw.data, raw.size);
}

/* What of a record's members is composed, as raw text; none where it has
 * none. */
struct composed {
	struct span messages;
	struct span system;
};

/* Append a record's members, but those that are composed. */
static void
put_members(struct buf *line, struct span members, struct composed *composed)
{
	struct buf scratch;
	struct span key;
	struct span raw;
	size_t at = 0;

	buf_init(&scratch, line->cap);
	while (members.data != NULL &&
	       json_next_member(members, &at, &scratch, &key, &raw)) {
		if (is_key(key, "messages"))
			composed->messages = raw;
		else if (is_key(key, "system"))
			composed->system = raw;
		else if (!is_taken(key))
			put_raw(line, key, raw);
	}
	line->failed |= scratch.failed;
	buf_free(&scratch);
}

void
coproc_put_request(struct buf *line, uint64_t number,
    const struct record *record, const char *system)
{
	struct composed own = {.messages = {NULL, 0}};

	buf_printf(line, "{\"id\":%" PRIu64, number);
	if (record->custom_id.data != NULL)
		json_put_text(line, "custom_id", record->custom_id);
	/* Of several messages the text is but their JSON again. */
	put_members(line, record->body, &own);
	if (!span_equals(own.messages, record->text))
		json_put_text(line, "prompt", record->text);
	if (own.messages.data != NULL)
		put_raw(line, span_of("messages"), own.messages);
	if (own.system.data != NULL)
		put_raw(line, span_of("system"), own.system);
	else if (system != NULL)
		json_put_text(line, "system", span_of(system));
	put_members(line, record->fields, &(struct composed){0});
	buf_add_text(line, "}\n");
}

/* ---- the answer ---- */

static enum coproc_said
garbage(struct buf *error, const char *why, struct span line)
{
	buf_clear(error);
	buf_printf(error, "%s: ", why);
	text_escape(error, line, SHOWN_MAX_BYTES);
	return COPROC_GARBAGE;
}

static bool
is_true(struct json *value)
{
	return value != NULL && is_key(json_text(value), "true");
}

/* "7" is as good as 7. */
static bool
is_number(struct json *id, uint64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, number);
	return is_key(
	    json_is_string(id) ? json_string(id) : json_text(id), text);
}

static int64_t
read_count(struct json *usage, const char *one, const char *other)
{
	int64_t count = json_integer(json_get(usage, one), -1);

	if (count < 0)
		count = json_integer(json_get(usage, other), -1);
	return count >= 0 ? count : -1;
}

static void
read_facts(struct json *root, struct reply *reply)
{
	struct json *usage = json_get(root, "usage");

	reply->input_tokens =
	    read_count(usage, "prompt_tokens", "input_tokens");
	reply->output_tokens =
	    read_count(usage, "completion_tokens", "output_tokens");
	reply->model = json_string(json_get(root, "model"));
	reply->finish_reason = json_string(json_get(root, "finish_reason"));
	reply->reasoning = json_string(json_get(root, "reasoning"));
}

/* Seconds, with a fraction; -1 for none. */
static int64_t
read_after_ms(struct json *value)
{
	double seconds;

	if (!json_is_number(value))
		return -1;
	seconds = json_real(value, -1);
	if (!(seconds >= 0))
		return -1;
	return seconds >= (double)AFTER_MAX_S ? AFTER_MAX_S * 1000
					      : (int64_t)(seconds * 1000 + 0.5);
}

/* It says that it failed. Who names a time to come back means a limit, which
 * is no try; who says retry:false means that no other try can help. */
static void
read_failure(
    struct json *root, struct json *why, struct buf *error, struct reply *reply)
{
	struct json *retry = json_get(root, "retry");

	reply->retry_after_ms = read_after_ms(json_get(root, "retry_after"));
	reply->outcome = OUTCOME_EXIT_STATUS;
	if (retry != NULL && !is_true(retry))
		reply->outcome = OUTCOME_BAD_REQUEST;
	else if (reply->retry_after_ms >= 0)
		reply->outcome = OUTCOME_RATE_LIMITED;
	text_one_line(error, json_string(why), error->cap / 2);
	reply->error = buf_span(error);
}

enum coproc_said
coproc_read(struct span line, uint64_t number, struct json **root,
    struct buf *error, struct reply *reply)
{
	struct json *result;
	struct json *why;

	*root = json_parse(line, NULL);
	if (!json_is_object(*root))
		return garbage(error, "not a JSON object on its stdout", line);
	if (is_true(json_get(*root, "ready")))
		return COPROC_READY;
	if (!is_number(json_get(*root, "id"), number))
		return garbage(error, "an answer to something else", line);
	result = json_get(*root, "result");
	why = json_get(*root, "error");
	read_facts(*root, reply);
	if (why != NULL && json_is_string(why)) {
		read_failure(*root, why, error, reply);
		return COPROC_ANSWER;
	}
	if (!json_is_string(result))
		return garbage(
		    error, "neither result nor error is a string", line);
	reply->outcome = OUTCOME_OK;
	reply->text = json_string(result);
	if (reply->text.data == NULL)
		reply->text = span_of("");
	return COPROC_ANSWER;
}
