/* SPDX-License-Identifier: ISC */
/*
 * From a response to a reply. Every error sentence passes one gate, http_say,
 * which strikes out keys and makes it one line.
 */
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"
#include "chat/api_error.h"
#include "chat/chat.h"
#include "chat/curl_proxy.h"
#include "chat/http.h"
#include "chat/http_impl.h"
#include "chat/retry.h"

#define ERROR_MAX_BYTES 4096  /* of an error sentence */
#define EXCERPT_MAX_BYTES 200 /* of a body that is not what it should be */

void
http_say(struct http *http, struct reply *reply)
{
	struct buf *raw = &http->sentence;

	if (raw->size > 0)
		raw->size = http_redact(http->conf, raw->data, raw->size);
	text_one_line(
	    &http->error, buf_span(raw), ERROR_MAX_BYTES - strlen("…"));
	reply->error = buf_span(&http->error);
	if (reply->error.size == 0)
		reply->error = span_of(outcome_trait(reply->outcome)->words);
}

/* Append the start of a body that is not what it should be. */
static void
add_excerpt(struct buf *sentence, struct span body)
{
	if (body.size == 0)
		buf_add_text(sentence, "an empty body");
	else
		text_escape(sentence, body, EXCERPT_MAX_BYTES);
}

/* ---- pieces ---- */

static bool
begins_as(struct span text, const char *word)
{
	size_t size = strlen(word);

	return text.data != NULL && text.size >= size &&
	       strncasecmp(text.data, word, size) == 0;
}

/* Is it a stream, by its name? Asked once the headers are there. */
static void
judge_kind(struct http *http)
{
	if (http->piece_judged)
		return;
	http->piece_judged = true;
	http->is_stream =
	    begins_as(curl_client_header(http->end->client, "content-type"),
		"text/event-stream");
}

enum curl_piece
http_take_piece(void *arg, struct span piece)
{
	struct http *http = arg;
	struct buf *raw = &http->raw;
	size_t room = raw->cap - raw->size;

	judge_kind(http);
	if (!http->is_stream)
		return CURL_PIECE_GATHER;
	buf_add(raw, piece.data, piece.size < room ? piece.size : room);
	if (stream_feed(&http->stream, piece) &&
	    http->answer.text.size <= http->conf->answer_cap_bytes)
		return CURL_PIECE_TAKEN;
	if (http->answer.done || http->answer.trouble != OUTCOME_OK)
		return CURL_PIECE_LAST;
	return CURL_PIECE_STOP;
}

/* ---- a good status ---- */

/* Can it be the beginning of a stream, before its first event is whole? */
static bool
is_before_event(struct span body)
{
	return body.size == 0 || body.data[0] == ':' ||
	       begins_as(body, "data:") || begins_as(body, "event:");
}

/* A whole body: JSON, or a stream, each perhaps under the other's name. Gives
 * false when it is neither. */
static bool
read_body(struct http *http, struct span body)
{
	http->root = json_parse_lenient(body, NULL);
	if (json_is_object(http->root)) {
		http->is_stream = false;
		http->api->read(http->root, &http->answer);
		return true;
	}
	if (http->is_stream) {
		http->is_stream = is_before_event(body);
	} else {
		stream_feed(&http->stream, body);
		stream_end(&http->stream);
		http->is_stream = http->stream.events > 0;
	}
	return http->is_stream;
}

/* What came is no answer, and cannot be read; it was paid for all the same,
 * so it is kept as it came. */
static void
take_garbage(struct http *http, int status, const char *what, struct buf *body)
{
	body->size = http_redact(http->conf, body->data, body->size);
	buf_printf(&http->sentence, "HTTP %d with %s: ", status, what);
	add_excerpt(&http->sentence, buf_span(body));
}

/* A stream ended. Is what it brought an answer? */
static void
judge_stream(struct http *http, struct reply *reply)
{
	struct answer *answer = &http->answer;
	bool over = answer->too_long || answer->no_memory ||
		    answer->trouble != OUTCOME_OK ||
		    answer->text.size > http->conf->answer_cap_bytes;

	if (over || (stream_is_whole(&http->stream) && !http->stream.broken))
		return;
	reply->outcome =
	    http->stream.broken ? OUTCOME_GARBAGE : OUTCOME_TRUNCATED;
	reply->text = span_of(NULL);
	reply->error = span_of(NULL);
	buf_printf(&http->sentence,
	    http->stream.broken
		? "event %llu of the stream cannot be read"
		: "the stream ended after %llu events without a finish reason",
	    (unsigned long long)http->stream.events);
}

static void
redact(const struct http *http, struct buf *buf)
{
	if (buf->size > 0)
		buf->size = http_redact(http->conf, buf->data, buf->size);
}

/* An answer is what it is, to the byte; what stands beside it is not. */
static void
redact_beside(struct http *http)
{
	struct answer *answer = &http->answer;

	redact(http, &answer->model);
	redact(http, &answer->finish_reason);
	redact(http, &answer->reasoning);
	redact(http, &answer->refusal);
}

/* What is over the cap is none. */
static void
take_too_long(struct http *http, struct reply *reply)
{
	struct buf *said = reply->outcome == OUTCOME_TOOL_CALLS
			       ? &http->answer.calls
			       : &http->answer.text;

	redact(http, said);
	reply->outcome = OUTCOME_TOO_LONG;
	reply->error = span_of("the answer is longer than --max-answer-bytes");
	reply->text = buf_span(said);
}

/* A 200 is not yet an answer. */
static void
take_answer(
    struct http *http, struct curl_response *response, struct reply *reply)
{
	struct answer *answer = &http->answer;
	struct buf *raw = &http->raw;
	bool readable = true;

	judge_kind(http);
	if (http->is_stream)
		stream_end(&http->stream);
	else
		buf_add(raw, response->body, response->body_size);
	if (http->stream.events == 0)
		readable = read_body(http, buf_span(raw));
	redact_beside(http);
	answer_judge(answer, http->conf->allow_empty, reply);
	if (http->is_stream)
		judge_stream(http, reply);
	if (reply->text.size > http->conf->answer_cap_bytes)
		take_too_long(http, reply);
	if (reply->outcome == OUTCOME_GARBAGE && reply->error.size > 0) {
		reply->error = span_of(NULL);
		take_garbage(http, response->status,
		    readable ? "no message" : "no JSON", raw);
	}
	if (http->conf->keep_raw || reply->outcome == OUTCOME_TOOL_CALLS ||
	    reply->outcome == OUTCOME_GARBAGE || answer->has_logprobs) {
		raw->size = http_redact(http->conf, raw->data, raw->size);
		if (raw->size > 0)
			reply->raw = buf_span(raw);
	}
	buf_add(&http->sentence, reply->error.data, reply->error.size);
}

/* ---- a bad status, or none ---- */

/* Nothing whole came. */
static void
take_failure(struct http *http, const struct curl_response *response,
    struct reply *reply)
{
	reply->outcome = response->outcome;
	buf_add(&http->sentence, response->error.data, response->error.size);
	if (response->outcome == OUTCOME_TOO_LONG)
		reply->text = (struct span){
		    response->body, http_redact(http->conf, response->body,
					response->body_size)};
}

/* Judge a status, and say what it does not say itself. */
static void
judge_refusal(
    struct http *http, const struct api_error *said, struct reply *reply)
{
	struct curl_client *client = http->end->client;
	const struct retry_facts facts = {
	    .status = reply->http_status,
	    .should_retry = curl_client_header(client, "x-should-retry"),
	    .retry_after = curl_client_header(client, "retry-after"),
	    .retry_after_ms = curl_client_header(client, "retry-after-ms"),
	    .error_type = said->type,
	    .error_code = said->code,
	    .message = said->message,
	    .wall_ms = clock_wall_ms(),
	};

	reply->outcome = retry_judge(&facts, &reply->retry_after_ms);
	buf_printf(&http->sentence, "HTTP %d: ", facts.status);
	if (facts.status == 407 && http->end->conf->proxy != NULL) {
		curl_proxy_put_name(http->end->conf->proxy, &http->sentence);
		buf_add_text(
		    &http->sentence, " wants a user name and a password; ");
	}
	if (retry_is_no_path(&facts))
		buf_add_text(&http->sentence,
		    "no such path on this server: is the URL right (…/v1)? ");
}

/* A status that is no 2xx: what does it mean, what does the server say? */
static void
take_refusal(
    struct http *http, struct curl_response *response, struct reply *reply)
{
	struct buf *sentence = &http->sentence;
	struct span place = curl_client_header(http->end->client, "location");
	struct api_error said;
	struct span body;
	bool has_message;

	body.data = response->body;
	body.size =
	    http_redact(http->conf, response->body, response->body_size);
	http->root = json_parse_lenient(body, NULL);
	api_error_read(http->root, &http->scratch, &said);
	if (reply->request_id.data == NULL)
		reply->request_id =
		    json_string(json_get(http->root, "request_id"));
	has_message = said.message.size > 0;
	if (!has_message)
		said.message = body;
	judge_refusal(http, &said, reply);
	if (response->status < 400 && place.size > 0) {
		buf_add_text(sentence, "redirects are not followed, to ");
		buf_add(sentence, place.data, place.size);
	} else if (has_message) {
		buf_add(sentence, said.message.data, said.message.size);
	} else {
		add_excerpt(sentence, body);
	}
	if (http->conf->keep_raw && body.size > 0)
		reply->raw = body;
}

/* Did a stream bring all that matters before it broke off? */
static bool
is_paid_for(const struct http *http, enum outcome outcome)
{
	return http->is_stream && stream_is_whole(&http->stream) &&
	       !http->stream.broken &&
	       (outcome == OUTCOME_TRUNCATED ||
		   outcome == OUTCOME_INTERRUPTED ||
		   outcome_trait(outcome)->hangs);
}

void
http_take(
    struct http *http, struct curl_response *response, struct reply *reply)
{
	enum outcome outcome = response->outcome;

	/* A status of failure is heard out even where its body breaks off. */
	if (response->status >= 300 &&
	    (outcome == OUTCOME_OK || outcome == OUTCOME_TRUNCATED ||
		outcome == OUTCOME_TOO_LONG))
		take_refusal(http, response, reply);
	else if (outcome == OUTCOME_OK || is_paid_for(http, outcome))
		take_answer(http, response, reply);
	else
		take_failure(http, response, reply);
}
