/* SPDX-License-Identifier: ISC */
#ifndef HTTP_IMPL_H
#define HTTP_IMPL_H

#include "chat/answer.h"
#include "chat/api.h"
#include "chat/curl.h"
#include "chat/stream.h"

struct json;
struct reply;

/*
 * What http.c (a worker's calls) and http_take.c (what a response is worth)
 * share.
 */
struct http_end {
	const struct chat_endpoint *conf;
	struct curl_client *client; /* NULL: not asked yet */
	struct api_shape shape; /* what this server takes, as far as known */
};

struct http {
	const struct chat_conf *conf;
	const struct api *api;
	struct http_end *ends; /* as many as conf has */
	struct http_end *end;  /* of the call at hand */
	struct buf request;    /* body of the call at hand */
	struct buf sentence;   /* an error before the gate */
	struct buf error;      /* and behind it */
	struct buf request_id;
	struct buf scratch;

	/* of the response at hand */
	struct answer answer;
	struct stream stream;
	struct buf raw;	   /* the start of a stream's text */
	bool piece_judged; /* the next line is decided */
	bool is_stream;
	struct json *root; /* of a body that is not a stream, or NULL */
};

/* A piece of a good response came: a curl_request's piece. Takes the http. */
enum curl_piece http_take_piece(void *http, struct span piece);

/* What came becomes the reply. */
void http_take(
    struct http *http, struct curl_response *response, struct reply *reply);

/* The gate: what stands in http->sentence becomes the reply's error. */
void http_say(struct http *http, struct reply *reply);

#endif
