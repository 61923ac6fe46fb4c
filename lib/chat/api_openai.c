/* SPDX-License-Identifier: ISC */
/*
 * Responses of /chat/completions, read tolerantly: an answer that was paid
 * for is an answer in whatever shape it comes. A message and the delta of a
 * stream have the same members, so one reader serves both. Requests are built
 * next door, in api_openai_build.c.
 */
#include "chat/api_openai.h"

#include "base/json.h"
#include "chat/answer.h"
#include "chat/api.h"
#include "chat/api_error.h"

static void
read_content(struct json *content, struct answer *answer)
{
	if (!json_is_array(content)) {
		answer_add(answer, &answer->text, json_string(content));
		return;
	}
	for (size_t i = 0; i < json_count(content); i++) {
		struct json *part = json_at(content, i);

		answer_add(answer, &answer->text,
		    json_string(
			json_is_string(part) ? part : json_get(part, "text")));
	}
}

/* Which call does a piece belong to? Some servers give no numbers, or 0 to
 * all: a new id is a new call. */
static struct answer_call *
choose_call(struct json *piece, size_t position, struct answer *answer)
{
	int64_t place =
	    json_integer(json_get(piece, "index"), (int64_t)position);
	struct span id = json_string(json_get(piece, "id"));
	struct answer_call *call = answer_call_find(answer, place);

	if (call == NULL || (id.size > 0 && call->id.size > 0 &&
				!span_equals(id, buf_span(&call->id))))
		return answer_call_new(answer, place);
	return call;
}

/* A piece of one call: names come once, arguments bit by bit. */
static void
read_call(struct json *piece, size_t position, struct answer *answer)
{
	struct json *function = json_get(piece, "function");
	struct json *arguments = json_get(function, "arguments");
	struct answer_call *call = choose_call(piece, position, answer);

	if (call == NULL)
		return;
	if (call->id.size == 0)
		answer_name(
		    answer, &call->id, json_string(json_get(piece, "id")));
	if (call->name.size == 0)
		answer_name(answer, &call->name,
		    json_string(json_get(function, "name")));
	if (arguments != NULL && !json_is_string(arguments))
		answer_add(answer, &call->arguments, json_text(arguments));
	else
		answer_add(answer, &call->arguments, json_string(arguments));
}

static void
read_calls(struct json *calls, bool whole, struct answer *answer)
{
	if (!json_is_array(calls) || json_count(calls) == 0)
		return;
	if (whole) {
		answer_add(answer, &answer->calls, json_text(calls));
		return;
	}
	for (size_t i = 0; i < json_count(calls); i++)
		read_call(json_at(calls, i), i, answer);
}

/* Takes a message, whole, or a delta. */
static void
read_message(struct json *message, bool whole, struct answer *answer)
{
	struct json *thought = json_get(message, "reasoning_content");

	if (!json_is_object(message))
		return;
	answer->has_message = true;
	if (thought == NULL)
		thought = json_get(message, "reasoning");
	answer_add(answer, &answer->reasoning, json_string(thought));
	answer_add(answer, &answer->refusal,
	    json_string(json_get(message, "refusal")));
	read_calls(json_get(message, "tool_calls"), whole, answer);
	read_content(json_get(message, "content"), answer);
}

static void
read_end(struct json *choice, struct answer *answer)
{
	struct span reason = json_string(json_get(choice, "finish_reason"));

	if (reason.size == 0)
		return;
	answer_name(answer, &answer->finish_reason, reason);
	if (span_equals(reason, span_of("length")))
		answer->end = ANSWER_END_LENGTH;
	else if (span_equals(reason, span_of("content_filter")))
		answer->end = ANSWER_END_FILTER;
	else
		answer->end = ANSWER_END_STOP;
}

static void
read_count(struct json *usage, const char *key, int64_t *count)
{
	int64_t value = json_integer(json_get(usage, key), -1);

	if (value >= 0)
		*count = value;
}

/* The choice with index 0; one without an index is it. */
static struct json *
find_choice(struct json *root)
{
	struct json *choices = json_get(root, "choices");

	for (size_t i = 0; i < json_count(choices); i++) {
		struct json *choice = json_at(choices, i);

		if (json_integer(json_get(choice, "index"), 0) == 0)
			return choice;
	}
	return NULL;
}

static void
openai_read(struct json *root, struct answer *answer)
{
	struct json *choices = json_get(root, "choices");
	struct json *choice = find_choice(root);
	struct json *usage = json_get(root, "usage");
	struct json *message = json_get(choice, "message");

	answer_name(
	    answer, &answer->model, json_string(json_get(root, "model")));
	read_count(usage, "prompt_tokens", &answer->input_tokens);
	read_count(usage, "completion_tokens", &answer->output_tokens);
	/* What has choices, even none, is no error body. */
	if (api_error_embedded(root, choice != NULL ? choice : choices, answer))
		return;
	answer->has_logprobs |= json_get(choice, "logprobs") != NULL;
	if (message != NULL)
		read_message(message, true, answer);
	else
		read_message(json_get(choice, "delta"), false, answer);
	read_end(choice, answer);
}

static const char *const url_variables[] = {
    "$OPENAI_BASE_URL", "$OPENAI_API_BASE", NULL};

/* Messages are composed; whether the answer is a stream is --stream's
 * affair. */
static const char *const reserved[] = {
    "messages", "stream", "stream_options", NULL};

const struct api api_openai = {
    .name = "openai",
    .url = "https://api.openai.com/v1",
    .url_variables = url_variables,
    .key_variable = "$OPENAI_API_KEY",
    .path = "/chat/completions",
    .key_header = "Authorization",
    .reserved = reserved,
    .build = api_openai_build,
    .read = openai_read,
};
