/* SPDX-License-Identifier: ISC */
/*
 * What libcurl is told once, when a client is opened: how it behaves, and the
 * way to the server.
 */
#include <string.h>
#include <strings.h>

#include "chat/curl_impl.h"

static const struct {
	CURLoption option;
	long value;
} settings[] = {
    {CURLOPT_NOSIGNAL, 1},
    {CURLOPT_QUICK_EXIT, 1}, /* do not wait for a slow name lookup */
    {CURLOPT_FOLLOWLOCATION, 0},
    {CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2},
    {CURLOPT_SSL_VERIFYPEER, 1},
    {CURLOPT_SSL_VERIFYHOST, 2},

    /* Where a server with TLS offers it. */
    {CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2TLS},
    {CURLOPT_SUPPRESS_CONNECT_HEADERS, 1},
    {CURLOPT_HEADEROPT, CURLHEADER_SEPARATE}, /* a proxy sees no key */
    {CURLOPT_PROXY_SSLVERSION, CURL_SSLVERSION_TLSv1_2},
    {CURLOPT_PROXY_SSL_VERIFYPEER, 1},
    {CURLOPT_PROXY_SSL_VERIFYHOST, 2},
    {CURLOPT_TCP_NODELAY, 1},
    {CURLOPT_TCP_KEEPALIVE, 1}, /* long silences pass through NAT */
    {CURLOPT_POST, 1},
};

static int
set_behaviour(CURL *easy)
{
	int bad = 0;

	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		bad |= curl_easy_setopt(
			   easy, settings[i].option, settings[i].value) != 0;
	return bad ||
	       curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") ||
	       curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip, deflate");
}

static int
set_way(CURL *easy, const struct curl_client_conf *conf)
{
	return curl_trust_set(easy, conf->trust) ||
	       curl_proxy_set(easy, conf->proxy) ||
	       curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, conf->socket);
}

int
curl_set(struct curl_client *client, const struct curl_client_conf *conf)
{
	CURL *easy = client->easy;

	if (set_behaviour(easy) != 0 || set_way(easy, conf) != 0)
		return -1;
	if (conf->get && curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L) != 0)
		return -1;
	return curl_url_set(client->url, CURLUPART_URL, conf->url,
		   CURLU_DISALLOW_USER) ||
	       curl_easy_setopt(easy, CURLOPT_CURLU, client->url) ||
	       curl_easy_setopt(easy, CURLOPT_USERAGENT, conf->agent) ||
	       curl_easy_setopt(easy, CURLOPT_HTTPHEADER, client->headers) ||
	       curl_easy_setopt(
		   easy, CURLOPT_PROXYHEADER, client->proxy_headers) ||
	       curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
		   (long)conf->connect_timeout_ms) ||
	       curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, 1L);
}

static int
add_header(struct curl_slist **list, const char *line)
{
	struct curl_slist *more = curl_slist_append(*list, line);

	if (more == NULL)
		return -1;
	*list = more;
	return 0;
}

static bool
is_for_proxy(const char *line)
{
	static const char start[] = "Proxy-Authorization:";

	return strncasecmp(line, start, strlen(start)) == 0;
}

int
curl_set_headers(struct curl_client *client, const char *const *lines)
{
	/* Without this a body over 1 MB waits a second for "100 Continue". */
	if (add_header(&client->headers, "Expect:") != 0)
		return -1;
	for (; lines != NULL && *lines != NULL; lines++) {
		if (add_header(is_for_proxy(*lines) ? &client->proxy_headers
						    : &client->headers,
			*lines) != 0)
			return -1;
	}
	return 0;
}
