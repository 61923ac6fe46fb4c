/* SPDX-License-Identifier: ISC */
/*
 * The http backend: joins the three that know one thing each, the transport
 * (curl), the JSON (api_openai) and the meaning of a status (retry). Every
 * error sentence passes one gate, http_say, which strikes out keys and makes
 * it one line.
 */
#include "chat/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/secret.h"
#include "base/text.h"
#include "chat/api_openai.h"
#include "chat/chat.h"
#include "chat/curl.h"
#include "chat/header.h"
#include "chat/kinds.h"
#include "chat/retry.h"
#include "chat/url.h"

#define REQUEST_CAP_BYTES ((size_t)1 << 30) /* a bug, not a prompt */
#define ENVELOPE_BYTES ((size_t)1 << 20)    /* JSON around an answer */
#define ERROR_MAX_BYTES 4096		    /* of an error sentence */
#define EXCERPT_MAX_BYTES 200 /* of a body that is not what it should be */
#define KEEP_ROOM_BYTES ((size_t)1 << 20) /* between two calls */

struct http {
	const struct chat_conf *conf;
	struct curl_client *client;
	struct json *root;   /* of the last response, or NULL */
	struct buf request;  /* its body */
	struct buf text;     /* what had to be composed of the answer */
	struct buf sentence; /* an error before the gate */
	struct buf error;    /* and behind it */
};

static int
check_params(const char *params, struct err *err)
{
	struct json *root;
	struct err reason;
	bool is_object;

	if (params == NULL)
		return 0;
	root = json_parse(span_of(params), &reason);
	if (root == NULL)
		return err_set(
		    err, ERR_USAGE, "request parameters: %s", reason.text);
	is_object = json_is_object(root);
	json_free(root);
	if (!is_object)
		return err_set(
		    err, ERR_USAGE, "request parameters: not a JSON object");
	return 0;
}

static int
http_check(const struct chat_conf *conf, struct err *err)
{
	struct url url;

	if (conf->url == NULL)
		return err_set(err, ERR_USAGE, "http needs a URL");
	if (url_read(&url, conf->url, err) == -1)
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
	return check_params(conf->params, err);
}

static int
http_prepare(const struct chat_conf *conf, struct err *err)
{
	(void)conf;
	return curl_client_prepare(err);
}

/* Gives "Authorization: Bearer KEY" for the caller to free; "" when none is
 * due, NULL without memory. */
static char *
make_key_header(const struct chat_conf *conf, const struct url *url)
{
	const char *name = url->azure ? "api-key" : "Authorization";
	char *line;

	if (conf->key.text == NULL || header_has(conf->headers, name))
		return strdup("");
	if (asprintf(&line, "%s: %s%s", name, url->azure ? "" : "Bearer ",
		conf->key.text) == -1)
		return NULL;
	return line;
}

struct curl_client *
http_open_client(const struct chat_conf *conf, const struct url *url, bool get)
{
	struct curl_client_conf client_conf = {
	    .url = get ? url->models : url->chat,
	    .get = get,
	    .host = url->host,
	    .port = url->port,
	    .agent = conf->agent != NULL ? conf->agent : "llmill",
	    .direct = url->loopback,
	    .connect_timeout_ms = conf->connect_timeout_ms,
	};
	struct curl_client *client = NULL;
	const char **lines;
	char *key_line;
	size_t count = 0;

	while (conf->headers != NULL && conf->headers[count] != NULL)
		count++;
	lines = calloc(count + 3, sizeof(*lines));
	key_line = make_key_header(conf, url);
	if (lines == NULL || key_line == NULL)
		goto out;
	if (count > 0)
		memcpy(lines, conf->headers, count * sizeof(*lines));
	if (!get && !header_has(conf->headers, "Content-Type"))
		lines[count++] = "Content-Type: application/json";
	if (key_line[0] != '\0')
		lines[count++] = key_line;
	client_conf.headers = lines;
	client = curl_client_open(&client_conf, NULL);
out:
	if (key_line != NULL)
		explicit_bzero(key_line, strlen(key_line));
	free(key_line);
	free(lines);
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
	buf_free(&http->text);
	buf_free(&http->sentence);
	buf_free(&http->error);
	free(http);
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
	if (http == NULL || url_read(&url, conf->url, NULL) == -1)
		goto fail;
	http->conf = conf;
	buf_init(&http->request, REQUEST_CAP_BYTES);
	buf_init(&http->text, answer_cap);
	buf_init(&http->sentence, answer_cap);
	buf_init(&http->error, 2 * ERROR_MAX_BYTES);
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
http_has_secret(const struct chat_conf *conf)
{
	return conf->key.text != NULL || header_has_secret(conf->headers);
}

size_t
http_redact(const struct chat_conf *conf, char *text, size_t size)
{
	size = secret_redact(&conf->key, text, size);
	return header_redact(conf->headers, text, size);
}

/* The gate: what stands in sentence becomes the reply's error. */
static void
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

/* Nothing whole came. */
static void
take_failure(struct http *http, const struct curl_response *response,
    struct reply *reply)
{
	reply->outcome = response->outcome;
	buf_add(&http->sentence, response->error.data, response->error.size);
	if (response->outcome == OUTCOME_TOO_LONG)
		reply->text =
		    (struct span){response->body, response->body_size};
}

static bool
is_kept_whole(struct json *root, const struct reply *reply)
{
	struct json *choice = json_at(json_get(root, "choices"), 0);

	return reply->outcome == OUTCOME_TOOL_CALLS ||
	       json_get(choice, "logprobs") != NULL;
}

/* A 2xx is not yet an answer. One that cannot be read was paid for all the
 * same, so it is kept as it came. */
static void
take_answer(
    struct http *http, struct curl_response *response, struct reply *reply)
{
	struct span body = {response->body, response->body_size};

	http->root = json_parse_lenient(body, NULL);
	if (json_is_object(http->root))
		api_openai_read(
		    http->root, http->conf->allow_empty, &http->text, reply);
	else
		reply->outcome = OUTCOME_GARBAGE;
	if (reply->outcome != OUTCOME_GARBAGE) {
		if (is_kept_whole(http->root, reply))
			reply->raw = body;
		buf_add(&http->sentence, reply->error.data, reply->error.size);
		return;
	}
	body.size =
	    http_redact(http->conf, response->body, response->body_size);
	if (body.size > 0)
		reply->raw = body;
	buf_printf(&http->sentence, "HTTP %d with %s: ", response->status,
	    json_is_object(http->root) ? "no choices" : "no JSON");
	add_excerpt(&http->sentence, body);
}

/* Judge a status, and say what it does not say itself. */
static void
judge_refusal(
    struct http *http, const struct api_error *said, struct reply *reply)
{
	struct curl_client *client = http->client;
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
	struct span place = curl_client_header(http->client, "location");
	struct api_error said;
	struct span body;
	bool has_message;

	body.data = response->body;
	body.size =
	    http_redact(http->conf, response->body, response->body_size);
	http->root = json_parse_lenient(body, NULL);
	api_openai_error(http->root, &http->text, &said);
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
}

static void
take(struct http *http, struct curl_response *response, struct reply *reply)
{
	enum outcome outcome = response->outcome;

	/* A status of failure is heard out even where its body breaks off. */
	if (response->status >= 300 &&
	    (outcome == OUTCOME_OK || outcome == OUTCOME_TRUNCATED ||
		outcome == OUTCOME_TOO_LONG))
		take_refusal(http, response, reply);
	else if (outcome == OUTCOME_OK)
		take_answer(http, response, reply);
	else
		take_failure(http, response, reply);
}

static struct span
find_request_id(struct http *http)
{
	struct span id = curl_client_header(http->client, "x-request-id");

	if (id.data == NULL)
		id = curl_client_header(http->client, "request-id");
	return id;
}

static void
http_call(void *self, const struct chat_request *request, struct reply *reply)
{
	struct http *http = self;
	struct curl_response response;
	struct curl_request post = {
	    .cap_bytes = http->conf->answer_cap_bytes + ENVELOPE_BYTES,
	    .started_ns = request->started_ns,
	    .allowed_ns = request->allowed_ns,
	    .stop_fd = request->stop_fd,
	    .beat = request->beat,
	    .beat_arg = request->beat_arg,
	};

	json_free(http->root);
	http->root = NULL;
	forget(&http->request);
	forget(&http->text);
	forget(&http->sentence);
	forget(&http->error);
	reply_init(reply);
	api_openai_build(http->conf, &request->record, &http->request);
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
	take(http, &response, reply);
	if (!outcome_trait(reply->outcome)->answers)
		http_say(http, reply);
}

const struct chat chat_http = {
    .name = "http",
    .check = http_check,
    .prepare = http_prepare,
    .open = http_open,
    .call = http_call,
    .close = http_close,
};
