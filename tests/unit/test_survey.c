/* SPDX-License-Identifier: ISC */
/*
 * What is counted in a database, and that looking leaves no trace.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "data/peek.h"
#include "data/survey.h"

#include "store_room.h"

#define SEED_TABLE                                                             \
	"CREATE TABLE llm_results (id INTEGER PRIMARY KEY, prompt TEXT NOT"    \
	" NULL, result TEXT, created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP);"

static void
read_ok(struct survey *survey, const char *path)
{
	struct err err = {0};

	if (survey_read(survey, path, &err) == -1)
		fail_msg("%s", err.text);
}

static void
a_spill_file_anywhere_is_named(void **state)
{
	char *home = strdup(getenv("HOME") != NULL ? getenv("HOME") : "/");
	struct survey survey;
	struct room room;

	(void)state;
	room_init(&room, 1);
	assert_int_equal(mkdir("db", 0700), 0);
	assert_int_equal(mkdir("home", 0700), 0);
	room.conf.path = "db/runs.db";
	assert_int_equal(room_open(&room), 0);
	room_close(&room);
	room_free(&room);
	setenv("HOME", "home", 1);
	read_ok(&survey, "db/runs.db");
	assert_null(survey.spill);
	survey_free(&survey);
	scratch_write("home/runs.db.spill.jsonl", "{}\n", 3);
	read_ok(&survey, "db/runs.db");
	assert_non_null(strstr(survey.spill, "/home/runs.db.spill.jsonl"));
	survey_free(&survey);
	setenv("HOME", home, 1);
	free(home);
	assert_int_equal(unlink("home/runs.db.spill.jsonl"), 0);
	assert_int_equal(unlink("db/runs.db"), 0);
}

static void
every_prompt_is_in_one_state(void **state)
{
	struct survey survey;
	struct room room;

	(void)state;
	room_init(&room, 5);
	assert_int_equal(room_open(&room), 0);
	room_answer(&room, 0, "Error: Failed after 9 attempts: I say so");
	room_answer(&room, 1, "");
	room_note(&room, 2, STORE_FAILED, OUTCOME_TIMEOUT_TOTAL,
	    span_of("no answer: in 60 s"));
	room_note(&room, 3, STORE_OPEN, OUTCOME_CRASH, span_of("SIGSEGV"));
	assert_int_equal(room_close(&room), STORE_HEALTHY);
	read_ok(&survey, "runs.db");
	assert_int_equal(survey.total, 5);
	assert_int_equal(survey.answered, 2);
	assert_int_equal(survey.failed, 1);
	assert_int_equal(survey.open, 2);
	assert_int_equal(survey.causes[OUTCOME_TIMEOUT_TOTAL].count, 1);
	assert_int_equal(survey.causes[OUTCOME_TIMEOUT_TOTAL].id, 3);
	assert_string_equal(
	    survey.causes[OUTCOME_TIMEOUT_TOTAL].reason, "no answer: in 60 s");
	assert_int_equal(survey.attempts, 4);
	assert_int_equal(survey.attempts_by[OUTCOME_CRASH], 1);
	assert_int_equal(survey.latency.count, 2);
	assert_int_equal(survey.output_tokens, 4 * 34);
	assert_int_equal(survey.last.done, 3);
	assert_string_equal(survey.last.status, "finished");
	assert_false(survey.is_running || survey.is_lost || survey.is_seed);
	room_free(&room);
}

static void
the_last_run_took_from_its_start_to_its_end(void **state)
{
	struct survey survey;
	struct room room;

	(void)state;
	room_init(&room, 2);
	assert_int_equal(room_open(&room), 0);
	assert_int_equal(room_close(&room), STORE_HEALTHY);
	run_sql("runs.db",
	    "INSERT INTO llm_runs (run_id, status, started_at, ended_at)"
	    " VALUES (7, 'finished', '2026-01-01 00:00:00',"
	    " '2026-01-01 00:00:09');"
	    "INSERT INTO llm_attempts (id, run_id, attempt, outcome,"
	    " started_ms, duration_ms) VALUES (1, 1, 1, 'crash', 1000, 1),"
	    " (1, 7, 2, 'ok', 50000, 700), (2, 7, 1, 'ok', 50100, 1200)");
	read_ok(&survey, "runs.db");
	assert_int_equal(survey.runs, 2);
	assert_int_equal(survey.last.id, 7);
	assert_int_equal(survey.last.done, 2);
	assert_int_equal(survey.last.took_ms, 9000); /* it waited */
	run_sql(
	    "runs.db", "UPDATE llm_runs SET ended_at = '2026-01-01 00:00:01'");
	read_ok(&survey, "runs.db");
	assert_int_equal(survey.last.took_ms, 1300); /* as the attempts say */
	run_sql("runs.db", "UPDATE llm_runs SET ended_at = NULL");
	read_ok(&survey, "runs.db");
	assert_int_equal(survey.last.took_ms, 1300);
	run_sql("runs.db", "DELETE FROM llm_attempts");
	read_ok(&survey, "runs.db");
	assert_int_equal(survey.last.took_ms, -1);
	room_free(&room);
}

static void
a_run_that_goes_on_names_its_holder(void **state)
{
	struct survey survey;
	struct room room;

	(void)state;
	room_init(&room, 2);
	assert_int_equal(room_open(&room), 0);
	room_answer(&room, 0, "yes");
	store_commit(room.store, 0, true);
	read_ok(&survey, "runs.db");
	assert_true(survey.is_running);
	assert_false(survey.is_lost);
	assert_int_equal(survey.holder.pid, getpid());
	assert_true(survey.holder.host[0] != '\0');
	assert_string_equal(survey.holder.job, "");
	assert_int_equal(survey.answered, 1);
	room_close(&room);
	/* As kill -9 leaves it. */
	run_sql("runs.db",
	    "UPDATE llm_runs SET status = 'running', ended_at = NULL");
	read_ok(&survey, "runs.db");
	assert_false(survey.is_running);
	assert_true(survey.is_lost);
	room_free(&room);
}

static void
blank_is_open_in_a_seeds_database_only(void **state)
{
	struct survey survey;

	(void)state;
	run_sql("seed.db",
	    SEED_TABLE "INSERT INTO llm_results (prompt, result) VALUES"
		       " ('a', NULL), ('b', ''), ('c', 'NA'), ('d', 'x'),"
		       " ('e', 'Error: Failed after 3 attempts: why'),"
		       " ('f', 'Error: is my answer'), ('g', x'FF')");
	read_ok(&survey, "seed.db");
	assert_true(survey.is_seed);
	assert_int_equal(survey.open, 3);
	assert_int_equal(survey.answered, 3);
	assert_int_equal(survey.causes[SURVEY_UNKNOWN].count, 1);
	assert_string_equal(survey.causes[SURVEY_UNKNOWN].reason, "why");
	assert_int_equal(survey.runs, 0);
}

static void
nonsense_in_a_row_is_survived(void **state)
{
	struct survey survey;
	struct room room;

	(void)state;
	room_init(&room, 2);
	assert_int_equal(room_open(&room), 0);
	assert_int_equal(room_close(&room), STORE_HEALTHY);
	run_sql("runs.db",
	    "INSERT INTO llm_attempts (id, run_id, attempt, outcome,"
	    " started_ms, duration_ms, input_tokens) VALUES"
	    " (1, 1, 1, 'ok', 9223372036854775807, 9223372036854775807, -5),"
	    " (1, 1, 1, 'martian', 'x', x'00', 'y'), (1, 1, 1, x'6F6B', 0, 0,"
	    " 0);"
	    "UPDATE llm_runs SET status = x'00FF', started_at = NULL;"
	    "UPDATE llm_results SET result = 'Error: Failed after '");
	read_ok(&survey, "runs.db");
	assert_int_equal(survey.attempts, 3);
	assert_int_equal(survey.attempts_by[SURVEY_UNKNOWN], 1);
	assert_int_equal(survey.input_tokens, 0);
	assert_int_equal(survey.total, 2);
	room_free(&room);
}

static void
what_is_no_database_of_prompts_is_refused(void **state)
{
	static const struct {
		const char *path;
		const char *says;
	} cases[] = {
	    {"none.db", "none.db: No such file or directory"},
	    {".", ".: a directory, not a database"},
	    {"/dev/null", "/dev/null: no regular file"},
	    {"text.db", "text.db: not a database"},
	    {"empty.db", "empty.db: empty (no table llm_results)"},
	    {"other.db", "other.db: another program's database"},
	};
	struct survey survey;
	char text[4096];

	(void)state;
	memset(text, 'x', sizeof text);
	scratch_write("text.db", text, sizeof text);
	scratch_write("empty.db", text, 0);
	run_sql("other.db", "CREATE TABLE t (a)");
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct err err = {0};

		assert_int_equal(survey_read(&survey, cases[i].path, &err), -1);
		assert_int_equal(err.class, ERR_INPUT);
		assert_memory_equal(
		    err.text, cases[i].says, strlen(cases[i].says));
	}
}

static void
a_strange_name_is_opened_as_it_is(void **state)
{
	static const char name[] = "a b?mode=rwc#%41&ü.db";
	struct survey survey;

	(void)state;
	run_sql(name, SEED_TABLE);
	read_ok(&survey, name);
	assert_true(survey.is_seed);
	assert_int_equal(survey.total, 0);
	assert_int_equal(symlink(name, "link.db"), 0);
	read_ok(&survey, "link.db");
}

/* Gives how many entries the directory has, with . and .. */
static int
count_entries(void)
{
	DIR *dir = opendir(".");
	int count = 0;

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count;
}

static void
a_file_left_in_wal_mode_is_read_without_a_trace(void **state)
{
	struct survey survey;

	(void)state;
	run_sql("seed.db",
	    SEED_TABLE "PRAGMA journal_mode = WAL;"
		       "INSERT INTO llm_results (prompt) VALUES ('a')");
	assert_int_equal(count_entries(), 3); /* SQLite has tidied up */
	read_ok(&survey, "seed.db");
	assert_int_equal(survey.open, 1);
	assert_int_equal(count_entries(), 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    IN_SCRATCH(a_spill_file_anywhere_is_named),
	    IN_SCRATCH(every_prompt_is_in_one_state),
	    IN_SCRATCH(the_last_run_took_from_its_start_to_its_end),
	    IN_SCRATCH(a_run_that_goes_on_names_its_holder),
	    IN_SCRATCH(blank_is_open_in_a_seeds_database_only),
	    IN_SCRATCH(nonsense_in_a_row_is_survived),
	    IN_SCRATCH(what_is_no_database_of_prompts_is_refused),
	    IN_SCRATCH(a_strange_name_is_opened_as_it_is),
	    IN_SCRATCH(a_file_left_in_wal_mode_is_read_without_a_trace),
	};

	unsetenv("SLURM_JOB_ID");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
