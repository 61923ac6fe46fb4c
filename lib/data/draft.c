/* SPDX-License-Identifier: ISC */
/*
 * Nobody sees the file before it is whole, and nobody misses it when it never
 * is: so SQLite keeps no journal and syncs nothing, and what makes it durable
 * is one sync and one rename at the end.
 */
#include "data/draft.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <sqlite3.h>

#include "base/err.h"
#include "data/db.h"
#include "data/schema.h"

int
draft_fail(const struct draft *draft, int code, struct err *err)
{
	int number = 0;

	/* A quota, a size limit: SQLite only says "disk I/O error". */
	if ((code & 0xFF) == SQLITE_IOERR && draft->db != NULL)
		(void)sqlite3_file_control(
		    draft->db, "main", SQLITE_FCNTL_LAST_ERRNO, &number);
	if (number == 0)
		return db_fail(err, draft->db, code, draft->name);
	errno = number;
	return err_set_errno(err, "cannot write %s", draft->name);
}

static int
refuse_existing(
    struct draft *draft, bool (*may_replace)(const char *path), struct err *err)
{
	const char *path = draft->name;
	struct stat st;

	draft->replaces = false;
	if (lstat(path, &st) == -1)
		return 0;
	draft->replaces = may_replace != NULL && may_replace(path);
	if (draft->replaces)
		return 0;
	return err_set(err, ERR_USAGE,
	    "%s is there already, and is no merge that nobody has worked on "
	    "since; give another -o",
	    path);
}

/* Make the file, and SQLite's way to it: no symbolic link anywhere. */
static int
open_file(struct draft *draft, struct err *err)
{
	char *real;
	int code;

	if (place_open_new(&draft->place, draft->name, err) == -1)
		return -1;
	real = realpath(draft->place.part_path, NULL);
	if (real == NULL)
		return err_set_errno(
		    err, "cannot write %s", draft->place.part_path);
	code = db_open(&draft->db, real, DB_BUILD, NULL);
	free(real);
	return code == SQLITE_OK ? 0 : draft_fail(draft, code, err);
}

int
draft_open(struct draft *draft, const char *path,
    bool (*may_replace)(const char *path), struct err *err)
{
	int code;

	*draft = (struct draft){.name = path, .lock.fd = -1, .place.fd = -1};
	if (refuse_existing(draft, may_replace, err) == -1)
		return -1;
	if (lock_take(&draft->lock, path, err) == -1)
		return err == NULL || err->class != ERR_SYSTEM
			   ? -1
			   : err_add(err, "cannot write %s", path);
	/* Again: whoever had the lock may have put it there. */
	if (refuse_existing(draft, may_replace, err) == -1 ||
	    open_file(draft, err) == -1)
		return -1;
	code = db_run(draft->db, "BEGIN");
	if (code == SQLITE_OK)
		code = schema_make(draft->db, SCHEMA_EMPTY);
	return code == SQLITE_OK ? 0 : draft_fail(draft, code, err);
}

int
draft_commit(struct draft *draft, struct err *err)
{
	int code = db_run(draft->db, "COMMIT");

	if (code == SQLITE_OK)
		code = sqlite3_close(draft->db);
	if (code != SQLITE_OK)
		return draft_fail(draft, code, err);
	draft->db = NULL;
	draft->place.replaces = draft->replaces;
	return place_commit(&draft->place, err);
}

void
draft_leave(struct draft *draft)
{
	sqlite3_close(draft->db);
	draft->db = NULL;
	place_leave(&draft->place);
	lock_release(&draft->lock);
}
