/* SPDX-License-Identifier: ISC */
#ifndef CHAT_CURL_H
#define CHAT_CURL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "wire/outcome.h"

struct curl_proxy;
struct curl_trust;
struct err;

/*
 * The only door to libcurl: one request at a time over one kept connection, for
 * as long as a worker lives. It knows HTTP, and nothing of models.
 *
 * Redirects are not followed, only http and https are spoken, TLS is 1.2 or
 * newer and always checked; HTTP/2 is spoken where a server with TLS offers it.
 */
struct curl_client;

/* Plain data; copied by curl_client_open. */
struct curl_client_conf {
	const char *url;
	const char *socket; /* path of a Unix socket, where url's host is not
			       looked up; NULL: TCP */
	const char *peer;   /* "127.0.0.1:8000", for error texts */
	const struct curl_proxy *proxy; /* lent likewise; NULL: none is asked */
	const struct curl_trust *trust; /* lent for the client's life; NULL:
					   whom libcurl trusts */
	const char *agent;		/* User-Agent */
	const char *const *headers;	/* "Name: value", NULL-terminated */
	bool get;		    /* every request is a GET without a body */
	int64_t connect_timeout_ms; /* > 0; name lookup and TLS count too */
};

/* What becomes of a piece of a response body. */
enum curl_piece {
	CURL_PIECE_GATHER = 0, /* keep it in the body */
	CURL_PIECE_TAKEN = 1,  /* it was used up */
	CURL_PIECE_LAST = 2,   /* so it was; all that matters is here */
	CURL_PIECE_STOP = 3,   /* read no more; nothing of it is wanted */
};

/* One call; lent until curl_client_post returns. Times count from started_ns,
 * a stall from the last byte. */
struct curl_request {
	struct span body;
	size_t cap_bytes; /* of the response body, after decompression */
	int64_t started_ns;
	int64_t allowed_ns; /* the whole call */
	int64_t
	    first_byte_ns; /* until the first byte of the body; 0: no limit */
	int64_t stall_ns;  /* after it, between two bytes; 0: no limit */
	/* Each piece of the body of a 200, decompressed; NULL: all is
	 * gathered. */
	enum curl_piece (*piece)(void *arg, struct span piece);
	void *piece_arg;
	int stop_fd; /* readable or at its end: give up at once; -1 none */
	void (*beat)(void *arg, uint64_t bytes); /* NULL: nobody listens */
	void *beat_arg;
};

/* What came; lent by the client until the next call. */
struct curl_response {
	/* OK: a whole response is here, whatever its status says, or piece
	 * said LAST or STOP. Else interrupted, too_long, timeout_connect,
	 * timeout_first_byte, timeout_stall, timeout_total, no_server, tls,
	 * truncated, garbage or out_of_memory. */
	enum outcome outcome;
	int status; /* 100 … 999; 0 none came */
	char *body; /* gathered; also what came of one cut short */
	size_t body_size;
	int64_t first_byte_ns; /* when the body's first byte came, -1 none */
	struct span error;     /* one sentence when outcome is not OK */
};

/* Prepare libcurl and the TLS library, once per process family, before any
 * thread. Fails ERR_SYSTEM. */
int curl_client_prepare(struct err *err);

/* Gives NULL without memory, or when libcurl cannot do what is asked. Nothing
 * is connected yet. SIGPIPE is ignored from here on: TLS libraries write
 * without MSG_NOSIGNAL. */
struct curl_client *curl_client_open(
    const struct curl_client_conf *conf, struct err *err);
void curl_client_close(struct curl_client *client);

/*
 * Send one request and read the response whole. What a kept connection never
 * took, because the server had closed it, is sent again on a fresh one: that
 * is no failure. One that closes when clearly more than a round trip has
 * passed took it, and maybe worked on it: that is truncated. So is a stream
 * that was reset; but not one that was refused, which is sent again at once.
 */
void curl_client_post(struct curl_client *client,
    const struct curl_request *request, struct curl_response *response);

/* Gives a header of the last response (the last one so named), or none. Dies
 * with the next call. */
struct span curl_client_header(struct curl_client *client, const char *name);

/* Gives "7.88.1". */
const char *curl_client_version(void);

#endif
