/* SPDX-License-Identifier: ISC */
/*
 * A store from its opening to its end: the lock first, then the file, then
 * SQLite; at the end everything in reverse, so that one file remains.
 */
#include "data/store.h"

#include <errno.h>
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
#include "base/log.h"
#include "data/fskind.h"
#include "data/path.h"
#include "data/spill_line.h"
#include "data/sql.h"
#include "data/store_inner.h"

#define PATIENCE_MS 30000      /* for other programs' locks, at the start */
#define PATIENCE_END_MS 500    /* at the end */
#define NAP_END_MS 2	       /* for who only looks: that takes some ms */
#define NAP_MS 50	       /* between tries to save what waits */
#define RESULT_MAX_BYTES 65536 /* "Error: Failed after …" */
#define ROW_MAX_BYTES ((size_t)1 << 30)

static const char *const stmt_texts[STMT_COUNT] = {
    [STMT_INSERT_ATTEMPT] = SQL_INSERT_ATTEMPT,
    [STMT_SET_RESULT] = SQL_SET_RESULT,
    [STMT_LAST_OUTCOME] = SQL_LAST_OUTCOME,
    [STMT_READ_RESULT] = SQL_READ_RESULT,
    [STMT_READ_ATTEMPT] = SQL_READ_ATTEMPT,
    [STMT_HAS_ATTEMPT] = SQL_HAS_ATTEMPT,
};

const char *
store_name(const struct store *store)
{
	return store->shown != NULL ? store->shown : "temporary database";
}

const char *
store_path(const struct store *store)
{
	return store->is_rescued ? store->path : store->shown;
}

bool
store_is_shut(const struct store *store)
{
	return store->mode == DB_NETWORK;
}

void
store_show_socket(const struct store *store, const char *path)
{
	lock_show_socket(&store->lock, path);
}

const char *
store_spill_path(const struct store *store)
{
	return store->spill == NULL ? NULL : spill_path(store->spill);
}

bool
store_is_private(const struct store *store)
{
	return store->mode == DB_TEMPORARY && store->spill == NULL;
}

int
store_prepare(struct store *store)
{
	int code = SQLITE_OK;

	for (int i = 0; i < STMT_COUNT && code == SQLITE_OK; i++) {
		const char *text = stmt_texts[i];

		if (i == STMT_SET_RESULT && store_is_private(store))
			text = SQL_PUT_RESULT;
		code = db_prepare(store->db, text, &store->stmts[i]);
	}
	return code;
}

int
store_connect(struct store *store)
{
	int code = db_open(&store->db, store->path, store->mode, NULL);

	if (code == SQLITE_OK) {
		db_settle(store->db);
		code = db_enter_journal(store->db, store->mode);
	}
	if (code == SQLITE_OK)
		code = store_prepare(store);
	if (code == SQLITE_OK)
		store_know_files(store);
	else
		store_disconnect(store);
	return code;
}

void
store_disconnect(struct store *store)
{
	for (int i = 0; i < STMT_COUNT; i++) {
		sqlite3_finalize(store->stmts[i]);
		store->stmts[i] = NULL;
	}
	sqlite3_close(store->db);
	store->db = NULL;
	store->wal.st_ino = 0;
	store->file_bytes = 0;
}

static void
store_free(struct store *store)
{
	store_disconnect(store);
	lock_release(&store->lock);
	note_queue_free(&store->queue);
	spill_free(store->spill);
	spill_line_free(&store->parked);
	buf_free(&store->columns);
	buf_free(&store->result);
	free(store->reopened);
	free(store->ids);
	free(store->shown);
	free(store->path);
	free(store);
}

static struct store *
store_new(const struct store_conf *conf, struct err *err)
{
	struct store *store = calloc(1, sizeof *store);

	if (store == NULL) {
		err_set_memory(err, "store");
		return NULL;
	}
	store->lock.fd = -1;
	store->durable = conf->durable;
	store->resumes = conf->resumes;
	store->extends = conf->extends;
	store->share = SHARE_WHOLE;
	store->arg = conf->arg;
	store->patience.ms =
	    conf->patience_ms > 0 ? conf->patience_ms : PATIENCE_MS;
	store->patience.hurry = conf->hurry;
	store->patience.arg = conf->arg;
	note_queue_init(&store->queue);
	buf_init(&store->result, RESULT_MAX_BYTES);
	buf_init(&store->columns, ROW_MAX_BYTES);
	return store;
}

/* Make the file with its name durable, readable by nobody else. */
static int
make_file(struct store *store, int fd, const char *directory, struct err *err)
{
	int directory_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int done = 0;

	store->is_created = true;
	if (fchmod(fd, 0600) == -1 || fsync(fd) == -1 || directory_fd == -1 ||
	    fsync(directory_fd) == -1)
		done = err_set_errno(err, "cannot create %s", store->shown);
	fd_close(&directory_fd);
	return done;
}

/* An existing file does not open: what is it that we may not do? */
static int
say_shut(const struct store *store, struct err *err)
{
	int number = errno;
	bool readable = euidaccess(store->path, R_OK) == 0;

	errno = number;
	return err_set_errno(
	    err, "cannot %s %s", readable ? "write" : "read", store->shown);
}

/* Create the file, or see that an existing one can be written. Before SQLite
 * has it open: closing a descriptor drops a process's locks on the file. */
static int
open_file(struct store *store, const char *directory, bool create_only,
    struct err *err)
{
	const int flags = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
	int fd = -1;
	int done = 0;

	errno = EEXIST;
	if (!store->resumes)
		fd = open(store->path, flags | O_CREAT | O_EXCL, 0600);

	if (fd != -1) {
		done = make_file(store, fd, directory, err);
	} else if (errno != EEXIST || create_only) {
		done = err_set_errno(err, "cannot create %s", store->shown);
	} else {
		fd = open(store->path, flags);
		if (fd == -1)
			done = say_shut(store, err);
	}
	fd_close(&fd);
	return done;
}

/* Open the database and see whose it is; it is made ours by store_load. */
static int
open_database(struct store *store, struct err *err)
{
	int64_t seed = 0;
	int code =
	    db_open(&store->db, store->path, store->mode, &store->patience);

	if (code != SQLITE_OK)
		return db_fail(err, store->db, code, store_name(store));
	if (schema_look(store->db, store_name(store), &store->kind, err) == -1)
		return -1;
	if (store->kind == SCHEMA_OURS)
		code = db_number(store->db, SQL_IS_SEED, &seed);
	if (code != SQLITE_OK)
		return db_fail(err, store->db, code, store_name(store));
	store->is_seed = store->kind == SCHEMA_SEED || seed == 1;
	return 0;
}

static int
take_lock(struct store *store, const struct store_conf *conf, bool shared,
    struct err *err)
{
	struct lock_wish wish = conf->lock;

	wish.shared = shared;
	store->refresh_ns = clock_add(clock_now_ns(), LOCK_REFRESH_NS);
	return lock_take_as(&store->lock, store->path, &wish, err);
}

static int
open_path(struct store *store, const struct store_conf *conf, struct err *err)
{
	bool exists = false;
	const char *network;
	char *directory;
	int done = -1;

	store->path = path_resolve(conf->path, &directory, err);
	if (store->path == NULL)
		return -1;
	store->shown = strdup(conf->shown != NULL ? conf->shown : conf->path);
	if (store->shown == NULL) {
		err_set_memory(err, "store");
		goto out;
	}
	if (path_check(store->path, store->shown, &exists, err) == -1)
		goto out;
	if (exists && conf->create_only) {
		/* Whoever has it may work on it for long: no lock is tried. */
		errno = EEXIST;
		err_set_errno(err, "cannot create %s", store->shown);
		goto out;
	}
	network = conf->is_near ? NULL : fskind_network(directory);
	if (take_lock(store, conf, network != NULL, err) == -1 ||
	    open_file(store, directory, conf->create_only, err) == -1)
		goto out;
	if (network != NULL) {
		store->mode = DB_NETWORK;
		log_say(LOG_NOTE,
		    "%s lies on %s: one commit a second, and no other program "
		    "than llmill status can read it meanwhile",
		    store->shown, network);
	}
	store->spill = spill_new(
	    conf->spill_path != NULL ? conf->spill_path : store->path, err);
	if (store->spill != NULL)
		done = open_database(store, err);
out:
	/* What cannot be created has a stand-in; what is there must say what
	 * is open, or everything would be paid for again. */
	if (done == -1 && exists && !conf->create_only && err != NULL &&
	    err->class == ERR_SYSTEM)
		err->class = ERR_INPUT;
	free(directory);
	return done;
}

static int
open_temporary(
    struct store *store, const struct store_conf *conf, struct err *err)
{
	store->mode = DB_TEMPORARY;
	if (conf->spill_path != NULL) {
		store->spill = spill_new(conf->spill_path, err);
		if (store->spill == NULL)
			return -1;
	}
	return open_database(store, err);
}

struct store *
store_open(const struct store_conf *conf, struct err *err)
{
	struct store *store = store_new(conf, err);
	int done;

	if (store == NULL)
		return NULL;
	if (conf->path != NULL)
		done = open_path(store, conf, err);
	else
		done = open_temporary(store, conf, err);
	if (done == 0)
		return store;
	store_disconnect(store);
	if (store->is_created)
		(void)unlink(store->path);
	store_free(store);
	return NULL;
}

/* Try to get everything into the database, or else into the spill. */
void
store_settle(struct store *store, int limit_ms)
{
	int64_t until_ns =
	    clock_add(clock_now_ns(), (int64_t)limit_ms * CLOCK_MS);

	for (;;) {
		store_commit(store, clock_now_ns(), true);
		if (note_queue_is_empty(&store->queue) ||
		    clock_now_ns() >= until_ns)
			break;
		(void)poll(NULL, 0, NAP_MS);
	}
	if (store->queue.fresh_count > 0 && store->spill != NULL)
		store_spill(store, clock_now_ns());
}

/* Whoever looks for a moment is waited for: SQLite itself asks only once
 * whether it is alone. */
static void
leave_one_file(struct store *store)
{
	int64_t until_ns =
	    clock_add(clock_now_ns(), PATIENCE_END_MS * CLOCK_MS);
	int code = db_leave_journal(store->db);

	while (db_is_busy(code) && clock_now_ns() < until_ns) {
		(void)poll(NULL, 0, NAP_END_MS);
		code = db_leave_journal(store->db);
	}
	if (code != SQLITE_OK)
		log_say(LOG_INFO,
		    "%s: somebody reads it; its -wal file belongs to it",
		    store_name(store));
}

enum store_health
store_close(struct store *store, const char *status, int limit_ms)
{
	enum store_health health;

	if (store == NULL)
		return STORE_HEALTHY;
	store_settle(store, limit_ms);
	health = store_health(store, NULL);
	if (store->db != NULL) {
		store->patience.ms = PATIENCE_END_MS;
		store->patience.hurry = NULL;
		db_set_patience(store->db, &store->patience);
		store_end_run(store, status);
		if (store->is_loaded && store->mode != DB_TEMPORARY)
			leave_one_file(store);
	}
	store_free(store);
	return health;
}

bool
store_discard_if_unused(struct store *store)
{
	if (!store->is_created || store->is_noted || store->is_rescued)
		return false;
	/* Its journal, and a -wal, go when the connection closes. */
	store_disconnect(store);
	(void)unlink(store->path);
	store_free(store);
	return true;
}
