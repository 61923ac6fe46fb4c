/* SPDX-License-Identifier: ISC */
#ifndef CURL_IMPL_H
#define CURL_IMPL_H

#include <curl/curl.h>

#include "base/buf.h"
#include "base/clock.h"
#include "chat/curl.h"
#include "chat/curl_proxy.h"
#include "chat/curl_trust.h"

/*
 * What curl.c (the call), curl_set.c (what libcurl is told once) and
 * curl_judge.c (what became of a call) share.
 */
struct curl_client {
	CURLM *multi;
	CURL *easy;
	CURLU *url; /* taken apart once, not for every call */
	struct curl_slist *headers;
	struct curl_slist *proxy_headers; /* that no server sees */
	bool is_local;			  /* a Unix socket */
	const struct curl_proxy *proxy;	  /* NULL: none */
	char *peer; /* "127.0.0.1:8000", for error texts */
	int64_t connect_timeout_ms;
	bool get;
	int socket; /* libcurl's own, lent; -1 none */
	char detail[CURL_ERROR_SIZE];
	struct buf error;
	struct buf body;

	/* of the call at hand */
	const struct curl_request *request;
	int64_t begun_ns; /* these two later than they were when we were */
	int64_t until_ns; /* stopped meanwhile */
	struct clock_nap nap;
	unsigned turns; /* so often was waited */
	size_t head_bytes;
	size_t body_bytes;     /* that came, gathered or not */
	int64_t first_byte_ns; /* of the body; -1 */
	int64_t last_byte_ns;
	int64_t tail_until_ns; /* all is here; CLOCK_NEVER: not yet */
	bool stopped;	       /* nothing more is wanted */
	bool head_ended;       /* by its empty line */
	bool head_over;
	bool body_over;
	bool kept;		 /* it began on the connection of the last */
	int64_t resend_until_ns; /* a kept one that closes later has taken it */
	bool taken;		 /* so it did: nothing is sent again */
};

/* Gives 0, or another number when libcurl refuses one of the settings. */
int curl_set(struct curl_client *client, const struct curl_client_conf *conf);

/* Let easy take no other authorities than these (NULL: libcurl's own choice).
 * Gives 0, or another number. */
int curl_trust_set(CURL *easy, const struct curl_trust *trust);

/* Let easy go through the proxy (NULL: never through one, not even one that
 * libcurl finds itself). Gives 0, or another number. */
int curl_proxy_set(CURL *easy, const struct curl_proxy *proxy);

/* Is it the proxy that libcurl speaks of? */
bool curl_proxy_is_named(const struct curl_proxy *proxy, const char *sentence);

/* Fill client->headers and proxy_headers. Gives 0, or -1 without memory. */
int curl_set_headers(struct curl_client *client, const char *const *lines);

/* What does libcurl's last word on the call mean? Anything not known is a
 * connection that broke. */
enum outcome curl_judge(const struct curl_client *client, CURLcode code);

/* Put the sentence for an outcome that is not OK into client->error. */
void curl_explain(
    struct curl_client *client, enum outcome outcome, CURLcode code);

#endif
