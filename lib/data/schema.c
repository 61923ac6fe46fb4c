/* SPDX-License-Identifier: ISC */
/*
 * Whose database a file is, and how it becomes ours. There is one schema so
 * far: a change of it raises SQL_SCHEMA_VERSION and adds a step to
 * schema_make that brings an older file up, in the same transaction.
 */
#include "data/schema.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

#include <sqlite3.h>

#include "base/err.h"
#include "data/db.h"
#include "data/sql.h"

#define SIDE_TABLES 3 /* SQL_COUNT_SIDE of a database of ours */

/* What a file says about itself. */
struct marks {
	int64_t objects;
	int64_t application_id;
	int64_t version;
	int64_t has_results;
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
		code = db_number(db, SQL_HAS_RESULTS, &marks->has_results);
	if (code == SQLITE_OK)
		code = db_number(db, SQL_COUNT_SIDE, &marks->side_tables);
	return code;
}

/* Is what these marks belong to one of ours, or a seed's, or neither? */
static int
marks_judge(const struct marks *marks, const char *name, struct err *err)
{
	bool is_ours = marks->application_id == SQL_APPLICATION_ID;

	if (is_ours && marks->version > SQL_SCHEMA_VERSION)
		return err_set(err, ERR_INPUT,
		    "%s: written by a newer llmill (schema %" PRId64
		    ", this one knows %d); use that one",
		    name, marks->version, SQL_SCHEMA_VERSION);
	if (marks->application_id != 0 && !is_ours)
		return err_set(err, ERR_INPUT,
		    "%s: another program's database (application_id %" PRId64
		    "); give another --db",
		    name, marks->application_id);
	if (marks->has_results == 0)
		return err_set(err, ERR_INPUT,
		    "%s: another program's database (no table llm_results); "
		    "give another --db",
		    name);
	if (marks->side_tables != (is_ours ? SIDE_TABLES : 0))
		return err_set(err, ERR_INPUT,
		    "%s: %s of the tables llm_runs, llm_attempts, llm_inputs "
		    "beside llm_results; give another --db",
		    name, is_ours ? "not all" : "some");
	return 0;
}

/* Can its llm_results be worked with? */
static int
check_results(struct sqlite3 *db, const char *name, struct err *err)
{
	struct sqlite3_stmt *stmt = NULL;
	struct span missing = {NULL, 0};
	int64_t id_is_key = 0;
	int done = 0;
	int code = db_number(db, SQL_ID_IS_KEY, &id_is_key);

	if (code == SQLITE_OK)
		code = db_prepare(db, SQL_MISSING_COLUMNS, &stmt);
	if (code == SQLITE_OK && (code = sqlite3_step(stmt)) == SQLITE_ROW) {
		missing = db_column(stmt, 0);
		code = SQLITE_OK;
	}
	if (code != SQLITE_OK)
		done = db_fail(err, db, code, name);
	else if (missing.data != NULL)
		done = err_set(err, ERR_INPUT,
		    "%s: table llm_results lacks %s; give another --db", name,
		    missing.data);
	else if (id_is_key != 1)
		done = err_set(err, ERR_INPUT,
		    "%s: id is not the primary key of table llm_results; give "
		    "another --db",
		    name);
	sqlite3_finalize(stmt);
	return done;
}

int
schema_look(struct sqlite3 *db, const char *name, enum schema_kind *kind,
    struct err *err)
{
	struct marks marks = {0};
	int code = marks_read(db, &marks);

	if (code != SQLITE_OK)
		return db_fail(err, db, code, name);
	*kind = SCHEMA_EMPTY;
	if (marks.objects == 0 && marks.application_id == 0)
		return 0;
	if (marks_judge(&marks, name, err) == -1 ||
	    check_results(db, name, err) == -1)
		return -1;
	*kind = marks.side_tables > 0 ? SCHEMA_OURS : SCHEMA_SEED;
	return 0;
}

int
schema_make(struct sqlite3 *db, enum schema_kind kind)
{
	char sql[96];
	int code = SQLITE_OK;

	if (kind == SCHEMA_OURS)
		return SQLITE_OK;
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
