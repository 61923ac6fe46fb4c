/* SPDX-License-Identifier: ISC */
#ifndef SCHED_H
#define SCHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/outcome.h"

/*
 * Which prompt next, when, and when to give up. Pure: no clock, no I/O, no
 * text; now is an argument and jitter comes from a seed. Fresh prompts go out
 * in order; a prompt that waits for its next try lies in a heap of due times
 * and goes before fresh ones once it is due.
 *
 * Invariants: a prompt is open, out, waiting, held or closed, and only one of
 * these; it is out at most once at a time; it is closed at most once; charged
 * tries never pass the limit.
 */
struct sched_policy {
	uint32_t tries_max;   /* ≥ 1, charged attempts per prompt; more than
				 65,535 are as many */
	int64_t delay_ns;     /* first pause; doubles per charged try */
	int64_t delay_max_ns; /* cap of the doubling */
	uint32_t poison;      /* workers' deaths that end a prompt, ≥ 1; more
				 than 255 are as many */
	int64_t wait_max_ns;  /* uncharged waiting per prompt */
	uint64_t random_seed;
};

enum sched_verdict {
	SCHED_ANSWERED = 0,  /* closed: done */
	SCHED_LATER = 1,     /* waits for its next try */
	SCHED_FAILED = 2,    /* closed: tries used up, or no try can help */
	SCHED_POISON = 3,    /* closed: crashed too many workers */
	SCHED_HELD = 4,	     /* blames the run: kept aside until we know */
	SCHED_CANCELLED = 5, /* closed: nobody wants it now */
};

struct sched;

/* All prompts begin closed. Gives NULL without memory. */
struct sched *sched_new(uint32_t count, const struct sched_policy *policy);
void sched_free(struct sched *sched);

/* Open a prompt: it is to be done by this run. Bug unless it is closed and
 * nothing has been handed out yet. */
void sched_open(struct sched *sched, uint32_t index);

/*
 * Take the next prompt that may go out now.
 * Gives true with index and attempt (from 1, all tries of this run), or
 * false when none is due. Cost: O(log n) amortised.
 */
bool sched_next(
    struct sched *sched, int64_t now_ns, uint32_t *index, uint32_t *attempt);

/* A prompt that sched_next gave never reached a worker: back, as if never
 * taken, ahead of all fresh ones. */
void sched_return(struct sched *sched, uint32_t index);

/* What became of an attempt, as far as the scheduler cares. */
struct sched_result {
	enum outcome outcome;
	bool worker_died;	/* by itself, holding this prompt */
	int64_t retry_after_ns; /* >= 0: a floor for the next try; -1 none */
	bool hopeless;		/* no other try can end otherwise */
};

/* Say what became of a prompt that is out. */
enum sched_verdict sched_report(struct sched *sched, uint32_t index,
    const struct sched_result *result, int64_t now_ns);

/* A held prompt was blamed by somebody who is not asked any more: back, as if
 * never taken. */
void sched_release(struct sched *sched, uint32_t index);

/* A held prompt was the prompt's own fault: close it. */
void sched_fail_held(struct sched *sched, uint32_t index);

/* What people say about single prompts. */
enum sched_state {
	SCHED_IS_CLOSED = 0,
	SCHED_IS_HERE = 1, /* open, or waiting for its next try */
	SCHED_IS_OUT = 2,
	SCHED_IS_HELD = 3,
};
enum sched_state sched_state(const struct sched *sched, uint32_t index);

/* Do a closed one again, before all fresh ones, with all its tries. */
void sched_reopen(struct sched *sched, uint32_t index);

/* Leave one alone for the rest of this run: that is here, at once; that is out,
 * when it comes back without an answer (SCHED_CANCELLED). Bug for others. */
void sched_cancel(struct sched *sched, uint32_t index);

/* When is the next waiting prompt due? CLOCK_NEVER when none waits; 0 when a
 * fresh one could go now. */
int64_t sched_due_ns(const struct sched *sched);

uint32_t sched_left(const struct sched *sched);	   /* not closed, not held */
uint32_t sched_ready(const struct sched *sched);   /* fresh, not yet out */
uint32_t sched_waiting(const struct sched *sched); /* for their next try */
uint32_t sched_out(const struct sched *sched);
uint32_t sched_tries(const struct sched *sched, uint32_t index); /* charged */

#endif
