/* SPDX-License-Identifier: ISC */
/*
 * A -wal file that went away or never reached the disk: what was told to be
 * durable is found by whoever opens the file next.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "data/store.h"

#include "store_room.h"

static bool syncs_fail;
static int syncs;

/* Stands before the C library's, for SQLite as well. */
__attribute__((visibility("default"))) int fdatasync(int fd);

int
fdatasync(int fd)
{
	(void)fd;
	if (syncs_fail) {
		errno = EIO;
		return -1;
	}
	syncs++;
	return 0;
}

/* How many prompts are answered, for another program? */
static int
answered(void)
{
	struct sqlite3_stmt *stmt;
	struct sqlite3 *db;
	int count;

	assert_int_equal(
	    sqlite3_open_v2("runs.db", &db, SQLITE_OPEN_READONLY, NULL),
	    SQLITE_OK);
	assert_int_equal(
	    sqlite3_prepare_v2(
		db, "SELECT COUNT(result) FROM llm_results", -1, &stmt, NULL),
	    SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	count = sqlite3_column_int(stmt, 0);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return count;
}

static void
commit_forced(struct room *room)
{
	store_commit(room->store, clock_now_ns(), true);
}

static void
rescue_notices_a_wal_removed_before_the_first_answer(void **state)
{
	struct room room;

	(void)state;
	room_init(&room, 3);
	assert_int_equal(room_open(&room), 0);
	assert_int_equal(unlink("runs.db-wal"), 0);
	room_answer(&room, 1, "an answer");
	commit_forced(&room);
	assert_int_equal(room.told_count, 1);
	assert_int_equal(answered(), 1);
	room_free(&room);
}

static void
rescue_keeps_a_removed_wal_while_somebody_reads_in_it(void **state)
{
	struct sqlite3 *reader;
	struct room room;

	(void)state;
	room_init(&room, 3);
	assert_int_equal(room_open(&room), 0);
	room_answer(&room, 0, "an answer");
	commit_forced(&room);
	assert_int_equal(sqlite3_open("runs.db", &reader), SQLITE_OK);
	/* Nor does one that may only read. */
	sqlite3_db_config(reader, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	assert_int_equal(
	    sqlite3_exec(reader, "BEGIN; SELECT COUNT(*) FROM llm_results",
		NULL, NULL, NULL),
	    SQLITE_OK);
	room_answer(&room, 1, "an answer");
	commit_forced(&room);
	assert_int_equal(room.told_count, 2);
	assert_int_equal(unlink("runs.db-wal"), 0);
	room_answer(&room, 2, "an answer");
	commit_forced(&room);
	assert_int_equal(room.told_count, 2);
	assert_int_equal(store_health(room.store, NULL), STORE_TROUBLED);
	assert_int_equal(
	    sqlite3_exec(reader, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(reader), SQLITE_OK);
	commit_forced(&room);
	assert_int_equal(room.told_count, 3);
	assert_int_equal(answered(), 3);
	room_free(&room);
}

static void
rescue_trusts_no_wal_whose_sync_failed(void **state)
{
	struct room room;

	(void)state;
	room_init(&room, 3);
	assert_int_equal(room_open(&room), 0);
	syncs_fail = true;
	room_answer(&room, 0, "an answer");
	for (int i = 0; i < 4; i++)
		commit_forced(&room);
	assert_int_equal(room.told_count, 0);
	assert_int_equal(store_health(room.store, NULL), STORE_TROUBLED);
	syncs_fail = false;
	syncs = 0;
	commit_forced(&room);
	assert_int_equal(room.told_count, 1);
	assert_true(syncs > 0);
	assert_int_equal(answered(), 1);
	room_free(&room);
}

static void
rescue_writes_nothing_into_a_file_that_was_cut_off(void **state)
{
	const char *text;
	struct room room;

	(void)state;
	room_init(&room, 3);
	assert_int_equal(room_open(&room), 0);
	assert_int_equal(truncate("runs.db", 0), 0);
	room_answer(&room, 0, "an answer");
	for (int i = 0; i < 3; i++)
		commit_forced(&room);
	assert_int_equal(room.told_count, 0);
	assert_int_equal(store_health(room.store, &text), STORE_TROUBLED);
	assert_non_null(strstr(text, "corrupt"));
	room_free(&room);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    IN_SCRATCH(rescue_notices_a_wal_removed_before_the_first_answer),
	    IN_SCRATCH(rescue_keeps_a_removed_wal_while_somebody_reads_in_it),
	    IN_SCRATCH(rescue_trusts_no_wal_whose_sync_failed),
	    IN_SCRATCH(rescue_writes_nothing_into_a_file_that_was_cut_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
