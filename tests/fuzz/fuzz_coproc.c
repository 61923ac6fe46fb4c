/* SPDX-License-Identifier: ISC */
/*
 * A line of a command per worker: whatever it is, it is one of three things,
 * each whole.
 */
#include "fuzz.h"

#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "chat/coproc_line.h"

#define NUMBER 7

static void
check_answer(const struct reply *reply)
{
	HOLDS(reply->retry_after_ms >= -1);
	HOLDS(reply->input_tokens >= -1 && reply->output_tokens >= -1);
	if (reply->outcome == OUTCOME_OK)
		HOLDS(reply->text.data != NULL && reply->error.data == NULL);
	else
		HOLDS(reply->text.data == NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* A copy: reading past its end is seen. */
	char *line = malloc(size + (size == 0));
	struct json *root = NULL;
	struct reply reply;
	struct buf error;
	size_t bad;

	HOLDS(line != NULL);
	memcpy(line, data, size);
	buf_init(&error, 8192);
	reply_init(&reply);
	switch (coproc_read(
	    (struct span){line, size}, NUMBER, &root, &error, &reply)) {
	case COPROC_READY:
		HOLDS(error.size == 0);
		break;
	case COPROC_ANSWER:
		check_answer(&reply);
		break;
	case COPROC_GARBAGE:
		HOLDS(error.size > 0);
		break;
	}
	HOLDS(error.size == 0 || text_is_utf8(buf_span(&error), &bad));
	HOLDS(error.size == 0 || memchr(error.data, '\n', error.size) == NULL);
	json_free(root);
	buf_free(&error);
	free(line);
	return 0;
}
