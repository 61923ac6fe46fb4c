/* SPDX-License-Identifier: ISC */
#ifndef API_H
#define API_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "data/prompts.h"

struct answer;
struct chat_conf;
struct json;

/* How a request is to be answered. */
struct api_shape {
	bool stream; /* piece by piece */
	bool usage;  /* and, where that must be asked for, with token counts */
	const char *url; /* by whom; NULL: by anybody */
};

/* A parameter that goes out under another name than it was given. */
struct api_twin {
	const char *given; /* NULL ends a list */
	const char *sent;
	bool listed; /* a single text is sent as a list of one */
};

/*
 * One dialect of chat over HTTP: its requests and its responses. Pure, text to
 * text; no socket, no clock.
 */
struct api {
	const char *name; /* "openai" */

	/* Where requests go, and with which key, if nothing else is said.
	 * Variables of the environment stand here with their $. */
	const char *url;		  /* "https://api.openai.com/v1" */
	const char *const *url_variables; /* the first one that is set counts;
					     NULL ends the list */
	const char *key_variable;	  /* "$OPENAI_API_KEY" */

	/* How they go there. */
	const char *path;	/* "/chat/completions", behind the base */
	bool wants_v1;		/* behind any path, not only where none is */
	const char *key_header; /* "Authorization": as "Bearer KEY" */
	const char *header;	/* one more, "Name: value"; NULL none */
	int64_t max_tokens;	/* sent where nobody says one; 0: none is */
	const char *const *reserved;  /* what parameters cannot say, because
					 all of it is composed; NULL ends it */
	const struct api_twin *twins; /* NULL: none */

	/* Append the request body for one record. Failure is sticky in body. */
	void (*build)(const struct chat_conf *conf, const struct record *record,
	    const struct api_shape *shape, struct buf *body);

	/* Add to the answer what one JSON value says: a whole response, or a
	 * piece of a stream. */
	void (*read)(struct json *root, struct answer *answer);
};

extern const struct api api_anthropic;
extern const struct api api_openai;

/* Gives the dialect, or NULL when there is none so named. */
const struct api *api_by_name(const char *name);

/* Gives "anthropic, openai" for messages. */
const char *api_names(void);

#endif
