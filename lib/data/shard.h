/* SPDX-License-Identifier: ISC */
#ifndef SHARD_H
#define SHARD_H

#include <stdbool.h>
#include <stdint.h>

#include "data/look.h"
#include "data/peek.h"
#include "data/pin.h"

struct err;
struct sqlite3_stmt;

/* Which run is called what now. */
struct shard_run {
	int64_t old_id;
	int64_t new_id;
};

/*
 * One of the databases that become one: its prompts in the order of their ids,
 * and beside them its attempts and its runs, each walked over once. Nothing of
 * it is kept in memory but the row at hand of each walk, and the names of its
 * runs.
 */
struct shard {
	struct peek peek;
	struct sqlite3_stmt *rows;
	struct sqlite3_stmt *runs; /* NULL, as the others: a seed's has none */
	struct sqlite3_stmt *attempts;
	struct sqlite3_stmt *last; /* attempt at a prompt */
	struct sqlite3_stmt *voucher;
	struct sqlite3_stmt *plan; /* its row at hand from the beginning */
	bool has_plan;
	struct pin pin; /* which part of which list it is */
	uint64_t open;	/* prompts */
	bool has_row;	/* the prompt at hand */
	int64_t id;
	enum store_state state;
	bool has_run;
	int64_t began_s; /* of the run at hand, since 1970; 0 unknown */
	bool has_attempt;
	int64_t attempt_id;	    /* of the prompt */
	struct shard_run *run_list; /* by old_id */
	size_t run_count;
	size_t run_room;
};

/*
 * Open the database at path, with the first row of each walk at hand.
 * Takes cache_kib, what SQLite may keep of its pages.
 * Fails as peek_open, ERR_BUSY also when a coordinator works on it; shard_close
 * in any case.
 */
int shard_open(
    struct shard *shard, const char *path, int cache_kib, struct err *err);

/* Put the next row at hand, if there is one. Fails as peek_open. */
int shard_next_row(struct shard *shard, struct err *err);
int shard_next_run(struct shard *shard, struct err *err);
int shard_next_attempt(struct shard *shard, struct err *err);

/* Gives a column of the prompt at hand; it dies with the next row. */
struct span shard_prompt(const struct shard *shard);
struct span shard_result(const struct shard *shard);
struct span shard_body(const struct shard *shard); /* of its input, or none */

/* Has the prompt at hand a row in llm_inputs? */
bool shard_has_input(const struct shard *shard);

/* Is it known whether it has a body? The seed kept nothing but the prompt. */
bool shard_knows_body(const struct shard *shard);

/* Did the attempt at hand answer? */
bool shard_attempt_answers(const struct shard *shard);

/* *is_vouched: an attempt at the prompt at hand has a sha256. */
int shard_find_voucher(struct shard *shard, bool *is_vouched, struct err *err);

/*
 * Bind what is at hand to the statement that writes it: SQL_MERGE_RESULT,
 * SQL_INSERT_INPUT, SQL_MERGE_RUN, SQL_INSERT_ATTEMPT (its run under the name
 * that shard_name_run gave it; none that was not named).
 * Give a SQLite code.
 */
int shard_bind_result(const struct shard *shard, struct sqlite3_stmt *stmt);
int shard_bind_input(const struct shard *shard, struct sqlite3_stmt *stmt);
int shard_bind_run(const struct shard *shard, struct sqlite3_stmt *stmt);
int shard_bind_attempt(const struct shard *shard, struct sqlite3_stmt *stmt);

/* Remember what the run at hand is called now. Fails ERR_MEMORY. */
int shard_name_run(struct shard *shard, int64_t new_id, struct err *err);

/* Gives the digest and the settings of the last run that had a plan; none
 * where there was no such run. */
struct span shard_plan(const struct shard *shard);
struct span shard_settings(const struct shard *shard);

/* When did it begin? Since 1970; 0: there was none, or it is not known. */
int64_t shard_plan_began_s(const struct shard *shard);

/* Answers wait in a spill file beside it: say so, with the command that takes
 * them in. */
void shard_warn_of_spill(const struct shard *shard);

/* Takes a shard that did not open calmly. */
void shard_close(struct shard *shard);

#endif
