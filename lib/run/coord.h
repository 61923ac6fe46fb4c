/* SPDX-License-Identifier: ISC */
#ifndef COORD_H
#define COORD_H

#include <stdbool.h>
#include <stdint.h>

#include "run/limit.h"
#include "run/pool.h"
#include "run/route.h"
#include "run/sched.h"

struct bulletin;
struct err;
struct export;
struct metrics;
struct nursery;
struct progress;
struct reporter;
struct scratch;
struct signals;
struct stats;
struct stop;
struct store;
struct store_durable;

/*
 * The turn-round point: carries jobs down, reports up, notes to the store, and
 * durable facts to whoever looks. It holds no policy and no format.
 */
struct coord_conf {
	uint32_t count;		   /* prompts */
	uint8_t *states;	   /* enum store_state per prompt; updated when
				      something became durable */
	uint8_t *asked;		   /* 1 per prompt that this run is to do */
	const struct twins *twins; /* which of them are the same; NULL: none */
	struct store *store;
	struct scratch *scratch; /* or NULL */
	struct nursery *nursery;
	struct progress *progress; /* or NULL */
	struct export *output;	   /* or NULL */
	struct bulletin *bulletin; /* or NULL */
	struct metrics *metrics;   /* or NULL */
	struct reporter *reporter; /* or NULL */
	struct stats *stats;
	struct stop *stop;
	struct sched_policy policy;
	struct pool_conf pool;		  /* slots, late_after, grace, … */
	int64_t timeout_ns;		  /* of one attempt */
	const struct route_conf *servers; /* lent */
	uint32_t server_count;		  /* 0: a single one without name */
	/* Something that has limits of its own is called: not by all workers
	 * at once, and at the rate it allows. */
	bool is_server;
	uint32_t workers;	/* of the pool's slots, at first */
	uint32_t workers_least; /* 0: all of these always */
	struct limit_conf limits;
	uint64_t used_requests; /* before this run */
	struct tokens used_tokens;
	uint64_t used_failures;
	/* Gives how many tokens a prompt may cost; NULL: none. */
	struct tokens (*estimate)(const void *arg, uint32_t index);
	const void *estimate_arg;
	int64_t deadline_wall_ms; /* when all must have ended; 0: never */
	int64_t wait_server_first_ns;
	int64_t wait_server_later_ns;
	const char *control_path; /* of the socket for orders; NULL none */
	struct signals *signals;  /* to be heard, open; or NULL */
	int stop_fd;		  /* an eventfd that says the same as SIGTERM;
				     -1 none */
	bool private_store; /* a closed output means that nobody listens */
	/* Each attempt as it comes back; may be NULL. */
	void (*attempted)(void *arg, const struct pool_report *report);
	void *attempted_arg;
};

struct coord;

/* What the signals of a coordinator may be: 0-terminated. */
extern const int coord_signals[];

/* Gives NULL with err. Starts nobody yet. */
struct coord *coord_new(const struct coord_conf *conf, struct err *err);

/*
 * Run until nothing that was asked for is open, or stop says so.
 * Gives 0 when it ended by plan (stop has the status), -1 with err when the
 * machine failed us; what had come in is committed either way.
 */
int coord_run(struct coord *coord, struct err *err);

/* Something became durable: for the store's callback. */
void coord_durable(struct coord *coord, const struct store_durable *what);

void coord_free(struct coord *coord);

#endif
