/* SPDX-License-Identifier: ISC */
/*
 * A thin skin over SQLite: every connection of the store has the same
 * settings, and every error becomes one of ours in one place.
 */
#include "data/db.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/must.h"
#include "base/text.h"

#define LOOK_AGAIN_MS 10    /* at a lock that somebody else holds */
#define URI_MAX_BYTES 16384 /* a path has at most 4096, each three here */

int
db_run(struct sqlite3 *db, const char *sql)
{
	return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

/* What the file says is data: it gets no triggers, no functions, no way to
 * corrupt itself. */
static void
distrust(struct sqlite3 *db)
{
	sqlite3_extended_result_codes(db, 1);
	sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
}

static void
checkpoint_on_close(struct sqlite3 *db, bool wanted)
{
	sqlite3_db_config(
	    db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, wanted ? 0 : 1, NULL);
}

/*
 * How to read a file without changing a byte of it or of its directory. A
 * plain read-only connection would create -wal and -shm files where there are
 * none, and write its marks into -shm where there is one.
 */
enum read_way {
	READ_LOCKED = 0, /* as SQLite does, but -shm is not written */
	READ_STILL = 1,	 /* left in WAL mode, all of it in the file: no locks */
	READ_ALONE = 2,	 /* a -wal without its -shm: nobody writes; the index
			    of the -wal is made in memory, not beside it */
};

static off_t
side_size(const char *path, const char *ending)
{
	struct stat st;
	char *side;
	off_t size = -1;

	if (asprintf(&side, "%s%s", path, ending) == -1)
		return -1;
	if (stat(side, &st) == 0)
		size = st.st_size;
	free(side);
	return size;
}

/* Does the file say that its journal is a WAL? Bytes 18 and 19 of its header.
 */
static bool
says_wal(const char *path)
{
	unsigned char version = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd != -1)
		(void)!pread(fd, &version, 1, 18);
	fd_close(&fd);
	return version == 2;
}

static enum read_way
choose_way(const char *path)
{
	off_t wal_bytes = side_size(path, "-wal");
	off_t index_bytes = side_size(path, "-shm");

	if (wal_bytes > 0 && index_bytes == -1)
		return READ_ALONE;
	if (wal_bytes == -1 || index_bytes == -1)
		return says_wal(path) ? READ_STILL : READ_LOCKED;
	return READ_LOCKED;
}

static void
put_uri(struct buf *uri, const char *path, const char *query)
{
	buf_add_text(uri, *path == '/' ? "file://" : "file:");
	for (; *path != '\0'; path++) {
		if (strchr("%?#", *path) != NULL)
			buf_printf(uri, "%%%02X", (unsigned char)*path);
		else
			buf_add_byte(uri, *path);
	}
	buf_add_text(uri, query);
}

/* SQLite asks after each look at a lock that others hold. */
static int
wait_a_moment(void *arg, int looks)
{
	struct db_patience *patience = arg;
	int64_t now_ns = clock_now_ns();

	if (looks == 0)
		patience->until_ns =
		    clock_add(now_ns, (int64_t)patience->ms * CLOCK_MS);
	if (now_ns >= patience->until_ns ||
	    (patience->hurry != NULL && patience->hurry(patience->arg)))
		return 0;
	(void)poll(NULL, 0, LOOK_AGAIN_MS);
	return 1;
}

void
db_set_patience(struct sqlite3 *db, struct db_patience *patience)
{
	sqlite3_busy_handler(
	    db, patience != NULL ? wait_a_moment : NULL, patience);
}

static int
open_to_read(
    struct sqlite3 **db, const char *path, struct db_patience *patience)
{
	static const char *const queries[] = {
	    [READ_LOCKED] = "?mode=ro&readonly_shm=1",
	    [READ_STILL] = "?mode=ro&immutable=1",
	    [READ_ALONE] = "?mode=ro&vfs=unix-none",
	};
	enum read_way way = choose_way(path);
	struct buf uri;
	int code;

	*db = NULL;
	buf_init(&uri, URI_MAX_BYTES);
	put_uri(&uri, path, queries[way]);
	code = uri.failed ? SQLITE_NOMEM
			  : sqlite3_open_v2(uri.data, db,
				SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE |
				    SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_URI |
				    SQLITE_OPEN_READONLY,
				NULL);
	buf_free(&uri);
	if (code == SQLITE_OK) {
		distrust(*db);
		db_set_patience(*db, patience);
		checkpoint_on_close(*db, false);
	}
	if (code == SQLITE_OK && way == READ_ALONE)
		code = db_run(*db, "PRAGMA locking_mode = EXCLUSIVE");
	if (code != SQLITE_OK) {
		sqlite3_close_v2(*db);
		*db = NULL;
	}
	return code;
}

/* What a connection is told before its first access: later WAL's shared
 * memory would be used after all, and a journal be made. EXTRA is FULL, and
 * where the removal of a journal ends a transaction, that is synced, too: a
 * spill file is removed after it. A temporary database ends with its process,
 * and so may its journal. */
static int
settle_mode(struct sqlite3 *db, enum db_mode mode)
{
	switch (mode) {
	case DB_NETWORK:
	case DB_ALONE:
		return db_run(db, "PRAGMA synchronous = EXTRA;"
				  "PRAGMA locking_mode = EXCLUSIVE");
	case DB_BUILD:
		return db_run(db, "PRAGMA synchronous = OFF;"
				  "PRAGMA locking_mode = EXCLUSIVE;"
				  "PRAGMA journal_mode = MEMORY");
	case DB_TEMPORARY:
		return db_run(db, "PRAGMA journal_mode = MEMORY");
	default:
		return db_run(db, "PRAGMA synchronous = EXTRA");
	}
}

/* An URI is taken for one, so that VACUUM INTO can name one, too; a path is
 * absolute, and never looks like one. */
static int
open_at(struct sqlite3 **db, const char *path, enum db_mode mode, int flags)
{
	struct buf uri;
	int code;

	flags |= SQLITE_OPEN_URI;
	if (mode != DB_ALONE)
		return sqlite3_open_v2(path, db, flags, NULL);
	*db = NULL;
	buf_init(&uri, URI_MAX_BYTES);
	put_uri(&uri, path, "?vfs=unix-none");
	code = uri.failed ? SQLITE_NOMEM
			  : sqlite3_open_v2(uri.data, db, flags, NULL);
	buf_free(&uri);
	return code;
}

int
db_open(struct sqlite3 **db, const char *path, enum db_mode mode,
    struct db_patience *patience)
{
	int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
	int code;

	if (mode == DB_READ)
		return open_to_read(db, path, patience);
	if (mode == DB_TEMPORARY) {
		path = "";
		flags |= SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
	} else {
		flags |= SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_READWRITE;
	}
	code = open_at(db, path, mode, flags);
	if (code == SQLITE_OK) {
		distrust(*db);
		db_set_patience(*db, patience);
		if (mode == DB_LOCAL && side_size(path, "-wal") > 0)
			checkpoint_on_close(*db, false);
		code = settle_mode(*db, mode);
	}
	if (code != SQLITE_OK) {
		sqlite3_close_v2(*db);
		*db = NULL;
	}
	return code;
}

int
db_set_cache(struct sqlite3 *db, int kib)
{
	char sql[48];

	snprintf(sql, sizeof sql, "PRAGMA cache_size = -%d", kib);
	return db_run(db, sql);
}

void
db_settle(struct sqlite3 *db)
{
	checkpoint_on_close(db, true);
}

/* Ask for a journal mode. *taken: SQLite answered that it has it. */
static int
set_journal(struct sqlite3 *db, const char *sql, const char *mode, bool *taken)
{
	struct sqlite3_stmt *stmt;
	int code = db_prepare(db, sql, &stmt);

	*taken = false;
	if (code != SQLITE_OK)
		return code;
	code = sqlite3_step(stmt);
	if (code == SQLITE_ROW) {
		*taken = span_equals(db_column(stmt, 0), span_of(mode));
		code = SQLITE_OK;
	}
	sqlite3_finalize(stmt);
	return code;
}

int
db_enter_journal(struct sqlite3 *db, enum db_mode mode)
{
	bool taken = false;
	int code = SQLITE_OK;

	if (mode == DB_LOCAL)
		code =
		    set_journal(db, "PRAGMA journal_mode = WAL", "wal", &taken);
	/* No shared memory here either: then like on a network. */
	if (!taken && code == SQLITE_OK && mode <= DB_NETWORK)
		code = set_journal(
		    db, "PRAGMA journal_mode = TRUNCATE", "truncate", &taken);
	return code;
}

int
db_leave_journal(struct sqlite3 *db)
{
	bool taken;
	int code = db_run(db, "PRAGMA wal_checkpoint(TRUNCATE)");

	if (code == SQLITE_OK)
		code = set_journal(
		    db, "PRAGMA journal_mode = DELETE", "delete", &taken);
	return code;
}

int
db_copy(struct sqlite3 *db, const char *path)
{
	struct sqlite3_stmt *stmt;
	struct buf uri;
	int code;

	buf_init(&uri, URI_MAX_BYTES);
	put_uri(&uri, path, "?vfs=unix-none");
	code = db_prepare(db, "VACUUM INTO :uri", &stmt);
	if (code == SQLITE_OK && uri.failed)
		code = SQLITE_NOMEM;
	if (code == SQLITE_OK) {
		db_bind(stmt, ":uri", buf_span(&uri));
		code = db_finish(stmt);
	}
	sqlite3_finalize(stmt);
	buf_free(&uri);
	return code;
}

int
db_empty_wal(struct sqlite3 *db)
{
	return sqlite3_wal_checkpoint_v2(
	    db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
}

int
db_number(struct sqlite3 *db, const char *sql, int64_t *number)
{
	struct sqlite3_stmt *stmt;
	int code = db_prepare(db, sql, &stmt);

	if (code != SQLITE_OK)
		return code;
	code = sqlite3_step(stmt);
	if (code == SQLITE_ROW) {
		*number = sqlite3_column_int64(stmt, 0);
		code = SQLITE_OK;
	}
	sqlite3_finalize(stmt);
	return code;
}

int
db_prepare(struct sqlite3 *db, const char *sql, struct sqlite3_stmt **stmt)
{
	return sqlite3_prepare_v3(
	    db, sql, -1, SQLITE_PREPARE_PERSISTENT, stmt, NULL);
}

static int
parameter(struct sqlite3_stmt *stmt, const char *name)
{
	int number = sqlite3_bind_parameter_index(stmt, name);

	MUST(number > 0);
	return number;
}

static void
bind_span(struct sqlite3_stmt *stmt, int number, struct span span)
{
	if (span.data == NULL)
		sqlite3_bind_null(stmt, number);
	else if (text_is_utf8(span, NULL))
		sqlite3_bind_text64(stmt, number, span.data, span.size,
		    SQLITE_STATIC, SQLITE_UTF8);
	else
		sqlite3_bind_blob64(
		    stmt, number, span.data, span.size, SQLITE_STATIC);
}

void
db_bind(struct sqlite3_stmt *stmt, const char *name, struct span span)
{
	bind_span(stmt, parameter(stmt, name), span);
}

void
db_bind_number(struct sqlite3_stmt *stmt, const char *name, int64_t number)
{
	sqlite3_bind_int64(stmt, parameter(stmt, name), number);
}

void
db_bind_known(struct sqlite3_stmt *stmt, const char *name, int64_t number,
    int64_t unknown)
{
	if (number == unknown)
		db_bind(stmt, name, (struct span){NULL, 0});
	else
		db_bind_number(stmt, name, number);
}

void
db_put(struct db_row *row, struct span span)
{
	bind_span(row->stmt, ++row->bound, span);
}

void
db_put_number(struct db_row *row, int64_t number)
{
	sqlite3_bind_int64(row->stmt, ++row->bound, number);
}

void
db_put_known(struct db_row *row, int64_t number, int64_t unknown)
{
	if (number == unknown)
		db_put(row, (struct span){NULL, 0});
	else
		db_put_number(row, number);
}

int
db_finish_row(struct db_row *row)
{
	MUST(row->bound == sqlite3_bind_parameter_count(row->stmt));
	return db_finish(row->stmt);
}

int
db_bind_row(struct sqlite3_stmt *stmt, struct sqlite3_stmt *row, int first)
{
	int count = sqlite3_bind_parameter_count(stmt);
	int code = SQLITE_OK;

	MUST(sqlite3_data_count(row) >= first + count);
	for (int i = 0; i < count && code == SQLITE_OK; i++)
		code = sqlite3_bind_value(
		    stmt, i + 1, sqlite3_column_value(row, first + i));
	return code;
}

int
db_finish(struct sqlite3_stmt *stmt)
{
	int code = sqlite3_step(stmt);

	sqlite3_reset(stmt);
	return code == SQLITE_DONE || code == SQLITE_ROW ? SQLITE_OK : code;
}

struct span
db_column(struct sqlite3_stmt *stmt, int column)
{
	struct span span = {NULL, 0};

	if (sqlite3_column_type(stmt, column) == SQLITE_NULL)
		return span;
	/* First the pointer, then the size: the order SQLite asks for. */
	span.data = sqlite3_column_type(stmt, column) == SQLITE_BLOB
			? sqlite3_column_blob(stmt, column)
			: (const char *)sqlite3_column_text(stmt, column);
	span.size = (size_t)sqlite3_column_bytes(stmt, column);
	if (span.data == NULL)
		span.data = ""; /* of an empty BLOB */
	return span;
}

bool
db_is_busy(int code)
{
	return (code & 0xFF) == SQLITE_BUSY || (code & 0xFF) == SQLITE_LOCKED;
}

bool
db_is_broken(int code)
{
	switch (code & 0xFF) {
	case SQLITE_IOERR:
	case SQLITE_CORRUPT:
	case SQLITE_CANTOPEN:
	case SQLITE_NOTADB:
	case SQLITE_PROTOCOL:
		return true;
	default:
		return false;
	}
}

/* Is it the file system that knows no locks, or none between hosts? */
static bool
lacks_locks(int code)
{
	switch (code) {
	case SQLITE_PROTOCOL: /* error 15: WAL on a network file system */
	case SQLITE_IOERR_LOCK:
	case SQLITE_IOERR_RDLOCK:
	case SQLITE_IOERR_UNLOCK:
	case SQLITE_IOERR_CHECKRESERVEDLOCK:
	case SQLITE_IOERR_SHMLOCK:
	case SQLITE_IOERR_SHMMAP:
	case SQLITE_IOERR_SHMOPEN:
		return true;
	default:
		return false;
	}
}

int
db_fail(struct err *err, struct sqlite3 *db, int code, const char *name)
{
	const char *says = db != NULL && sqlite3_extended_errcode(db) == code
			       ? sqlite3_errmsg(db)
			       : sqlite3_errstr(code);

	if (lacks_locks(code))
		return err_set(err, ERR_SYSTEM,
		    "%s: this file system has no locks that hold (%s); "
		    "--scratch DIR works on the node's own disk and copies "
		    "to it",
		    name, says);
	switch (code & 0xFF) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return err_set(
		    err, ERR_BUSY, "%s: locked by another program", name);
	case SQLITE_NOTADB:
		return err_set(err, ERR_INPUT, "%s: not a database", name);
	case SQLITE_CORRUPT:
		return err_set(err, ERR_INPUT, "%s: corrupt (%s)", name, says);
	case SQLITE_NOMEM:
		return err_set_memory(err, "database");
	default:
		return err_set(err, ERR_SYSTEM, "%s: %s", name, says);
	}
}

const char *
db_engine_version(void)
{
	return sqlite3_libversion();
}
