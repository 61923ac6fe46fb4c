/* SPDX-License-Identifier: ISC */
#ifndef HTTP_H
#define HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "data/prompts.h"

struct api;
struct chat_conf;
struct curl_client;
struct err;

/* Can calls go out with these settings? Fails ERR_USAGE. */
int http_check(const struct chat_conf *conf, struct err *err);

/* Gives the dialect that is spoken. */
const struct api *http_dialect(const struct chat_conf *conf);

/*
 * What http and models share: a client with the user's headers, and ours
 * (content type, key) where the user has none so named.
 * Takes the number of an endpoint; get: for GET of its url->models, else POST
 * to url->chat.
 * Gives NULL without memory or when libcurl cannot do what is asked.
 */
struct curl_client *http_open_client(
    const struct chat_conf *conf, uint32_t endpoint, bool get);

/* Gives the name of the header in which the key goes; NULL when none does,
 * because there is none, or -H gives one in its place. */
const char *http_key_header(const struct chat_conf *conf, uint32_t endpoint);

/* Gives the dialect's own header ("Name: value"); NULL when it has none, or -H
 * gives another. */
const char *http_own_header(const struct chat_conf *conf);

/* Append the body of the request for one record, as it is sent first to the
 * first endpoint. Failure is sticky in body. */
void http_build_request(const struct chat_conf *conf,
    const struct record *record, struct buf *body);

/* Is there a key among the settings: one of its own, or in a header? */
bool http_has_key(const struct chat_conf *conf);

/* Is there a key, or the password of a proxy? */
bool http_has_secret(const struct chat_conf *conf);

/* Strike out all of them, in place. Gives the new size. */
size_t http_redact(const struct chat_conf *conf, char *text, size_t size);

#endif
