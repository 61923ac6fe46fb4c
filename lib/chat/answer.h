/* SPDX-License-Identifier: ISC */
#ifndef ANSWER_H
#define ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "wire/reply.h"

/*
 * What a model said, gathered from one response or from the pieces of a
 * stream, in whatever dialect; and what that is worth. Pure.
 */

/* Why it ended. */
enum answer_end {
	ANSWER_END_NONE = 0,   /* not said (yet) */
	ANSWER_END_STOP = 1,   /* by itself, or a reason not known here */
	ANSWER_END_LENGTH = 2, /* at the token limit */
	ANSWER_END_FILTER = 3,
	ANSWER_END_REFUSAL = 4,
};

#define ANSWER_CALLS_MAX 128 /* tools called in one answer; OpenAI's limit */

/* One call of a tool, in the making. */
struct answer_call {
	struct buf id;
	struct buf name;
	struct buf arguments; /* JSON text */
	int64_t place;	      /* its number, as the server counts */
};

struct answer {
	size_t cap_bytes; /* of text, reasoning, refusal and calls, each */
	struct buf text;
	struct buf reasoning;
	struct buf refusal;
	struct buf model;
	struct buf finish_reason; /* the server's own word */
	enum answer_end end;
	int64_t input_tokens;  /* -1 unknown */
	int64_t output_tokens; /* -1 unknown */
	bool has_message;      /* anything that is, or begins, an answer */
	bool has_logprobs;
	bool done;     /* a stream said that nothing more comes */
	bool too_long; /* over the cap; the rest is dropped */
	bool no_memory;

	/* Tool calls: whole, as JSON text, or in the making. */
	struct buf calls;
	struct answer_call *making;
	size_t making_count;
	bool blocks; /* Anthropic's form of them */

	/* An error instead; the first one holds. */
	enum outcome trouble; /* OUTCOME_OK: none */
	struct buf error;     /* its sentence */
	int64_t retry_after_ms;
};

void answer_init(struct answer *answer, size_t cap_bytes);
void answer_free(struct answer *answer);

/* Begin another. Room of more than keep_bytes goes back. */
void answer_clear(struct answer *answer, size_t keep_bytes);

/* Append to one of its bufs; over the cap it is too_long from then on. */
void answer_add(struct answer *answer, struct buf *part, struct span text);

/* Put a name (model, finish reason) in the place of the one before; none
 * leaves it. */
void answer_name(struct answer *answer, struct buf *part, struct span text);

/* Gives the last call with this number; NULL: there is none. Both lent until
 * the next is begun. */
struct answer_call *answer_call_find(struct answer *answer, int64_t place);

/* Begin another. Gives it, or NULL over ANSWER_CALLS_MAX or without memory. */
struct answer_call *answer_call_new(struct answer *answer, int64_t place);

/*
 * Judge it: fill reply with outcome, text, error, reasoning, refusal, model,
 * finish_reason, tokens, retry_after_ms. Spans live as long as the answer is
 * not changed.
 */
void answer_judge(struct answer *answer, bool allow_empty, struct reply *reply);

#endif
