/* SPDX-License-Identifier: ISC */
#ifndef CURL_PROXY_H
#define CURL_PROXY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

struct err;

/*
 * The proxy that leads to a server. libcurl would look for it in the
 * environment itself; done here by the same rules, errors can name it, and its
 * password can be struck out of them. What $no_proxy excepts is left to
 * libcurl.
 */
struct curl_proxy;

/*
 * Find the one for https or plain http: https_proxy or HTTPS_PROXY, but
 * http_proxy only in small letters, then all_proxy or ALL_PROXY.
 * Gives 0 with *proxy, NULL when there is none. Fails ERR_MEMORY.
 */
int curl_proxy_find(bool https, struct curl_proxy **proxy, struct err *err);
void curl_proxy_free(struct curl_proxy *proxy);

/* Append "the proxy gate.example:3128 ($https_proxy)". */
void curl_proxy_put_name(const struct curl_proxy *proxy, struct buf *out);

/* Is there a password in it? Takes NULL. */
bool curl_proxy_has_secret(const struct curl_proxy *proxy);

/* Strike its user and password out of text in every form they have, in place.
 * Takes NULL. Gives the new size. */
size_t curl_proxy_redact(
    const struct curl_proxy *proxy, char *text, size_t size);

#endif
