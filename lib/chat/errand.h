/* SPDX-License-Identifier: ISC */
#ifndef ERRAND_H
#define ERRAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/tail.h"
#include "wire/reap.h"

struct child;
struct signals;

/*
 * One command: bytes in, bytes out, from its start to its death, or as far as
 * the next line of a conversation. It knows nothing of prompts and answers.
 */
/* Why it was ended by us, if it was. */
enum errand_ending {
	ERRAND_ITSELF = 0,
	ERRAND_TIMEOUT = 1,
	ERRAND_GIVEN_UP = 2, /* stop_fd spoke */
	ERRAND_TOO_LONG = 3, /* out reached its cap */
	ERRAND_NO_MEMORY = 4,
	ERRAND_LINE = 5, /* not at all: it talks, and said a line */
};

struct errand {
	/* Filled by the caller. */
	struct span input;   /* for its stdin; the front is taken off as it is
				written */
	struct buf *out;     /* takes its stdout, up to the cap; empty, or what
				it said beyond its last line */
	bool talks;	     /* stdin stays open, and a line ends the errand */
	int64_t deadline_ns; /* then TERM, and after the grace KILL */
	int64_t grace_ns;
	int stop_fd; /* readable or at its end: give up; only looked at */
	/* SIGTSTP, held since before the child was started; NULL: not our
	 * business. The command sleeps when we do. */
	const struct signals *sleep;
	void (*beat)(void *arg, uint64_t bytes); /* or NULL: out has grown */
	void *beat_arg;

	/* Filled by errand_run; the tail goes on from line to line. */
	enum errand_ending ending;
	struct death death;
	int64_t first_byte_ns; /* of stdout; -1 none came */
	struct tail tail;      /* the end of its stderr */
};

/*
 * See a started child through to its death and bury it with all that it left
 * behind; one that talks only until a whole line of it is in out: then the
 * ending is ERRAND_LINE, and the child lives. Its stderr goes on to ours. Its
 * death ends the errand, even if somebody still holds its stdout: what is in
 * the pipe by then counts. When stop_fd is at its end the coordinator is dead:
 * the grace is then 0.5 s at most, so that nothing is left within a second.
 */
void errand_run(struct errand *errand, struct child *child);

#endif
