/* SPDX-License-Identifier: ISC */
/*
 * All shards are walked over side by side, each by its ids: of those that stand
 * at the lowest id one is taken, and all of them step on. Nothing is looked up
 * and nothing is kept, so a million prompts cost what reading and writing them
 * costs.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "data/merge_inner.h"
#include "data/sql.h"

#define FDS_PER_SHARD 3 /* database, -wal, -shm */
#define FDS_BESIDE 64	/* the new one's, the host's own */
#define CACHE_KIB 65536 /* of all shards together, */
#define CACHE_MOST 2000 /* of one: what SQLite takes by itself; */
#define CACHE_LEAST 64	/* less makes it read pages again */
#define STOP_EVERY 256	/* prompts between two looks */

int
merge_fail(const struct merger *merger, int code, struct err *err)
{
	return draft_fail(&merger->draft, code, err);
}

/* ---- before ---- */

static int
refuse_twice(
    const struct merger *merger, const struct shard *shard, struct err *err)
{
	for (const struct shard *at = merger->shards; at < shard; at++)
		if (strcmp(at->peek.path, shard->peek.path) == 0)
			return err_set(err, ERR_USAGE,
			    "%s and %s are the same database", at->peek.name,
			    shard->peek.name);
	return 0;
}

static int
open_shards(struct merger *merger, struct err *err)
{
	const char *const *names = merger->conf->shards;
	size_t count = 0;
	size_t cache_kib;

	while (names[count] != NULL)
		count++;
	if (count == 0)
		return err_set(err, ERR_USAGE, "no database to merge");
	merger->shards = calloc(count, sizeof *merger->shards);
	if (merger->shards == NULL)
		return err_set_memory(err, "databases");
	if (fd_raise_limit(count * FDS_PER_SHARD + FDS_BESIDE, err) == -1)
		return -1;
	cache_kib = CACHE_KIB / count;
	if (cache_kib > CACHE_MOST)
		cache_kib = CACHE_MOST;
	if (cache_kib < CACHE_LEAST)
		cache_kib = CACHE_LEAST;
	while (merger->count < count) {
		struct shard *shard = &merger->shards[merger->count++];

		if (shard_open(shard, names[merger->count - 1], (int)cache_kib,
			err) == -1 ||
		    refuse_twice(merger, shard, err) == -1)
			return -1;
		shard_warn_of_spill(shard);
	}
	return 0;
}

static int
open_draft(struct merger *merger, struct err *err)
{
	struct sqlite3 *db;
	int code;

	if (draft_open(&merger->draft, merger->conf->path, merge_is_untouched,
		err) == -1)
		return -1;
	db = merger->draft.db;
	code = db_prepare(db, SQL_MERGE_RUN, &merger->run);
	if (code == SQLITE_OK)
		code = db_prepare(db, SQL_MERGE_RESULT, &merger->result);
	if (code == SQLITE_OK)
		code = db_prepare(db, SQL_INSERT_INPUT, &merger->input);
	if (code == SQLITE_OK)
		code = db_prepare(db, SQL_INSERT_ATTEMPT, &merger->attempt);
	return code == SQLITE_OK ? 0 : merge_fail(merger, code, err);
}

/* ---- runs ---- */

/* Gives the shard whose run at hand began first, or NULL. */
static struct shard *
first_run(const struct merger *merger)
{
	struct shard *first = NULL;

	for (size_t i = 0; i < merger->count; i++) {
		struct shard *shard = &merger->shards[i];

		if (shard->has_run &&
		    (first == NULL || shard->began_s < first->began_s))
			first = shard;
	}
	return first;
}

/* In the order of time: the last one is the last one. */
static int
copy_runs(struct merger *merger, struct err *err)
{
	struct shard *shard;

	while ((shard = first_run(merger)) != NULL) {
		int code = shard_bind_run(shard, merger->run);

		if (code == SQLITE_OK)
			code = db_finish(merger->run);
		if (code != SQLITE_OK)
			return merge_fail(merger, code, err);
		if (shard_name_run(shard,
			sqlite3_last_insert_rowid(merger->draft.db), err) == -1)
			return -1;
		merger->merge->runs++;
		if (shard_next_run(shard, err) == -1)
			return -1;
	}
	return 0;
}

/* ---- prompts ---- */

/* Gives a shard that stands at the least id, or NULL at the end of all. */
static const struct shard *
find_least(const struct merger *merger)
{
	const struct shard *least = NULL;

	for (size_t i = 0; i < merger->count; i++) {
		const struct shard *shard = &merger->shards[i];

		if (shard->has_row && (least == NULL || shard->id < least->id))
			least = shard;
	}
	return least;
}

static int
check_stop(const struct merger *merger, struct err *err)
{
	const struct merge_conf *conf = merger->conf;

	if (conf->is_stopped == NULL || !conf->is_stopped(conf->arg))
		return 0;
	return err_set(
	    err, ERR_BUSY, "interrupted; %s was not made", conf->path);
}

static int
merge_prompts(struct merger *merger, struct err *err)
{
	const struct shard *least;
	unsigned turns = 0;

	while ((least = find_least(merger)) != NULL) {
		if (turns++ % STOP_EVERY == 0 && check_stop(merger, err) == -1)
			return -1;
		if (merge_prompt(merger, least->id, err) == -1)
			return -1;
	}
	return merge_strays(merger, INT64_MAX, err);
}

/* ---- after ---- */

static bool
are_all_seeds(const struct merger *merger)
{
	for (size_t i = 0; i < merger->count; i++)
		if (!merger->shards[i].peek.is_seed)
			return false;
	return true;
}

/* What is true of the whole. A merge of the seed's databases is one of them:
 * ids may have gaps, and only prompts are compared with a list. */
static int
mark(struct merger *merger, struct err *err)
{
	int code = db_run(merger->draft.db, SQL_END_LOST_RUNS);

	if (code == SQLITE_OK && are_all_seeds(merger))
		code = db_run(merger->draft.db, SQL_ADOPT);
	if (code != SQLITE_OK)
		return merge_fail(merger, code, err);
	return merge_mark(merger, err);
}

static void
warn_of_gaps(const struct merge *merge)
{
	if (merge->missing > 0)
		log_say(LOG_WARN,
		    "%s: no database has prompt %" PRId64 "; %" PRIu64
		    " %s missing in all",
		    merge->name, merge->first_missing, merge->missing,
		    merge->missing == 1 ? "is" : "are");
}

static void
finalize(struct merger *merger)
{
	struct sqlite3_stmt **all[] = {
	    &merger->run, &merger->result, &merger->input, &merger->attempt};

	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		sqlite3_finalize(*all[i]);
		*all[i] = NULL;
	}
}

static int
make(struct merger *merger, struct err *err)
{
	if (open_shards(merger, err) == -1 ||
	    merge_check_whole(merger, err) == -1 ||
	    open_draft(merger, err) == -1 || copy_runs(merger, err) == -1 ||
	    merge_prompts(merger, err) == -1 ||
	    merge_check_conflicts(merger, err) == -1 || mark(merger, err) == -1)
		return -1;
	finalize(merger);
	if (check_stop(merger, err) == -1)
		return -1;
	return draft_commit(&merger->draft, err);
}

int
merge_make(struct merge *merge, const struct merge_conf *conf, struct err *err)
{
	struct merger merger = {.conf = conf,
	    .merge = merge,
	    .next_id = 1,
	    .draft = {.lock.fd = -1, .place.fd = -1}};
	int done;

	*merge = (struct merge){.name = conf->path};
	buf_init(&merge->lacking, MERGE_LACKING_BYTES);
	done = make(&merger, err);
	merge->shards = merger.count;
	if (done == 0)
		warn_of_gaps(merge);
	finalize(&merger);
	draft_leave(&merger.draft);
	for (size_t i = 0; i < merger.count; i++)
		shard_close(&merger.shards[i]);
	free(merger.shards);
	return done;
}

void
merge_free(struct merge *merge)
{
	buf_free(&merge->lacking);
}
