/* SPDX-License-Identifier: ISC */
#ifndef STORE_ROOM_H
#define STORE_ROOM_H

#include <sqlite3.h>

#include "base/err.h"
#include "data/prompts.h"
#include "data/store.h"

#include "scratch.h"

/*
 * A store with a list of prompts, and what it said was durable. Tests change
 * the fields before room_open.
 */
#define ROOM_PROMPTS_MAX 16
#define ROOM_TOLD_MAX 64

struct room {
	struct store_conf conf;
	struct plan plan;
	struct prompts *prompts;
	struct store *store;
	struct store_counts counts;
	uint8_t states[ROOM_PROMPTS_MAX];
	struct store_durable told[ROOM_TOLD_MAX];
	size_t told_count;
	struct err err;
};

static const char *const room_texts[] = {
    "zero", "one", "two", "three", "four", "five", "six", "seven"};

static inline void
room_hear(void *arg, const struct store_durable *what)
{
	struct room *room = arg;

	assert_true(room->told_count < ROOM_TOLD_MAX);
	room->told[room->told_count++] = *what;
}

/* Make the list anew, of count texts. */
static inline void
room_list(struct room *room, const char *const *texts, size_t count)
{
	prompts_free(room->prompts);
	room->prompts = prompts_new(NULL);
	for (size_t i = 0; i < count; i++) {
		struct record record = {.text = span_of(texts[i])};

		assert_int_equal(prompts_add(room->prompts, &record, NULL), 0);
	}
	assert_int_equal(prompts_seal(room->prompts, NULL), 0);
	room->plan.prompts = room->prompts;
}

static inline void
room_init(struct room *room, size_t count)
{
	memset(room, 0, sizeof *room);
	room->conf.path = "runs.db";
	room->conf.patience_ms = 1;
	room->conf.durable = room_hear;
	room->conf.arg = room;
	room->plan.backend = "echo";
	room->plan.model = span_of("m");
	room_list(room, room_texts, count);
}

/* Open, load and begin a run. Gives 0, or -1 with room->err, nothing open. */
static inline int
room_open(struct room *room)
{
	const struct store_run run = {"1.2", "llmill run", "{\"workers\":4}"};

	room->told_count = 0;
	memset(room->states, 0xFF, sizeof room->states);
	memset(&room->err, 0, sizeof room->err);
	room->store = store_open(&room->conf, &room->err);
	if (room->store == NULL)
		return -1;
	if (store_load(room->store, &room->plan, room->states, &room->counts,
		&room->err) == 0 &&
	    store_begin_run(room->store, &room->plan, &run, &room->err) == 0)
		return 0;
	store_close(room->store, "refused", 0);
	room->store = NULL;
	return -1;
}

static inline enum store_health
room_close(struct room *room)
{
	enum store_health health = store_close(room->store, "finished", 0);

	room->store = NULL;
	return health;
}

static inline void
room_free(struct room *room)
{
	if (room->store != NULL)
		room_close(room);
	prompts_free(room->prompts);
	room->prompts = NULL;
}

/* Remember one attempt. Each has a start of its own. */
static inline void
room_note(struct room *room, uint32_t index, enum store_state state,
    enum outcome outcome, struct span text)
{
	static int64_t moment_ms = 1700000000000;
	struct reply reply;
	struct store_note note = {
	    .index = index,
	    .attempt = 1,
	    .worker = 3,
	    .tries = 2,
	    .state = state,
	    .started_wall_ms = moment_ms++,
	    .reply = &reply,
	};

	reply_init(&reply);
	reply.outcome = outcome;
	reply.duration_ms = 12;
	reply.output_tokens = 34;
	if (outcome_trait(outcome)->answers)
		reply.text = text;
	else
		reply.error = text;
	assert_int_equal(store_remember(room->store, &note), 0);
}

static inline void
room_answer(struct room *room, uint32_t index, const char *text)
{
	room_note(room, index, STORE_ANSWERED, OUTCOME_OK, span_of(text));
}

/* Assert what the first column of the first row of SQL is, as text ("" for
 * NULL), seen by another connection. */
static inline void
assert_sql(const char *path, const char *sql, const char *want)
{
	char got[1000] = "no row";
	sqlite3_stmt *stmt = NULL;
	sqlite3 *db;

	assert_int_equal(
	    sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
		snprintf(got, sizeof got, "%s", sqlite3_errmsg(db));
	else if (sqlite3_step(stmt) == SQLITE_ROW)
		snprintf(got, sizeof got, "%s",
		    sqlite3_column_type(stmt, 0) == SQLITE_NULL
			? ""
			: (const char *)sqlite3_column_text(stmt, 0));
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	assert_string_equal(got, want);
}

/* Run SQL by another program. */
static inline void
run_sql(const char *path, const char *sql)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

/* Make a database as the seed system does. */
static inline void
make_seed(void)
{
	run_sql("runs.db",
	    "CREATE TABLE llm_results (id INTEGER PRIMARY KEY, prompt TEXT"
	    " NOT NULL, result TEXT, created_at TIMESTAMP DEFAULT"
	    " CURRENT_TIMESTAMP);"
	    "INSERT INTO llm_results (id, prompt, result) VALUES"
	    " (1, 'zero', 'yes'), (2, 'one', NULL), (3, 'two', ''),"
	    " (4, 'three', 'NA'),"
	    " (5, 'four', 'Error: Failed after 3 attempts: x');");
}

static inline void
assert_says(const struct room *room, enum err_class class, const char *part)
{
	assert_int_equal(room->err.class, class);
	if (strstr(room->err.text, part) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", room->err.text, part);
}

/* Another program holds the write lock. */
static inline sqlite3 *
hold_lock(void)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open("runs.db", &db), SQLITE_OK);
	assert_int_equal(
	    sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	return db;
}

static inline void
let_go(sqlite3 *db)
{
	assert_int_equal(
	    sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

#define IN_SCRATCH(test)                                                       \
	cmocka_unit_test_setup_teardown(test, scratch_enter, scratch_leave)

#endif
