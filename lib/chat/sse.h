/* SPDX-License-Identifier: ISC */
#ifndef SSE_H
#define SSE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/*
 * Server-sent events, taken apart as they come. Pure and incremental: bytes
 * may be cut anywhere, inside a line end or a character too. Source: WHATWG
 * HTML §9.2.6; beyond it, a line "error: …" (llama.cpp) is an event of that
 * name, and an event that the end of the stream cuts off is given all the
 * same.
 */
struct sse {
	struct buf line; /* the one at hand */
	struct buf data; /* of the event at hand */
	struct buf name; /* likewise; empty: a message */
	bool begun;	 /* past where a BOM can be */
	bool after_cr;	 /* an LF now belongs to the last line's end */
	bool has_data;
};

/* One event; lent until the call returns. */
struct sse_event {
	struct span name; /* "" for a message */
	struct span data; /* its data lines, joined by LF */
};

typedef void sse_take(void *arg, const struct sse_event *event);

/* Takes the cap of one line and of one event's data. */
void sse_init(struct sse *sse, size_t cap_bytes);
void sse_clear(struct sse *sse);
void sse_free(struct sse *sse);

/*
 * Feed bytes; take is called for each event that ends in them.
 * Gives 0, or -1 when a line or an event is over the cap (or there is no
 * memory): from then on nothing more is read until sse_clear.
 */
int sse_feed(struct sse *sse, struct span bytes, sse_take *take, void *arg);

/* Nothing more comes: give the event that is not ended, if it has data. */
int sse_end(struct sse *sse, sse_take *take, void *arg);

#endif
