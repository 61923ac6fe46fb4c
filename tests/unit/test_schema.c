/* SPDX-License-Identifier: ISC */
/*
 * Which files are databases to work with; all others are refused as they are.
 */
#include "data/schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "store_room.h"

/* A file that must be refused, and stay as it is. */
static void
assert_file_refused(enum err_class class, const char *part)
{
	static char before[300000];
	static char after[300000];
	size_t size;
	struct room room;
	FILE *file = fopen("runs.db", "re");

	size = fread(before, 1, sizeof before, file);
	fclose(file);
	room_init(&room, 3);
	assert_int_equal(room_open(&room), -1);
	assert_says(&room, class, part);
	room_free(&room);
	file = fopen("runs.db", "re");
	assert_int_equal(fread(after, 1, sizeof after, file), size);
	fclose(file);
	assert_memory_equal(before, after, size);
	assert_int_equal(scratch_size("runs.db.lock"), -1);
	unlink("runs.db");
}

static void
assert_refused(const char *part)
{
	assert_file_refused(ERR_INPUT, part);
}

static void
what_is_no_database_of_ours_is_refused(void **state)
{
	struct room room;

	(void)state;
	scratch_write("runs.db", "prompts are not a database, are they", 36);
	assert_refused("runs.db: not a database");
	run_sql("runs.db", "CREATE TABLE prompts (id INTEGER PRIMARY KEY)");
	assert_refused("another program's database (no table llm_results)");
	run_sql("runs.db", "CREATE VIEW llm_results AS SELECT 1");
	assert_refused("another program's database (no table llm_results)");
	make_seed();
	run_sql("runs.db", "PRAGMA application_id = 7");
	assert_refused("another program's database (application_id 7)");
	make_seed();
	run_sql("runs.db", "CREATE TABLE llm_runs (x)");
	assert_refused("some of the tables llm_runs, llm_attempts, llm_inputs");
	room_init(&room, 3);
	assert_int_equal(room_open(&room), 0);
	room_close(&room);
	run_sql("runs.db", "PRAGMA user_version = 99");
	assert_refused("written by a newer llmill (schema 99");
	room_free(&room);
}

static void
a_table_that_cannot_hold_answers_is_refused(void **state)
{
	(void)state;
	run_sql("runs.db", "CREATE TABLE llm_results (id INTEGER PRIMARY KEY)");
	assert_refused(
	    "table llm_results lacks prompt, result, created_at; give");
	run_sql("runs.db",
	    "CREATE TABLE llm_results (ID INTEGER PRIMARY KEY, Prompt TEXT,"
	    " RESULT TEXT)");
	assert_refused("table llm_results lacks created_at; give");
	run_sql("runs.db",
	    "CREATE TABLE llm_results (id INTEGER, prompt TEXT, result TEXT,"
	    " created_at TIMESTAMP)");
	assert_refused("id is not the primary key of table llm_results");
	run_sql("runs.db",
	    "CREATE TABLE llm_results (id INTEGER, prompt TEXT, result TEXT,"
	    " created_at TIMESTAMP, PRIMARY KEY (id, prompt))");
	assert_refused("id is not the primary key of table llm_results");
}

/* Not even a seed's becomes ours before its prompts were compared. */
static void
a_refused_list_changes_no_byte(void **state)
{
	(void)state;
	make_seed();
	run_sql("runs.db", "UPDATE llm_results SET prompt = 'else'");
	assert_file_refused(ERR_USAGE, "prompt 1 differs");
	make_seed();
	assert_file_refused(ERR_USAGE, "runs.db holds 5 prompts");
}

static void
a_corrupt_database_is_refused(void **state)
{
	static char text[100000];
	const char *const texts[] = {text, text, text};
	struct room room;

	(void)state;
	memset(text, 'x', sizeof text - 1);
	room_init(&room, 0);
	room_list(&room, texts, 3);
	assert_int_equal(room_open(&room), 0);
	room_close(&room);
	assert_int_equal(truncate("runs.db", 150000), 0);
	assert_refused("runs.db: corrupt");
	/* A gap in the ids is no list. */
	room_list(&room, room_texts, 3);
	assert_int_equal(room_open(&room), 0);
	room_close(&room);
	run_sql("runs.db", "DELETE FROM llm_results WHERE id = 2");
	assert_refused("runs.db: corrupt");
	assert_int_equal(room_open(&room), 0);
	room_close(&room);
	run_sql("runs.db", "UPDATE llm_results SET id = 0 WHERE id = 2");
	assert_refused("runs.db: ids from 0 to 3 are none");
	room_free(&room);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    IN_SCRATCH(what_is_no_database_of_ours_is_refused),
	    IN_SCRATCH(a_table_that_cannot_hold_answers_is_refused),
	    IN_SCRATCH(a_refused_list_changes_no_byte),
	    IN_SCRATCH(a_corrupt_database_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
