/* SPDX-License-Identifier: ISC */
#ifndef API_H
#define API_H

#include <stdbool.h>

#include "base/buf.h"
#include "data/prompts.h"

struct answer;
struct chat_conf;
struct json;

/* How a request is to be answered. */
struct api_shape {
	bool stream; /* piece by piece */
	bool usage;  /* and, where that must be asked for, with token counts */
};

/*
 * One dialect of chat over HTTP: its requests and its responses. Pure, text to
 * text; no socket, no clock.
 */
struct api {
	const char *name; /* "openai" */

	/* Append the request body for one record. Failure is sticky in body. */
	void (*build)(const struct chat_conf *conf, const struct record *record,
	    const struct api_shape *shape, struct buf *body);

	/* Add to the answer what one JSON value says: a whole response, or a
	 * piece of a stream. */
	void (*read)(struct json *root, struct answer *answer);
};

extern const struct api api_openai;

/* Gives the dialect, or NULL when there is none so named. */
const struct api *api_by_name(const char *name);

#endif
