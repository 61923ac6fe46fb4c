/* SPDX-License-Identifier: ISC */
#ifndef MERGE_ROOM_H
#define MERGE_ROOM_H

#include "base/fd.h"
#include "base/log.h"
#include "data/merge.h"
#include "data/survey.h"
#include "data/verify.h"

#include "store_room.h"

/*
 * Databases of any content, made for merging, and merges into out.db whose
 * outcome is looked at from all sides.
 */
#define SHA_OF_YES                                                             \
	"'8a798890fe93817163b10b5f7bd2ca4d25d84c52739a645a889c173eee7d9d3d'"
#define STATES                                                                 \
	"SELECT group_concat(id || state || coalesce(outcome, '-'))"           \
	" FROM llm_status"
#define RESULTS                                                                \
	"SELECT group_concat(id || coalesce(result, '-')) FROM llm_results"
#define COUNT(n)                                                               \
	"WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL"                    \
	" SELECT n + 1 FROM numbers WHERE n < " #n ") "
#define MERGE(...) merge_ok((const char *const[]){__VA_ARGS__, NULL}, false)
/* Where plans or answers differ. */
#define MERGE_PARTIAL(...)                                                     \
	merge_ok((const char *const[]){__VA_ARGS__, NULL}, true)
#define REFUSED(class, part, ...)                                              \
	assert_refused(class, part, (const char *const[]){__VA_ARGS__, NULL})

static struct merge merge;
static char warnings[20000];

/* Make a database with one run and count open prompts, then change it. */
static inline void
shard(const char *path, size_t count, const char *sql)
{
	struct room room;

	room_init(&room, count);
	room.conf.path = path;
	if (room_open(&room) == -1)
		fail_msg("%s", room.err.text);
	room_close(&room);
	room_free(&room);
	run_sql(path, sql);
}

/* Make one of the seed system with these rows of id, prompt, result. */
static inline void
seed(const char *path, const char *rows)
{
	char sql[1000];

	snprintf(sql, sizeof sql,
	    "CREATE TABLE llm_results (id INTEGER PRIMARY KEY, prompt TEXT NOT"
	    " NULL, result TEXT, created_at TIMESTAMP DEFAULT"
	    " CURRENT_TIMESTAMP);"
	    "INSERT INTO llm_results (id, prompt, result) VALUES %s",
	    rows);
	run_sql(path, sql);
}

static inline int
try_merge(const struct merge_conf *conf, struct err *err)
{
	struct buf heard;
	int ends[2];
	int done;

	assert_int_equal(fd_pipe(&ends[0], &ends[1], NULL), 0);
	log_set_screen(ends[1], LOG_WARN, NULL, NULL);
	done = merge_make(&merge, conf, err);
	log_set_screen(-1, LOG_ERROR, NULL, NULL);
	fd_close(&ends[1]);
	buf_init(&heard, sizeof warnings - 1);
	assert_int_equal(fd_read_all(ends[0], &heard), 0);
	snprintf(warnings, sizeof warnings, "%s",
	    heard.data == NULL ? "" : heard.data);
	buf_free(&heard);
	fd_close(&ends[0]);
	return done;
}

/* Nothing that a merge makes may lie about. */
static inline void
assert_nothing_left(void)
{
	assert_int_equal(scratch_size("out.db"), -1);
	assert_int_equal(scratch_size("out.db.part"), -1);
	assert_int_equal(scratch_size("out.db.part-journal"), -1);
	assert_int_equal(scratch_size("out.db.lock"), -1);
}

/* Whatever is merged: every reader finds the same in it, and it is sound. */
static inline void
assert_consistent(void)
{
	struct survey survey;
	struct verify verify;
	struct err err = {0};

	if (survey_read(&survey, "out.db", &err) == -1 ||
	    verify_read(&verify, "out.db", &err) == -1)
		fail_msg("%s", err.text);
	assert_int_equal(survey.answered, merge.answered);
	assert_int_equal(survey.failed, merge.failed);
	assert_int_equal(survey.open, merge.open);
	assert_int_equal(survey.attempts, merge.attempts);
	assert_int_equal(survey.runs, merge.runs);
	assert_int_equal(verify.differ, 0);
	assert_int_equal(verify.faults, 0);
	assert_sql("out.db", "PRAGMA journal_mode", "delete");
	survey_free(&survey);
	verify_free(&verify);
}

static inline void
merge_ok(const char *const *shards, bool partial)
{
	const struct merge_conf conf = {
	    .path = "out.db", .shards = shards, .partial = partial};
	struct err err = {0};

	(void)unlink("out.db");
	if (try_merge(&conf, &err) == -1)
		fail_msg("%s", err.text);
	assert_int_equal(scratch_size("out.db.part"), -1);
	assert_int_equal(scratch_size("out.db.lock"), -1);
	assert_consistent();
}

static inline void
assert_refused(
    enum err_class class, const char *part, const char *const *shards)
{
	const struct merge_conf conf = {.path = "out.db", .shards = shards};
	struct err err = {0};

	(void)unlink("out.db");
	assert_int_equal(try_merge(&conf, &err), -1);
	if (err.class != class || strstr(err.text, part) == NULL)
		fail_msg("class %d, \"%s\" does not say \"%s\"", err.class,
		    err.text, part);
	assert_nothing_left();
}

static inline void
assert_warned(const char *part)
{
	if (strstr(warnings, part) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", warnings, part);
}

#endif
