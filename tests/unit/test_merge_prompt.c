/* SPDX-License-Identifier: ISC */
/*
 * One prompt of several databases: what is taken, and that the rules by which
 * a database is read stay true of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "merge_room.h"

/* ---- which row is taken ---- */

static void
an_answer_goes_before_a_failure_before_an_open_one(void **state)
{
	static const char fresh[] = "SELECT 1";
	static const char failed[] =
	    "UPDATE llm_results SET result = 'Error: Failed after 1 attempts:"
	    " x' WHERE id < 3;"
	    "INSERT INTO llm_attempts (id, run_id, attempt, outcome) VALUES"
	    " (1, 1, 1, 'crash'), (2, 1, 1, 'crash'), (3, 1, 1, 'crash')";
	static const char answered[] =
	    "UPDATE llm_results SET result = 'yes' WHERE id = 1;"
	    "INSERT INTO llm_attempts (id, run_id, attempt, outcome, sha256)"
	    " VALUES (1, 1, 1, 'ok', " SHA_OF_YES ")";
	static const char *const orders[][3] = {{"o.db", "f.db", "a.db"},
	    {"a.db", "f.db", "o.db"}, {"f.db", "a.db", "o.db"},
	    {"f.db", "o.db", "a.db"}};

	(void)state;
	shard("o.db", 4, fresh);
	shard("f.db", 4, failed);
	shard("a.db", 4, answered);
	for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
		MERGE(orders[i][0], orders[i][1], orders[i][2]);
		assert_sql("out.db", STATES,
		    "1answeredok,2failedcrash,3opencrash,4open-");
		assert_sql("out.db", RESULTS,
		    "1yes,2Error: Failed after 1 attempts: x,3-,4-");
		assert_int_equal(merge.shards, 3);
		assert_int_equal(merge.attempts, 4);
		assert_int_equal(merge.runs, 3);
		assert_int_equal(merge.conflicts, 0);
		assert_int_equal(merge.missing, 0);
		assert_string_equal(warnings, "");
	}
}

static void
of_two_answers_the_first_named_is_taken_and_counted(void **state)
{
	struct room room;

	(void)state;
	for (int i = 0; i < 3; i++) {
		static const char *const names[] = {"a.db", "b.db", "c.db"};
		static const char *const texts[] = {"yes", "yes", "no"};

		room_init(&room, 2);
		room.conf.path = names[i];
		assert_int_equal(room_open(&room), 0);
		room_answer(&room, 0, texts[i]);
		room_answer(&room, 1, "same");
		room_close(&room);
		room_free(&room);
	}
	MERGE_PARTIAL("a.db", "b.db", "c.db");
	assert_sql("out.db", RESULTS, "1yes,2same");
	assert_int_equal(merge.conflicts, 1);
	assert_int_equal(merge.shown[0].id, 1);
	assert_string_equal(merge.shown[0].taken, "a.db");
	assert_string_equal(merge.shown[0].other, "c.db");
	MERGE_PARTIAL("c.db", "b.db", "a.db");
	assert_sql("out.db", RESULTS, "1no,2same");
	assert_string_equal(merge.shown[0].other, "b.db");
	assert_int_equal(merge.attempts, 6);
	assert_sql("out.db", "SELECT count(sha256) FROM llm_attempts", "6");
	MERGE_PARTIAL("a.db", "b.db");
	assert_int_equal(merge.conflicts, 0);
}

static void
conflicts_are_all_counted_and_the_first_listed(void **state)
{
	(void)state;
	seed("a.db", "(-1, 'p', 'a')");
	run_sql("a.db",
	    COUNT(30) "INSERT INTO llm_results (id, prompt, result) SELECT n,"
		      " 'p', 'a' FROM numbers");
	run_sql("a.db", "VACUUM INTO 'b.db'");
	run_sql("b.db", "UPDATE llm_results SET result = 'b'");
	MERGE_PARTIAL("a.db", "b.db");
	assert_int_equal(merge.conflicts, 31);
	assert_int_equal(merge.shown[0].id, -1);
	assert_int_equal(merge.shown[MERGE_SHOWN - 1].id, MERGE_SHOWN - 1);
}

static void
parts_become_a_whole_and_gaps_stay_gaps(void **state)
{
	(void)state;
	shard("a.db", 7, "DELETE FROM llm_results WHERE id NOT IN (1, 5)");
	shard("b.db", 7, "DELETE FROM llm_results WHERE id NOT IN (3, 7)");
	MERGE("a.db", "b.db");
	assert_sql("out.db",
	    "SELECT group_concat(id || prompt) FROM llm_results",
	    "1zero,3two,5four,7six");
	assert_int_equal(merge.open, 4);
	assert_int_equal(merge.missing, 3);
	assert_int_equal(merge.first_missing, 2);
	assert_warned("no database has prompt 2; 3 are missing in all");
}

static void
one_database_alone_is_merged_too(void **state)
{
	(void)state;
	shard("a.db", 2, "SELECT 1");
	MERGE("a.db");
	assert_int_equal(merge.open, 2);
}

/* ---- what the last attempt says ---- */

static void
an_answer_that_reads_like_a_failure_stays_an_answer(void **state)
{
	struct room room;

	(void)state;
	room_init(&room, 1);
	room.conf.path = "a.db";
	assert_int_equal(room_open(&room), 0);
	room_answer(&room, 0, "Error: Failed after 9 attempts: I say so");
	room_close(&room);
	room.conf.path = "f.db";
	assert_int_equal(room_open(&room), 0);
	room_note(&room, 0, STORE_FAILED, OUTCOME_CRASH, span_of("SIGSEGV"));
	room_close(&room);
	room_free(&room);
	MERGE("a.db", "f.db");
	assert_sql("out.db", STATES, "1answeredok");
	MERGE("f.db", "a.db");
	assert_sql("out.db", STATES, "1answeredok");
	assert_int_equal(merge.attempts, 2);
	assert_int_equal(merge.conflicts, 0);
}

static void
the_attempts_of_one_keep_their_order(void **state)
{
	(void)state;
	shard("a.db", 1,
	    "UPDATE llm_results SET result = 'yes';"
	    "INSERT INTO llm_attempts (id, run_id, attempt, outcome, sha256)"
	    " VALUES (1, 1, 1, 'crash', NULL), (1, 1, 2, 'ok', " SHA_OF_YES
	    ")");
	shard("b.db", 1,
	    "INSERT INTO llm_attempts (id, run_id, attempt, outcome) VALUES"
	    " (1, 1, 1, 'tls'), (1, 1, 2, 'empty'), (1, 1, 3, 'garbage')");
	MERGE("a.db", "b.db");
	assert_sql("out.db",
	    "SELECT group_concat(outcome) FROM"
	    " (SELECT * FROM llm_attempts ORDER BY rowid)",
	    "tls,empty,garbage,crash,ok");
}

static void
attempts_at_prompts_that_no_shard_has_are_kept(void **state)
{
	(void)state;
	shard("a.db", 2,
	    "DELETE FROM llm_results WHERE id = 1;"
	    "INSERT INTO llm_attempts (id, run_id, attempt, outcome) VALUES"
	    " (1, 1, 1, 'tls'), (9, 1, 1, 'crash')");
	shard("b.db", 1, "DELETE FROM llm_results");
	MERGE_PARTIAL("a.db", "b.db");
	assert_sql("out.db",
	    "SELECT group_concat(id || outcome) FROM llm_attempts",
	    "1tls,9crash");
	assert_sql("out.db", STATES, "2open-");
	/* Nor do they speak of another prompt. */
	seed("s.db", "(2, 'one', 'Error: Failed after 2 attempts: x')");
	run_sql("a.db", "UPDATE llm_attempts SET outcome = 'ok'");
	MERGE_PARTIAL("s.db", "a.db");
	assert_sql("out.db",
	    "SELECT group_concat(id || outcome) FROM llm_attempts", "1ok,9ok");
}

/* A seed's answer has no attempt that could stand last and vouch for it. */
static void
what_another_answered_does_not_speak_for_a_seeds_answer(void **state)
{
	(void)state;
	seed("s.db", "(1, 'zero', 'no'), (2, 'one', 'yes')");
	shard("a.db", 2,
	    "UPDATE llm_results SET result = 'yes';"
	    "INSERT INTO llm_attempts (id, run_id, attempt, outcome, sha256)"
	    " VALUES (1, 1, 1, 'ok', " SHA_OF_YES "),"
	    " (2, 1, 1, 'ok', " SHA_OF_YES ")");
	MERGE_PARTIAL("s.db", "a.db");
	assert_sql("out.db", RESULTS, "1no,2yes");
	assert_sql("out.db",
	    "SELECT group_concat(id || outcome || (sha256 IS NULL))"
	    " FROM llm_attempts",
	    "1ok1,2ok0");
	/* Nor does it when what came of that is merged again. */
	assert_int_equal(rename("out.db", "sa.db"), 0);
	MERGE_PARTIAL("sa.db", "a.db");
	assert_sql("out.db", RESULTS, "1no,2yes");
	MERGE_PARTIAL("a.db", "s.db"); /* the first named one has its own */
	assert_sql("out.db", RESULTS, "1yes,2yes");
	assert_sql("out.db", "SELECT count(sha256) FROM llm_attempts", "2");
}

static void
what_was_opened_by_hand_does_not_make_an_answer_of_a_failure(void **state)
{
	(void)state;
	seed("s.db", "(1, 'zero', 'Error: Failed after 2 attempts: x')");
	shard("a.db", 1,
	    "INSERT INTO llm_attempts (id, run_id, attempt, outcome, sha256)"
	    " VALUES (1, 1, 1, 'crash', NULL), (1, 1, 2, 'ok', " SHA_OF_YES
	    ")");
	MERGE("a.db", "s.db");
	assert_sql("out.db", STATES, "1failedcrash");
	shard("f.db", 1,
	    "UPDATE llm_results SET result = 'Error: Failed after 1 attempts:"
	    " y';"
	    "INSERT INTO llm_attempts (id, run_id, attempt, outcome) VALUES"
	    " (1, 1, 1, 'tls')");
	MERGE("a.db", "f.db");
	assert_sql("out.db", STATES, "1failedtls");
	assert_int_equal(merge.attempts, 3);
}

/* ---- databases of the seed ---- */

static void
a_seeds_blanks_are_open_and_become_null(void **state)
{
	(void)state;
	seed("s.db", "(1, 'zero', ''), (2, 'one', 'NA'), (3, 'two', NULL),"
		     " (4, 'three', 'nay')");
	shard("a.db", 5,
	    "UPDATE llm_results SET result = '' WHERE id = 1;"
	    "INSERT INTO llm_attempts (id, run_id, attempt, outcome, sha256)"
	    " VALUES (1, 1, 1, 'ok', 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4"
	    "649b934ca495991b7852b855')");
	MERGE("s.db", "a.db");
	assert_sql(
	    "out.db", STATES, "1answeredok,2open-,3open-,4answered-,5open-");
	assert_sql("out.db",
	    "SELECT group_concat(quote(result)) FROM llm_results",
	    "'',NULL,NULL,'nay',NULL");
	/* Whose rule would make an open prompt of an empty answer. */
	assert_sql(
	    "out.db", "SELECT count(*) FROM llm_runs WHERE run_id = 0", "0");
}

static void
of_seeds_alone_comes_a_seeds(void **state)
{
	struct room room;

	(void)state;
	seed("s.db", "(1, 'zero', 'NA'), (9, 'two', 'yes')");
	seed("t.db", "(1, 'zero', ''), (4, 'one', 'nay')");
	MERGE("s.db", "t.db");
	assert_sql("out.db", RESULTS, "1-,4nay,9yes");
	assert_sql("out.db", STATES, "1open-,4answered-,9answered-");
	/* Its ids may have gaps, and it is gone on with. */
	room_init(&room, 4);
	room.conf.path = "out.db";
	room_list(
	    &room, (const char *const[]){"zero", "one", "two", "more"}, 4);
	if (room_open(&room) == -1)
		fail_msg("%s", room.err.text);
	assert_int_equal(room.counts.answered, 2);
	assert_int_equal(room.counts.open, 2);
	room_close(&room);
	room_free(&room);
	/* One that was taken over is one of them. */
	assert_int_equal(rename("out.db", "u.db"), 0);
	MERGE("u.db", "t.db");
	assert_sql(
	    "out.db", "SELECT version FROM llm_runs WHERE run_id = 0", "seed");
}

/* ---- inputs ---- */

static void
an_input_is_taken_from_whoever_has_one(void **state)
{
	(void)state;
	seed("s.db", "(1, 'zero', 'yes')");
	shard("a.db", 1,
	    "INSERT INTO llm_inputs (id, custom_id, body) VALUES"
	    " (1, 'x', '{\"system\":\"s\"}')");
	shard("t.db", 1, /* taken over: that has no body says nothing */
	    "INSERT INTO llm_runs (run_id, version) VALUES (0, 'seed');"
	    "INSERT INTO llm_inputs (id, custom_id) VALUES (1, 'y')");
	MERGE("s.db", "t.db", "a.db");
	assert_sql("out.db", "SELECT custom_id || body FROM llm_inputs",
	    "x{\"system\":\"s\"}");
	assert_sql("out.db", RESULTS, "1yes");
	assert_int_equal(merge.runs, 2); /* being taken over is none */
	run_sql("t.db", "UPDATE llm_inputs SET body = '[]'");
	REFUSED(ERR_INPUT, "messages or parameters", "t.db", "a.db");
}

static void
another_prompt_under_one_id_is_refused(void **state)
{
	(void)state;
	shard("a.db", 3, "SELECT 1");
	shard("b.db", 3, "UPDATE llm_results SET prompt = 'x' WHERE id = 3");
	REFUSED(ERR_INPUT,
	    "prompt 3 is another one in a.db (\"two\") than in"
	    " b.db (\"x\")",
	    "a.db", "b.db");
	seed("s.db", "(3, 'x', 'yes')");
	REFUSED(ERR_INPUT, "than in s.db", "a.db", "s.db");
	MERGE("b.db", "s.db");
}

static void
another_body_under_one_id_is_refused(void **state)
{
	(void)state;
	shard("a.db", 2, "INSERT INTO llm_inputs (id, body) VALUES (2, '{}')");
	shard("b.db", 2, "INSERT INTO llm_inputs (id, body) VALUES (2, '[]')");
	shard("c.db", 2, "SELECT 1");
	REFUSED(ERR_INPUT,
	    "prompt 2 has other messages or parameters in a.db"
	    " than in b.db",
	    "a.db", "b.db");
	REFUSED(ERR_INPUT, "in a.db than in c.db", "a.db", "c.db");
	/* Of a seed's nobody knows. */
	seed("s.db", "(2, 'one', 'yes')");
	MERGE("s.db", "a.db");
	REFUSED(ERR_INPUT, "in a.db than in b.db", "s.db", "a.db", "b.db");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    IN_SCRATCH(an_answer_goes_before_a_failure_before_an_open_one),
	    IN_SCRATCH(of_two_answers_the_first_named_is_taken_and_counted),
	    IN_SCRATCH(conflicts_are_all_counted_and_the_first_listed),
	    IN_SCRATCH(parts_become_a_whole_and_gaps_stay_gaps),
	    IN_SCRATCH(one_database_alone_is_merged_too),
	    IN_SCRATCH(an_answer_that_reads_like_a_failure_stays_an_answer),
	    IN_SCRATCH(the_attempts_of_one_keep_their_order),
	    IN_SCRATCH(attempts_at_prompts_that_no_shard_has_are_kept),
	    IN_SCRATCH(what_another_answered_does_not_speak_for_a_seeds_answer),
	    IN_SCRATCH(
		what_was_opened_by_hand_does_not_make_an_answer_of_a_failure),
	    IN_SCRATCH(a_seeds_blanks_are_open_and_become_null),
	    IN_SCRATCH(of_seeds_alone_comes_a_seeds),
	    IN_SCRATCH(an_input_is_taken_from_whoever_has_one),
	    IN_SCRATCH(another_prompt_under_one_id_is_refused),
	    IN_SCRATCH(another_body_under_one_id_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
