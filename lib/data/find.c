/* SPDX-License-Identifier: ISC */
/*
 * Default-named databases in a directory: what the next one is called, and
 * which one lying there is the same work, not finished; also one of which
 * there is no more than its spill file.
 */
#include <dirent.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <sqlite3.h>

#include "base/clock.h"
#include "base/must.h"
#include "data/db.h"
#include "data/lock.h"
#include "data/plan.h"
#include "data/prompts.h"
#include "data/spill_line.h"
#include "data/sql.h"
#include "data/store.h"

#define PATTERN "llm_results_*.db"

void
store_default_name(unsigned tries, char *path, size_t size)
{
	char time[32];
	int needed;

	clock_wall_text("%Y%m%d_%H%M%S", time, sizeof time);
	if (tries > 1)
		needed =
		    snprintf(path, size, "llm_results_%s_%u.db", time, tries);
	else
		needed = snprintf(path, size, "llm_results_%s.db", time);
	MUST(needed > 0 && (size_t)needed < size);
}

static bool
is_same_plan(struct sqlite3 *db, const char *digest)
{
	struct sqlite3_stmt *stmt;
	bool same = false;

	if (db_prepare(db, SQL_LAST_PLAN, &stmt) != SQLITE_OK)
		return false;
	if (sqlite3_step(stmt) == SQLITE_ROW)
		same = span_equals(db_column(stmt, 0), span_of(digest));
	sqlite3_finalize(stmt);
	return same;
}

/* Does it hold this plan, finished or not, and nobody works on it? What cannot
 * be opened does not. */
static bool
is_usable(const char *path, const char *digest, bool finished)
{
	struct sqlite3 *db;
	int64_t any_open = 0;
	bool usable;

	if (lock_is_held(path) ||
	    db_open(&db, path, DB_READ, NULL) != SQLITE_OK)
		return false;
	usable = is_same_plan(db, digest) &&
		 db_number(db, SQL_ANY_OPEN, &any_open) == SQLITE_OK &&
		 any_open == !finished;
	sqlite3_close(db);
	return usable;
}

struct candidate {
	struct timespec changed;
	char *path;
};

static int
newest_first(const void *a, const void *b)
{
	const struct timespec *x = &((const struct candidate *)a)->changed;
	const struct timespec *y = &((const struct candidate *)b)->changed;

	if (x->tv_sec != y->tv_sec)
		return x->tv_sec < y->tv_sec ? 1 : -1;
	return (x->tv_nsec < y->tv_nsec) - (x->tv_nsec > y->tv_nsec);
}

static void
free_all(struct candidate *all, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(all[i].path);
	free(all);
}

/* Fill in one file. Gives false when it is none that counts. */
static bool
look_at(struct candidate *one, const char *directory, const char *name,
    const char *pattern)
{
	struct stat st;

	if (fnmatch(pattern, name, 0) != 0)
		return false;
	/* In the current directory the bare name is what people want to see. */
	if (strcmp(directory, ".") == 0)
		one->path = strdup(name);
	else if (asprintf(&one->path, "%s/%s", directory, name) == -1)
		one->path = NULL;
	if (one->path == NULL)
		return false;
	if (lstat(one->path, &st) == -1 || !S_ISREG(st.st_mode) ||
	    st.st_size == 0) {
		free(one->path);
		return false;
	}
	one->changed = st.st_mtim;
	return true;
}

/* List the candidates, newest first. Gives how many. */
static size_t
list_all(const char *directory, const char *pattern, struct candidate **all)
{
	DIR *dir = opendir(directory);
	struct dirent *entry;
	size_t count = 0;

	*all = NULL;
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		struct candidate one;
		struct candidate *more;

		if (!look_at(&one, directory, entry->d_name, pattern))
			continue;
		more = reallocarray(*all, count + 1, sizeof **all);
		if (more == NULL) {
			free(one.path);
			break;
		}
		*all = more;
		more[count++] = one;
	}
	if (dir != NULL)
		closedir(dir);
	if (count > 1)
		qsort(*all, count, sizeof **all, newest_first);
	return count;
}

static bool
find_plan(const char *directory, const char *digest, bool finished, char *path,
    size_t size)
{
	struct candidate *all;
	size_t count = list_all(directory, PATTERN, &all);
	bool found = false;

	for (size_t i = 0; i < count && !found; i++) {
		if (strlen(all[i].path) >= size)
			continue;
		/* SQLite wants no symbolic link anywhere in the path. */
		char *real = realpath(all[i].path, NULL);

		found = real != NULL && is_usable(real, digest, finished);
		free(real);
		if (found)
			snprintf(path, size, "%s", all[i].path);
	}
	free_all(all, count);
	return found;
}

bool
store_find(const char *directory, const char *digest, char *path, size_t size)
{
	return find_plan(directory, digest, false, path, size);
}

bool
store_find_finished(
    const char *directory, const char *digest, char *path, size_t size)
{
	return find_plan(directory, digest, true, path, size);
}

bool
store_find_newest(const char *directory, char *path, size_t size)
{
	struct candidate *all;
	size_t count = list_all(directory, PATTERN, &all);
	bool found = count > 0 && strlen(all[0].path) < size;

	if (found)
		snprintf(path, size, "%s", all[0].path);
	free_all(all, count);
	return found;
}

/* Does its first sound line answer one of these prompts? */
static bool
spill_is_ours(const char *path, const struct plan *plan, const char *settings)
{
	char request[PLAN_DIGEST_BYTES] = "";
	struct spill_line line;
	struct record record;
	bool is_ours;

	if (spill_peek(path, &line) == -1)
		return false;
	is_ours = line.id <= (int64_t)prompts_count(plan->prompts);
	if (is_ours) {
		record = prompts_at(plan->prompts, (uint32_t)(line.id - 1));
		plan_request_digest(settings, &record, request);
		is_ours = strcmp(request, line.request) == 0;
	}
	spill_line_free(&line);
	return is_ours;
}

/* Look in one directory; the spill file's name without its ending is that of
 * the database. */
static bool
find_spill_in(const char *directory, const struct plan *plan,
    const char *settings, char *name, size_t size)
{
	struct candidate *all;
	size_t count = list_all(directory, PATTERN SPILL_SUFFIX, &all);
	bool found = false;

	for (size_t i = 0; i < count && !found; i++) {
		const char *slash = strrchr(all[i].path, '/');
		const char *base = slash == NULL ? all[i].path : slash + 1;
		size_t length = strlen(base) - strlen(SPILL_SUFFIX);

		found =
		    length < size && spill_is_ours(all[i].path, plan, settings);
		if (found)
			snprintf(name, size, "%.*s", (int)length, base);
	}
	free_all(all, count);
	return found;
}

bool
store_find_spill(const struct plan *plan, char *name, size_t size)
{
	const char *const places[] = {".", getenv("HOME"), getenv("TMPDIR")};
	char settings[PLAN_DIGEST_BYTES];
	bool found = false;

	plan_settings_digest(plan, settings);
	for (size_t i = 0; i < sizeof places / sizeof *places && !found; i++)
		if (places[i] != NULL && *places[i] != '\0')
			found = find_spill_in(
			    places[i], plan, settings, name, size);
	return found;
}
