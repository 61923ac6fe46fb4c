/* SPDX-License-Identifier: ISC */
#ifndef MILL_H
#define MILL_H

#include <stddef.h>
#include <stdint.h>

#include "api/backend.h"
#include "api/outlet.h"
#include "base/signals.h"
#include "data/input.h"
#include "data/redo.h"
#include "data/store.h"
#include "data/twins.h"
#include "run/stop.h"
#include "view/line.h"
#include "view/stats.h"

struct bulletin;
struct coord;
struct export;
struct llmill_run_conf;
struct metrics;
struct nursery;
struct progress;
struct reporter;
struct scratch;

/*
 * All that one run owns, from its options to its exit status. run.c is the
 * sequence; intake.c reads the prompts; database.c finds, opens and loads;
 * end.c closes and tells.
 */
struct mill {
	const struct llmill_run_conf *conf;
	struct backend backend;
	struct prompts *prompts;
	struct input_facts input;
	struct redo redo;
	struct nursery *nursery;
	struct scratch *scratch; /* NULL: the database is worked on in place */
	struct store *store;
	struct store_counts counts;
	struct coord *coord;
	struct progress *progress;
	struct outlet outlet;
	struct export *output;
	struct bulletin *bulletin; /* where others are locked out */
	struct metrics *metrics;   /* or NULL */
	struct reporter *reporter; /* or NULL */
	struct stats stats;
	struct stop stop;
	struct signals signals; /* fd -1 when they are not ours */
	uint8_t *states;	/* enum store_state per prompt */
	uint8_t *asked;		/* 1 per prompt that this run is to do */
	struct twins twins;	/* with --dedup */
	uint32_t count;
	uint64_t used_requests; /* by earlier runs, where that is limited */
	struct tokens used_tokens;
	uint32_t bad_count; /* records that only keep their id */
	int log_fd;
	int own_screen_fd; /* conf's, opened anew; -1: only conf's own */
	char *db_path;	   /* NULL: none is kept */
	char *socket;	   /* where orders are taken; NULL: nowhere */
	char *db_real;	 /* the same without links, where --metrics wants it */
	bool db_existed; /* before this run */
	bool stands_in;	 /* a temporary database, for one that cannot be had */
	bool db_is_ours; /* default-named and made by this run */
	char *output_part; /* where an output that is not whole was left */
	bool report_made;  /* the last page was written */
	bool report_lost;  /* the last page could not be written */
	bool not_home;	   /* the database did not get from its scratch */
	bool output_lost;  /* it could not be written to its end */
	enum store_health health;
	/* The first prompt that each outcome failed, and why. */
	uint32_t first_failed[OUTCOME_COUNT];
	struct line_example examples[OUTCOME_COUNT];
	struct buf reasons; /* what their spans lie in */
	char digest[PLAN_DIGEST_BYTES];
};

/* Is there a controlling terminal? */
bool mill_has_terminal(void);

/* How long to wait for a server before the first answer. */
int64_t mill_wait_first_ns(const struct mill *mill);

/* Read all prompts, and seal them. Fails ERR_INPUT, ERR_USAGE. */
int mill_read_input(struct mill *mill, struct err *err);

/* Outside the loop: did a signal come that ends the run? Then mill->stop has
 * the reason. Sleeps here when that is what it says. */
bool mill_is_told_to_stop(struct mill *mill);

/*
 * Without -m: ask the server, and wait for it like for any other.
 * Fails ERR_USAGE, ERR_BACKEND; also when told to stop.
 */
int mill_find_model(struct mill *mill, struct err *err);

/*
 * Open the database that the options mean: the one named, the default-named
 * one that this plan left unfinished, a new one, or a private one.
 * Fails ERR_INPUT, ERR_BUSY, ERR_USAGE for a file that exists and cannot be
 * used; ERR_SYSTEM only with --require-db.
 */
int mill_open_store(struct mill *mill, struct err *err);

/* Where may people tell this run what to do? Beside its database, or where that
 * is no place for a socket, among the user's own. Fills mill->socket. */
void mill_find_socket(struct mill *mill);

/* Bring database and input together; fills states and asked. */
int mill_load_store(struct mill *mill, struct err *err);

/* Where lines for people go: conf's screen, if it can be so that it never makes
 * us wait. */
int mill_screen_fd(const struct mill *mill);
/* The same two without touching anything, for a dry run: db_path is what would
 * be gone on with. */
int mill_preview_store(struct mill *mill, struct err *err);

/* Close output and database, say the summary. Gives the exit status. */
int mill_finish(struct mill *mill);

/* The same after a failure: nothing is said. */
void mill_abandon(struct mill *mill);

#endif
