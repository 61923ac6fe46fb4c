/* SPDX-License-Identifier: ISC */
#ifndef FUZZ_API_H
#define FUZZ_API_H

#include "fuzz.h"

#include <string.h>

#include "base/json.h"
#include "chat/answer.h"
#include "chat/api.h"
#include "chat/api_error.h"
#include "chat/retry.h"
#include "chat/stream.h"

/*
 * A dialect's responses: as a whole body, as an error body, as a stream. What
 * comes of it is an outcome with what belongs to that, and no more text than
 * there can be; a stream says the same however it is cut.
 */
#define FUZZ_CAP_BYTES ((size_t)1 << 20)

static inline void
fuzz_check_reply(const struct reply *reply, size_t size)
{
	HOLDS((unsigned)reply->outcome < OUTCOME_COUNT);
	HOLDS(reply->reasoning.size <= size);
	HOLDS(reply->retry_after_ms >= -1);
	HOLDS(reply->input_tokens >= -1 && reply->output_tokens >= -1);
	if (!outcome_trait(reply->outcome)->answers) {
		HOLDS(reply->error.size > 0 ||
		      reply->outcome == OUTCOME_TOO_LONG);
		return;
	}
	HOLDS(reply->text.data != NULL);
	HOLDS(reply->error.size == 0);
	if (reply->outcome == OUTCOME_TOOL_CALLS) {
		/* Bytes that are no UTF-8 stay what they are. */
		struct json *calls = json_parse_lenient(reply->text, NULL);

		HOLDS(json_is_array(calls) && json_count(calls) > 0);
		json_free(calls);
	} else {
		HOLDS(reply->text.size > 0);
		HOLDS(reply->text.size <= size);
	}
}

static inline void
fuzz_whole(const struct api *api, struct span bytes)
{
	struct json *root = json_parse_lenient(bytes, NULL);
	struct answer answer;
	struct reply reply;

	answer_init(&answer, FUZZ_CAP_BYTES);
	reply_init(&reply);
	api->read(root, &answer);
	answer_judge(&answer, false, &reply);
	fuzz_check_reply(&reply, bytes.size);
	answer_free(&answer);
	json_free(root);
}

static inline void
fuzz_error(struct span bytes)
{
	static const int statuses[] = {
	    200, 302, 400, 401, 402, 403, 404, 408, 429, 500, 503, 529};
	struct json *root = json_parse_lenient(bytes, NULL);
	struct api_error said;
	struct buf scratch;

	buf_init(&scratch, FUZZ_CAP_BYTES);
	api_error_read(root, &scratch, &said);
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		const struct retry_facts facts = {
		    .status = statuses[i],
		    .error_type = said.type,
		    .error_code = said.code,
		    .message = said.message,
		    .retry_after = bytes,
		};
		int64_t after_ms;
		enum outcome outcome = retry_judge(&facts, &after_ms);

		HOLDS(!outcome_trait(outcome)->answers);
		HOLDS(after_ms >= -1);
	}
	buf_free(&scratch);
	json_free(root);
}

struct fuzz_stream {
	struct answer answer;
	struct stream stream;
	struct reply reply;
	bool whole;
};

static inline void
fuzz_feed(struct fuzz_stream *fuzz, const struct api *api, struct span bytes,
    enum fuzz_cut cut)
{
	bool more = true;

	answer_init(&fuzz->answer, FUZZ_CAP_BYTES);
	reply_init(&fuzz->reply);
	stream_init(&fuzz->stream, api, &fuzz->answer, FUZZ_CAP_BYTES);
	while (more && bytes.size > 0) {
		size_t size = fuzz_piece(cut, bytes);

		more =
		    stream_feed(&fuzz->stream, (struct span){bytes.data, size});
		bytes.data += size;
		bytes.size -= size;
	}
	if (more)
		stream_end(&fuzz->stream);
	fuzz->whole = stream_is_whole(&fuzz->stream);
	answer_judge(&fuzz->answer, false, &fuzz->reply);
}

static inline void
fuzz_drop(struct fuzz_stream *fuzz)
{
	stream_free(&fuzz->stream);
	answer_free(&fuzz->answer);
}

static inline void
fuzz_streamed(const struct api *api, struct span bytes)
{
	struct fuzz_stream first;

	fuzz_feed(&first, api, bytes, FUZZ_WHOLE);
	fuzz_check_reply(&first.reply, bytes.size);
	for (int cut = FUZZ_WHOLE + 1; cut < FUZZ_CUTS; cut++) {
		struct fuzz_stream other;

		fuzz_feed(&other, api, bytes, (enum fuzz_cut)cut);
		HOLDS(other.whole == first.whole);
		HOLDS(other.stream.broken == first.stream.broken);
		HOLDS(other.reply.outcome == first.reply.outcome);
		HOLDS(span_equals(other.reply.text, first.reply.text));
		HOLDS(span_equals(other.reply.error, first.reply.error));
		HOLDS(
		    span_equals(other.reply.reasoning, first.reply.reasoning));
		HOLDS(other.reply.input_tokens == first.reply.input_tokens);
		HOLDS(other.reply.output_tokens == first.reply.output_tokens);
		fuzz_drop(&other);
	}
	fuzz_drop(&first);
}

/* Copied, so that reading past the end is seen. */
static inline int
fuzz_all(const struct api *api, const uint8_t *data, size_t size)
{
	char *copy = malloc(size > 0 ? size : 1);
	struct span bytes = {copy, size};

	HOLDS(copy != NULL);
	if (size > 0)
		memcpy(copy, data, size);
	fuzz_whole(api, bytes);
	fuzz_error(bytes);
	fuzz_streamed(api, bytes);
	free(copy);
	return 0;
}

#endif
