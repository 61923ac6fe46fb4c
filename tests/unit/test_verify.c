/* SPDX-License-Identifier: ISC */
/*
 * A check that finds what was altered, and nothing else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "data/verify.h"

#include "store_room.h"

/* A finished database: 0 and 1 answered, 2 failed, 3 open. */
static int
make(void **state)
{
	struct room room;

	if (scratch_enter(state) != 0)
		return -1;
	room_init(&room, 4);
	if (room_open(&room) == -1)
		return -1;
	room_answer(&room, 0, "yes");
	room_answer(&room, 1, "");
	room_note(&room, 2, STORE_FAILED, OUTCOME_CRASH, span_of("SIGSEGV"));
	room_close(&room);
	room_free(&room);
	return 0;
}

/* Check runs.db after SQL (NULL: none). */
static struct verify
check_after(const char *sql)
{
	struct verify verify;
	struct err err = {0};

	if (sql != NULL)
		run_sql("runs.db", sql);
	if (verify_read(&verify, "runs.db", &err) == -1)
		fail_msg("%s", err.text);
	verify_free(&verify);
	return verify;
}

static void
what_was_received_is_sound(void **state)
{
	struct verify verify = check_after(NULL);

	(void)state;
	assert_true(verify_is_sound(&verify));
	assert_int_equal(verify.prompts, 4);
	assert_int_equal(verify.same, 2);
	assert_int_equal(verify.unsigned_count, 1);
}

static void
an_altered_answer_differs(void **state)
{
	struct verify verify =
	    check_after("UPDATE llm_results SET result = 'no' WHERE id = 1");

	(void)state;
	assert_false(verify_is_sound(&verify));
	assert_int_equal(verify.differ, 1);
	assert_int_equal(verify.differing[0], 1);
	assert_int_equal(verify.same, 1);
}

static void
an_answer_that_turned_into_another_type_differs(void **state)
{
	struct verify verify = check_after(
	    "UPDATE llm_results SET result = x'796573' WHERE id = 1;"
	    "UPDATE llm_results SET result = x'00' WHERE id = 2");

	(void)state;
	assert_int_equal(verify.differ, 1); /* the same bytes are the same */
	assert_int_equal(verify.differing[0], 2);
}

static void
the_last_attempt_that_answered_vouches(void **state)
{
	struct verify verify = check_after(
	    "INSERT INTO llm_attempts (id, attempt, outcome, sha256) VALUES"
	    " (1, 2, 'ok', 'other'), (2, 2, 'crash', NULL)");

	(void)state;
	assert_int_equal(verify.differ, 1);
	assert_int_equal(verify.differing[0], 1);
	assert_int_equal(verify.same, 1);
}

static void
attempts_at_prompts_that_are_not_there_disturb_nothing(void **state)
{
	struct verify verify = check_after(
	    "INSERT INTO llm_attempts (id, attempt, outcome, sha256) VALUES"
	    " (-3, 1, 'ok', 'x'), (99, 1, 'ok', 'x')");

	(void)state;
	assert_true(verify_is_sound(&verify));
	assert_int_equal(verify.same, 2);
}

static void
a_gap_in_the_ids_is_found(void **state)
{
	struct verify verify =
	    check_after("DELETE FROM llm_results WHERE id = 2");

	(void)state;
	assert_int_equal(verify.missing, 2);
	assert_int_equal(verify.differ, 0); /* its sha256 is nobody else's */
	assert_int_equal(verify.unsigned_count, 1);
	assert_false(verify_is_sound(&verify));
}

static void
a_broken_index_is_found(void **state)
{
	struct verify verify;

	(void)state;
	run_sql("runs.db",
	    "PRAGMA writable_schema = 1;"
	    "UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM"
	    " sqlite_schema WHERE name = 'llm_runs')"
	    " WHERE name = 'llm_attempts_id'");
	verify = check_after(NULL);
	assert_true(verify.faults > 0);
	assert_false(verify_is_sound(&verify));
}

#define DATABASE(test)                                                         \
	cmocka_unit_test_setup_teardown(test, make, scratch_leave)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    DATABASE(what_was_received_is_sound),
	    DATABASE(an_altered_answer_differs),
	    DATABASE(an_answer_that_turned_into_another_type_differs),
	    DATABASE(the_last_attempt_that_answered_vouches),
	    DATABASE(attempts_at_prompts_that_are_not_there_disturb_nothing),
	    DATABASE(a_gap_in_the_ids_is_found),
	    DATABASE(a_broken_index_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
