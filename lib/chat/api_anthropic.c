/* SPDX-License-Identifier: ISC */
/*
 * Responses of Anthropic's /messages. A message is a list of blocks; a stream
 * opens each block as a message would hold it, empty, and then adds to it. So
 * both are read by the same few functions, told apart by "type". What is not
 * known is passed over: new kinds of events and blocks are no break there.
 */
#include "chat/api_anthropic.h"

#include "base/json.h"
#include "chat/answer.h"
#include "chat/api.h"
#include "chat/api_error.h"

/* The most that every model takes (the oldest still served: 4096); larger is
 * refused by some. */
#define MAX_TOKENS 4096
#define COUNT_MOST ((int64_t)1 << 50) /* of tokens; more is nonsense */

static bool
is(struct json *value, const char *word)
{
	return span_equals(json_string(value), span_of(word));
}

static int64_t
count_of(struct json *usage, const char *key)
{
	int64_t count = json_integer(json_get(usage, key), -1);

	return count <= COUNT_MOST ? count : -1;
}

/* Counts only grow while a stream goes on. What was written to a cache or read
 * from it is part of the prompt, too. */
static void
read_usage(struct json *usage, struct answer *answer)
{
	int64_t made = count_of(usage, "cache_creation_input_tokens");
	int64_t cached = count_of(usage, "cache_read_input_tokens");
	int64_t input = count_of(usage, "input_tokens");
	int64_t output = count_of(usage, "output_tokens");

	if (input >= 0)
		input += (made > 0 ? made : 0) + (cached > 0 ? cached : 0);
	if (input > answer->input_tokens)
		answer->input_tokens = input;
	if (output > answer->output_tokens)
		answer->output_tokens = output;
}

static enum answer_end
end_of(struct json *reason)
{
	static const struct {
		const char *reason;
		enum answer_end end;
	} ends[] = {
	    {"max_tokens", ANSWER_END_LENGTH},
	    {"model_context_window_exceeded", ANSWER_END_LENGTH},
	    {"pause_turn", ANSWER_END_LENGTH}, /* it wants to be gone on with */
	    {"refusal", ANSWER_END_REFUSAL},
	};

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		if (is(reason, ends[i].reason))
			return ends[i].end;
	}
	return ANSWER_END_STOP;
}

/* Takes a message, or the delta of one. */
static void
read_end(struct json *message, struct answer *answer)
{
	struct json *reason = json_get(message, "stop_reason");
	struct json *details = json_get(message, "stop_details");

	if (json_string(reason).size == 0)
		return;
	answer_name(answer, &answer->finish_reason, json_string(reason));
	answer->end = end_of(reason);
	if (answer->end == ANSWER_END_REFUSAL)
		answer_add(answer, &answer->refusal,
		    json_string(json_get(details, "explanation")));
}

/* The input of a call stands in the block, or comes behind it in pieces. */
static void
read_call(struct json *block, int64_t index, struct answer *answer)
{
	struct answer_call *call = answer_call_new(answer, index);
	struct json *input = json_get(block, "input");

	if (call == NULL)
		return;
	answer->blocks = true;
	answer_name(answer, &call->id, json_string(json_get(block, "id")));
	answer_name(answer, &call->name, json_string(json_get(block, "name")));
	if (json_count(input) > 0)
		answer_add(answer, &call->arguments, json_text(input));
}

static void
read_block(struct json *block, int64_t index, struct answer *answer)
{
	struct json *type = json_get(block, "type");

	answer->has_message = true;
	if (is(type, "text"))
		answer_add(answer, &answer->text,
		    json_string(json_get(block, "text")));
	else if (is(type, "thinking"))
		answer_add(answer, &answer->reasoning,
		    json_string(json_get(block, "thinking")));
	else if (is(type, "tool_use"))
		read_call(block, index, answer);
}

static void
read_message(struct json *message, struct answer *answer)
{
	struct json *content = json_get(message, "content");

	answer->has_message = true;
	answer_name(
	    answer, &answer->model, json_string(json_get(message, "model")));
	answer_add(answer, &answer->text, json_string(content));
	for (size_t i = 0; json_is_array(content) && i < json_count(content);
	     i++)
		read_block(json_at(content, i), (int64_t)i, answer);
	read_usage(json_get(message, "usage"), answer);
	read_end(message, answer);
}

/* ---- the events of a stream ---- */

static void
read_message_start(struct json *event, struct answer *answer)
{
	read_message(json_get(event, "message"), answer);
}

static void
read_block_start(struct json *event, struct answer *answer)
{
	read_block(json_get(event, "content_block"),
	    json_integer(json_get(event, "index"), -1), answer);
}

static void
read_block_delta(struct json *event, struct answer *answer)
{
	int64_t index = json_integer(json_get(event, "index"), -1);
	struct json *delta = json_get(event, "delta");
	struct json *type = json_get(delta, "type");
	/* NULL where other blocks have input, too. */
	struct answer_call *call = answer_call_find(answer, index);

	answer->has_message = true;
	if (is(type, "text_delta"))
		answer_add(answer, &answer->text,
		    json_string(json_get(delta, "text")));
	else if (is(type, "thinking_delta"))
		answer_add(answer, &answer->reasoning,
		    json_string(json_get(delta, "thinking")));
	else if (is(type, "input_json_delta") && call != NULL)
		answer_add(answer, &call->arguments,
		    json_string(json_get(delta, "partial_json")));
}

static void
read_message_delta(struct json *event, struct answer *answer)
{
	read_usage(json_get(event, "usage"), answer);
	read_end(json_get(event, "delta"), answer);
}

static void
read_message_stop(struct json *event, struct answer *answer)
{
	(void)event;
	answer->done = true;
}

static void
read_error(struct json *event, struct answer *answer)
{
	if (api_error_embedded(event, NULL, answer) ||
	    answer->trouble != OUTCOME_OK)
		return;
	answer->trouble = OUTCOME_SERVER_ERROR;
	buf_add_text(&answer->error, "an error instead of an answer");
}

static void
anthropic_read(struct json *root, struct answer *answer)
{
	static const struct {
		const char *type;
		void (*read)(struct json *, struct answer *);
	} kinds[] = {
	    {"content_block_delta", read_block_delta},
	    {"content_block_start", read_block_start},
	    {"error", read_error},
	    {"message", read_message},
	    {"message_delta", read_message_delta},
	    {"message_start", read_message_start},
	    {"message_stop", read_message_stop},
	};
	struct json *type = json_get(root, "type");

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (is(type, kinds[i].type)) {
			kinds[i].read(root, answer);
			return;
		}
	}
	if (type == NULL && json_is_array(json_get(root, "content")))
		read_message(root, answer);
	else if (type == NULL || json_get(root, "error") != NULL)
		api_error_embedded(root, NULL, answer);
}

/* ---- the dialect ---- */

static const char *const url_variables[] = {"$ANTHROPIC_BASE_URL", NULL};

/* The system text is composed as well; it has options of its own. */
static const char *const reserved[] = {
    "messages", "stream", "stream_options", "system", NULL};

static const struct api_twin twins[] = {
    {"stop", "stop_sequences", true},
    {"max_completion_tokens", "max_tokens", false},
    {NULL, NULL, false},
};

const struct api api_anthropic = {
    .name = "anthropic",
    .url = "https://api.anthropic.com/v1",
    .url_variables = url_variables,
    .key_variable = "$ANTHROPIC_API_KEY",
    .path = "/messages",
    .wants_v1 = true,
    .key_header = "x-api-key",
    .header = "anthropic-version: 2023-06-01",
    .max_tokens = MAX_TOKENS,
    .reserved = reserved,
    .twins = twins,
    .build = api_anthropic_build,
    .read = anthropic_read,
};
