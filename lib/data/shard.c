/* SPDX-License-Identifier: ISC */
/*
 * Three walks over one database. Whoever merges steps each of them when what
 * is at hand has been taken; that they stand in the order in which they are
 * written again is the work of the statements alone.
 */
#include "data/shard.h"

#include <inttypes.h>
#include <stdlib.h>

#include <sqlite3.h>

#include "base/err.h"
#include "base/log.h"
#include "data/spill.h"
#include "data/sql.h"

/* Columns of SQL_SHARD_ROWS. */
enum {
	ROW_ID = 0,
	ROW_PROMPT = 1,
	ROW_RESULT = 2,
	ROW_LOOK = 4,
	ROW_INPUT = 5, /* the first of its input: the id, or NULL */
	ROW_BODY = 10,
};

/* Columns of SQL_SHARD_RUNS. */
enum {
	RUN_ID = 13,
	RUN_BEGAN = 14,
};

/* Columns of SQL_SHARD_ATTEMPTS. */
enum {
	ATTEMPT_ID = 0,
	ATTEMPT_RUN_ID = 1,
	ATTEMPT_OUTCOME = 4,
};

/* A run that goes on would answer what was looked at already. */
static int
refuse_running(const struct shard *shard, struct err *err)
{
	const struct lock_holder *holder = &shard->peek.holder;

	if (holder->pid == 0)
		return err_set(err, ERR_BUSY,
		    "%s: another llmill works on it; merge when it has ended",
		    shard->peek.name);
	return err_set(err, ERR_BUSY,
	    "%s: another llmill works on it (pid %" PRId64
	    " on %s); merge when it has ended",
	    shard->peek.name, holder->pid, holder->host);
}

static int
fail(const struct shard *shard, int code, struct err *err)
{
	return peek_fail(&shard->peek, code, err);
}

/* The statements on what a seed's database does not have. */
static int
prepare_side(struct shard *shard)
{
	struct sqlite3 *db = shard->peek.db;
	int code = db_prepare(db, SQL_SHARD_RUNS, &shard->runs);

	if (code == SQLITE_OK)
		code = db_prepare(db, SQL_SHARD_ATTEMPTS, &shard->attempts);
	if (code == SQLITE_OK)
		code = db_prepare(db, SQL_LAST_OUTCOME, &shard->last);
	if (code == SQLITE_OK)
		code = db_prepare(db, SQL_SHARD_VOUCHER, &shard->voucher);
	if (code == SQLITE_OK)
		code = db_prepare(db, SQL_LAST_PLAN, &shard->plan);
	return code;
}

static int
prepare(struct shard *shard, int cache_kib, struct err *err)
{
	struct sqlite3 *db = shard->peek.db;
	bool is_ours = shard->peek.kind == SCHEMA_OURS;
	int code = db_set_cache(db, cache_kib);

	if (code == SQLITE_OK)
		code = db_prepare(db,
		    is_ours ? SQL_SHARD_ROWS : SQL_SHARD_SEED_ROWS,
		    &shard->rows);
	if (code == SQLITE_OK && is_ours)
		code = prepare_side(shard);
	return code == SQLITE_OK ? 0 : fail(shard, code, err);
}

/* Step a walk. *has: there is a row at hand. */
static int
step(const struct shard *shard, struct sqlite3_stmt *walk, bool *has,
    struct err *err)
{
	int code = walk == NULL ? SQLITE_DONE : sqlite3_step(walk);

	*has = code == SQLITE_ROW;
	if (code == SQLITE_ROW || code == SQLITE_DONE)
		return 0;
	return fail(shard, code, err);
}

int
shard_next_row(struct shard *shard, struct err *err)
{
	bool had_row = shard->has_row;
	struct look_fact fact;
	int64_t id;
	int code;

	if (step(shard, shard->rows, &shard->has_row, err) == -1)
		return -1;
	if (!shard->has_row)
		return 0;
	id = sqlite3_column_int64(shard->rows, ROW_ID);
	if ((had_row && id <= shard->id) ||
	    sqlite3_column_type(shard->rows, ROW_ID) != SQLITE_INTEGER)
		return err_set(err, ERR_INPUT,
		    "%s: corrupt (its ids are no ascending numbers)",
		    shard->peek.name);
	if (sqlite3_column_type(shard->rows, ROW_PROMPT) == SQLITE_NULL)
		return err_set(err, ERR_INPUT,
		    "%s: corrupt (prompt %" PRId64 " is NULL)",
		    shard->peek.name, id);
	code = look_settle(shard->last, id,
	    (enum look)sqlite3_column_int(shard->rows, ROW_LOOK),
	    shard->peek.is_seed, &fact);
	shard->id = id;
	shard->state = fact.state;
	return code == SQLITE_OK ? 0 : fail(shard, code, err);
}

int
shard_next_run(struct shard *shard, struct err *err)
{
	if (step(shard, shard->runs, &shard->has_run, err) == -1)
		return -1;
	if (shard->has_run)
		shard->began_s = sqlite3_column_int64(shard->runs, RUN_BEGAN);
	return 0;
}

int
shard_next_attempt(struct shard *shard, struct err *err)
{
	if (step(shard, shard->attempts, &shard->has_attempt, err) == -1)
		return -1;
	if (shard->has_attempt)
		shard->attempt_id =
		    sqlite3_column_int64(shard->attempts, ATTEMPT_ID);
	return 0;
}

/* What is known before the walks. */
static int
look_around(struct shard *shard, struct err *err)
{
	struct sqlite3 *db = shard->peek.db;
	int64_t open = 0;
	int code = db_number(db, SQL_COUNT_OPEN, &open);

	shard->pin = (struct pin){.share = SHARE_WHOLE};
	if (code == SQLITE_OK && shard->peek.kind == SCHEMA_OURS)
		code = pin_read(&shard->pin, db);
	shard->open = (uint64_t)open;
	return code == SQLITE_OK ? 0 : fail(shard, code, err);
}

int
shard_open(
    struct shard *shard, const char *path, int cache_kib, struct err *err)
{
	int done;

	*shard = (struct shard){0};
	done = peek_open(&shard->peek, path, err);
	/* It may be the run that keeps it locked. */
	if (shard->peek.is_running)
		return refuse_running(shard, err);
	if (done == -1 || look_around(shard, err) == -1 ||
	    prepare(shard, cache_kib, err) == -1 ||
	    step(shard, shard->plan, &shard->has_plan, err) == -1 ||
	    shard_next_row(shard, err) == -1 ||
	    shard_next_run(shard, err) == -1)
		return -1;
	return shard_next_attempt(shard, err);
}

struct span
shard_prompt(const struct shard *shard)
{
	return db_column(shard->rows, ROW_PROMPT);
}

struct span
shard_result(const struct shard *shard)
{
	return db_column(shard->rows, ROW_RESULT);
}

bool
shard_has_input(const struct shard *shard)
{
	return shard->peek.kind == SCHEMA_OURS &&
	       sqlite3_column_type(shard->rows, ROW_INPUT) != SQLITE_NULL;
}

struct span
shard_body(const struct shard *shard)
{
	if (!shard_has_input(shard))
		return (struct span){NULL, 0};
	return db_column(shard->rows, ROW_BODY);
}

bool
shard_knows_body(const struct shard *shard)
{
	return !shard->peek.is_seed || shard_body(shard).data != NULL;
}

bool
shard_attempt_answers(const struct shard *shard)
{
	const char *name = db_column(shard->attempts, ATTEMPT_OUTCOME).data;
	enum outcome outcome;

	return name != NULL && outcome_by_name(name, &outcome) &&
	       outcome_trait(outcome)->answers;
}

int
shard_find_voucher(struct shard *shard, bool *is_vouched, struct err *err)
{
	int code;

	*is_vouched = false;
	if (shard->voucher == NULL)
		return 0;
	db_bind_number(shard->voucher, ":id", shard->id);
	code = sqlite3_step(shard->voucher);
	if (code == SQLITE_ROW)
		*is_vouched = sqlite3_column_int(shard->voucher, 0) != 0;
	sqlite3_reset(shard->voucher);
	return code == SQLITE_ROW ? 0 : fail(shard, code, err);
}

int
shard_bind_result(const struct shard *shard, struct sqlite3_stmt *stmt)
{
	return db_bind_row(stmt, shard->rows, ROW_ID);
}

int
shard_bind_input(const struct shard *shard, struct sqlite3_stmt *stmt)
{
	return db_bind_row(stmt, shard->rows, ROW_INPUT);
}

int
shard_bind_run(const struct shard *shard, struct sqlite3_stmt *stmt)
{
	return db_bind_row(stmt, shard->runs, 0);
}

int
shard_name_run(struct shard *shard, int64_t new_id, struct err *err)
{
	if (shard->run_count == shard->run_room) {
		size_t room = shard->run_room * 2 + 16;
		struct shard_run *more =
		    reallocarray(shard->run_list, room, sizeof *more);

		if (more == NULL)
			return err_set_memory(err, "runs");
		shard->run_list = more;
		shard->run_room = room;
	}
	shard->run_list[shard->run_count++] = (struct shard_run){
	    sqlite3_column_int64(shard->runs, RUN_ID), new_id};
	return 0;
}

static int
compare_runs(const void *a, const void *b)
{
	int64_t x = ((const struct shard_run *)a)->old_id;
	int64_t y = ((const struct shard_run *)b)->old_id;

	return (x > y) - (x < y);
}

/* Gives what the run of the attempt at hand is called now; 0: none. */
static int64_t
attempt_run(const struct shard *shard)
{
	struct shard_run wanted = {
	    .old_id = sqlite3_column_int64(shard->attempts, ATTEMPT_RUN_ID)};
	const struct shard_run *found = NULL;

	if (shard->run_count > 0)
		found = bsearch(&wanted, shard->run_list, shard->run_count,
		    sizeof wanted, compare_runs);
	return found == NULL ? 0 : found->new_id;
}

int
shard_bind_attempt(const struct shard *shard, struct sqlite3_stmt *stmt)
{
	int code = db_bind_row(stmt, shard->attempts, ATTEMPT_ID);

	db_bind_known(stmt, ":run_id", attempt_run(shard), 0);
	return code;
}

struct span
shard_plan(const struct shard *shard)
{
	if (!shard->has_plan)
		return (struct span){NULL, 0};
	return db_column(shard->plan, 0);
}

struct span
shard_settings(const struct shard *shard)
{
	if (!shard->has_plan)
		return (struct span){NULL, 0};
	return db_column(shard->plan, 1);
}

int64_t
shard_plan_began_s(const struct shard *shard)
{
	return shard->has_plan ? sqlite3_column_int64(shard->plan, 2) : 0;
}

void
shard_warn_of_spill(const struct shard *shard)
{
	char *path = spill_find(shard->peek.path);
	struct sqlite3_stmt *stmt = NULL;
	const char *command = NULL;

	if (path == NULL)
		return;
	if (shard->peek.kind == SCHEMA_OURS &&
	    db_prepare(shard->peek.db, SQL_LAST_ARGV, &stmt) == SQLITE_OK &&
	    sqlite3_step(stmt) == SQLITE_ROW)
		command = db_column(stmt, 0).data;
	log_say(LOG_WARN,
	    "%s has answers that %s does not have yet; its command, run "
	    "again, takes them in: %s",
	    path, shard->peek.name,
	    command != NULL ? command : "llmill run ...");
	sqlite3_finalize(stmt);
	free(path);
}

void
shard_close(struct shard *shard)
{
	sqlite3_finalize(shard->plan);
	sqlite3_finalize(shard->voucher);
	sqlite3_finalize(shard->last);
	sqlite3_finalize(shard->attempts);
	sqlite3_finalize(shard->runs);
	sqlite3_finalize(shard->rows);
	free(shard->run_list);
	peek_close(&shard->peek);
	*shard = (struct shard){0};
}
