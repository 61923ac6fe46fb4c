/* SPDX-License-Identifier: ISC */
/*
 * A stream is broken by one event that cannot be read: what it would have said
 * is missing, and an answer with a hole in it is worse than none.
 */
#include "chat/stream.h"

#include "base/json.h"
#include "chat/api.h"
#include "chat/api_error.h"

void
stream_init(struct stream *stream, const struct api *api, struct answer *answer,
    size_t event_cap_bytes)
{
	*stream = (struct stream){.api = api, .answer = answer};
	sse_init(&stream->sse, event_cap_bytes);
}

void
stream_free(struct stream *stream)
{
	sse_free(&stream->sse);
}

void
stream_clear(struct stream *stream)
{
	sse_clear(&stream->sse);
	stream->events = 0;
	stream->broken = false;
}

static bool
is_over(const struct stream *stream)
{
	const struct answer *answer = stream->answer;

	return answer->done || stream->broken || answer->too_long ||
	       answer->no_memory || answer->trouble != OUTCOME_OK;
}

/* An event that is called an error need not look like one. */
static void
take_error(struct stream *stream, struct json *root, struct span data)
{
	struct answer *answer = stream->answer;

	if (api_error_embedded(root, NULL, answer))
		return;
	answer->trouble = OUTCOME_SERVER_ERROR;
	buf_add_text(&answer->error, "an error instead of an answer: ");
	buf_add(&answer->error, data.data, data.size);
}

/* "[DONE]", with whatever blanks around it. */
static bool
says_done(struct span data)
{
	while (data.size > 0 && data.data[0] == ' ') {
		data.data++;
		data.size--;
	}
	while (data.size > 0 && data.data[data.size - 1] == ' ')
		data.size--;
	return span_equals(data, span_of("[DONE]"));
}

static void
take_event(void *arg, const struct sse_event *event)
{
	struct stream *stream = arg;
	struct json *root;

	if (is_over(stream) || event->data.size == 0)
		return;
	if (says_done(event->data)) {
		stream->events++;
		stream->answer->done = true;
		return;
	}
	root = json_parse_lenient(event->data, NULL);
	if (span_equals(event->name, span_of("error")))
		take_error(stream, root, event->data);
	else if (json_is_object(root))
		stream->api->read(root, stream->answer);
	else /* once the answer has ended nothing of it can be missing */
		stream->broken = stream->answer->end == ANSWER_END_NONE;
	stream->events++;
	json_free(root);
}

bool
stream_feed(struct stream *stream, struct span bytes)
{
	if (sse_feed(&stream->sse, bytes, take_event, stream) == -1)
		stream->answer->too_long = true;
	return !is_over(stream);
}

void
stream_end(struct stream *stream)
{
	bool was_broken = stream->broken;
	uint64_t events = stream->events;

	/* An event that the end cuts off is no harm if the answer is whole,
	 * and missing as a whole if it is not. */
	sse_end(&stream->sse, take_event, stream);
	if (stream->broken && !was_broken)
		stream->events = events;
	stream->broken = was_broken;
}

bool
stream_is_whole(const struct stream *stream)
{
	return stream->answer->done || stream->answer->end != ANSWER_END_NONE;
}
