/* SPDX-License-Identifier: ISC */
/*
 * When answers become durable: in time, in order, and in spite of trouble.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "data/store.h"

#include "store_room.h"

#define T0 (1000 * CLOCK_S) /* when tests begin, for the store */

static void
nothing_is_told_before_the_commit(void **state)
{
	struct room room;

	(void)state;
	room_init(&room, 3);
	assert_int_equal(room_open(&room), 0);
	assert_true(store_due_ns(room.store) == CLOCK_NEVER);
	room_answer(&room, 2, "c");
	room_note(
	    &room, 0, STORE_FAILED, OUTCOME_TIMEOUT_TOTAL, span_of("slow"));
	assert_int_equal(store_waiting(room.store), 2);
	assert_int_equal(room.told_count, 0);
	assert_true(store_due_ns(room.store) <= T0);
	store_commit(room.store, T0, false);
	assert_int_equal(store_waiting(room.store), 0);
	assert_int_equal(room.told_count, 2);
	assert_int_equal(room.told[0].index, 2);
	assert_int_equal(room.told[0].state, STORE_ANSWERED);
	assert_int_equal(room.told[0].outcome, OUTCOME_OK);
	assert_int_equal(room.told[0].duration_ms, 12);
	assert_int_equal(room.told[0].input_tokens, -1);
	assert_int_equal(room.told[0].output_tokens, 34);
	assert_int_equal(room.told[1].index, 0);
	assert_int_equal(room.told[1].state, STORE_FAILED);
	assert_sql("runs.db",
	    "SELECT count(*) FROM llm_results WHERE result IS NOT NULL", "2");
	assert_true(store_commit_time_ns(room.store) > 0);
	assert_true(store_due_ns(room.store) == CLOCK_NEVER);
	room_free(&room);
}

/* Seconds since the lock file was touched. */
static int64_t
lock_age_s(void)
{
	struct stat st;

	assert_int_equal(stat("runs.db.lock", &st), 0);
	return time(NULL) - st.st_mtime;
}

static void
other_hosts_see_that_it_lives(void **state)
{
	const struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	int64_t now_ns = clock_now_ns();
	struct room room;

	(void)state;
	room_init(&room, 3);
	assert_int_equal(room_open(&room), 0);
	assert_int_equal(utimensat(AT_FDCWD, "runs.db.lock", old, 0), 0);
	store_commit(room.store, now_ns + 50 * CLOCK_S, false);
	assert_true(lock_age_s() > 600);
	store_commit(room.store, now_ns + 70 * CLOCK_S, false);
	assert_true(lock_age_s() < 600);
	room_free(&room);
}

static int64_t ticks_ns;

/* A clock on which everything takes a millisecond. */
static int64_t
slow_clock(void)
{
	return ticks_ns += CLOCK_MS;
}

/* A commit that is not due, and not forced, does not happen; what the disk
 * took is waited for four times. */
static void
commits_are_paced(void **state)
{
	struct room room;
	int64_t due_ns;

	(void)state;
	room_init(&room, 2);
	assert_int_equal(room_open(&room), 0);
	room_answer(&room, 0, "a");
	clock_set_test(slow_clock);
	store_commit(room.store, T0, false);
	clock_set_test(NULL);
	room_answer(&room, 1, "b");
	due_ns = store_due_ns(room.store);
	assert_true(due_ns >= T0 + 5 * CLOCK_MS);
	assert_true(due_ns <= T0 + 10 * CLOCK_MS);
	store_commit(room.store, due_ns - 1, false);
	assert_int_equal(room.told_count, 1);
	store_commit(room.store, due_ns, false);
	assert_int_equal(room.told_count, 2);
	room_free(&room);
}

static void
many_notes_are_all_committed(void **state)
{
	struct room room;

	(void)state;
	room_init(&room, 2);
	assert_int_equal(room_open(&room), 0);
	room.conf.durable = NULL;
	room_close(&room);
	assert_int_equal(room_open(&room), 0);
	for (int i = 0; i < 10000; i++)
		room_note(&room, 0, STORE_OPEN, OUTCOME_SERVER_ERROR,
		    span_of("again"));
	store_commit(room.store, T0, true);
	assert_int_equal(store_waiting(room.store), 0);
	room_close(&room);
	assert_sql("runs.db", "SELECT count(*) FROM llm_attempts", "10000");
	room_free(&room);
}

static void
a_locked_database_keeps_the_notes(void **state)
{
	struct room room;
	const char *text;
	sqlite3 *other;

	(void)state;
	room_init(&room, 2);
	assert_int_equal(room_open(&room), 0);
	other = hold_lock();
	room_answer(&room, 0, "a");
	store_commit(room.store, T0, false);
	assert_int_equal(room.told_count, 0);
	assert_int_equal(store_waiting(room.store), 1);
	assert_int_equal(store_health(room.store, &text), STORE_TROUBLED);
	assert_string_equal(
	    text, "runs.db: locked by another program; 1 note waits in memory");
	/* 50 ms, doubling. */
	assert_true(store_due_ns(room.store) == T0 + 50 * CLOCK_MS);
	store_commit(room.store, T0 + 49 * CLOCK_MS, false);
	assert_true(store_due_ns(room.store) == T0 + 50 * CLOCK_MS);
	store_commit(room.store, T0 + 50 * CLOCK_MS, false);
	assert_true(store_due_ns(room.store) == T0 + 150 * CLOCK_MS);
	let_go(other);
	assert_int_equal(room.told_count, 0);
	store_commit(room.store, T0 + 150 * CLOCK_MS, false);
	assert_int_equal(room.told_count, 1);
	assert_int_equal(store_health(room.store, NULL), STORE_HEALTHY);
	assert_int_equal(scratch_size("runs.db.spill.jsonl"), -1);
	room_free(&room);
}

static void
after_a_second_the_spill_takes_over(void **state)
{
	struct room room;
	struct store_row row;
	struct stat st;
	const char *text;
	sqlite3 *other;

	(void)state;
	room_init(&room, 3);
	assert_int_equal(room_open(&room), 0);
	other = hold_lock();
	room_note(
	    &room, 1, STORE_ANSWERED, OUTCOME_OK, (struct span){"\xFF\0x", 3});
	store_commit(room.store, T0, false);
	store_commit(room.store, T0 + 999 * CLOCK_MS, false);
	assert_int_equal(room.told_count, 0);
	assert_null(store_spill_path(room.store));
	assert_true(store_due_ns(room.store) <= T0 + CLOCK_S);
	store_commit(room.store, T0 + CLOCK_S, false);
	assert_int_equal(room.told_count, 1);
	assert_int_equal(store_waiting(room.store), 0);
	assert_int_equal(store_health(room.store, &text), STORE_SPILLED);
	assert_non_null(strstr(text, "runs.db.spill.jsonl"));
	assert_int_equal(stat("runs.db.spill.jsonl", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	/* What was told can be read, though the database does not have it. */
	assert_int_equal(store_read_row(room.store, 1, &row, NULL), 0);
	assert_int_equal(row.state, STORE_ANSWERED);
	assert_true(span_equals(row.result, (struct span){"\xFF\0x", 3}));
	assert_int_equal(row.attempts, 1);
	assert_int_equal(store_read_row(room.store, 0, &row, NULL), 0);
	assert_int_equal(row.state, STORE_OPEN);
	/* Healed: it goes where it belongs, and is not told twice. */
	let_go(other);
	store_commit(room.store, T0 + 20 * CLOCK_S, false);
	assert_int_equal(room.told_count, 1);
	assert_int_equal(store_health(room.store, NULL), STORE_HEALTHY);
	assert_int_equal(scratch_size("runs.db.spill.jsonl"), -1);
	assert_int_equal(store_read_row(room.store, 1, &row, NULL), 0);
	assert_true(span_equals(row.result, (struct span){"\xFF\0x", 3}));
	room_close(&room);
	assert_sql("runs.db",
	    "SELECT group_concat(typeof(result) || ifnull(hex(result), ''))"
	    " FROM llm_results",
	    "null,blobFF0078,null");
	assert_sql("runs.db", "SELECT count(*) FROM llm_attempts", "1");
	room_free(&room);
}

static void
no_db_tells_after_its_own_commit(void **state)
{
	struct room room;
	struct store_row row;

	(void)state;
	room_init(&room, 2);
	room.conf.path = NULL;
	assert_int_equal(room_open(&room), 0);
	assert_null(store_path(room.store));
	room_answer(&room, 1, "x");
	assert_int_equal(room.told_count, 0);
	store_commit(room.store, T0, false);
	assert_int_equal(room.told_count, 1);
	assert_int_equal(store_read_row(room.store, 1, &row, NULL), 0);
	assert_true(span_equals(row.result, span_of("x")));
	assert_int_equal(room_close(&room), STORE_HEALTHY);
	room_free(&room);
}

/* No database could be opened: its spill file has every answer, and the
 * database that comes later takes them in. */
static void
a_stand_in_spills_as_it_goes(void **state)
{
	struct room room;
	struct store_row row;

	(void)state;
	room_init(&room, 2);
	room.conf.path = NULL;
	room.conf.spill_path = "runs.db";
	assert_int_equal(room_open(&room), 0);
	room_answer(&room, 1, "kept");
	assert_true(store_due_ns(room.store) <= T0);
	store_commit(room.store, T0, false);
	assert_int_equal(room.told_count, 1);
	assert_int_equal(store_health(room.store, NULL), STORE_SPILLED);
	assert_int_equal(store_read_row(room.store, 1, &row, NULL), 0);
	assert_true(span_equals(row.result, span_of("kept")));
	assert_true(store_due_ns(room.store) == CLOCK_NEVER);
	assert_int_equal(room_close(&room), STORE_SPILLED);
	assert_int_equal(scratch_size("runs.db"), -1);
	assert_true(scratch_size("runs.db.spill.jsonl") > 0);
	room.conf.path = "runs.db";
	assert_int_equal(room_open(&room), 0);
	assert_int_equal(room.counts.spilled, 1);
	assert_int_equal(room.states[1], STORE_ANSWERED);
	room_close(&room);
	assert_sql("runs.db", "SELECT run_id IS NULL FROM llm_attempts", "1");
	room_free(&room);
}

static void
a_stand_in_spills_where_it_can(void **state)
{
	struct room room;

	(void)state;
	room_init(&room, 2);
	room.conf.path = NULL;
	room.conf.spill_path = "nowhere/runs.db";
	assert_int_equal(room_open(&room), 0);
	room_answer(&room, 1, "kept");
	store_commit(room.store, T0, false);
	assert_int_equal(room.told_count, 1);
	assert_int_equal(store_health(room.store, NULL), STORE_SPILLED);
	assert_true(scratch_size("runs.db.spill.jsonl") > 0);
	room_free(&room);
}

/* While no place takes the spill, nothing counts as done. */
static void
a_stand_in_without_spill_tells_nothing(void **state)
{
	struct room room;
	char *home = strdup(getenv("HOME") != NULL ? getenv("HOME") : "");
	char *tmp =
	    strdup(getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp");

	(void)state;
	assert_int_equal(symlink("victim", "runs.db.spill.jsonl"), 0);
	room_init(&room, 1);
	room.conf.path = NULL;
	room.conf.spill_path = "runs.db";
	unsetenv("HOME");
	unsetenv("TMPDIR");
	assert_int_equal(room_open(&room), 0);
	setenv("HOME", home, 1);
	setenv("TMPDIR", tmp, 1);
	room_answer(&room, 0, "kept");
	store_commit(room.store, T0, true);
	assert_int_equal(room.told_count, 0);
	assert_int_equal(store_waiting(room.store), 1);
	assert_int_equal(store_health(room.store, NULL), STORE_TROUBLED);
	assert_true(store_due_ns(room.store) == T0 + CLOCK_S);
	assert_int_equal(unlink("runs.db.spill.jsonl"), 0);
	store_commit(room.store, T0 + CLOCK_S, false);
	assert_int_equal(room.told_count, 1);
	assert_int_equal(store_health(room.store, NULL), STORE_SPILLED);
	room_free(&room);
	free(home);
	free(tmp);
}

static void
a_database_locked_at_the_start_is_busy(void **state)
{
	struct room room;
	sqlite3 *other;

	(void)state;
	room_init(&room, 1);
	assert_int_equal(room_open(&room), 0);
	room_close(&room);
	other = hold_lock();
	assert_int_equal(room_open(&room), -1);
	assert_int_equal(room.err.class, ERR_BUSY);
	assert_string_equal(
	    room.err.text, "runs.db: locked by another program");
	let_go(other);
	room_free(&room);
}

static void
a_network_file_system_gets_no_wal(void **state)
{
	struct room room;

	(void)state;
	setenv("LLMILL_FSTYPE", "nfs", 1);
	room_init(&room, 2);
	assert_int_equal(room_open(&room), 0);
	room_answer(&room, 0, "a");
	store_commit(room.store, T0, false);
	assert_int_equal(room.told_count, 1);
	assert_int_equal(scratch_size("runs.db-wal"), -1);
	assert_int_equal(scratch_size("runs.db-shm"), -1);
	assert_int_equal(scratch_size("runs.db-journal"), 0);
	room_answer(&room, 1, "b");
	assert_true(store_due_ns(room.store) >= T0 + CLOCK_S);
	assert_int_equal(room_close(&room), STORE_HEALTHY);
	assert_int_equal(scratch_size("runs.db-journal"), -1);
	unsetenv("LLMILL_FSTYPE");
	assert_sql(
	    "runs.db", "SELECT group_concat(result) FROM llm_results", "a,b");
	room_free(&room);
}

/* After rm a commit would go nowhere and say it was done. */
static void
a_removed_database_is_made_again(void **state)
{
	struct room room;

	(void)state;
	room_init(&room, 3);
	assert_int_equal(room_open(&room), 0);
	room_answer(&room, 0, "before");
	store_commit(room.store, T0, true);
	assert_int_equal(unlink("runs.db"), 0);
	assert_int_equal(unlink("runs.db-wal"), 0);
	assert_int_equal(unlink("runs.db-shm"), 0);
	assert_int_equal(unlink("runs.db.lock"), 0);
	room_answer(&room, 1, "after");
	store_commit(room.store, T0 + CLOCK_S, true);
	assert_int_equal(room.told_count, 2);
	assert_true(scratch_size("runs.db.lock") > 0);
	assert_string_equal(store_path(room.store), "runs.db");
	assert_int_equal(room_close(&room), STORE_HEALTHY);
	assert_sql("runs.db", "SELECT group_concat(result) FROM llm_results",
	    "before,after");
	room_free(&room);
}

static void
a_replaced_database_is_saved_beside(void **state)
{
	struct room room;
	char path[4200];

	(void)state;
	room_init(&room, 3);
	assert_int_equal(room_open(&room), 0);
	room_answer(&room, 0, "before");
	store_commit(room.store, T0, true);
	assert_int_equal(unlink("runs.db"), 0);
	scratch_write("runs.db", "somebody else's", 15);
	room_answer(&room, 1, "after");
	store_commit(room.store, T0 + CLOCK_S, true);
	assert_int_equal(room.told_count, 2);
	snprintf(path, sizeof path, "%s", store_path(room.store));
	assert_non_null(strstr(path, "runs.db.rescued_1.db"));
	assert_int_equal(room_close(&room), STORE_SPILLED);
	assert_int_equal(scratch_size("runs.db"), 15);
	assert_sql(path, "SELECT group_concat(result) FROM llm_results",
	    "before,after");
	room_free(&room);
}

static void
a_removed_wal_is_saved(void **state)
{
	struct room room;

	(void)state;
	room_init(&room, 3);
	assert_int_equal(room_open(&room), 0);
	room_answer(&room, 0, "before");
	store_commit(room.store, T0, true);
	/* From here on the file is known. */
	room_answer(&room, 1, "known");
	store_commit(room.store, T0, true);
	assert_int_equal(unlink("runs.db-wal"), 0);
	room_answer(&room, 2, "after");
	store_commit(room.store, T0 + CLOCK_S, true);
	assert_int_equal(room.told_count, 3);
	assert_true(scratch_size("runs.db-wal") > 0);
	/* As after a crash: what another connection sees is what there is. */
	assert_sql("runs.db", "SELECT group_concat(result) FROM llm_results",
	    "before,known,after");
	room_free(&room);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    IN_SCRATCH(nothing_is_told_before_the_commit),
	    IN_SCRATCH(commits_are_paced),
	    IN_SCRATCH(many_notes_are_all_committed),
	    IN_SCRATCH(a_locked_database_keeps_the_notes),
	    IN_SCRATCH(after_a_second_the_spill_takes_over),
	    IN_SCRATCH(no_db_tells_after_its_own_commit),
	    IN_SCRATCH(a_stand_in_spills_as_it_goes),
	    IN_SCRATCH(a_stand_in_spills_where_it_can),
	    IN_SCRATCH(a_stand_in_without_spill_tells_nothing),
	    IN_SCRATCH(a_database_locked_at_the_start_is_busy),
	    IN_SCRATCH(a_network_file_system_gets_no_wal),
	    IN_SCRATCH(a_removed_database_is_made_again),
	    IN_SCRATCH(a_replaced_database_is_saved_beside),
	    IN_SCRATCH(a_removed_wal_is_saved),
	    IN_SCRATCH(other_hosts_see_that_it_lives),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
