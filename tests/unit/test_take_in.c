/* SPDX-License-Identifier: ISC */
/*
 * What earlier runs spilled comes back: once, to the right prompt, and also
 * where the database cannot take it.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "data/spill.h"

#include "apart.h"
#include "store_room.h"

#define LATER (1000000 * CLOCK_S) /* past every backoff */

/* Closed while the database is locked: the next run takes the spill in. */
static void
what_was_spilled_is_taken_in(void **state)
{
	struct room room;
	sqlite3 *other;

	(void)state;
	room_init(&room, 3);
	assert_int_equal(room_open(&room), 0);
	other = hold_lock();
	room_note(&room, 0, STORE_OPEN, OUTCOME_CRASH, span_of("boom"));
	room_note(&room, 0, STORE_ANSWERED, OUTCOME_LENGTH,
	    (struct span){"a\0\xFF", 3});
	room_note(&room, 2, STORE_FAILED, OUTCOME_REFUSED, span_of("no"));
	assert_int_equal(room_close(&room), STORE_SPILLED);
	assert_int_equal(room.told_count, 3);
	let_go(other);
	assert_true(scratch_size("runs.db.spill.jsonl") > 0);
	assert_int_equal(room_open(&room), 0);
	assert_int_equal(room.counts.spilled, 1);
	assert_int_equal(room.counts.answered, 1);
	assert_int_equal(room.counts.failed, 1);
	assert_int_equal(room.states[0], STORE_ANSWERED);
	assert_int_equal(room.states[1], STORE_OPEN);
	assert_int_equal(room.states[2], STORE_FAILED);
	assert_int_equal(scratch_size("runs.db.spill.jsonl"), -1);
	room_close(&room);
	assert_sql("runs.db",
	    "SELECT group_concat(outcome || run_id) FROM llm_attempts",
	    "crash1,length1,refused1");
	assert_sql("runs.db", "SELECT hex(result) FROM llm_results", "6100FF");
	room_free(&room);
}

/* A spill that came in before, but was not removed in time, changes nothing:
 * not even what is newer than it. */
static void
a_spill_is_taken_in_once(void **state)
{
	static char lines[10000];
	struct room room;
	sqlite3 *other;
	size_t size;
	FILE *file;

	(void)state;
	room_init(&room, 2);
	assert_int_equal(room_open(&room), 0);
	other = hold_lock();
	room_answer(&room, 0, "old");
	room_close(&room);
	let_go(other);
	file = fopen("runs.db.spill.jsonl", "re");
	size = fread(lines, 1, sizeof lines, file);
	fclose(file);
	assert_int_equal(room_open(&room), 0);
	room_answer(&room, 0, "new");
	room_close(&room);
	scratch_write("runs.db.spill.jsonl", lines, size);
	assert_int_equal(room_open(&room), 0);
	assert_int_equal(room.counts.spilled, 0);
	room_close(&room);
	assert_sql("runs.db", "SELECT result FROM llm_results", "new");
	assert_sql("runs.db", "SELECT count(*) FROM llm_attempts", "2");
	assert_int_equal(scratch_size("runs.db.spill.jsonl"), -1);
	room_free(&room);
}

/* Torn, damaged and foreign lines: only what is sound and ours comes in. */
static void
a_damaged_spill_gives_what_is_sound(void **state)
{
	const char *const other_texts[] = {"not zero", "one"};
	static char lines[10000];
	struct room room;
	sqlite3 *other;
	size_t size;
	FILE *file;

	(void)state;
	room_init(&room, 2);
	assert_int_equal(room_open(&room), 0);
	other = hold_lock();
	room_answer(&room, 0, "first");
	room_answer(&room, 1, "second");
	room_close(&room);
	let_go(other);
	file = fopen("runs.db.spill.jsonl", "re");
	size = fread(lines, 1, sizeof lines, file);
	fclose(file);
	/* Torn in the second line: never told, so nobody misses it. */
	assert_int_equal(truncate("runs.db.spill.jsonl", (off_t)size - 1), 0);
	assert_int_equal(room_open(&room), 0);
	assert_int_equal(room.counts.spilled, 1);
	assert_int_equal(room.states[1], STORE_OPEN);
	room_close(&room);
	assert_int_equal(scratch_size("runs.db.spill.jsonl"), -1);
	/* Another text than its sha256 says. */
	*strstr(strstr(lines, "\n"), "second") = 'X';
	scratch_write("runs.db.spill.jsonl", lines, size);
	assert_int_equal(room_open(&room), 0);
	assert_int_equal(room.counts.spilled, 0);
	assert_int_equal(room.states[1], STORE_OPEN);
	room_close(&room);
	assert_true(scratch_size("runs.db.spill.jsonl") > 0);
	/* Another list's answers stay where they are. */
	unlink("runs.db");
	room_list(&room, other_texts, 2);
	assert_int_equal(room_open(&room), 0);
	assert_int_equal(room.counts.spilled, 0);
	room_close(&room);
	assert_true(scratch_size("runs.db.spill.jsonl") > 0);
	room_free(&room);
}

/* The rest is meant to be answered by another model; what is spilled was asked
 * for by this database's own last run, and is paid for. */
static void
a_run_with_other_settings_takes_in_what_its_database_asked_for(void **state)
{
	struct room room;
	sqlite3 *other;

	(void)state;
	room_init(&room, 2);
	assert_int_equal(room_open(&room), 0);
	other = hold_lock();
	room_answer(&room, 0, "by the old model");
	room_close(&room);
	let_go(other);
	room.plan.model = span_of("new");
	room.conf.resumes = true;
	assert_int_equal(room_open(&room), 0);
	assert_int_equal(room.counts.spilled, 1);
	assert_int_equal(room.states[0], STORE_ANSWERED);
	assert_int_equal(scratch_size("runs.db.spill.jsonl"), -1);
	room_free(&room);
}

/* The path cannot be had in the second run either: what is in the spill file
 * is known, written down once, and still not where it was asked for. */
static void
a_stand_in_knows_what_was_spilled(void **state)
{
	struct store_row row;
	struct room room;
	long size;

	(void)state;
	room_init(&room, 3);
	room.conf.path = NULL;
	room.conf.spill_path = "nowhere/runs.db";
	assert_int_equal(room_open(&room), 0);
	room_answer(&room, 1, "kept");
	assert_int_equal(room_close(&room), STORE_SPILLED);
	size = scratch_size("runs.db.spill.jsonl");
	for (int again = 0; again < 2; again++) {
		assert_int_equal(room_open(&room), 0);
		assert_int_equal(room.counts.spilled, 1);
		assert_int_equal(room.states[0], STORE_OPEN);
		assert_int_equal(room.states[1], STORE_ANSWERED);
		assert_int_equal(
		    store_read_row(room.store, 1, &row, &room.err), 0);
		assert_true(span_equals(row.result, span_of("kept")));
		store_commit(room.store, LATER, true);
		assert_int_equal(
		    store_read_row(room.store, 1, &row, &room.err), 0);
		assert_true(span_equals(row.result, span_of("kept")));
		assert_int_equal(room.told_count, 0);
		assert_int_equal(room_close(&room), STORE_SPILLED);
		assert_int_equal(scratch_size("runs.db.spill.jsonl"), size);
	}
	room_free(&room);
}

static void
limit_files(rlim_t bytes)
{
	struct rlimit limit;

	NEED(getrlimit(RLIMIT_FSIZE, &limit) == 0);
	limit.rlim_cur = bytes;
	NEED(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

/* Files may not grow, as on a full disk, when the run begins. */
static void
take_in_on_a_full_disk(void *arg)
{
	static char text[200001];
	struct store_row row;
	struct room room;
	sqlite3 *other;

	(void)arg;
	signal(SIGXFSZ, SIG_IGN);
	memset(text, 'x', sizeof text - 1);
	room_init(&room, 3);
	NEED(room_open(&room) == 0);
	other = hold_lock();
	room_answer(&room, 0, "small");
	room_note(&room, 1, STORE_FAILED, OUTCOME_REFUSED, span_of("no"));
	room_answer(&room, 2, text);
	NEED(room_close(&room) == STORE_SPILLED);
	let_go(other);

	limit_files(150000); /* room for -shm, not for that text */
	room.store = store_open(&room.conf, &room.err);
	NEED(room.store != NULL);
	room.told_count = 0;
	NEED(store_load(room.store, &room.plan, room.states, &room.counts,
		 &room.err) == 0);
	NEED(room.counts.spilled == 2);
	NEED(room.states[0] == STORE_ANSWERED);
	NEED(room.states[1] == STORE_FAILED);
	NEED(room.states[2] == STORE_ANSWERED);
	NEED(store_health(room.store, NULL) == STORE_SPILLED);
	NEED(store_read_row(room.store, 2, &row, &room.err) == 0);
	NEED(span_equals(row.result, span_of(text)));
	store_commit(room.store, LATER, true);
	NEED(scratch_size("runs.db.spill.jsonl") > 200000);

	limit_files(RLIM_INFINITY);
	store_commit(room.store, 2 * LATER, true);
	NEED(store_health(room.store, NULL) == STORE_HEALTHY);
	NEED(scratch_size("runs.db.spill.jsonl") == -1);
	NEED(room.told_count == 0); /* no news: they were known */
	NEED(room_close(&room) == STORE_HEALTHY);
	NEED(room_open(&room) == 0);
	NEED(store_read_row(room.store, 2, &row, &room.err) == 0);
	NEED(span_equals(row.result, span_of(text)));
	NEED(row.attempts == 1);
	NEED(room.states[1] == STORE_FAILED);
	room_free(&room);
}

static void
what_the_database_cannot_take_waits_and_is_known(void **state)
{
	(void)state;
	assert_int_equal(apart_run(take_in_on_a_full_disk, NULL), 0);
}

/* Another run has it open: nobody takes away what it writes into. */
static void
a_spill_in_use_is_left_alone(void **state)
{
	struct room room;
	struct spill *other = spill_new("runs.db", NULL);
	int64_t offset;
	size_t place;

	(void)state;
	assert_int_equal(
	    spill_append(other, span_of("{}\n"), &place, &offset, NULL), 0);
	assert_non_null(strstr(spill_path(other), "runs.db.spill.jsonl"));
	room_init(&room, 1);
	assert_int_equal(room_open(&room), 0);
	assert_int_equal(room.counts.spilled, 0);
	assert_int_equal(scratch_size("runs.db.spill.jsonl"), 3);
	room_free(&room);
	spill_free(other);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    IN_SCRATCH(what_was_spilled_is_taken_in),
	    IN_SCRATCH(a_spill_is_taken_in_once),
	    IN_SCRATCH(a_damaged_spill_gives_what_is_sound),
	    IN_SCRATCH(
		a_run_with_other_settings_takes_in_what_its_database_asked_for),
	    IN_SCRATCH(a_stand_in_knows_what_was_spilled),
	    IN_SCRATCH(what_the_database_cannot_take_waits_and_is_known),
	    IN_SCRATCH(a_spill_in_use_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
