/* SPDX-License-Identifier: ISC */
/*
 * Its URL is taken apart by libcurl, so that host, port and password are those
 * that libcurl will use.
 */
#include "chat/curl_proxy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/secret.h"
#include "base/text.h"
#include "chat/curl_impl.h"

#define PORT_DEFAULT "1080" /* libcurl's, but for https proxies */
#define LOGIN_MAX_BYTES ((size_t)64 << 10)

/* What could be said back: the URL itself, "user:password", the password, and
 * the header's base64. */
enum form {
	FORM_URL = 0,
	FORM_LOGIN = 1,
	FORM_PASSWORD = 2,
	FORM_BASE64 = 3,
};
#define FORM_COUNT 4

struct curl_proxy {
	const char *variable; /* "https_proxy" */
	char *url;	      /* what stands in it */
	char *name;	      /* "gate.example:3128"; NULL: it is no URL */
	char *connecting;     /* the same in libcurl's words for either */
	char *resolving;
	struct secret secrets[FORM_COUNT];
};

static const char *
find_variable(bool https)
{
	static const char *const names[] = {
	    "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"};
	static const char *const plain_names[] = {
	    "http_proxy", "all_proxy", "ALL_PROXY"};
	const char *const *all = https ? names : plain_names;
	const size_t count = https ? 4 : 3;

	for (size_t i = 0; i < count; i++) {
		const char *value = getenv(all[i]);

		if (value != NULL && value[0] != '\0')
			return all[i];
	}
	return NULL;
}

/* Gives a part for curl_free, or NULL. */
static char *
get_part(CURLU *url, CURLUPart part)
{
	char *text = NULL;

	curl_url_get(url, part, &text, CURLU_URLDECODE);
	return text;
}

/* Gives 0, or -1 without memory. */
static int
set_name(struct curl_proxy *proxy, CURLU *url)
{
	char *scheme = get_part(url, CURLUPART_SCHEME);
	char *host = get_part(url, CURLUPART_HOST);
	char *port = get_part(url, CURLUPART_PORT);
	const char *number = port;
	int done = -1;

	if (number == NULL)
		number = scheme != NULL && strcmp(scheme, "https") == 0
			     ? "443"
			     : PORT_DEFAULT;
	if (host != NULL && asprintf(&proxy->name, "%s:%s", host, number) == -1)
		proxy->name = NULL;
	if (host != NULL &&
	    asprintf(&proxy->connecting, "to %s port %s ", host, number) == -1)
		proxy->connecting = NULL;
	if (host != NULL &&
	    asprintf(&proxy->resolving, "resolve host: %s", host) == -1)
		proxy->resolving = NULL;
	if (proxy->name != NULL && proxy->connecting != NULL &&
	    proxy->resolving != NULL)
		done = 0;
	curl_free(scheme);
	curl_free(host);
	curl_free(port);
	return done;
}

static int
add_secret(struct curl_proxy *proxy, enum form form, const char *text)
{
	struct secret *secret = &proxy->secrets[form];

	if (text == NULL || text[0] == '\0')
		return 0;
	secret->text = strdup(text);
	secret->size = strlen(text);
	return secret->text != NULL ? 0 : -1;
}

/* Gives 0, or -1 without memory. */
static int
set_secrets(struct curl_proxy *proxy, CURLU *url)
{
	char *user = get_part(url, CURLUPART_USER);
	char *password = get_part(url, CURLUPART_PASSWORD);
	struct buf login;
	struct buf base64;
	int done = 0;

	buf_init(&login, LOGIN_MAX_BYTES);
	buf_init(&base64, 2 * LOGIN_MAX_BYTES);
	if (user != NULL || password != NULL) {
		buf_printf(&login, "%s:%s", user != NULL ? user : "",
		    password != NULL ? password : "");
		text_base64(&base64, buf_span(&login));
		if (login.failed || base64.failed ||
		    add_secret(proxy, FORM_LOGIN, login.data) == -1 ||
		    add_secret(proxy, FORM_PASSWORD, password) == -1 ||
		    add_secret(proxy, FORM_BASE64, base64.data) == -1)
			done = -1;
	}
	if (login.data != NULL)
		explicit_bzero(login.data, login.size);
	buf_free(&login);
	buf_free(&base64);
	curl_free(user);
	curl_free(password);
	return done;
}

/* Take apart what can be; the rest is libcurl's to refuse. */
static int
read_url(struct curl_proxy *proxy)
{
	CURLU *url = curl_url();
	int done = 0;

	if (url == NULL)
		return -1;
	if (strchr(proxy->url, '@') != NULL)
		done = add_secret(proxy, FORM_URL, proxy->url);
	if (curl_url_set(url, CURLUPART_URL, proxy->url,
		CURLU_NON_SUPPORT_SCHEME | CURLU_GUESS_SCHEME) == CURLUE_OK &&
	    (set_name(proxy, url) == -1 || set_secrets(proxy, url) == -1))
		done = -1;
	curl_url_cleanup(url);
	return done;
}

int
curl_proxy_find(bool https, struct curl_proxy **proxy, struct err *err)
{
	const char *variable = find_variable(https);
	struct curl_proxy *found;

	*proxy = NULL;
	if (variable == NULL)
		return 0;
	found = calloc(1, sizeof(*found));
	if (found != NULL) {
		found->variable = variable;
		found->url = strdup(getenv(variable));
	}
	if (found == NULL || found->url == NULL || read_url(found) == -1) {
		curl_proxy_free(found);
		return err_set_memory(err, "proxy");
	}
	*proxy = found;
	return 0;
}

void
curl_proxy_free(struct curl_proxy *proxy)
{
	if (proxy == NULL)
		return;
	for (size_t i = 0; i < FORM_COUNT; i++)
		secret_free(&proxy->secrets[i]);
	if (proxy->url != NULL)
		explicit_bzero(proxy->url, strlen(proxy->url));
	free(proxy->url);
	free(proxy->name);
	free(proxy->connecting);
	free(proxy->resolving);
	free(proxy);
}

void
curl_proxy_put_name(const struct curl_proxy *proxy, struct buf *out)
{
	if (proxy->name == NULL)
		buf_printf(out, "the proxy in $%s", proxy->variable);
	else
		buf_printf(
		    out, "the proxy %s ($%s)", proxy->name, proxy->variable);
}

bool
curl_proxy_has_secret(const struct curl_proxy *proxy)
{
	return proxy != NULL && (proxy->secrets[FORM_URL].text != NULL ||
				    proxy->secrets[FORM_LOGIN].text != NULL);
}

size_t
curl_proxy_redact(const struct curl_proxy *proxy, char *text, size_t size)
{
	for (size_t i = 0; proxy != NULL && i < FORM_COUNT; i++)
		size = secret_redact(&proxy->secrets[i], text, size);
	return size;
}

bool
curl_proxy_is_named(const struct curl_proxy *proxy, const char *sentence)
{
	static const char *const signs[] = {
	    "Unsupported proxy", "Proxy CONNECT", "resolve proxy"};

	for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++)
		if (strstr(sentence, signs[i]) != NULL)
			return true;
	return proxy->name != NULL &&
	       (strstr(sentence, proxy->connecting) != NULL ||
		   strstr(sentence, proxy->resolving) != NULL);
}

int
curl_proxy_set(CURL *easy, const struct curl_proxy *proxy)
{
	const char *url = proxy != NULL ? proxy->url : "";

	return curl_easy_setopt(easy, CURLOPT_PROXY, url) != CURLE_OK;
}
