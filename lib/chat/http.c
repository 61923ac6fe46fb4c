/* SPDX-License-Identifier: ISC */
/*
 * The http backend: joins those that know one thing each, the transport (curl),
 * the dialect (api_*), pieces (stream) and the meaning of a status (retry).
 * Here are a worker's calls; what the settings say of them stands in
 * http_conf.c, what a response is worth in http_take.c.
 */
#include "chat/http.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/secret.h"
#include "chat/chat.h"
#include "chat/http_impl.h"
#include "chat/kinds.h"
#include "chat/rates.h"

#define REQUEST_CAP_BYTES ((size_t)1 << 30)  /* a bug, not a prompt */
#define ENVELOPE_BYTES ((size_t)1 << 20)     /* JSON around an answer */
#define SENTENCE_CAP_BYTES ((size_t)1 << 20) /* before it is cut to a line */
#define ERROR_CAP_BYTES ((size_t)8 << 10)    /* and behind */
#define REQUEST_ID_CAP_BYTES ((size_t)4 << 10)
/* Of a stream: what surrounds a text of a few bytes takes some 250. */
#define RAW_CAP_BYTES ((size_t)16 << 20)
#define KEEP_ROOM_BYTES ((size_t)1 << 20) /* between two calls */

static int
http_prepare(const struct chat_conf *conf, struct err *err)
{
	if (http_has_secret(conf)) /* in a library host nobody else did */
		secret_guard_process();
	return curl_client_prepare(err);
}

static void
http_close(void *self)
{
	struct http *http = self;

	if (http == NULL)
		return;
	for (uint32_t i = 0;
	     http->ends != NULL && i < http->conf->endpoint_count; i++)
		curl_client_close(http->ends[i].client);
	free(http->ends);
	json_free(http->root);
	buf_free(&http->request);
	buf_free(&http->sentence);
	buf_free(&http->error);
	buf_free(&http->request_id);
	buf_free(&http->scratch);
	buf_free(&http->raw);
	answer_free(&http->answer);
	stream_free(&http->stream);
	free(http);
}

static struct api_shape
first_shape(const struct chat_conf *conf, uint32_t endpoint)
{
	return (struct api_shape){
	    .stream = conf->stream,
	    .usage = true,
	    .url = conf->endpoints[endpoint].url,
	};
}

/* A record that is a request itself goes out as it stands. */
static void
put_request(const struct api *api, const struct chat_conf *conf,
    const struct record *record, const struct api_shape *shape,
    struct buf *body)
{
	struct span own = record_request(record);

	if (own.data != NULL)
		buf_add(body, own.data, own.size);
	else
		api->build(conf, record, shape, body);
}

void
http_build_request(
    const struct chat_conf *conf, const struct record *record, struct buf *body)
{
	const struct api_shape shape = first_shape(conf, 0);

	put_request(http_dialect(conf), conf, record, &shape, body);
}

/* Talk to that endpoint from now on; each keeps its connection. Gives false
 * when that cannot be. */
static bool
turn_to(struct http *http, uint32_t endpoint)
{
	struct http_end *end = &http->ends[endpoint];

	http->end = end;
	if (end->client != NULL)
		return true;
	end->conf = &http->conf->endpoints[endpoint];
	end->shape = first_shape(http->conf, endpoint);
	end->client = http_open_client(http->conf, endpoint, false);
	return end->client != NULL;
}

static void
refuse_client(struct reply *reply)
{
	reply->outcome = OUTCOME_OUT_OF_MEMORY;
	reply->error = span_of("the HTTP client cannot be made");
}

static void *
http_open(const struct chat_conf *conf, uint32_t worker, struct reply *reply)
{
	size_t answer_cap = conf->answer_cap_bytes + ENVELOPE_BYTES;
	struct http *http = calloc(1, sizeof(*http));

	(void)worker;
	if (http_has_secret(conf))
		secret_guard_process();
	if (http == NULL)
		goto fail;
	http->conf = conf;
	http->api = http_dialect(conf);
	buf_init(&http->request, REQUEST_CAP_BYTES);
	buf_init(&http->sentence, SENTENCE_CAP_BYTES);
	buf_init(&http->error, ERROR_CAP_BYTES);
	buf_init(&http->request_id, REQUEST_ID_CAP_BYTES);
	buf_init(&http->scratch, answer_cap);
	buf_init(&http->raw,
	    answer_cap > RAW_CAP_BYTES ? answer_cap : RAW_CAP_BYTES);
	answer_init(&http->answer, answer_cap);
	stream_init(&http->stream, http->api, &http->answer, answer_cap);
	http->ends = calloc(conf->endpoint_count, sizeof(*http->ends));
	if (http->ends != NULL && turn_to(http, 0))
		return http;
fail:
	http_close(http);
	refuse_client(reply);
	return NULL;
}

static void
forget(struct buf *buf)
{
	if (buf->room > KEEP_ROOM_BYTES)
		buf_free(buf);
	buf_clear(buf);
}

/* It is the server's to choose, so it can be anything. */
static struct span
find_request_id(struct http *http)
{
	struct span id = curl_client_header(http->end->client, "x-request-id");
	struct buf *own = &http->request_id;

	if (id.data == NULL)
		id = curl_client_header(http->end->client, "request-id");
	if (id.data == NULL || buf_add(own, id.data, id.size) == -1)
		return span_of(NULL);
	own->size = http_redact(http->conf, own->data, own->size);
	return buf_span(own);
}

/* Forget the last response. */
static void
begin(struct http *http, struct reply *reply)
{
	json_free(http->root);
	http->root = NULL;
	forget(&http->request);
	forget(&http->sentence);
	forget(&http->error);
	forget(&http->request_id);
	forget(&http->scratch);
	forget(&http->raw);
	answer_clear(&http->answer, KEEP_ROOM_BYTES);
	stream_clear(&http->stream);
	http->piece_judged = false;
	http->is_stream = false;
	reply_init(reply);
}

static struct span
header_of(void *client, const char *name)
{
	return curl_client_header(client, name);
}

static void
take_rates(struct http *http, struct reply *reply)
{
	const struct rates_facts facts = {
	    .header = header_of,
	    .arg = http->end->client,
	    .wall_ms = clock_wall_ms(),
	};

	rates_read(&facts, &reply->requests, &reply->tokens);
}

/* Ask once. */
static void
ask(struct http *http, const struct chat_request *request, struct reply *reply)
{
	const struct chat_conf *conf = http->conf;
	struct curl_response response;
	struct curl_request post = {
	    .cap_bytes = conf->answer_cap_bytes + ENVELOPE_BYTES,
	    .started_ns = request->started_ns,
	    .allowed_ns = request->allowed_ns,
	    .first_byte_ns = conf->first_byte_ns,
	    .stall_ns = conf->stall_ns,
	    .piece = http_take_piece,
	    .piece_arg = http,
	    .stop_fd = request->stop_fd,
	    .beat = request->beat,
	    .beat_arg = request->beat_arg,
	};

	begin(http, reply);
	put_request(http->api, conf, &request->record, &http->end->shape,
	    &http->request);
	if (http->request.failed) {
		reply->outcome = OUTCOME_OUT_OF_MEMORY;
		reply->error = span_of("no memory for the request");
		return;
	}
	post.body = buf_span(&http->request);
	curl_client_post(http->end->client, &post, &response);
	reply->http_status = response.status;
	reply->request_id = find_request_id(http);
	take_rates(http, reply);
	if (response.first_byte_ns >= request->started_ns)
		reply->first_byte_ms =
		    (response.first_byte_ns - request->started_ns) / CLOCK_MS;
	http_take(http, &response, reply);
	if (!outcome_trait(reply->outcome)->answers)
		http_say(http, reply);
}

static bool
names(struct span text, const char *word)
{
	return memmem(text.data, text.size, word, strlen(word)) != NULL;
}

/* Does the server refuse the shape of the request rather than what it asks?
 * Then this is the next one to try. */
static bool
reshape(struct http *http, const struct reply *reply, struct api_shape *shape)
{
	if (reply->outcome != OUTCOME_BAD_REQUEST || !shape->stream)
		return false;
	if (shape->usage && (names(reply->error, "stream_options") ||
				names(reply->error, "include_usage")))
		shape->usage = false;
	else if (http->conf->stream_optional && names(reply->error, "stream"))
		shape->stream = false;
	else
		return false;
	return true;
}

/* A server that knows no streams is asked again at once without: it did
 * nothing for the first request. What it does not take either way is the
 * request's own fault. */
static void
http_call(void *self, const struct chat_request *request, struct reply *reply)
{
	struct http *http = self;
	struct api_shape before;

	if (!turn_to(http, request->endpoint)) {
		refuse_client(reply);
		return;
	}
	before = http->end->shape;
	ask(http, request, reply);
	while (reshape(http, reply, &http->end->shape))
		ask(http, request, reply);
	if (reply->outcome == OUTCOME_BAD_REQUEST)
		http->end->shape = before;
}

const struct chat chat_http = {
    .name = "http",
    .check = http_check,
    .prepare = http_prepare,
    .open = http_open,
    .call = http_call,
    .close = http_close,
};
