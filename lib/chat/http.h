/* SPDX-License-Identifier: ISC */
#ifndef HTTP_H
#define HTTP_H

#include <stdbool.h>

struct chat_conf;
struct curl_client;
struct url;

/*
 * What http and models share: a client with the user's headers, and ours
 * (content type, key) where the user has none so named.
 * Takes get: for GET of url->models, else POST to url->chat.
 * Gives NULL without memory or when libcurl cannot do what is asked.
 */
struct curl_client *http_open_client(
    const struct chat_conf *conf, const struct url *url, bool get);

#endif
