/* SPDX-License-Identifier: ISC */
/*
 * The http backend: joins those that know one thing each, the transport (curl),
 * the dialect (api_*), pieces (stream) and the meaning of a status (retry).
 * Here are a worker's settings and its calls; what a response is worth stands
 * in http_take.c.
 */
#include "chat/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/secret.h"
#include "chat/chat.h"
#include "chat/curl_proxy.h"
#include "chat/header.h"
#include "chat/http_impl.h"
#include "chat/kinds.h"
#include "chat/url.h"

#define REQUEST_CAP_BYTES ((size_t)1 << 30)  /* a bug, not a prompt */
#define ENVELOPE_BYTES ((size_t)1 << 20)     /* JSON around an answer */
#define SENTENCE_CAP_BYTES ((size_t)1 << 20) /* before it is cut to a line */
#define ERROR_CAP_BYTES ((size_t)8 << 10)    /* and behind */
#define REQUEST_ID_CAP_BYTES ((size_t)4 << 10)
/* Of a stream: what surrounds a text of a few bytes takes some 250. */
#define RAW_CAP_BYTES ((size_t)16 << 20)
#define KEY_AS_BEARER "Authorization"
#define KEEP_ROOM_BYTES ((size_t)1 << 20) /* between two calls */

static const struct api *
dialect(const struct chat_conf *conf)
{
	return conf->api != NULL ? conf->api : &api_openai;
}

static int
judge_params(struct json *params, const struct api *api, struct err *err)
{
	const char *const *name = api->reserved;

	if (!json_is_object(params))
		return err_set(
		    err, ERR_USAGE, "request parameters: not a JSON object");
	while (*name != NULL && json_get(params, *name) == NULL)
		name++;
	if (*name == NULL)
		return 0;
	return err_set(err, ERR_USAGE,
	    "-p %s=… cannot be given: that part of a request is made of the "
	    "input, -s and --stream",
	    *name);
}

static int
check_params(const struct chat_conf *conf, struct err *err)
{
	struct json *root;
	struct err reason;
	int result;

	if (conf->params == NULL)
		return 0;
	root = json_parse(span_of(conf->params), &reason);
	if (root == NULL)
		return err_set(
		    err, ERR_USAGE, "request parameters: %s", reason.text);
	result = judge_params(root, dialect(conf), err);
	json_free(root);
	return result;
}

static int
http_check(const struct chat_conf *conf, struct err *err)
{
	struct url url;

	if (conf->url == NULL)
		return err_set(err, ERR_USAGE, "http needs a URL");
	if (url_read(&url, conf->url, dialect(conf), err) == -1)
		return -1;
	url_free(&url);
	if (header_has_control(conf->key.text))
		return err_set(err, ERR_USAGE, "the key holds a control byte");
	if (header_has_control(conf->model))
		return err_set(
		    err, ERR_USAGE, "the model's name holds a control byte");
	if (conf->connect_timeout_ms <= 0)
		return err_set(
		    err, ERR_USAGE, "the connect timeout must be over 0");
	for (size_t i = 0; conf->headers != NULL && conf->headers[i] != NULL;
	     i++) {
		if (header_check(conf->headers[i], i + 1, err) == -1)
			return -1;
	}
	return check_params(conf, err);
}

static int
http_prepare(const struct chat_conf *conf, struct err *err)
{
	if (http_has_secret(conf)) /* in a library host nobody else did */
		secret_guard_process();
	return curl_client_prepare(err);
}

const char *
http_key_header(const struct chat_conf *conf, const struct url *url)
{
	const char *name = url->azure ? "api-key" : dialect(conf)->key_header;

	if (conf->key.text == NULL || header_has(conf->headers, name) ||
	    header_has(conf->headers, KEY_AS_BEARER))
		return NULL;
	return name;
}

const char *
http_own_header(const struct chat_conf *conf)
{
	const char *line = dialect(conf)->header;

	return line != NULL && !header_has(conf->headers, line) ? line : NULL;
}

/* Gives "Authorization: Bearer KEY" for the caller to free; "" when none is
 * due, NULL without memory. */
static char *
make_key_line(const struct chat_conf *conf, const struct url *url)
{
	const char *name = http_key_header(conf, url);
	bool bearer;
	char *line;

	if (name == NULL)
		return strdup("");
	bearer = strcmp(name, KEY_AS_BEARER) == 0;
	if (asprintf(&line, "%s: %s%s", name, bearer ? "Bearer " : "",
		conf->key.text) == -1)
		return NULL;
	return line;
}

struct curl_client *
http_open_client(const struct chat_conf *conf, const struct url *url, bool get)
{
	struct curl_client_conf client_conf = {
	    .get = get,
	    .socket = url->socket,
	    .peer = url->peer,
	    .agent = conf->agent != NULL ? conf->agent : "llmill",
	    .proxy = conf->proxy,
	    .trust = conf->trust,
	    .connect_timeout_ms = conf->connect_timeout_ms,
	};
	const char *own_line = http_own_header(conf);
	struct curl_client *client = NULL;
	char *request = url_request(url, get ? url->models : url->chat);
	const char **lines;
	char *key_line;
	size_t count = 0;

	while (conf->headers != NULL && conf->headers[count] != NULL)
		count++;
	lines = calloc(count + 4, sizeof(*lines));
	key_line = make_key_line(conf, url);
	if (request == NULL || lines == NULL || key_line == NULL)
		goto out;
	if (count > 0)
		memcpy(lines, conf->headers, count * sizeof(*lines));
	if (!get && !header_has(conf->headers, "Content-Type"))
		lines[count++] = "Content-Type: application/json";
	if (own_line != NULL)
		lines[count++] = own_line;
	if (key_line[0] != '\0')
		lines[count++] = key_line;
	client_conf.url = request;
	client_conf.headers = lines;
	client = curl_client_open(&client_conf, NULL);
out:
	if (key_line != NULL)
		explicit_bzero(key_line, strlen(key_line));
	free(key_line);
	free(lines);
	free(request);
	return client;
}

static void
http_close(void *self)
{
	struct http *http = self;

	if (http == NULL)
		return;
	curl_client_close(http->client);
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
first_shape(const struct chat_conf *conf)
{
	return (struct api_shape){.stream = conf->stream, .usage = true};
}

void
http_build_request(
    const struct chat_conf *conf, const struct record *record, struct buf *body)
{
	const struct api_shape shape = first_shape(conf);

	dialect(conf)->build(conf, record, &shape, body);
}

static void *
http_open(const struct chat_conf *conf, uint32_t worker, struct reply *reply)
{
	size_t answer_cap = conf->answer_cap_bytes + ENVELOPE_BYTES;
	struct http *http = calloc(1, sizeof(*http));
	struct url url;

	(void)worker;
	if (http_has_secret(conf))
		secret_guard_process();
	if (http == NULL ||
	    url_read(&url, conf->url, dialect(conf), NULL) == -1)
		goto fail;
	http->conf = conf;
	http->api = dialect(conf);
	http->shape = first_shape(conf);
	buf_init(&http->request, REQUEST_CAP_BYTES);
	buf_init(&http->sentence, SENTENCE_CAP_BYTES);
	buf_init(&http->error, ERROR_CAP_BYTES);
	buf_init(&http->request_id, REQUEST_ID_CAP_BYTES);
	buf_init(&http->scratch, answer_cap);
	buf_init(&http->raw,
	    answer_cap > RAW_CAP_BYTES ? answer_cap : RAW_CAP_BYTES);
	answer_init(&http->answer, answer_cap);
	stream_init(&http->stream, http->api, &http->answer, answer_cap);
	http->client = http_open_client(conf, &url, false);
	url_free(&url);
	if (http->client != NULL)
		return http;
fail:
	http_close(http);
	reply->outcome = OUTCOME_OUT_OF_MEMORY;
	reply->error = span_of("the HTTP client cannot be made");
	return NULL;
}

static void
forget(struct buf *buf)
{
	if (buf->room > KEEP_ROOM_BYTES)
		buf_free(buf);
	buf_clear(buf);
}

bool
http_has_key(const struct chat_conf *conf)
{
	return conf->key.text != NULL || header_has_secret(conf->headers);
}

bool
http_has_secret(const struct chat_conf *conf)
{
	return http_has_key(conf) || curl_proxy_has_secret(conf->proxy);
}

size_t
http_redact(const struct chat_conf *conf, char *text, size_t size)
{
	size = secret_redact(&conf->key, text, size);
	size = curl_proxy_redact(conf->proxy, text, size);
	return header_redact(conf->headers, text, size);
}

/* It is the server's to choose, so it can be anything. */
static struct span
find_request_id(struct http *http)
{
	struct span id = curl_client_header(http->client, "x-request-id");
	struct buf *own = &http->request_id;

	if (id.data == NULL)
		id = curl_client_header(http->client, "request-id");
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
	http->api->build(conf, &request->record, &http->shape, &http->request);
	if (http->request.failed) {
		reply->outcome = OUTCOME_OUT_OF_MEMORY;
		reply->error = span_of("no memory for the request");
		return;
	}
	post.body = buf_span(&http->request);
	curl_client_post(http->client, &post, &response);
	reply->http_status = response.status;
	reply->request_id = find_request_id(http);
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
	const struct api_shape before = http->shape;

	ask(http, request, reply);
	while (reshape(http, reply, &http->shape))
		ask(http, request, reply);
	if (reply->outcome == OUTCOME_BAD_REQUEST)
		http->shape = before;
}

const struct chat chat_http = {
    .name = "http",
    .check = http_check,
    .prepare = http_prepare,
    .open = http_open,
    .call = http_call,
    .close = http_close,
};
