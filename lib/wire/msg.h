/* SPDX-License-Identifier: ISC */
#ifndef MSG_H
#define MSG_H

#include <stdint.h>

#include "wire/frame.h"
#include "wire/reply.h"

/*
 * The whole vocabulary between coordinator and worker, both ends of each
 * message side by side. Down: JOB, STOP. Up: HELLO, BEAT, DONE, WORD.
 * An encoder appends one frame to buf, or, over the cap of buf or frame, adds
 * nothing and leaves buf failed; numbers of a reply that are out of range
 * travel as unknown, texts of HELLO and WORD are cut. A decoder gives false
 * for anything that is not exactly that message with every field in range.
 * Bug in an encoder: an answer without text, a job out of range.
 */
enum msg_kind {
	MSG_JOB = 1,
	MSG_STOP = 2,
	MSG_HELLO = 3,
	MSG_BEAT = 4,
	MSG_DONE = 5,
	MSG_WORD = 6,
};

#define MSG_JOB_BYTES (FRAME_HEAD_BYTES + 28) /* of a JOB, always */
#define MSG_JOB_MAX_BYTES 512	/* one outstanding, so a write never blocks */
#define MSG_ENDPOINTS_MAX 64	/* base URLs of a run */
#define MSG_WORD_MAX_BYTES 4096 /* of a HELLO's and a WORD's text */
#define MSG_TIME_MAX_MS (INT64_C(10) * 366 * 86400 * 1000) /* ten years */
#define MSG_TOKENS_MAX INT64_C(1000000000000)		   /* of one call */
#define MSG_QUOTA_MAX (INT64_C(1) << 40)

/* A ticket has the slot's generation in its upper 32 bits, a sequence in the
 * lower: an answer to any other hand-out than the one outstanding is garbage.
 */
struct msg_job {
	uint64_t ticket;
	uint32_t index;	    /* of the prompt, from 0 */
	uint32_t attempt;   /* from 1, over all tries of this run */
	int64_t allowed_ms; /* > 0, from now to the answer */
	uint32_t endpoint;  /* which base URL, 0 … MSG_ENDPOINTS_MAX - 1 */
};

/* Ready, or the reason why it can never be. */
struct msg_hello {
	enum outcome outcome; /* OUTCOME_OK: ready */
	struct span text;
};

struct msg_beat {
	uint64_t ticket;
	uint64_t bytes; /* of the answer so far */
};

struct msg_done {
	uint64_t ticket;
	struct reply reply;
};

/* A log line of the worker. */
struct msg_word {
	uint8_t level; /* enum log_level */
	struct span text;
};

void msg_put_job(struct buf *buf, const struct msg_job *job);
bool msg_get_job(const struct frame *frame, struct msg_job *job);
void msg_put_stop(struct buf *buf);
bool msg_get_stop(const struct frame *frame);
void msg_put_hello(struct buf *buf, const struct msg_hello *hello);
bool msg_get_hello(const struct frame *frame, struct msg_hello *hello);
void msg_put_beat(struct buf *buf, const struct msg_beat *beat);
bool msg_get_beat(const struct frame *frame, struct msg_beat *beat);
void msg_put_done(struct buf *buf, const struct msg_done *done);
bool msg_get_done(const struct frame *frame, struct msg_done *done);
void msg_put_word(struct buf *buf, const struct msg_word *word);
bool msg_get_word(const struct frame *frame, struct msg_word *word);

#endif
