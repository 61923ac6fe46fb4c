/* SPDX-License-Identifier: ISC */
#ifndef LIMIT_H
#define LIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/price.h"
#include "run/bucket.h"
#include "wire/reply.h"

/*
 * What a run may use: how fast (requests and tokens per minute) and how much
 * (requests, tokens, money, failed prompts; over all runs of its database).
 * Pure: now is an argument.
 *
 * A call's tokens are an estimate while it is out: never more than asked for
 * is under way. What it used replaces that when it is back; of one that was
 * cut off nobody knows, and the estimate stays.
 */
struct limit_conf {
	uint64_t requests_per_minute; /* 0: no limit, as with all of these */
	uint64_t tokens_per_minute;
	uint64_t requests_most;
	uint64_t tokens_most;
	uint64_t cost_most; /* as price_of has it */
	struct price price;
	uint64_t failures_most; /* prompts */
};

struct limit {
	struct limit_conf conf;
	struct bucket requests_rate;
	struct bucket tokens_rate;
	uint64_t requests;  /* handed out, in all runs */
	struct tokens used; /* known or estimated, in all runs */
	struct tokens out;  /* estimates of what is out */
	uint64_t failures;
};

#define LIMIT_TEXT_BYTES 256

/* Takes what was used before this run. */
void limit_init(struct limit *limit, const struct limit_conf *conf,
    uint64_t requests, struct tokens used, uint64_t failures);

/* May one go out now, as far as amounts are concerned? */
bool limit_has_room(const struct limit *limit);

/* From when on, as far as rates are concerned? 0: from now on. */
int64_t limit_due_ns(const struct limit *limit);

/* Which rate is it that holds the run back now? "--rpm", or NULL: none. */
const char *limit_holds(const struct limit *limit, int64_t now_ns);

/* One went out. Takes the estimate of its tokens. */
void limit_sent(struct limit *limit, struct tokens estimate, int64_t now_ns);

/* It came back. Takes the same estimate. */
void limit_back(
    struct limit *limit, struct tokens estimate, const struct reply *reply);

/* A prompt failed for good. */
void limit_failed(struct limit *limit);

/* One that did is tried again. */
void limit_unfail(struct limit *limit);

/*
 * Is the end reached: nothing more may go out, and nothing that is out could
 * change that? Takes how many calls are out.
 * Gives true with a sentence in text.
 */
bool limit_is_reached(
    const struct limit *limit, uint32_t out, char text[LIMIT_TEXT_BYTES]);

/* What did an attempt use? Tokens that its reply tells, else the estimate
 * where the server may have worked on it, else none. */
struct tokens limit_used(struct tokens estimate, const struct reply *reply);

#endif
