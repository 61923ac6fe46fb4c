/* SPDX-License-Identifier: ISC */
/*
 * What a database knows by itself: enough to make the same list again.
 */
#include "data/recall.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "store_room.h"

static void
the_list_comes_back_as_it_was(void **state)
{
	const struct record records[] = {
	    {.text = span_of("plain")},
	    {.text = span_of("with all"),
		.body = span_of("{\"model\":\"m\"}"),
		.custom_id = span_of("c-1"),
		.fields = span_of("{\"x\":0.30}"),
		.line = 2},
	    {.text = span_of("else"),
		.custom_id = span_of("7"),
		.file = 1,
		.line = 9},
	    {.text = {"", 0}, .body = {"", 0}, .file = 1, .line = 10},
	};
	char before[PLAN_DIGEST_BYTES];
	char after[PLAN_DIGEST_BYTES];
	struct recall recall;
	struct buf settings;
	struct room room;
	uint32_t file;

	(void)state;
	room_init(&room, 0);
	prompts_free(room.prompts);
	room.prompts = prompts_new(NULL);
	assert_int_equal(
	    prompts_name_input(room.prompts, "a.jsonl", &file, NULL), 0);
	assert_int_equal(
	    prompts_name_input(room.prompts, "b.jsonl", &file, NULL), 0);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(
		    prompts_add(room.prompts, &records[i], NULL), 0);
	assert_int_equal(prompts_seal(room.prompts, NULL), 0);
	room.plan.prompts = room.prompts;
	assert_int_equal(room_open(&room), 0);
	room_close(&room);
	plan_digest(&room.plan, before);

	assert_int_equal(recall_open(&recall, "runs.db", &room.err), 0);
	prompts_free(room.prompts);
	room.prompts = prompts_new(NULL);
	assert_int_equal(recall_prompts(&recall, room.prompts, &room.err), 0);
	buf_init(&settings, 100000);
	assert_int_equal(recall_settings(&recall, &settings, &room.err), 0);
	assert_non_null(strstr(settings.data, "\"workers\":4"));
	buf_free(&settings);
	recall_close(&recall);

	assert_int_equal(prompts_seal(room.prompts, NULL), 0);
	room.plan.prompts = room.prompts;
	plan_digest(&room.plan, after);
	assert_string_equal(before, after);
	for (uint32_t i = 0; i < 4; i++) {
		struct record got = prompts_at(room.prompts, i);

		assert_true(span_equals(got.custom_id, records[i].custom_id));
		assert_true(span_equals(got.fields, records[i].fields));
		assert_int_equal(record_is_bad(&got), i == 3);
	}
	assert_string_equal(
	    prompts_input_name(room.prompts, prompts_at(room.prompts, 2).file),
	    "b.jsonl");
	room_free(&room);
}

static void
a_seed_gives_its_prompts_in_order(void **state)
{
	struct prompts *prompts = prompts_new(NULL);
	struct recall recall;
	struct err err = {0};
	struct buf settings;

	(void)state;
	make_seed();
	run_sql("runs.db", "UPDATE llm_results SET id = 77 WHERE id = 1");
	assert_int_equal(recall_open(&recall, "runs.db", &err), 0);
	assert_int_equal(recall_prompts(&recall, prompts, &err), 0);
	buf_init(&settings, 100);
	assert_int_equal(recall_settings(&recall, &settings, &err), 0);
	assert_int_equal(settings.size, 0);
	recall_close(&recall);
	assert_int_equal(prompts_count(prompts), 5);
	assert_int_equal(prompts_seal(prompts, NULL), 0);
	assert_true(span_equals(prompts_at(prompts, 4).text, span_of("zero")));
	prompts_free(prompts);
}

/* A writer on a file system without shared memory died in a commit. */
static void
a_write_that_was_cut_short_is_undone(void **state)
{
	struct recall recall;
	struct err err = {0};
	pid_t pid;

	(void)state;
	make_seed();
	pid = fork();
	if (pid == 0) {
		sqlite3 *db;

		sqlite3_open("runs.db", &db);
		sqlite3_exec(db,
		    "PRAGMA cache_size = 1; BEGIN; UPDATE llm_results SET"
		    " prompt = 'half'; CREATE TABLE t AS SELECT"
		    " randomblob(100000) AS b;",
		    NULL, NULL, NULL);
		_exit(scratch_size("runs.db-journal") > 0 ? 0 : 1);
	}
	{
		int status;

		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
	assert_int_equal(recall_open(&recall, "runs.db", &err), 0);
	recall_close(&recall);
	assert_int_equal(scratch_size("runs.db-journal"), -1);
	assert_sql("runs.db", "SELECT prompt FROM llm_results", "zero");
}

static void
what_cannot_be_gone_on_with_is_refused(void **state)
{
	struct recall recall;
	struct room room;

	(void)state;
	room_init(&room, 2);
	assert_int_equal(recall_open(&recall, "runs.db", &room.err), -1);
	assert_says(&room, ERR_INPUT, "runs.db: No such file");
	assert_int_equal(scratch_size("runs.db.lock"), -1);
	assert_int_equal(room_open(&room), 0);
	assert_int_equal(recall_open(&recall, "runs.db", &room.err), -1);
	assert_says(&room, ERR_BUSY, "another llmill works on it (pid=");
	room_close(&room);
	run_sql("runs.db", "DELETE FROM llm_results");
	assert_int_equal(recall_open(&recall, "runs.db", &room.err), 0);
	prompts_free(room.prompts);
	room.prompts = prompts_new(NULL);
	assert_int_equal(recall_prompts(&recall, room.prompts, &room.err), -1);
	assert_says(&room, ERR_INPUT, "runs.db: there is no prompt in it");
	recall_close(&recall);
	room_free(&room);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    IN_SCRATCH(the_list_comes_back_as_it_was),
	    IN_SCRATCH(a_seed_gives_its_prompts_in_order),
	    IN_SCRATCH(a_write_that_was_cut_short_is_undone),
	    IN_SCRATCH(what_cannot_be_gone_on_with_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
