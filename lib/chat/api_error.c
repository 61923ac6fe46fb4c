/* SPDX-License-Identifier: ISC */
/*
 * Errors are the same everywhere and look different everywhere: one reader
 * for all dialects, by what is there and not by who sent it.
 */
#include "chat/api_error.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "chat/answer.h"
#include "chat/retry.h"

#define SCRATCH_CAP_BYTES ((size_t)1 << 20)

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

/* The value that has, or is, the error; NULL when there is none. */
static struct json *
find_error(struct json *root)
{
	struct json *error;

	if (json_is_array(root)) /* Google's endpoint wraps it so */
		root = json_at(root, 0);
	error = json_get(root, "error");
	if (error == NULL && json_get(root, "message") != NULL)
		error = root;
	return error != NULL ? error : json_get(root, "detail");
}

void
api_error_read(struct json *root, struct buf *scratch, struct api_error *out)
{
	struct json *error = find_error(root);
	struct json *code = json_get(error, "code");

	*out = (struct api_error){.code_text = ""};
	if (error == NULL)
		return;
	if (!json_is_object(error)) {
		out->message = text_of(error, scratch);
		return;
	}
	out->type = json_string(json_get(error, "type"));
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

static void
put_trouble(struct answer *answer, const struct api_error *said)
{
	struct retry_facts facts = {
	    .status = 200,
	    .error_type = said->type,
	    .error_code = said->code,
	    .message = said->message,
	};
	/* A code is a number, or a string that is one. */
	int64_t number =
	    said->code.data != NULL ? strtoll(said->code.data, NULL, 10) : 0;

	if (number >= 400 && number <= 599)
		facts.status = (int)number;
	answer->trouble = retry_judge(&facts, &answer->retry_after_ms);
	buf_add_text(&answer->error, "an error instead of an answer: ");
	if (said->code.size > 0) {
		buf_add(&answer->error, said->code.data, said->code.size);
		buf_add_byte(&answer->error, ' ');
	}
	buf_add(&answer->error, said->message.data, said->message.size);
}

/* Some say beside each answer that there was none: null or false. */
static bool
has_error(struct json *value)
{
	struct json *error = json_get(value, "error");

	return error != NULL &&
	       !span_equals(json_text(error), span_of("false"));
}

bool
api_error_embedded(
    struct json *root, struct json *choice, struct answer *answer)
{
	struct api_error said;
	struct buf scratch;

	if (!has_error(root)) {
		if (has_error(choice))
			root = choice;
		else if (choice != NULL)
			return false;
	}
	buf_init(&scratch, SCRATCH_CAP_BYTES);
	api_error_read(root, &scratch, &said);
	if (said.message.size > 0 && answer->trouble == OUTCOME_OK)
		put_trouble(answer, &said);
	buf_free(&scratch);
	return said.message.size > 0;
}
