/* SPDX-License-Identifier: ISC */
/*
 * VACUUM INTO is one reading transaction, so that the copy is of one moment,
 * and nothing that waits in a journal is left out of it.
 */
#include "data/copy.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <sqlite3.h>

#include "base/err.h"
#include "base/place.h"

#define PATIENCE_MS 30000 /* for other programs' locks */
#define LOOK_EVERY 10000  /* steps of SQLite's machine between two looks */

static int
look(void *arg)
{
	const struct copy *copy = arg;

	return copy->hurry(copy->arg) ? 1 : 0;
}

/* SQLite knows two files: the trouble may be with either. */
static int
fail(const struct copy *copy, struct sqlite3 *db, int code, struct err *err)
{
	const char *name = copy->called != NULL ? copy->called : copy->from;

	if ((code & 0xFF) == SQLITE_INTERRUPT)
		return err_set(err, ERR_BUSY, "interrupted");
	db_fail(err, db, code, name);
	return err_add(err, "cannot copy it to %s", copy->to);
}

static int
write_part(const struct copy *copy, const struct place *place, struct err *err)
{
	struct db_patience patience = {
	    .ms = PATIENCE_MS, .hurry = copy->hurry, .arg = copy->arg};
	struct sqlite3 *db;
	int code = db_open(&db, copy->from, copy->mode, &patience);

	if (code == SQLITE_OK && copy->hurry != NULL)
		sqlite3_progress_handler(db, LOOK_EVERY, look, (void *)copy);
	if (code == SQLITE_OK && copy->mode != DB_LOCAL) {
		db_settle(db);
		code = db_leave_journal(db);
	}
	if (code == SQLITE_OK)
		code = db_copy(db, place->part_path);
	if (code != SQLITE_OK)
		fail(copy, db, code, err);
	sqlite3_close(db);
	return code == SQLITE_OK ? 0 : -1;
}

static void
keep_mode(const struct copy *copy, const struct place *place)
{
	struct stat st;

	if (stat(copy->to, &st) == 0)
		(void)fchmod(place->fd, st.st_mode & 0777);
}

int
copy_make(const struct copy *copy, struct err *err)
{
	struct place place;

	if (place_open_new(&place, copy->to, err) == -1)
		return -1;
	place.replaces = true;
	if (write_part(copy, &place, err) == -1) {
		place_leave(&place);
		return -1;
	}
	if (copy->may_replace != NULL && !copy->may_replace(copy->arg)) {
		place_leave(&place);
		return err_set(err, ERR_BUSY,
		    "%s: another llmill took its lock", copy->to);
	}
	keep_mode(copy, &place);
	return place_commit(&place, err);
}
