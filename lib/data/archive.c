/* SPDX-License-Identifier: ISC */
/*
 * Two statements: one walks over the prompts in the order of their ids, the
 * other looks up the last attempt at each.
 */
#include "data/archive.h"

#include <sqlite3.h>

#include "base/err.h"
#include "base/must.h"
#include "data/look.h"
#include "data/sql.h"
#include "data/store_inner.h"

static int
prepare(struct archive *archive)
{
	struct sqlite3 *db = archive->peek.db;
	bool ours = archive->peek.kind == SCHEMA_OURS;
	int64_t count = 0;
	int code = db_number(db, SQL_COUNT_PROMPTS, &count);

	archive->count = (uint32_t)count;
	if (code == SQLITE_OK)
		code = db_prepare(
		    db, ours ? SQL_ARCHIVE : SQL_ARCHIVE_SEED, &archive->rows);
	if (code == SQLITE_OK && ours)
		code = db_prepare(db, SQL_READ_ATTEMPT, &archive->attempt);
	if (code == SQLITE_OK && ours)
		code = db_prepare(db, SQL_LAST_OUTCOME, &archive->last);
	return code;
}

int
archive_open(struct archive *archive, const char *path, struct err *err)
{
	int code;

	*archive = (struct archive){.rows = NULL};
	if (peek_open(&archive->peek, path, err) == -1)
		return -1;
	code = prepare(archive);
	if (code == SQLITE_OK)
		return 0;
	peek_fail(&archive->peek, code, err);
	archive_close(archive);
	return -1;
}

int
archive_each_fields(struct archive *archive,
    void (*take)(void *arg, struct span fields), void *arg, struct err *err)
{
	struct sqlite3_stmt *stmt;
	int code = SQLITE_DONE;

	if (archive->peek.kind == SCHEMA_SEED)
		return 0;
	code = db_prepare(archive->peek.db, SQL_ALL_FIELDS, &stmt);
	while (code == SQLITE_OK && (code = sqlite3_step(stmt)) == SQLITE_ROW) {
		code = SQLITE_OK;
		take(arg, db_column(stmt, 0));
	}
	sqlite3_finalize(stmt);
	return code == SQLITE_DONE ? 0 : peek_fail(&archive->peek, code, err);
}

/* Gives a SQLite code. */
static int
look_up(struct archive *archive, struct store_row *row)
{
	struct sqlite3_stmt *attempt = archive->attempt;
	int code;

	if (attempt == NULL)
		return SQLITE_OK;
	sqlite3_reset(attempt);
	db_bind_number(attempt, ":id", row->id);
	code = sqlite3_step(attempt);
	if (code == SQLITE_ROW)
		row_read_attempt(attempt, row);
	return code == SQLITE_ROW || code == SQLITE_DONE ? SQLITE_OK : code;
}

/* Go to a row. Gives 0, or -1 with err. */
static int
go_to(struct archive *archive, uint32_t index, struct err *err)
{
	int code;

	MUST(index < archive->count);
	MUST(index == archive->next || index + 1 == archive->next);
	if (index + 1 == archive->next)
		return 0;
	code = sqlite3_step(archive->rows);
	if (code == SQLITE_ROW) {
		archive->next++;
		return 0;
	}
	return peek_fail(
	    &archive->peek, code == SQLITE_DONE ? SQLITE_CORRUPT : code, err);
}

int
archive_read(struct archive *archive, uint32_t index, struct store_row *row,
    struct err *err)
{
	return archive_read_some(archive, index, true, row, err);
}

int
archive_read_some(struct archive *archive, uint32_t index, bool all,
    struct store_row *row, struct err *err)
{
	const struct peek *peek = &archive->peek;
	struct sqlite3_stmt *rows = archive->rows;
	struct look_fact fact;
	int code;

	if (go_to(archive, index, err) == -1)
		return -1;
	row_init(row, index);
	row->id = sqlite3_column_int64(rows, 0);
	code = look_settle(archive->last, row->id,
	    (enum look)sqlite3_column_int(rows, 1), peek->is_seed, &fact);
	if (code == SQLITE_OK && (all || fact.state == STORE_FAILED))
		code = look_up(archive, row);
	if (code != SQLITE_OK)
		return peek_fail(peek, code, err);
	row->state = fact.state;
	row->prompt = db_column(rows, 2);
	if (fact.state != STORE_OPEN)
		row->result = db_column(rows, 3);
	row->custom_id = db_column(rows, 4);
	row->fields = db_column(rows, 5);
	return 0;
}

void
archive_close(struct archive *archive)
{
	sqlite3_finalize(archive->rows);
	sqlite3_finalize(archive->attempt);
	sqlite3_finalize(archive->last);
	peek_close(&archive->peek);
}
