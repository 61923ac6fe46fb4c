/* SPDX-License-Identifier: ISC */
#ifndef POOL_H
#define POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/reap.h"
#include "wire/reply.h"

struct err;
struct loop;
struct nursery;

/*
 * The slots and the processes in them. A slot is a small state machine (the
 * table in pool.c); whatever a worker does becomes one report about one
 * attempt. It knows neither prompts nor policy.
 */
struct pool_conf {
	uint32_t slots;		   /* ≥ 1: workers there can ever be */
	int64_t late_after_ns;	   /* beyond a job's time before STOP is sent */
	int64_t grace_ns;	   /* from STOP to SIGKILL */
	size_t frame_cap_bytes;	   /* a longer frame is garbage */
	uint32_t jobs_max;	   /* then a worker is replaced; 0: never */
	uint64_t memory_max_bytes; /* of a worker with all that it started,
				      resident; 0: any */
	bool sweeps;	  /* the coordinator is a subreaper: kill what a dead
			     worker's commands left behind */
	const char *mark; /* with sweeps: a variable that every command has in
			its environment, lent; tells what is ours where this
			process had children before */
	/* A worker's stderr, as it comes: for --log. May be NULL. */
	void (*words)(void *arg, uint32_t slot, const char *data, size_t size);
	void *words_arg;
};

struct pool_job {
	uint32_t index; /* of the prompt */
	uint32_t attempt;
	uint32_t endpoint;  /* which server, from 0 */
	uint64_t serial;    /* comes back with the report */
	int64_t allowed_ns; /* > 0 */
};

enum pool_event {
	POOL_READY = 0, /* a worker said HELLO */
	POOL_DONE = 1,	/* an attempt came back: reply */
	POOL_LOST = 2,	/* the worker died with its prompt: reply says how */
	POOL_STILLBORN = 3, /* died, or said it cannot work, before it was
			       ready: reply says why */
	POOL_GONE = 4,	    /* an idle or late worker died; no prompt */
};

struct pool_report {
	enum pool_event event;
	uint32_t slot;
	uint32_t index; /* of the prompt: POOL_DONE, POOL_LOST */
	uint32_t attempt;
	uint32_t endpoint;
	uint64_t serial;
	int64_t started_ns; /* of the attempt */
	bool late;	    /* POOL_DONE after STOP was sent */
	bool killed;	    /* by us */
	struct reply reply; /* spans die at the next pool call */
};

struct pool;

/* Gives NULL with err. Starts nobody. */
struct pool *pool_new(const struct pool_conf *conf, struct loop *loop,
    struct nursery *nursery, struct err *err);

/* Kill and bury whoever is left; free. */
void pool_free(struct pool *pool);

/* Keep at most count workers from now on (0: none); starts happen in
 * pool_tick. Surplus idle ones are told to leave. */
void pool_want(struct pool *pool, uint32_t count);

/* Start workers only in the first count slots from now on (at first: in all),
 * so that never more than these have a process. */
void pool_use(struct pool *pool, uint32_t count);

/* Is there an idle worker? */
bool pool_has_idle(const struct pool *pool);

/*
 * Hand a prompt to an idle worker.
 * Gives true; false when the worker turned out to be dead (its report will
 * follow without the prompt: hand it out again).
 */
bool pool_give(struct pool *pool, const struct pool_job *job, int64_t now_ns);

/* Take the next report. Gives false when there is none now. */
bool pool_next(struct pool *pool, struct pool_report *report, int64_t now_ns);

/* Time passes: start, judge who is late, kill. */
void pool_tick(struct pool *pool, int64_t now_ns);
int64_t pool_due_ns(const struct pool *pool);

/* Give up all calls in flight: STOP now, SIGKILL after the grace; 0: kill at
 * once. */
void pool_give_up(struct pool *pool, int64_t grace_ns, int64_t now_ns);

/* We were stopped for that long: nobody's deadline ran meanwhile, and no
 * attempt took so much longer. */
void pool_shift(struct pool *pool, int64_t slept_ns);

/* Send a job-control signal (SIGTSTP, SIGCONT) to all workers' groups. */
void pool_signal_all(struct pool *pool, int signal_number);

/* Who does what at this moment. */
struct pool_census {
	uint32_t starting;
	uint32_t idle;
	uint32_t busy;
	uint32_t late; /* asked to give up, or killed, and not gone yet */
	uint32_t oldest_slot; /* of the calls that are out the first; UINT32_MAX
				 none */
	uint32_t oldest_index; /* its prompt */
	int64_t oldest_ns;     /* when it began */
};

void pool_count(const struct pool *pool, struct pool_census *census);

/* Kill a worker; its prompt is not charged. Gives false when there is nobody.
 */
bool pool_kill(struct pool *pool, uint32_t slot, int64_t now_ns);

/* Give up the call of one prompt, as pool_give_up does. Gives false when it is
 * not out. */
bool pool_give_up_one(
    struct pool *pool, uint32_t index, int64_t grace_ns, int64_t now_ns);

/* Gives the number of slots with a process (or one asked for), and busy. */
uint32_t pool_alive(const struct pool *pool);
uint32_t pool_busy(const struct pool *pool);
uint64_t pool_births(const struct pool *pool);

/* The latest deadline among busy slots, for "at most 43 s". */
int64_t pool_latest_ns(const struct pool *pool);

#endif
