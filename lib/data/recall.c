/* SPDX-License-Identifier: ISC */
/*
 * A database is read here before the run has it: nothing of it is changed,
 * but for a rollback journal of a dead writer, which nobody can read past.
 */
#include "data/recall.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "base/err.h"
#include "base/text.h"
#include "data/look.h"
#include "data/pin.h"
#include "data/prompts.h"
#include "data/sql.h"

#define MEND_PATIENCE_MS 2000

/* Undo what a dead writer left half done. */
static int
mend(const char *path, struct err *err)
{
	struct db_patience patience = {.ms = MEND_PATIENCE_MS};
	struct sqlite3 *db;
	struct lock lock;
	int64_t objects;
	int code;

	if (lock_take(&lock, path, err) == -1)
		return -1;
	code = db_open(&db, path, DB_NETWORK, &patience);
	if (code == SQLITE_OK)
		code = db_number(db, SQL_COUNT_OBJECTS, &objects);
	if (code != SQLITE_OK)
		db_fail(err, db, code, path);
	sqlite3_close(db);
	lock_release(&lock);
	return code == SQLITE_OK ? 0 : -1;
}

static int
mend_and_open(struct peek *peek, const char *path, struct err *err)
{
	char *real = realpath(path, NULL);
	int done = real == NULL ? err_set_memory(err, "path") : mend(real, err);

	free(real);
	return done == -1 ? -1 : peek_open(peek, path, err);
}

/* Does somebody work on it? The lock's refusal says who. */
static int
check_alone(const struct peek *peek, struct err *err)
{
	struct lock lock;

	if (!peek->is_running)
		return 0;
	if (lock_take(&lock, peek->path, err) == -1)
		return -1;
	lock_release(&lock); /* it has just ended */
	return 0;
}

int
recall_open(struct recall *recall, const char *path, struct err *err)
{
	struct peek *peek = &recall->peek;
	int done = peek_open(peek, path, err);

	if (done == -1 && peek->is_cut_short)
		done = mend_and_open(peek, path, err);
	if (done == -1)
		return -1;
	if (check_alone(peek, err) == 0)
		return 0;
	peek_close(peek);
	return -1;
}

int
recall_look(struct recall *recall, const char *path, struct err *err)
{
	return peek_open(&recall->peek, path, err);
}

/* Find the number of an input, most often the one of the row before. */
static int
number_file(
    struct prompts *prompts, const char *name, uint32_t *file, struct err *err)
{
	const char *known = prompts_input_name(prompts, *file);

	if (known != NULL && strcmp(known, name) == 0)
		return 0;
	for (*file = 0; (known = prompts_input_name(prompts, *file)) != NULL;
	     ++*file)
		if (strcmp(known, name) == 0)
			return 0;
	return prompts_name_input(prompts, name, file, err);
}

typedef int take_record(
    void *arg, const struct record *record, const char *file, struct err *err);

static int
tell_record(
    struct sqlite3_stmt *stmt, take_record *take, void *arg, struct err *err)
{
	struct record record = {
	    .text = db_column(stmt, 1),
	    .custom_id = db_column(stmt, 2),
	    .fields = db_column(stmt, 3),
	    .body = db_column(stmt, 4),
	    .line = (uint64_t)sqlite3_column_int64(stmt, 6),
	};
	const char *name = db_column(stmt, 5).data;

	if (record.text.data == NULL || !text_is_utf8(record.text, NULL))
		return err_set(err, ERR_INPUT,
		    "prompt %" PRId64 " is no text in UTF-8",
		    (int64_t)sqlite3_column_int64(stmt, 0));
	return take(arg, &record, name, err);
}

int
recall_records(
    struct recall *recall, take_record *take, void *arg, struct err *err)
{
	const struct peek *peek = &recall->peek;
	struct sqlite3_stmt *stmt;
	int done = 0;
	int code = db_prepare(peek->db,
	    peek->kind == SCHEMA_SEED ? SQL_RECALL_SEED : SQL_RECALL, &stmt);

	while (code == SQLITE_OK && done == 0 &&
	       (code = sqlite3_step(stmt)) == SQLITE_ROW) {
		code = SQLITE_OK;
		done = tell_record(stmt, take, arg, err);
	}
	sqlite3_finalize(stmt);
	if (done == -1)
		return err_add(err, "%s", peek->name);
	return code == SQLITE_DONE ? 0 : peek_fail(peek, code, err);
}

struct gathering {
	struct prompts *prompts;
	uint32_t file; /* of the last one */
};

static int
gather(
    void *arg, const struct record *record, const char *name, struct err *err)
{
	struct gathering *gathering = arg;
	struct record own = *record;

	if (name != NULL &&
	    number_file(gathering->prompts, name, &gathering->file, err) == -1)
		return -1;
	own.file = gathering->file;
	return prompts_add(gathering->prompts, &own, err);
}

int
recall_prompts(struct recall *recall, struct prompts *prompts, struct err *err)
{
	struct gathering gathering = {.prompts = prompts};
	struct pin pin;
	int code = SQLITE_OK;

	if (recall->peek.kind == SCHEMA_OURS)
		code = pin_read(&pin, recall->peek.db);
	if (code != SQLITE_OK)
		return peek_fail(&recall->peek, code, err);
	if (recall->peek.kind == SCHEMA_OURS)
		prompts_recall_share(prompts, pin.share, &pin.list);
	if (recall_records(recall, gather, &gathering, err) == -1)
		return -1;
	if (prompts_count(prompts) == 0)
		return err_set(err, ERR_INPUT, "%s: there is no prompt in it",
		    recall->peek.name);
	return 0;
}

int
recall_count(struct recall *recall, size_t *count, struct err *err)
{
	const struct peek *peek = &recall->peek;
	int64_t number;
	int code = db_number(peek->db, SQL_COUNT_PROMPTS, &number);

	*count = (size_t)number;
	return code == SQLITE_OK ? 0 : peek_fail(peek, code, err);
}

/* Gives a SQLite code. */
static int
tell_result(const struct peek *peek, struct sqlite3_stmt *stmt,
    struct sqlite3_stmt *last,
    void (*take)(void *arg, enum store_state state, struct span text),
    void *arg)
{
	struct span text = db_column(stmt, 2);
	struct look_fact fact;
	int code = look_settle(last, sqlite3_column_int64(stmt, 0),
	    (enum look)sqlite3_column_int(stmt, 1), peek->is_seed, &fact);

	if (fact.state == STORE_OPEN)
		text = span_of(NULL);
	if (code == SQLITE_OK)
		take(arg, fact.state, text);
	return code;
}

int
recall_results(struct recall *recall,
    void (*take)(void *arg, enum store_state state, struct span text),
    void *arg, struct err *err)
{
	const struct peek *peek = &recall->peek;
	struct sqlite3_stmt *last = NULL;
	struct sqlite3_stmt *stmt = NULL;
	int code = db_prepare(peek->db, SQL_RECALL_RESULTS, &stmt);

	if (code == SQLITE_OK && peek->kind == SCHEMA_OURS)
		code = db_prepare(peek->db, SQL_LAST_OUTCOME, &last);
	while (code == SQLITE_OK && (code = sqlite3_step(stmt)) == SQLITE_ROW)
		code = tell_result(peek, stmt, last, take, arg);
	sqlite3_finalize(stmt);
	sqlite3_finalize(last);
	return code == SQLITE_DONE ? 0 : peek_fail(peek, code, err);
}

int
recall_settings(struct recall *recall, struct buf *settings, struct err *err)
{
	const struct peek *peek = &recall->peek;
	struct sqlite3_stmt *stmt;
	struct span text;
	int code;

	if (peek->kind == SCHEMA_SEED)
		return 0;
	code = db_prepare(peek->db, SQL_LAST_PLAN, &stmt);
	if (code == SQLITE_OK)
		code = sqlite3_step(stmt);
	if (code == SQLITE_ROW) {
		text = db_column(stmt, 1);
		buf_add(settings, text.data, text.size);
		code = SQLITE_DONE;
	}
	sqlite3_finalize(stmt);
	if (code != SQLITE_DONE)
		return peek_fail(peek, code, err);
	return settings->failed ? err_set_memory(err, "settings") : 0;
}

void
recall_close(struct recall *recall)
{
	peek_close(&recall->peek);
}
