/* SPDX-License-Identifier: ISC */
/*
 * Responses of /chat/completions, read tolerantly: an answer that was paid
 * for is an answer in whatever shape it comes. Requests are built next door,
 * in api_openai_build.c.
 */
#include "chat/api_openai.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "chat/retry.h"

static bool
is_text(struct span text, const char *word)
{
	return span_equals(text, span_of(word));
}

/* A string as it is, anything else but null as its JSON text. */
static struct span
text_of(struct json *value, struct buf *scratch)
{
	struct span text;
	size_t mark = scratch->size;

	if (value == NULL || json_is_string(value))
		return json_string(value);
	text = json_text(value);
	if (buf_add(scratch, text.data, text.size) != 0)
		return (struct span){NULL, 0};
	return (struct span){scratch->data + mark, scratch->size - mark};
}

void
api_openai_error(struct json *root, struct buf *scratch, struct api_error *out)
{
	struct json *error;
	struct json *code;

	*out = (struct api_error){.code_text = ""};
	if (json_is_array(root)) /* Google's endpoint wraps it so */
		root = json_at(root, 0);
	error = json_get(root, "error");
	if (error == NULL && json_get(root, "message") != NULL)
		error = root;
	if (error == NULL)
		error = json_get(root, "detail");
	if (error == NULL)
		return;
	if (!json_is_object(error)) {
		out->message = text_of(error, scratch);
		return;
	}
	out->type = json_string(json_get(error, "type"));
	code = json_get(error, "code");
	out->code = json_string(code);
	if (json_is_number(code)) {
		snprintf(out->code_text, sizeof(out->code_text), "%" PRId64,
		    json_integer(code, 0));
		out->code = span_of(out->code_text);
	}
	out->message = text_of(json_get(error, "message"), scratch);
	if (out->message.data == NULL && json_count(error) > 0)
		out->message = text_of(error, scratch);
}

/*
 * Is there an error in a good response? In the root, or (OpenRouter) in the
 * choice. Gives true with the reply filled.
 */
static bool
read_embedded(struct json *root, struct json *choice, struct buf *out,
    struct reply *reply)
{
	struct json *error = json_get(root, "error");
	struct retry_facts facts = {.status = 200};
	struct api_error said;
	struct buf scratch;
	int64_t number;

	if (error == NULL && json_get(choice, "error") != NULL)
		root = choice;
	else if (error == NULL && choice != NULL)
		return false;
	buf_init(&scratch, out->cap);
	api_openai_error(root, &scratch, &said);
	if (said.message.size == 0) {
		buf_free(&scratch);
		return false;
	}
	number = strtoll(said.code_text, NULL, 10);
	if (number >= 400 && number <= 599)
		facts.status = (int)number;
	facts.error_type = said.type;
	facts.error_code = said.code;
	facts.message = said.message;
	reply->outcome = retry_judge(&facts, &reply->retry_after_ms);
	buf_add_text(out, "an error instead of an answer: ");
	if (said.code.size > 0) {
		buf_add(out, said.code.data, said.code.size);
		buf_add_byte(out, ' ');
	}
	buf_add(out, said.message.data, said.message.size);
	reply->error = buf_span(out);
	buf_free(&scratch);
	return true;
}

static struct span
read_content(struct json *content, struct buf *out)
{
	if (!json_is_array(content))
		return json_string(content);
	buf_add(out, "", 0);
	for (size_t i = 0; i < json_count(content); i++) {
		struct json *part = json_at(content, i);
		struct span text = json_string(
		    json_is_string(part) ? part : json_get(part, "text"));

		buf_add(out, text.data, text.size);
	}
	return buf_span(out);
}

static int64_t
read_count(struct json *usage, const char *key)
{
	int64_t count = json_integer(json_get(usage, key), -1);

	return count >= 0 ? count : -1;
}

static void
fail(struct reply *reply, enum outcome outcome, const char *error)
{
	reply->outcome = outcome;
	reply->error = span_of(error);
}

/* No text is there: why? */
static void
judge_silence(bool allow_empty, struct buf *out, struct reply *reply)
{
	reply->text = span_of(NULL);
	if (reply->refusal.size > 0) {
		reply->outcome = OUTCOME_REFUSED;
		buf_clear(out);
		buf_add_text(out, "the model refused: ");
		buf_add(out, reply->refusal.data, reply->refusal.size);
		reply->error = buf_span(out);
	} else if (is_text(reply->finish_reason, "length")) {
		fail(reply, OUTCOME_EMPTY,
		    "empty answer: the token limit was reached");
	} else if (!allow_empty) {
		fail(reply, OUTCOME_EMPTY, "empty answer");
	} else {
		reply->text = span_of("");
	}
}

static void
read_message(struct json *message, bool allow_empty, struct buf *out,
    struct reply *reply)
{
	struct json *calls = json_get(message, "tool_calls");
	struct json *thought = json_get(message, "reasoning_content");

	if (thought == NULL)
		thought = json_get(message, "reasoning");
	reply->reasoning = json_string(thought);
	reply->refusal = json_string(json_get(message, "refusal"));
	if (is_text(reply->finish_reason, "content_filter")) {
		fail(reply, OUTCOME_CONTENT_FILTER,
		    "the server's content filter stopped the answer");
		return;
	}
	if (json_is_array(calls) && json_count(calls) > 0) {
		reply->outcome = OUTCOME_TOOL_CALLS;
		reply->text = text_of(calls, out);
	} else {
		reply->text = read_content(json_get(message, "content"), out);
	}
	if (out->failed) {
		reply->text = (struct span){NULL, 0};
		fail(reply, OUTCOME_OUT_OF_MEMORY, "no memory for the answer");
	} else if (reply->text.size == 0) {
		judge_silence(allow_empty, out, reply);
	} else if (is_text(reply->finish_reason, "length") &&
		   reply->outcome == OUTCOME_OK) {
		reply->outcome = OUTCOME_LENGTH;
	}
}

void
api_openai_read(struct json *root, bool allow_empty, struct buf *text_out,
    struct reply *reply)
{
	struct json *choice = json_at(json_get(root, "choices"), 0);
	struct json *usage = json_get(root, "usage");
	struct json *message = json_get(choice, "message");

	reply->outcome = OUTCOME_OK;
	reply->model = json_string(json_get(root, "model"));
	reply->finish_reason = json_string(json_get(choice, "finish_reason"));
	reply->input_tokens = read_count(usage, "prompt_tokens");
	reply->output_tokens = read_count(usage, "completion_tokens");
	if (read_embedded(root, choice, text_out, reply))
		return;
	if (!json_is_object(message)) {
		fail(reply, OUTCOME_GARBAGE, "no choices in the answer");
		return;
	}
	read_message(message, allow_empty, text_out, reply);
}
