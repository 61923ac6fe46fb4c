/* SPDX-License-Identifier: ISC */
/*
 * Whose database a file is, and how it becomes ours. There is one schema so
 * far: a change of it raises SQL_SCHEMA_VERSION and adds a step to
 * schema_make that brings an older file up, in the same transaction.
 */
#include "data/schema.h"

#include <inttypes.h>
#include <stdio.h>

#include <sqlite3.h>

#include "base/err.h"
#include "data/db.h"
#include "data/sql.h"

#define SEED_COLUMNS 4 /* SQL_COUNT_COLUMNS of a seed's table */
#define SIDE_TABLES 3  /* SQL_COUNT_SIDE of a database of ours */

/* What a file says about itself. */
struct marks {
	int64_t objects;
	int64_t application_id;
	int64_t version;
	int64_t columns;
	int64_t side_tables;
};

static int
marks_read(struct sqlite3 *db, struct marks *marks)
{
	int code = db_number(db, SQL_COUNT_OBJECTS, &marks->objects);

	if (code == SQLITE_OK)
		code = db_number(
		    db, "PRAGMA application_id", &marks->application_id);
	if (code == SQLITE_OK)
		code = db_number(db, "PRAGMA user_version", &marks->version);
	if (code == SQLITE_OK)
		code = db_number(db, SQL_COUNT_COLUMNS, &marks->columns);
	if (code == SQLITE_OK)
		code = db_number(db, SQL_COUNT_SIDE, &marks->side_tables);
	return code;
}

int
schema_look(struct sqlite3 *db, const char *name, enum schema_kind *kind,
    struct err *err)
{
	struct marks marks = {0};
	int code = marks_read(db, &marks);

	if (code != SQLITE_OK)
		return db_fail(err, db, code, name);
	if (marks.application_id == SQL_APPLICATION_ID &&
	    marks.version > SQL_SCHEMA_VERSION)
		return err_set(err, ERR_INPUT,
		    "%s: written by a newer llmill (schema %" PRId64
		    ", this one knows %d); use that one",
		    name, marks.version, SQL_SCHEMA_VERSION);
	if (marks.objects == 0 && marks.application_id == 0) {
		*kind = SCHEMA_EMPTY;
		return 0;
	}
	if (marks.columns == SEED_COLUMNS && marks.application_id == 0 &&
	    marks.side_tables == 0) {
		*kind = SCHEMA_SEED;
		return 0;
	}
	if (marks.columns == SEED_COLUMNS &&
	    marks.application_id == SQL_APPLICATION_ID &&
	    marks.side_tables == SIDE_TABLES) {
		*kind = SCHEMA_OURS;
		return 0;
	}
	return err_set(err, ERR_INPUT,
	    "%s: another program's database (no table llm_results as llmill "
	    "makes it)",
	    name);
}

static int
make_all(struct sqlite3 *db, enum schema_kind kind)
{
	char sql[96];
	int code = SQLITE_OK;

	if (kind == SCHEMA_EMPTY)
		code = db_run(db, SQL_CREATE_RESULTS);
	if (code == SQLITE_OK)
		code = db_run(db, SQL_CREATE_SIDE);
	if (code == SQLITE_OK && kind == SCHEMA_SEED)
		code = db_run(db, SQL_ADOPT);
	snprintf(sql, sizeof sql,
	    "PRAGMA application_id = %d; PRAGMA user_version = %d",
	    SQL_APPLICATION_ID, SQL_SCHEMA_VERSION);
	return code == SQLITE_OK ? db_run(db, sql) : code;
}

int
schema_make(struct sqlite3 *db, const char *name, enum schema_kind kind,
    struct err *err)
{
	int code;

	if (kind == SCHEMA_OURS)
		return 0;
	code = db_run(db, "BEGIN IMMEDIATE");
	if (code == SQLITE_OK)
		code = make_all(db, kind);
	if (code == SQLITE_OK)
		code = db_run(db, "COMMIT");
	if (code == SQLITE_OK)
		return 0;
	db_fail(err, db, code, name);
	if (!sqlite3_get_autocommit(db))
		(void)db_run(db, "ROLLBACK");
	return -1;
}
