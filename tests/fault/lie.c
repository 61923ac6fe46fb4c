/* SPDX-License-Identifier: ISC */
/*
 * Breaks one promise, so that a test can show that it would notice. LIE is
 *
 *	commit		a COMMIT says that it is done and is not: everything
 *			is committed at the end of the run
 *	lock		everybody gets the lock of the database
 *	sync		nothing is ever synced
 *	patience	SQLite waits two seconds for other programs' locks
 */
#include <fcntl.h>
#include <stdarg.h>

#include <sqlite3.h>

#include "shim.h"

#define COMMITS_KEPT 3 /* until the prompts are there */
#define PATIENCE_MS 2000
#define PATIENCE_NAP_MS 100

static int (*real_sqlite3_exec)(sqlite3 *, const char *,
    int (*)(void *, int, char **, char **), void *, char **);
static int (*real_sqlite3_busy_handler)(
    sqlite3 *, int (*)(void *, int), void *);
static int (*real_fcntl)(int, int, void *);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);

static bool
lies_about(const char *what)
{
	const char *lie = getenv("LIE");

	return lie != NULL && strcmp(lie, what) == 0;
}

int
sqlite3_exec(sqlite3 *db, const char *sql,
    int (*row)(void *, int, char **, char **), void *arg, char **error)
{
	static int commits;

	REAL(sqlite3_exec);
	if (!lies_about("commit"))
		return real_sqlite3_exec(db, sql, row, arg, error);
	if (strcmp(sql, "COMMIT") == 0 && ++commits > COMMITS_KEPT)
		return SQLITE_OK;
	if (strcmp(sql, "BEGIN IMMEDIATE") == 0 && !sqlite3_get_autocommit(db))
		return SQLITE_OK;
	if (strstr(sql, "wal_checkpoint") != NULL &&
	    !sqlite3_get_autocommit(db))
		(void)real_sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
	return real_sqlite3_exec(db, sql, row, arg, error);
}

static int
wait_long(void *arg, int tries)
{
	(void)arg;
	(void)usleep(PATIENCE_NAP_MS * 1000);
	return tries < PATIENCE_MS / PATIENCE_NAP_MS;
}

int
sqlite3_busy_handler(sqlite3 *db, int (*handler)(void *, int), void *arg)
{
	REAL(sqlite3_busy_handler);
	if (lies_about("patience"))
		return real_sqlite3_busy_handler(db, wait_long, NULL);
	return real_sqlite3_busy_handler(db, handler, arg);
}

int
fcntl(int fd, int command, ...)
{
	va_list args;
	void *arg;

	va_start(args, command);
	arg = va_arg(args, void *);
	va_end(args);
	REAL(fcntl);
	if (command == F_OFD_SETLK && lies_about("lock"))
		return 0;
	return real_fcntl(fd, command, arg);
}

int
fsync(int fd)
{
	REAL(fsync);
	return lies_about("sync") ? 0 : real_fsync(fd);
}

int
fdatasync(int fd)
{
	REAL(fdatasync);
	return lies_about("sync") ? 0 : real_fdatasync(fd);
}
