/* SPDX-License-Identifier: ISC */
/*
 * Opening for those who only look. What can be wrong with a file is told apart
 * before SQLite sees it, because SQLite says little about why; the transaction
 * is one from beginning to end, so that all numbers are of one moment.
 */
#include "data/peek.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/err.h"
#include "data/sql.h"

#define PATIENCE_MS 2000 /* a writer's commit is over by then */

/* Is there a file that we may read? */
static int
check_file(const char *path, struct err *err)
{
	struct stat st;

	if (stat(path, &st) == -1)
		return err_set(err, ERR_INPUT, "%s: %s", path, strerror(errno));
	if (S_ISDIR(st.st_mode))
		return err_set(
		    err, ERR_INPUT, "%s: a directory, not a database", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_INPUT, "%s: no regular file", path);
	if (access(path, R_OK) == -1)
		return err_set(err, ERR_INPUT, "%s: %s", path, strerror(errno));
	return 0;
}

int
peek_fail(const struct peek *peek, int code, struct err *err)
{
	if (code == SQLITE_READONLY_ROLLBACK)
		return err_set(err, ERR_INPUT,
		    "%s: a write was cut short; the next llmill run or sqlite3 "
		    "on it mends that",
		    peek->name);
	return db_fail(err, peek->db, code, peek->name);
}

/* Begin the snapshot, and see what it is. */
static int
look(struct peek *peek, struct err *err)
{
	int64_t is_seed = 0;
	int code = db_run(peek->db, "BEGIN");
	int64_t objects;

	if (code == SQLITE_OK)
		code = db_number(peek->db, SQL_COUNT_OBJECTS, &objects);
	peek->is_cut_short = code == SQLITE_READONLY_ROLLBACK;
	if (code != SQLITE_OK)
		return peek_fail(peek, code, err);
	if (schema_look(peek->db, peek->name, &peek->kind, err) == -1)
		return -1;
	if (peek->kind == SCHEMA_EMPTY)
		return err_set(err, ERR_INPUT,
		    "%s: empty (no table llm_results)", peek->name);
	if (peek->kind == SCHEMA_OURS)
		code = db_number(peek->db, SQL_IS_SEED, &is_seed);
	if (code != SQLITE_OK)
		return peek_fail(peek, code, err);
	peek->is_seed = peek->kind == SCHEMA_SEED || is_seed > 0;
	return 0;
}

int
peek_open(struct peek *peek, const char *path, struct err *err)
{
	int code;

	*peek = (struct peek){.name = path};
	if (check_file(path, err) == -1)
		return -1;
	/* SQLite wants no symbolic link anywhere in the path. */
	peek->path = realpath(path, NULL);
	if (peek->path == NULL)
		return err_set(err, ERR_INPUT, "%s: %s", path, strerror(errno));
	/* Before the snapshot: a run that ends meanwhile is no lost one. */
	peek->is_running = lock_find_holder(peek->path, &peek->holder);
	peek->patience.ms = PATIENCE_MS;
	code = db_open(&peek->db, peek->path, DB_READ, &peek->patience);
	if (code != SQLITE_OK)
		peek_fail(peek, code, err);
	else if (look(peek, err) == 0)
		return 0;
	peek_close(peek);
	return -1;
}

void
peek_close(struct peek *peek)
{
	sqlite3_close(peek->db);
	peek->db = NULL;
	free(peek->path);
	peek->path = NULL;
}
