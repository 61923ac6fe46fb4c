/* SPDX-License-Identifier: ISC */
#ifndef POOL_IMPL_H
#define POOL_IMPL_H

#include <bsd/sys/queue.h>

#include "run/pool.h"
#include "run/slot.h"
#include "wire/msg.h"

/*
 * What pool.c (reading, time), births.c (starting) and cells.c (what each event
 * means) share, and nobody else sees.
 */

/* Each with what it protects from. */
#define POOL_READY_WITHIN (30 * CLOCK_S)     /* a backend's open that hangs */
#define POOL_DEATH_WITHIN (200 * CLOCK_MS)   /* a pipe closed, no death */
#define POOL_LOST_AFTER (10 * CLOCK_S)	     /* disk sleep on a dead NFS */
#define POOL_THROTTLE_FIRST (100 * CLOCK_MS) /* a start that fails at once */
#define POOL_THROTTLE_MOST (30 * CLOCK_S)
#define POOL_LEAVE_WITHIN (1 * CLOCK_S)	 /* idle, and deaf to STOP */
#define POOL_SWEEP_MS 20		 /* bound on one look at /proc */
#define POOL_SWEEP_EVERY (50 * CLOCK_MS) /* at most */
#define POOL_LAST_SWEEP_MS 5000 /* at the end: a kill may take its time */
#define POOL_END_WITHIN_MS 1000 /* for one death or birth, at the end */
#define POOL_WEIGH_EVERY (1 * CLOCK_S) /* with a limit for memory */
#define POOL_LAST_READS 64	       /* bound on what a corpse's pipes hold */
#define POOL_BIRTHS_AT_ONCE 64	       /* asked for and not noticed yet */

TAILQ_HEAD(slot_list, slot);
STAILQ_HEAD(slot_news, slot);

struct pool {
	struct pool_conf conf;
	struct loop *loop;
	struct nursery *nursery;
	struct loop_watch births_watch;
	struct slot *slots;
	struct slot_list idle;
	struct slot_news news;
	uint32_t want;
	uint32_t used; /* slots in which workers are started */
	uint32_t in_state[SLOT_STATES];
	uint32_t outstanding; /* births asked for, not yet noticed */
	uint64_t births;
	int64_t short_pause_ns; /* the machine gives no more; 0 it does */
	int64_t short_until_ns; /* ask for nobody before */
	bool short_said;
	int64_t soonest_ns; /* no deadline and no start is earlier */
	bool births_ready;
	int64_t next_weigh_ns; /* CLOCK_NEVER: nobody is weighed */
	bool sweep_wanted;
	int64_t next_sweep_ns;
	bool has_strangers; /* there were children before the nursery */
	struct buf out;	    /* one frame down */
	struct buf text;    /* of the last report */
};

enum news_event {
	NEWS_HELLO = 0,
	NEWS_DONE = 1,
	NEWS_LATE = 2,
	NEWS_GARBAGE = 3,
	NEWS_DEATH = 4,
};
#define NEWS_EVENTS 5

struct news {
	enum news_event event;
	struct msg_hello hello;
	struct msg_done done;
};

/* Tell an idle worker to leave. */
void slot_dismiss(struct pool *pool, struct slot *slot, int64_t now_ns);

/* Start workers as far as they are wanted and due. */
void births_start(struct pool *pool, int64_t now_ns);

/* Take the nursery's notices. */
void births_take(struct pool *pool, int64_t now_ns);

/* At the end: take in whoever is still on the way, to be buried with the
 * rest. */
void births_end(struct pool *pool);

/* Put a slot in line for pool_next. */
void slot_tell(struct pool *pool, struct slot *slot);

/* Do what the table says. Gives true when report was filled. */
bool cells_take(struct pool *pool, struct slot *slot, const struct news *news,
    struct pool_report *report, int64_t now_ns);

/* Change the state; keeps the idle list and the counts. */
void slot_move(struct pool *pool, struct slot *slot, enum slot_state state);

/* The state is late at deadline_ns. */
void slot_expect(struct pool *pool, struct slot *slot, int64_t deadline_ns);

/* Say STOP; a worker that cannot take it will be late, and is killed then. */
void slot_send_stop(struct pool *pool, struct slot *slot);

/* SIGKILL to the process and its group. */
void slot_kill(
    struct pool *pool, struct slot *slot, enum outcome verdict, int64_t now_ns);

/* Let go of the process and make the slot ready for the next. */
void slot_empty(
    struct pool *pool, struct slot *slot, bool throttled, int64_t now_ns);

/* Read once what its stderr has. Gives false when there was nothing. */
bool slot_take_words(struct pool *pool, struct slot *slot);

#endif
