/* SPDX-License-Identifier: ISC */
#ifndef STORE_H
#define STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "data/lock.h"
#include "data/plan.h"
#include "wire/reply.h"

struct err;
struct redo;

/*
 * The database: every prompt, every attempt, every answer. One connection,
 * one writer. Results are remembered in memory and written by group commits;
 * nothing counts as done before its COMMIT returned. Trouble after the
 * opening never reaches the caller as a failure: the store keeps the batch,
 * backs off and tries again, and after a second writes what waits to the
 * spill file; store_health tells.
 */

/* What is known of a prompt. */
enum store_state {
	STORE_OPEN = 0,
	STORE_ANSWERED = 1,
	STORE_FAILED = 2,
};

/* One attempt to remember. Everything lent is copied. */
struct store_note {
	uint32_t index;		/* of the prompt */
	uint32_t attempt;	/* from 1 */
	uint32_t worker;	/* slot */
	enum store_state state; /* what the prompt is after this attempt */
	uint32_t tries;		/* for "Failed after N attempts" */
	int64_t started_wall_ms;
	const struct reply *reply;
	bool no_attempt; /* only the prompt's end: no row in llm_attempts */
};

/* A note that is durable now, for those who count. Dies with the call. */
struct store_durable {
	uint32_t index;
	enum store_state state;
	enum outcome outcome;
	int64_t duration_ms;
	int64_t input_tokens;
	int64_t output_tokens;
};

struct store_conf {
	const char *path;	/* NULL: a private temporary database */
	const char *shown;	/* what people call it; NULL: its path */
	const char *spill_path; /* whose spill file takes the answers; NULL:
				   the path's; with path NULL: none (--no-db) */
	bool is_near;		/* on this node's own disk, whatever it says */
	bool create_only;	/* O_EXCL: a new file of a default name; an
				   old one is ERR_SYSTEM with EEXIST */
	bool resumes; /* the file must be there; its prompts are the list,
			 whatever their ids, and other settings are meant */
	bool extends; /* a list of which this is a part may have grown */
	struct lock_wish lock; /* all but shared, which is found out */
	int patience_ms; /* at the start, for another program's lock; 0: 30 s
			  */
	/* Wait for that lock no longer? NULL: never in a hurry. */
	bool (*hurry)(void *arg);
	/* After a COMMIT (or a spill), once per note, in order. */
	void (*durable)(void *arg, const struct store_durable *what);
	void *arg;
};

struct store;

/*
 * Lock, open or create (0600), check that it is ours or a seed's table, add
 * the side tables.
 * Fails ERR_INPUT for an existing file that cannot be used (a directory, no
 * database, another or newer schema, corrupt, not writable: unchanged);
 * ERR_BUSY when another coordinator holds it (pid, host) or another program
 * locks it for 30 s; ERR_SYSTEM when it cannot be created. Nothing is left
 * open.
 */
struct store *store_open(const struct store_conf *conf, struct err *err);

struct store_counts {
	uint32_t answered;
	uint32_t failed;
	uint32_t open;
	uint32_t added;	   /* prompts this call inserted */
	bool is_new;	   /* there was no prompt before */
	uint32_t spilled;  /* answers taken in from a spill file */
	uint32_t reopened; /* of open: they are through, and done again */
};

/*
 * Bring the database and the plan together, in one transaction: insert all
 * prompts into a new one; accept the same plan or one that only grew at its
 * end. Then takes in the spill files of earlier runs.
 * Takes states, one byte (enum store_state) per prompt, to be filled;
 * plan->prompts is lent until the store is closed.
 * Fails ERR_USAGE when the plan is another one (first id that differs, or
 * which setting: old and new), ERR_INPUT for a corrupt database, ERR_BUSY for
 * one that another program locks, ERR_SYSTEM; the database is as before.
 */
int store_load(struct store *store, const struct plan *plan, uint8_t *states,
    struct store_counts *counts, struct err *err);

/*
 * Open prompts again that are through: in states and counts only. In the
 * database the old text stays until a new answer is committed; a failure
 * leaves no more than its attempts.
 * Fails ERR_USAGE for an id that is not there; as db_fail.
 */
int store_reopen(struct store *store, const struct redo *redo, uint8_t *states,
    struct store_counts *counts, struct err *err);

/*
 * What would store_open, store_load and store_reopen find in the database that
 * conf names? It is only looked at: no byte of it, nor of its directory,
 * changes. What waits in a spill file is not counted.
 * Fails as they would.
 */
int store_preview(const struct store_conf *conf, const struct plan *plan,
    const struct redo *redo, uint8_t *states, struct store_counts *counts,
    struct err *err);

/* Tell of every attempt in the database: its prompt, and of its reply outcome
 * and tokens. Nothing where there is no database. Fails as db_fail. */
int store_each_attempt(struct store *store,
    void (*take)(void *arg, uint32_t index, const struct reply *reply),
    void *arg, struct err *err);

/* What llm_runs keeps of this run. */
struct store_run {
	const char *version;
	const char *argv;     /* masked, quoted for a shell */
	const char *settings; /* JSON object: all options, no secret */
};

/* Write the row of this run. On failure the run can go on without it: its
 * attempts then name no run. */
int store_begin_run(struct store *store, const struct plan *plan,
    const struct store_run *run, struct err *err);

/*
 * Keep one attempt for the next commit. Never fails towards the caller
 * except without memory (-1): then commit and call again.
 */
int store_remember(struct store *store, const struct store_note *note);

/* When does the next commit want to happen? CLOCK_NEVER when nothing waits.
 * Paced so that waiting for the disk takes at most a fifth of the time. */
int64_t store_due_ns(const struct store *store);

/* Commit what waits, if due or forced. A BUSY database is tried once. */
void store_commit(struct store *store, int64_t now_ns, bool forced);

/* How many notes wait, neither committed nor spilled. */
size_t store_waiting(const struct store *store);

enum store_health {
	STORE_HEALTHY = 0,
	STORE_TROUBLED = 1, /* answers wait in memory */
	STORE_SPILLED = 2,  /* answers are in the spill file */
};

/* Gives the health; *text (may be NULL) is one line about it, lent. */
enum store_health store_health(const struct store *store, const char **text);

/* Gives the path as opened, or NULL for a temporary one. When the file was
 * replaced under us: where everything is now. */
const char *store_path(const struct store *store);

/* Gives the spill file's path when there is one, else NULL. */
const char *store_spill_path(const struct store *store);

/* Say in the lock file where orders are taken. */
void store_show_socket(const struct store *store, const char *path);

/* Is the database locked for all others while we have it open? */
bool store_is_shut(const struct store *store);

/* Which prompt has an id? Gives false when there is none. */
bool store_has_id(const struct store *store, int64_t id, uint32_t *index);

/*
 * A prompt that failed, and that is durable, is done again: until there is an
 * answer its old text stays. *outcome: what it failed of, where that is known.
 * Fails as store_read_row.
 */
int store_retry(struct store *store, uint32_t index, enum outcome *outcome,
    struct err *err);

/* Gives the id of a prompt, which it has in the whole list. */
int64_t store_id(const struct store *store, uint32_t index);

/* How long commits have taken in all, for the summary. */
int64_t store_commit_time_ns(const struct store *store);

/* One prompt with its answer, for exports. */
struct store_row {
	uint32_t index;
	int64_t id;
	enum store_state state;
	struct span prompt;
	struct span result;    /* none when open */
	struct span custom_id; /* or none */
	struct span fields;    /* raw JSON object of own keys, or none */
	struct span outcome;   /* name of the last attempt's, or none */
	struct span error;     /* of the last attempt, or none */
	struct span model;
	struct span finish_reason;
	struct span reasoning;
	uint32_t attempts;
	int64_t duration_ms;   /* -1 none */
	int64_t input_tokens;  /* -1 none */
	int64_t output_tokens; /* -1 none */
	int http_status;       /* of the last attempt; 0 none */
	struct span request_id;
	struct span raw; /* the response's body, where it is kept */
};

/*
 * Read one prompt's row. Spans die at the next call on the store.
 * Gives 0, -1 with err.
 */
int store_read_row(struct store *store, uint32_t index, struct store_row *row,
    struct err *err);

/*
 * Commit what waits; with trouble, try for up to limit_ms, then spill. What
 * store_health and store_spill_path say afterwards stays true.
 */
void store_settle(struct store *store, int limit_ms);

/*
 * Commit what waits (tries for up to limit_ms when there is trouble, then
 * spills), write the run's end with status ("finished", "interrupted", …),
 * leave WAL so that one file remains, let go of the lock, free.
 * Gives the last health: STORE_SPILLED when answers are only in the spill.
 */
enum store_health store_close(
    struct store *store, const char *status, int limit_ms);

/* Let go without another word: for a new database without any outcome, which
 * is removed. Gives true when it was; else nothing happened, and the store
 * wants its store_close. */
bool store_discard_if_unused(struct store *store);

/*
 * Look in the directory for a llm_results_*.db that is not locked, not
 * finished, and has this plan digest.
 * Gives true with path (size bytes) filled: the newest such.
 */
bool store_find(
    const char *directory, const char *digest, char *path, size_t size);

/* The same for one in which no prompt is open any more. */
bool store_find_finished(
    const char *directory, const char *digest, char *path, size_t size);

/*
 * Look in the current directory, $HOME and $TMPDIR for a spill file with
 * answers to this plan, of a default-named database that could not be made.
 * Gives true with name (size bytes) filled: the database's, without directory.
 */
bool store_find_spill(const struct plan *plan, char *name, size_t size);

/* Gives true with path (size bytes) filled: the newest llm_results_*.db in the
 * directory, whatever is in it. */
bool store_find_newest(const char *directory, char *path, size_t size);

/* Write a default name for now: llm_results_YYYYMMDD_HHMMSS.db, with _2, _3 …
 * for tries > 1. */
void store_default_name(unsigned tries, char *path, size_t size);

#endif
