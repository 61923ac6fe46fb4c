/* SPDX-License-Identifier: ISC */
#ifndef DB_H
#define DB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

struct err;
struct sqlite3;
struct sqlite3_stmt;

/*
 * SQLite with our settings, and the few calls that we make on it. Results are
 * SQLite's own codes: who calls decides whether trouble is waited for or
 * reported.
 */
enum db_mode {
	DB_LOCAL = 0,	  /* WAL */
	DB_NETWORK = 1,	  /* EXCLUSIVE, rollback journal */
	DB_TEMPORARY = 2, /* private, gone when closed; path is not used */
	DB_READ = 3,	  /* changes nothing, not even the directory */
	DB_BUILD = 4,	  /* a new file that nobody knows of yet: no journal
			     beside it; syncing is the caller's business */
	DB_ALONE = 5,	  /* like DB_NETWORK where the file system has no locks:
			     who opens it is known to be alone */
};

/* How long to wait for another program's lock. */
struct db_patience {
	int ms;
	bool (*hurry)(void *arg); /* wait no longer? NULL: never in a hurry */
	void *arg;
	int64_t until_ns; /* of the wait at hand */
};

/*
 * Open an existing file (DB_TEMPORARY: a new one), with synchronous EXTRA and
 * nothing trusted. Waits for locks as patience says (lent while it holds; NULL:
 * not at all). A -wal that was left there stays as it is until db_settle.
 * Gives SQLITE_OK with *db; else *db is NULL.
 */
int db_open(struct sqlite3 **db, const char *path, enum db_mode mode,
    struct db_patience *patience);

/* Wait so for locks from now on; NULL: not at all. */
void db_set_patience(struct sqlite3 *db, struct db_patience *patience);

/* Keep at most so many KiB of pages in memory; SQLite's own choice is 2000. */
int db_set_cache(struct sqlite3 *db, int kib);

/* The file is ours to work with: what lies in its -wal may go into it. */
void db_settle(struct sqlite3 *db);

/* Take the journal that the mode works with, or leave it (one file remains).
 * Reads back what SQLite says. */
int db_enter_journal(struct sqlite3 *db, enum db_mode mode);
int db_leave_journal(struct sqlite3 *db);

/* Write all of it, as it is at this moment, to an empty or a new file, which
 * nobody else may know of. Others may write meanwhile where the journal is a
 * WAL. */
int db_copy(struct sqlite3 *db, const char *path);

/* Write all of the -wal into the database, synced, and begin it anew. Gives
 * SQLITE_BUSY while somebody reads in it. */
int db_empty_wal(struct sqlite3 *db);

/* Run SQL without a result. */
int db_run(struct sqlite3 *db, const char *sql);

/* Run SQL whose first column of the first row is a number. */
int db_number(struct sqlite3 *db, const char *sql, int64_t *number);

/* Prepare a statement that is used many times. */
int db_prepare(struct sqlite3 *db, const char *sql, struct sqlite3_stmt **stmt);

/*
 * Bind a parameter by name (":id"). A span is lent until the statement is
 * reset; none is NULL; what is no UTF-8 is a BLOB.
 * Bug if there is no such parameter.
 */
void db_bind(struct sqlite3_stmt *stmt, const char *name, struct span span);
void db_bind_number(
    struct sqlite3_stmt *stmt, const char *name, int64_t number);
/* The same, but a number that says "unknown" becomes NULL. */
void db_bind_known(struct sqlite3_stmt *stmt, const char *name, int64_t number,
    int64_t unknown);

/*
 * The same for all parameters one after the other, in the order in which they
 * first appear: for what is run for every prompt, where looking up names costs
 * as much as the row. Begin with {.stmt}.
 */
struct db_row {
	struct sqlite3_stmt *stmt;
	int bound; /* so many */
};

void db_put(struct db_row *row, struct span span);
void db_put_number(struct db_row *row, int64_t number);
void db_put_known(struct db_row *row, int64_t number, int64_t unknown);

/* db_finish. Bug unless all are bound. */
int db_finish_row(struct db_row *row);

/*
 * Bind the row at hand of another statement, with the storage class that each
 * value has there: the columns from first on to all parameters, in the order in
 * which they first appear. More columns may follow. The values are copied.
 * Bug if there are too few columns. Gives a SQLite code: a copy wants memory.
 */
int db_bind_row(struct sqlite3_stmt *stmt, struct sqlite3_stmt *row, int first);

/* Run a bound statement without a result, and reset it. */
int db_finish(struct sqlite3_stmt *stmt);

/* Gives the bytes of a column, none for NULL; they die at the next step. */
struct span db_column(struct sqlite3_stmt *stmt, int column);

/* Is it only a lock that somebody else holds? */
bool db_is_busy(int code);

/* Does the connection have to be opened anew after this? */
bool db_is_broken(int code);

/*
 * Say "name: what SQLite says" with the class that fits: ERR_BUSY for locks,
 * ERR_INPUT for a file that is no (sound) database. db may be NULL.
 * Gives always -1.
 */
int db_fail(struct err *err, struct sqlite3 *db, int code, const char *name);

/* Gives SQLite's version: "3.40.1". */
const char *db_engine_version(void);

#endif
