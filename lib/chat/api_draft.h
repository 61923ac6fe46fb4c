/* SPDX-License-Identifier: ISC */
#ifndef API_DRAFT_H
#define API_DRAFT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "data/prompts.h"

struct api;
struct chat_conf;

/*
 * A request in the making, in whatever dialect: what all have in common. What
 * users wrote travels as the raw text it was, so numbers, escapes and the
 * order of keys stay theirs; a record's own words stand over the run's.
 */

struct api_draft {
	const struct chat_conf *conf;
	const struct api *api;
	struct buf *body; /* the request, lent; a failure sticks to it */

	/* Raw values of the record; none where it has none. */
	struct span messages;
	struct span system;
	struct span model;
	struct span params;

	struct buf key;	  /* the member at hand, decoded */
	struct buf other; /* the one it is compared with */
};

/* Begin with the model and all parameters, into an empty body. */
void api_draft_begin(struct api_draft *draft, const struct chat_conf *conf,
    const struct api *api, const struct record *record, struct buf *body);

/* Close the object; everything but the body is freed. */
void api_draft_end(struct api_draft *draft);

/* Does a parameter go out under this name, the run's or the record's? */
bool api_draft_has_param(struct api_draft *draft, const char *sent);

/* Is there a system text, the record's before the run's? A null in the record
 * says: none here. */
bool api_draft_wants_system(const struct api_draft *draft);

/* Append that text, as a JSON string. */
void api_draft_put_system(struct api_draft *draft);

/* Append a message: {"role":"user","content":text}. */
void api_draft_put_user(struct api_draft *draft, struct span text);

/* As json_next_member, with the key in draft->key; a failure sticks to the
 * body. */
bool api_draft_next(struct api_draft *draft, struct span object, size_t *at,
    struct span *key, struct span *raw);

/* Is a raw value none, or null? */
bool api_draft_is_null(struct span raw);

/* Is this the key so named? */
bool api_draft_is(struct span key, const char *name);

/* Do the messages bring rules of their own: is that the role of one? */
bool api_draft_is_system(struct span role);

#endif
