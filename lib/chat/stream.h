/* SPDX-License-Identifier: ISC */
#ifndef STREAM_H
#define STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "chat/answer.h"
#include "chat/sse.h"

struct api;

/*
 * A response that comes in pieces: events → JSON → what they add to the
 * answer. Pure.
 */
struct stream {
	const struct api *api;
	struct answer *answer;
	struct sse sse;
	uint64_t events; /* that said something */
	bool broken;	 /* one of them is not what it should be */
};

/* Takes the answer, lent; caps: event_cap_bytes of one event. */
void stream_init(struct stream *stream, const struct api *api,
    struct answer *answer, size_t event_cap_bytes);
void stream_free(struct stream *stream);

/* Begin another stream; the answer is cleared by whoever owns it. */
void stream_clear(struct stream *stream);

/* Feed bytes, cut anywhere. Gives false when nothing behind them can matter:
 * the answer is done, in trouble or too long, or the stream is broken. */
bool stream_feed(struct stream *stream, struct span bytes);

/* No more bytes come. */
void stream_end(struct stream *stream);

/* Is the answer whole: it said why it ended, or the stream that it did? */
bool stream_is_whole(const struct stream *stream);

#endif
