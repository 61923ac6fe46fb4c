/* SPDX-License-Identifier: ISC */
#ifndef SPAWN_H
#define SPAWN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct err;

/*
 * How worker processes come into the world. A nursery, forked while the
 * coordinator is still small, does nothing but fork workers on request, with
 * clone3(CLONE_PARENT | CLONE_PIDFD): the coordinator is their parent, but
 * they inherit neither its heap, descriptors nor database. The only door to
 * fork and exec of workers; what a child is born with is said in heritage.
 */

/* Where a worker finds its pipe ends; 0 is /dev/null, 1 and 2 are the slot's
 * stderr pipe, nothing else is open. */
#define SPAWN_DOWN_FD 3
#define SPAWN_UP_FD 4

/* What a newborn worker finds: its pipe ends and who it is. */
struct spawn_child {
	int down_fd;	     /* reads JOB and STOP; EOF: the coordinator died */
	int up_fd;	     /* writes HELLO, BEAT, DONE, WORD */
	uint32_t slot;	     /* from 0 */
	uint32_t generation; /* of the slot, from 1 */
	bool titled;	     /* may it set its process title? */
};

/*
 * All that a worker gets from the coordinator. Memory that arg points to is
 * inherited as it was when the nursery was opened.
 */
struct heritage {
	/* The worker's life; its return value is its exit status. */
	int (*live)(const struct spawn_child *child, void *arg);
	/* Once in the nursery, before the first birth (libcurl, OpenSSL);
	   may be NULL. -1 with err ends the opening. */
	int (*prepare)(void *arg, struct err *err);
	void *arg;
	/* False: the worker dies at once with the coordinator (PDEATHSIG).
	   True: it is a subreaper that watches its down pipe instead and
	   sweeps its own children first. */
	bool reaps;
	bool isolated; /* each worker in a process namespace of its own: all
			  that it started dies with it, and it with the
			  coordinator */
	bool titled;   /* setproctitle_init was called: titles may be set */
};

/* What became of one request. */
struct birth {
	uint32_t slot;
	uint32_t generation;
	pid_t pid;  /* > 1, or -1 */
	int pid_fd; /* the taker owns it; -1 when the birth failed */
	int number; /* errno of a failed birth, else 0 */
};

struct nursery;

/*
 * Fork the nursery. Call before a database is opened or a thread started.
 * Fails ERR_SYSTEM (no clone3 or pidfd: says that Linux ≥ 5.10 is needed; no
 * namespaces) or what prepare says; no process is left.
 */
struct nursery *nursery_open(const struct heritage *heritage, struct err *err);

/* Gives a descriptor that is readable when a birth (or the nursery's death)
 * is there to be taken. Changes after nursery_reopen. */
int nursery_fd(const struct nursery *nursery);
pid_t nursery_pid(const struct nursery *nursery);

/*
 * Ask for a worker. The three pipe ends are lent for the call; the caller
 * closes its copies afterwards.
 * Gives 0; -1 with errno EAGAIN when too much is outstanding (ask again after
 * the next birth), EPIPE when the nursery died.
 */
int nursery_ask(struct nursery *nursery, uint32_t slot, uint32_t generation,
    int down_read_fd, int up_write_fd, int stderr_write_fd);

/* Gives 1 with a birth, 0 when there is none now, -1 when the nursery is
 * dead: what was outstanding will never come. */
int nursery_next(struct nursery *nursery, struct birth *birth);

/* Bury a dead nursery and fork another one with the same heritage. */
int nursery_reopen(struct nursery *nursery, struct err *err);

/* Let it end, wait for it, free. Takes NULL calmly. */
void nursery_close(struct nursery *nursery);

/* fork() with all signals blocked in the newborn, so that no handler of its
 * parent runs there. The newborn ends with _exit or exec. */
pid_t spawn_fork(void);

#endif
