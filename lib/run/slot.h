/* SPDX-License-Identifier: ISC */
#ifndef SLOT_H
#define SLOT_H

#include <bsd/sys/queue.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/tail.h"
#include "run/loop.h"
#include "wire/outcome.h"

struct pool;

/*
 * One place for a worker process: its descriptors, what came from it so far,
 * and where it is in its life. Internal to pool, which holds the transitions.
 */
enum slot_state {
	SLOT_EMPTY = 0,	   /* nobody; starts when it is due */
	SLOT_STARTING = 1, /* asked for or born, no HELLO yet */
	SLOT_IDLE = 2,
	SLOT_BUSY = 3,
	SLOT_ASKED = 4,	  /* late: told to give up its call */
	SLOT_LEAVING = 5, /* told to leave */
	SLOT_KILLED = 6,  /* SIGKILL is on its way */
};
#define SLOT_STATES 7

struct slot {
	struct pool *pool; /* whose it is */
	enum slot_state state;
	uint32_t number;
	uint32_t generation; /* of the process in it; part of its tickets */
	uint32_t sequence;   /* of the hand-out; part of its tickets */

	pid_t pid;	 /* -1 until the birth notice came */
	int pid_fd;	 /* -1 likewise */
	int birth_errno; /* why it could not be forked; 0 */
	int down_fd;	 /* JOB and STOP go here */
	int up_fd;
	int words_fd; /* its stderr */
	struct loop_watch up_watch;
	struct loop_watch words_watch;
	struct loop_watch pid_watch;

	struct buf inbox;   /* bytes from up_fd */
	size_t inbox_taken; /* of these, in the frame last looked at */
	bool up_ended;	    /* EOF or error on up_fd */
	bool dead;	    /* its pidfd says so, or it was never born */
	bool late;	    /* its deadline has passed: to be judged */
	bool heard_out;	    /* its pipe was read once past the deadline */
	struct tail tail;   /* of its stderr, for the obituary */

	int64_t deadline_ns;   /* when the state is late; CLOCK_NEVER */
	int64_t next_start_ns; /* while empty */
	int64_t throttle_ns;   /* pause after the next early death; 0 none */

	bool leaves; /* told to go, or said that it cannot work: its end is no
			news */
	bool has_job;
	bool killed;	      /* by us */
	enum outcome verdict; /* why we killed it */
	uint32_t jobs;	      /* that this process has done */
	uint64_t heavy_bytes; /* that it was killed for */
	uint32_t index;
	uint32_t attempt;
	uint32_t endpoint;
	uint64_t serial;
	int64_t started_ns;
	int64_t slept_ns; /* since then, all of us together */
	int64_t allowed_ns;
	uint64_t answer_bytes; /* of its answer so far, as it said last */

	bool queued; /* in the pool's list of slots with news */
	STAILQ_ENTRY(slot) news;
	TAILQ_ENTRY(slot) idle;
};

/* Make it empty and blank; frame_cap bounds the inbox. */
void slot_init(struct slot *slot, uint32_t number, size_t frame_cap_bytes);

/* Read once from up_fd into the inbox. Gives false when there was nothing to
 * read now. */
bool slot_read(struct slot *slot);

/* Read what its stderr has now; keeps the tail. Gives the bytes read into
 * data, 0 when there is nothing, -1 at the end. */
ssize_t slot_read_words(struct slot *slot, char *data, size_t size);

/* Append the tail of its stderr as ": last line …" to text, if any. */
void slot_put_tail(const struct slot *slot, struct buf *text);

uint64_t slot_ticket(const struct slot *slot);

/* Close its descriptors and forget the process; the throttle and the state
 * stay as they are. */
void slot_clear(struct slot *slot, struct loop *loop);

#endif
