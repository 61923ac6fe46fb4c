/* SPDX-License-Identifier: ISC */
/*
 * Group commits: what came in since the last one shares the next. Only the
 * COMMIT itself is paced, because that is where a slow disk makes us wait;
 * the rows before it cost the same whenever they are written.
 */
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "base/clock.h"
#include "data/sql.h"
#include "data/store_inner.h"

#define PACE 4			  /* a commit may take one fifth of the time */
#define BATCH_MAX 4096		  /* notes in one commit: about 50 ms of rows */
#define NETWORK_NS CLOCK_S	  /* between commits on a network file system */
#define PRIVATE_NS (2 * CLOCK_MS) /* where nobody waits for the disk */
#define SPILL_AFTER_NS CLOCK_S	  /* of trouble */

int
store_remember(struct store *store, const struct store_note *fact)
{
	/* A stand-in's runs are nobody's in the database that comes. */
	int64_t run_id = store->mode == DB_TEMPORARY ? 0 : store->run_id;
	struct note *note = note_new(fact, run_id);

	if (note == NULL)
		return -1;
	if (!store_is_private(store))
		note_take_digest(note);
	note_queue_add(&store->queue, note);
	store->is_noted = true;
	return 0;
}

size_t
store_waiting(const struct store *store)
{
	return store->queue.fresh_count;
}

int64_t
store_commit_time_ns(const struct store *store)
{
	return store->commit_ns;
}

static int64_t
later(int64_t a_ns, int64_t b_ns)
{
	return a_ns > b_ns ? a_ns : b_ns;
}

/* Is it a temporary database whose answers go to the spill as they come? */
static bool
is_stand_in(const struct store *store)
{
	return store->mode == DB_TEMPORARY && store->spill != NULL;
}

/* When may what is fresh be spilled? */
static int64_t
spill_due_ns(const struct store *store)
{
	if (store->spill == NULL || store->queue.fresh_count == 0)
		return CLOCK_NEVER;
	if (is_stand_in(store))
		return store->spill_due_ns;
	if (!store->in_trouble)
		return CLOCK_NEVER;
	return later(
	    clock_add(store->trouble_ns, SPILL_AFTER_NS), store->spill_due_ns);
}

/* When may the database be tried? */
static int64_t
database_due_ns(const struct store *store)
{
	if (note_queue_is_empty(&store->queue))
		return CLOCK_NEVER;
	/* A note must not look committed before it is spilled. */
	if (is_stand_in(store) && store->queue.fresh_count > 0)
		return CLOCK_NEVER;
	return store->in_trouble ? store->retry_ns : store->due_ns;
}

int64_t
store_due_ns(const struct store *store)
{
	int64_t spill_ns = spill_due_ns(store);
	int64_t database_ns = database_due_ns(store);

	return spill_ns < database_ns ? spill_ns : database_ns;
}

/* Can the attempt have been written before? By an earlier run, or by a COMMIT
 * that failed and yet took effect: until one succeeds, that is trouble. */
static bool
may_be_there(const struct store *store, const struct note *note)
{
	return note->is_old || store->in_trouble;
}

/* *is_there: the attempt was written before. */
static int
find_attempt(struct store *store, const struct note *note, bool *is_there)
{
	struct sqlite3_stmt *stmt = store->stmts[STMT_HAS_ATTEMPT];
	const struct store_note *fact = &note->fact;
	struct db_row row = {.stmt = stmt};
	int code;

	db_put_number(&row, store_id(store, fact->index));
	db_put_known(&row, note->run_id, 0);
	db_put_number(&row, fact->attempt);
	db_put_number(&row, fact->worker);
	db_put_number(&row, fact->started_wall_ms);
	code = sqlite3_step(stmt);
	*is_there = code == SQLITE_ROW && sqlite3_column_int(stmt, 0) != 0;
	sqlite3_reset(stmt);
	return code == SQLITE_ROW ? SQLITE_OK : code;
}

/* In the order of SQL_ATTEMPT_COLUMNS. */
static int
insert_attempt(struct store *store, const struct note *note)
{
	struct db_row row = {.stmt = store->stmts[STMT_INSERT_ATTEMPT]};
	const struct store_note *fact = &note->fact;
	const struct reply *reply = &note->reply;

	db_put_number(&row, store_id(store, fact->index));
	db_put_known(&row, note->run_id, 0);
	db_put_number(&row, fact->attempt);
	db_put_number(&row, fact->worker);
	db_put(&row, span_of(outcome_trait(reply->outcome)->name));
	db_put_number(&row, fact->started_wall_ms);
	db_put_known(&row, reply->duration_ms, -1);
	db_put_known(&row, reply->first_byte_ms, -1);
	db_put_known(&row, reply->http_status, 0);
	db_put(&row, reply->error);
	db_put(&row, reply->request_id);
	db_put(&row, reply->model);
	db_put(&row, reply->finish_reason);
	db_put_known(&row, reply->input_tokens, -1);
	db_put_known(&row, reply->output_tokens, -1);
	db_put(&row, reply->reasoning);
	db_put(&row, reply->refusal);
	db_put(&row, span_of(*note->sha256 == '\0' ? NULL : note->sha256));
	db_put(&row, note_raw(note));
	return db_finish_row(&row);
}

static int
write_attempt(struct store *store, const struct note *note, bool *is_there)
{
	int code = SQLITE_OK;

	*is_there = false;
	if (note->fact.no_attempt)
		return SQLITE_OK;
	if (may_be_there(store, note))
		code = find_attempt(store, note, is_there);
	if (code != SQLITE_OK || *is_there)
		return code;
	return insert_attempt(store, note);
}

static int
write_result(struct store *store, const struct note *note)
{
	struct db_row row = {.stmt = store->stmts[STMT_SET_RESULT]};
	int code;

	db_put(&row, note_result(note, &store->result));
	db_put_number(&row, store_id(store, note->fact.index));
	code = db_finish_row(&row);
	if (code == SQLITE_OK && sqlite3_changes(store->db) != 1)
		code = SQLITE_NOTFOUND; /* somebody deleted the row */
	return code;
}

/* Only a new answer takes an old text's place. */
static bool
keeps_old_text(const struct store *store, const struct note *note)
{
	return note->fact.state == STORE_FAILED && store->reopened != NULL &&
	       store->reopened[note->fact.index] == 1;
}

int
store_write_note(struct store *store, const struct note *note, bool *is_news)
{
	bool is_there;
	int code = write_attempt(store, note, &is_there);

	/* Of a known one the result is there, or a newer one. */
	*is_news = note_is_end(note) && !(is_there && note->is_old) &&
		   !keeps_old_text(store, note);
	if (code == SQLITE_OK && *is_news)
		code = write_result(store, note);
	return code;
}

static int
write_queued(struct store *store, const struct note *note)
{
	const struct note *whole = store_whole_note(store, note);

	bool is_news;

	return whole == NULL ? SQLITE_IOERR
			     : store_write_note(store, whole, &is_news);
}

void
store_tell(const struct store *store, const struct note *note)
{
	const struct store_durable what = {
	    .index = note->fact.index,
	    .state = note->fact.state,
	    .outcome = note->reply.outcome,
	    .duration_ms = note->reply.duration_ms,
	    .input_tokens = note->reply.input_tokens,
	    .output_tokens = note->reply.output_tokens,
	};

	if (store->durable != NULL)
		store->durable(store->arg, &what);
}

/* Write the oldest notes. Gives how many in *count, and the time of the
 * COMMIT in *waited_ns. */
static int
write_batch(struct store *store, size_t *count, int64_t *waited_ns)
{
	struct note *note;
	int64_t from_ns;
	int code = store_mend(store);

	*count = 0;
	if (code != SQLITE_OK)
		return code;
	code = db_run(store->db, "BEGIN IMMEDIATE");
	STAILQ_FOREACH(note, &store->queue.list, next)
	{
		if (code != SQLITE_OK || *count == BATCH_MAX)
			break;
		code = write_queued(store, note);
		++*count;
	}
	from_ns = clock_now_ns();
	if (code == SQLITE_OK)
		code = db_run(store->db, "COMMIT");
	*waited_ns = clock_now_ns() - from_ns;
	if (code != SQLITE_OK && !sqlite3_get_autocommit(store->db))
		(void)db_run(store->db, "ROLLBACK");
	return code;
}

/* The oldest count notes are in the database. */
static void
settle(struct store *store, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct note *note = note_queue_take(&store->queue);

		if (!note->spilled)
			store_tell(store, note);
		note_free(note);
	}
}

/* Try one commit. Gives 0, or -1 when the database refused. */
static int
commit_once(struct store *store, int64_t now_ns)
{
	int64_t from_ns = clock_now_ns();
	int64_t waited_ns = 0;
	int64_t took_ns;
	size_t count;
	int code = write_batch(store, &count, &waited_ns);

	took_ns = clock_now_ns() - from_ns;
	store->commit_ns += took_ns;
	if (code != SQLITE_OK) {
		store_take_trouble(store, code, now_ns);
		return -1;
	}
	store->due_ns = clock_add(now_ns, took_ns + PACE * waited_ns);
	if (store->mode == DB_NETWORK)
		store->due_ns =
		    later(store->due_ns, clock_add(now_ns, NETWORK_NS));
	if (store_is_private(store))
		store->due_ns =
		    later(store->due_ns, clock_add(now_ns, PRIVATE_NS));
	settle(store, count);
	store_end_trouble(store);
	return 0;
}

void
store_commit(struct store *store, int64_t now_ns, bool forced)
{
	if (now_ns >= store->refresh_ns) {
		lock_refresh(&store->lock);
		store->refresh_ns = clock_add(now_ns, LOCK_REFRESH_NS);
	}
	if (is_stand_in(store) && store->queue.fresh_count > 0 &&
	    (forced || now_ns >= spill_due_ns(store)))
		store_spill(store, now_ns);
	while (database_due_ns(store) != CLOCK_NEVER &&
	       (forced || now_ns >= database_due_ns(store)))
		if (commit_once(store, now_ns) == -1)
			break;
	if (now_ns >= spill_due_ns(store))
		store_spill(store, now_ns);
}
