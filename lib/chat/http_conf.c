/* SPDX-License-Identifier: ISC */
/*
 * What the settings say of every call: where it goes, with which headers and
 * which key, and what must never be seen of them.
 */
#include "chat/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "chat/api.h"
#include "chat/chat.h"
#include "chat/curl.h"
#include "chat/curl_proxy.h"
#include "chat/header.h"
#include "chat/url.h"

#define KEY_AS_BEARER "Authorization"

const struct api *
http_dialect(const struct chat_conf *conf)
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
	result = judge_params(root, http_dialect(conf), err);
	json_free(root);
	return result;
}

static int
check_urls(const struct chat_conf *conf, struct err *err)
{
	struct url url;

	if (conf->endpoint_count == 0)
		return err_set(err, ERR_USAGE, "http needs a URL");
	for (uint32_t i = 0; i < conf->endpoint_count; i++) {
		if (url_read(&url, conf->endpoints[i].url, http_dialect(conf),
			err) == -1)
			return -1;
		url_free(&url);
	}
	return 0;
}

int
http_check(const struct chat_conf *conf, struct err *err)
{
	if (check_urls(conf, err) == -1)
		return -1;
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

static const char *
find_key_header(
    const struct chat_conf *conf, uint32_t endpoint, const struct url *url)
{
	const char *name =
	    url->azure ? "api-key" : http_dialect(conf)->key_header;

	if (conf->key.text == NULL || conf->endpoints[endpoint].keyless ||
	    header_has(conf->headers, name) ||
	    header_has(conf->headers, KEY_AS_BEARER))
		return NULL;
	return name;
}

const char *
http_key_header(const struct chat_conf *conf, uint32_t endpoint)
{
	const char *name;
	struct url url;

	if (url_read(&url, conf->endpoints[endpoint].url, http_dialect(conf),
		NULL) == -1)
		return NULL;
	name = find_key_header(conf, endpoint, &url);
	url_free(&url);
	return name;
}

const char *
http_own_header(const struct chat_conf *conf)
{
	const char *line = http_dialect(conf)->header;

	return line != NULL && !header_has(conf->headers, line) ? line : NULL;
}

/* Gives "Authorization: Bearer KEY" for the caller to free; "" when none is
 * due, NULL without memory. */
static char *
make_key_line(
    const struct chat_conf *conf, uint32_t endpoint, const struct url *url)
{
	const char *name = find_key_header(conf, endpoint, url);
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

static struct curl_client *
open_client(const struct chat_conf *conf, uint32_t endpoint,
    const struct url *url, bool get)
{
	struct curl_client_conf client_conf = {
	    .get = get,
	    .socket = url->socket,
	    .peer = url->peer,
	    .agent = conf->agent != NULL ? conf->agent : "llmill",
	    .proxy = conf->endpoints[endpoint].proxy,
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
	key_line = make_key_line(conf, endpoint, url);
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

struct curl_client *
http_open_client(const struct chat_conf *conf, uint32_t endpoint, bool get)
{
	struct curl_client *client;
	struct url url;

	if (url_read(&url, conf->endpoints[endpoint].url, http_dialect(conf),
		NULL) == -1)
		return NULL;
	client = open_client(conf, endpoint, &url, get);
	url_free(&url);
	return client;
}

bool
http_has_key(const struct chat_conf *conf)
{
	return conf->key.text != NULL || header_has_secret(conf->headers);
}

bool
http_has_secret(const struct chat_conf *conf)
{
	for (uint32_t i = 0; i < conf->endpoint_count; i++)
		if (curl_proxy_has_secret(conf->endpoints[i].proxy))
			return true;
	return http_has_key(conf);
}

size_t
http_redact(const struct chat_conf *conf, char *text, size_t size)
{
	size = secret_redact(&conf->key, text, size);
	for (uint32_t i = 0; i < conf->endpoint_count; i++)
		size = curl_proxy_redact(conf->endpoints[i].proxy, text, size);
	return header_redact(conf->headers, text, size);
}
