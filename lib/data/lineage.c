/* SPDX-License-Identifier: ISC */
/*
 * A copy was worked on by the runs that are in it. So if the last run that home
 * knows of is in the one here, that has all home has.
 */
#include "data/lineage.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/place.h"
#include "data/sql.h"

#define ASIDE_MOST 1000		  /* old ones beside each other */
#define RUN_BYTES ((size_t)65536) /* of a run, in words */

void
lineage_remove_sides(const char *path)
{
	static const char *const endings[] = {"-wal", "-shm", "-journal"};

	for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
		char *side;

		if (asprintf(&side, "%s%s", path, endings[i]) == -1)
			continue;
		(void)unlink(side);
		free(side);
	}
}

/* Open a database and put into it what lies in a journal beside it. A SQLite
 * code; *ours: it has the table of runs. */
static int
open_settled(
    struct sqlite3 **db, const char *path, enum db_mode mode, bool *ours)
{
	int64_t sides = 0;
	int code = db_open(db, path, mode, NULL);

	if (code == SQLITE_OK) {
		db_settle(*db);
		code = db_leave_journal(*db);
	}
	if (code == SQLITE_OK)
		code = db_number(*db, SQL_COUNT_SIDE, &sides);
	*ours = sides == 3;
	return code;
}

/* Write the last run of a database in words; nothing if there is none. A
 * SQLite code. */
static int
read_last_run(const char *path, enum db_mode mode, struct buf *run)
{
	struct sqlite3_stmt *stmt = NULL;
	struct sqlite3 *db;
	bool ours;
	int code = open_settled(&db, path, mode, &ours);

	if (code == SQLITE_OK && ours)
		code = db_prepare(db, SQL_LAST_RUN_WORDS, &stmt);
	if (stmt != NULL && sqlite3_step(stmt) == SQLITE_ROW) {
		struct span words = db_column(stmt, 0);

		buf_add(run, words.data, words.size);
	}
	if (stmt != NULL)
		code = sqlite3_finalize(stmt);
	sqlite3_close(db);
	return run->failed ? SQLITE_NOMEM : code;
}

/* *knows: is that run in the database? */
static int
find_run(const char *path, enum db_mode mode, struct span run, bool *knows)
{
	struct sqlite3_stmt *stmt = NULL;
	struct sqlite3 *db;
	bool ours;
	int code = open_settled(&db, path, mode, &ours);

	*knows = false;
	if (code == SQLITE_OK && ours)
		code = db_prepare(db, SQL_FIND_RUN_WORDS, &stmt);
	if (stmt != NULL) {
		db_bind(stmt, ":words", run);
		*knows = sqlite3_step(stmt) == SQLITE_ROW;
		code = sqlite3_finalize(stmt);
	}
	sqlite3_close(db);
	return code;
}

int
lineage_has_all(const char *path, const char *home, enum db_mode home_mode,
    bool *has, struct err *err)
{
	struct buf run;
	int code;

	*has = true;
	buf_init(&run, RUN_BYTES);
	code = read_last_run(home, home_mode, &run);
	if (code != SQLITE_OK)
		db_fail(err, NULL, code, home);
	/* Without a run nobody has worked at home yet. One here that cannot be
	 * read has nothing. */
	else if (run.size > 0)
		(void)find_run(path, DB_LOCAL, buf_span(&run), has);
	buf_free(&run);
	return code == SQLITE_OK ? 0 : -1;
}

int
lineage_set_aside(const char *path, const char *home, struct err *err)
{
	char *aside = NULL;
	int number = 1;
	int done;

	do {
		free(aside);
		if (asprintf(&aside, "%s.%d", path, number) == -1)
			return err_set_memory(err, "scratch");
	} while (access(aside, F_OK) == 0 && ++number < ASIDE_MOST);
	done = place_move(path, aside, err);
	if (done == 0) {
		lineage_remove_sides(path);
		log_say(LOG_WARN,
		    "%s: a run that was killed left answers here, and others "
		    "went on with %s since; they are now in %s (llmill merge "
		    "puts both together)",
		    path, home, aside);
	}
	free(aside);
	return done;
}
