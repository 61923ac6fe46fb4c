/* SPDX-License-Identifier: ISC */
/*
 * A whole message and the deltas of a stream have the same members, so both
 * are added up here, and one judgement serves them.
 */
#include "chat/answer.h"

#include <stdlib.h>

#include "base/json.h"
#include "base/scan.h"

#define NAME_MAX_BYTES ((size_t)4 << 10) /* of a model or a finish reason */
#define ERROR_CAP_BYTES ((size_t)64 << 10)

void
answer_init(struct answer *answer, size_t cap_bytes)
{
	*answer = (struct answer){
	    .cap_bytes = cap_bytes,
	    .input_tokens = -1,
	    .output_tokens = -1,
	    .retry_after_ms = -1,
	};
	buf_init(&answer->text, cap_bytes);
	buf_init(&answer->reasoning, cap_bytes);
	buf_init(&answer->refusal, cap_bytes);
	buf_init(&answer->calls, cap_bytes);
	buf_init(&answer->model, NAME_MAX_BYTES);
	buf_init(&answer->finish_reason, NAME_MAX_BYTES);
	buf_init(&answer->error, ERROR_CAP_BYTES);
}

static void
free_calls(struct answer *answer)
{
	for (size_t i = 0; i < answer->making_count; i++) {
		buf_free(&answer->making[i].id);
		buf_free(&answer->making[i].name);
		buf_free(&answer->making[i].arguments);
	}
	free(answer->making);
}

void
answer_free(struct answer *answer)
{
	free_calls(answer);
	buf_free(&answer->text);
	buf_free(&answer->reasoning);
	buf_free(&answer->refusal);
	buf_free(&answer->calls);
	buf_free(&answer->model);
	buf_free(&answer->finish_reason);
	buf_free(&answer->error);
}

void
answer_clear(struct answer *answer, size_t keep_bytes)
{
	struct answer fresh;
	struct buf text = answer->text;
	struct buf reasoning = answer->reasoning;

	answer->text.data = NULL;
	answer->reasoning.data = NULL;
	answer_free(answer);
	answer_init(&fresh, answer->cap_bytes);
	*answer = fresh;
	/* The two that grow with every answer keep their room. */
	if (text.room > keep_bytes)
		buf_free(&text);
	if (reasoning.room > keep_bytes)
		buf_free(&reasoning);
	buf_clear(&text);
	buf_clear(&reasoning);
	answer->text = text;
	answer->reasoning = reasoning;
}

void
answer_add(struct answer *answer, struct buf *part, struct span text)
{
	if (text.data == NULL || buf_add(part, text.data, text.size) == 0)
		return;
	if (text.size > part->cap - part->size)
		answer->too_long = true;
	else
		answer->no_memory = true;
}

void
answer_name(struct answer *answer, struct buf *part, struct span text)
{
	if (text.data == NULL)
		return;
	if (text.size > NAME_MAX_BYTES)
		text.size = NAME_MAX_BYTES;
	buf_clear(part);
	if (buf_add(part, text.data, text.size) == -1)
		answer->no_memory = true;
}

struct answer_call *
answer_call_find(struct answer *answer, int64_t place)
{
	for (size_t i = answer->making_count; i-- > 0;) {
		if (answer->making[i].place == place)
			return &answer->making[i];
	}
	return NULL;
}

struct answer_call *
answer_call_new(struct answer *answer, int64_t place)
{
	struct answer_call *more;
	struct answer_call *call;

	if (answer->making_count >= ANSWER_CALLS_MAX) {
		answer->too_long = true;
		return NULL;
	}
	more =
	    realloc(answer->making, (answer->making_count + 1) * sizeof(*more));
	if (more == NULL) {
		answer->no_memory = true;
		return NULL;
	}
	answer->making = more;
	call = &more[answer->making_count++];
	call->place = place;
	buf_init(&call->id, NAME_MAX_BYTES);
	buf_init(&call->name, NAME_MAX_BYTES);
	buf_init(&call->arguments, answer->cap_bytes);
	return call;
}

/* ---- the judgement ---- */

/* Arguments are a value here, unless they are cut short. */
static void
put_input(struct buf *out, struct span arguments)
{
	const char *reason;
	size_t at;

	if (arguments.size == 0)
		arguments = span_of("{}");
	if (!scan_whole(arguments, &at, &reason)) {
		json_put_text(out, "input", arguments);
		return;
	}
	json_put_key(out, "input");
	buf_add(out, arguments.data, arguments.size);
}

static void
put_call(struct buf *out, const struct answer_call *call, bool block)
{
	struct span arguments = buf_span(&call->arguments);

	buf_add_byte(out, '{');
	if (block)
		json_put_text(out, "type", span_of("tool_use"));
	json_put_text(out, "id", buf_span(&call->id));
	if (!block)
		buf_add_text(out, ",\"type\":\"function\",\"function\":{");
	json_put_text(out, "name", buf_span(&call->name));
	if (!block) {
		json_put_text(out, "arguments", arguments);
		buf_add_byte(out, '}');
	} else {
		put_input(out, arguments);
	}
	buf_add_byte(out, '}');
}

/* Calls that came in pieces become the JSON they would have been. */
static void
compose_calls(struct answer *answer)
{
	struct buf *out = &answer->calls;

	if (out->size > 0 || answer->making_count == 0)
		return;
	buf_add_byte(out, '[');
	for (size_t i = 0; i < answer->making_count; i++) {
		if (i > 0)
			buf_add_byte(out, ',');
		put_call(out, &answer->making[i], answer->blocks);
	}
	buf_add_byte(out, ']');
	if (out->failed)
		answer->too_long = true;
}

static void
fail(struct reply *reply, enum outcome outcome, const char *error)
{
	reply->outcome = outcome;
	reply->error = span_of(error);
}

static void
refuse(struct answer *answer, struct reply *reply)
{
	struct span said = buf_span(&answer->refusal);

	if (said.size == 0)
		said = buf_span(&answer->text);
	reply->outcome = OUTCOME_REFUSED;
	reply->refusal = said;
	buf_clear(&answer->error);
	buf_add_text(&answer->error, "the model refused");
	if (said.size > 0) {
		buf_add_text(&answer->error, ": ");
		/* A long one stands whole in reply->refusal. */
		if (said.size > ERROR_CAP_BYTES / 2)
			said.size = ERROR_CAP_BYTES / 2;
		buf_add(&answer->error, said.data, said.size);
	}
	reply->error = buf_span(&answer->error);
}

/* There is a message, whole. What is it? */
static void
judge_message(struct answer *answer, bool allow_empty, struct reply *reply)
{
	if (answer->end == ANSWER_END_FILTER) {
		fail(reply, OUTCOME_CONTENT_FILTER,
		    "the server's content filter stopped the answer");
	} else if (answer->calls.size > 0) {
		reply->outcome = OUTCOME_TOOL_CALLS;
		reply->text = buf_span(&answer->calls);
	} else if (answer->end == ANSWER_END_REFUSAL ||
		   (answer->text.size == 0 && answer->refusal.size > 0)) {
		refuse(answer, reply);
	} else if (answer->text.size > 0) {
		reply->outcome = answer->end == ANSWER_END_LENGTH
				     ? OUTCOME_LENGTH
				     : OUTCOME_OK;
		reply->text = buf_span(&answer->text);
	} else if (answer->end == ANSWER_END_LENGTH) {
		fail(reply, OUTCOME_EMPTY,
		    "empty answer: the token limit was reached");
	} else if (!allow_empty) {
		fail(reply, OUTCOME_EMPTY, "empty answer");
	} else {
		reply->outcome = OUTCOME_OK;
		reply->text = span_of("");
	}
}

static struct span
said(const struct buf *buf)
{
	return buf->size > 0 ? buf_span(buf) : span_of(NULL);
}

void
answer_judge(struct answer *answer, bool allow_empty, struct reply *reply)
{
	compose_calls(answer);
	reply->model = said(&answer->model);
	reply->finish_reason = said(&answer->finish_reason);
	reply->reasoning = said(&answer->reasoning);
	reply->refusal = said(&answer->refusal);
	reply->input_tokens = answer->input_tokens;
	reply->output_tokens = answer->output_tokens;
	reply->text = span_of(NULL);
	if (answer->trouble != OUTCOME_OK) {
		reply->outcome = answer->trouble;
		reply->retry_after_ms = answer->retry_after_ms;
		reply->error = buf_span(&answer->error);
	} else if (answer->no_memory) {
		fail(reply, OUTCOME_OUT_OF_MEMORY, "no memory for the answer");
	} else if (answer->too_long) {
		fail(reply, OUTCOME_TOO_LONG,
		    "the answer is longer than --max-answer-bytes");
		reply->text = buf_span(&answer->text);
	} else if (!answer->has_message) {
		fail(reply, OUTCOME_GARBAGE, "no message in the answer");
	} else {
		judge_message(answer, allow_empty, reply);
	}
}
