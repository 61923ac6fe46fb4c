/* SPDX-License-Identifier: ISC */
/*
 * A file that was removed or replaced under us still takes commits and says
 * so, into nowhere. Before each commit the path is looked at; what the open
 * handle sees is then saved as a whole to a new file, and we go on there.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "data/sql.h"
#include "data/store_inner.h"

#define RESCUE_TRIES 9 /* names: X.db.rescued_1.db and so on */

enum saved {
	SAVED_OK = 0,
	SAVED_TAKEN = 1, /* there is a file of that name */
	SAVED_FAILED = 2,
};

/* The path of the -wal file. Gives -1 without memory. */
static int
wal_stat(const struct store *store, struct stat *st)
{
	char *path;
	int done;

	if (asprintf(&path, "%s-wal", store->path) == -1)
		return -1;
	done = stat(path, st);
	free(path);
	return done;
}

void
store_know_files(struct store *store)
{
	struct stat st;

	if (store->mode != DB_LOCAL || wal_stat(store, &store->wal) == -1)
		store->wal.st_ino = 0;
	if (store->path != NULL && stat(store->path, &st) == 0)
		store->file_bytes = st.st_size;
}

/* Did somebody cut the file off? It never shrinks by itself. */
static bool
is_cut(struct store *store)
{
	struct stat st;

	if (!store->is_cut && stat(store->path, &st) == 0) {
		store->is_cut = st.st_size < store->file_bytes;
		store->file_bytes = st.st_size;
	}
	return store->is_cut;
}

/* What cannot be looked at was not removed: it may be there again. */
static bool
can_be_looked_at(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 || errno == ENOENT || errno == ENOTDIR;
}

/* Did the -wal file that we write into go away? */
static bool
is_wal_lost(struct store *store)
{
	struct stat st;
	int done = wal_stat(store, &st);

	if (store->wal.st_ino == 0) {
		if (done == 0)
			store->wal = st;
		return false;
	}
	return done == -1 || st.st_ino != store->wal.st_ino ||
	       st.st_dev != store->wal.st_dev;
}

/* Our handle still has the lost -wal: move its content into the database. */
static int
mend_wal(struct store *store)
{
	int code = db_empty_wal(store->db);

	if (code != SQLITE_OK)
		return code;
	log_say(LOG_ERROR, "%s-wal was removed; its content is saved",
	    store->shown);
	store_disconnect(store);
	return store_connect(store);
}

/* Is the file that is there now the database that we filled? */
static int
reconnect(struct store *store)
{
	int64_t id = 0;
	int64_t last = 0;
	int code = store_connect(store);

	if (code == SQLITE_OK)
		code = db_number(store->db, "PRAGMA application_id", &id);
	if (code == SQLITE_OK)
		code = db_number(store->db, SQL_MAX_ID, &last);
	if (code == SQLITE_OK && (id != SQL_APPLICATION_ID ||
				     last < store_id(store, store->count - 1)))
		code = SQLITE_NOTADB;
	/* What the broken connection wrote there can be read, and may be on
	 * the disk or not: a commit that finds it there writes nothing. */
	if (code == SQLITE_OK && store->mode == DB_LOCAL)
		code = db_empty_wal(store->db);
	if (code != SQLITE_OK)
		store_disconnect(store);
	return code;
}

/* Make a new empty file that VACUUM INTO accepts. */
static int
make_file(const char *path)
{
	int fd = open(
	    path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd == -1)
		return -1;
	fd_close(&fd);
	return 0;
}

static int
sync_file(const char *path)
{
	int fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	int done = fd == -1 ? -1 : fsync(fd);

	fd_close(&fd);
	return done;
}

/* Save everything that our handle sees to a new file at path. */
static enum saved
save_to(struct store *store, const char *path)
{
	struct sqlite3_stmt *stmt;
	int code;

	if (make_file(path) == -1)
		return errno == EEXIST ? SAVED_TAKEN : SAVED_FAILED;
	code = sqlite3_prepare_v2(store->db, SQL_RESCUE, -1, &stmt, NULL);
	if (code == SQLITE_OK) {
		db_bind(stmt, ":path", span_of(path));
		code = db_finish(stmt);
		sqlite3_finalize(stmt);
	}
	if (code == SQLITE_OK && sync_file(path) == 0)
		return SAVED_OK;
	(void)unlink(path);
	return SAVED_FAILED;
}

/* Save to a new file beside the place of a spill file. Gives the path, or
 * NULL. */
static char *
save_beside(struct store *store, const char *spill)
{
	int size = (int)(strlen(spill) - strlen(SPILL_SUFFIX));
	enum saved saved = SAVED_TAKEN;
	char *path = NULL;

	for (int i = 1; i <= RESCUE_TRIES && saved == SAVED_TAKEN; i++) {
		free(path);
		if (asprintf(&path, "%.*s.rescued_%d.db", size, spill, i) == -1)
			return NULL;
		saved = save_to(store, path);
	}
	if (saved == SAVED_OK)
		return path;
	free(path);
	return NULL;
}

/* Find a place to save to: the path itself when nothing is there any more,
 * else where a spill file would go. Gives the path, or NULL. */
static char *
save_somewhere(struct store *store)
{
	char *path = strdup(store->path);

	if (path != NULL && save_to(store, path) == SAVED_OK)
		return path;
	free(path);
	path = NULL;
	for (size_t i = 0; i < SPILL_PLACE_COUNT && path == NULL; i++) {
		const char *spill = spill_place(store->spill, i);

		if (spill != NULL)
			path = save_beside(store, spill);
	}
	return path;
}

/* Remove our journal from beside what lies at the old path now: whoever opens
 * that would take the -wal for its own, and our pages for its content. */
static void
drop_journal(const struct store *store)
{
	static const char *const suffixes[] = {"-wal", "-shm"};
	struct stat st;

	if (wal_stat(store, &st) == -1 || st.st_ino != store->wal.st_ino ||
	    st.st_dev != store->wal.st_dev)
		return; /* somebody else's, or unknown */
	for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
		char *path;

		if (asprintf(&path, "%s%s", store->path, suffixes[i]) == -1)
			return;
		(void)unlink(path);
		free(path);
	}
}

/* Let go of the old path's lock, take the new one's. */
static int
move_lock(struct store *store, const char *path)
{
	struct lock lock;

	lock_release(&store->lock);
	if (lock_take(&lock, path, NULL) == -1)
		return -1;
	store->lock = lock;
	return 0;
}

static int
rescue(struct store *store)
{
	char *path = save_somewhere(store);

	if (path == NULL)
		return SQLITE_READONLY_DBMOVED;
	log_say(LOG_ERROR, "%s was removed or replaced; everything is in %s",
	    store->shown, path);
	if (move_lock(store, path) == -1)
		log_say(LOG_WARN, "%s cannot be locked", path);
	drop_journal(store);
	store_disconnect(store);
	if (strcmp(path, store->path) != 0) {
		store->is_rescued = true;
		free(store->path);
		store->path = path;
	} else {
		free(path);
	}
	return store_connect(store);
}

int
store_mend(struct store *store)
{
	int moved = 0;

	if (store->db == NULL)
		return store->is_cut ? SQLITE_CORRUPT : reconnect(store);
	if (store->mode == DB_TEMPORARY)
		return SQLITE_OK;
	if (sqlite3_file_control(store->db, "main", SQLITE_FCNTL_HAS_MOVED,
		&moved) == SQLITE_OK &&
	    moved)
		return can_be_looked_at(store->path) ? rescue(store)
						     : SQLITE_CANTOPEN;
	if (is_cut(store))
		return SQLITE_CORRUPT;
	if (store->mode == DB_LOCAL && is_wal_lost(store))
		return mend_wal(store);
	return SQLITE_OK;
}
