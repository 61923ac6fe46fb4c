/* SPDX-License-Identifier: ISC */
/*
 * What the database holds, who may go on with it, and what is refused.
 */
#include "data/store.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"

#include "store_room.h"

static void
a_new_database_has_the_seeds_table(void **state)
{
	struct room room;
	struct stat st;
	mode_t mask = umask(0777);

	(void)state;
	room_init(&room, 3);
	assert_int_equal(room_open(&room), 0);
	umask(mask);
	assert_true(room.counts.is_new);
	assert_int_equal(room.counts.added, 3);
	assert_int_equal(room.counts.open, 3);
	assert_int_equal(stat("runs.db", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(room_close(&room), STORE_HEALTHY);
	assert_sql("runs.db",
	    "SELECT sql FROM sqlite_schema WHERE name = 'llm_results'",
	    "CREATE TABLE llm_results (\n"
	    "    id INTEGER PRIMARY KEY,\n"
	    "    prompt TEXT NOT NULL,\n"
	    "    result TEXT,\n"
	    "    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP\n)");
	assert_sql("runs.db",
	    "SELECT group_concat(id || prompt || (result IS NULL))"
	    " FROM llm_results",
	    "1zero1,2one1,3two1");
	assert_sql("runs.db",
	    "SELECT count(*) FROM llm_results"
	    " WHERE created_at LIKE '20__-__-__ __:__:__'",
	    "3");
	assert_sql("runs.db", "SELECT count(*) FROM llm_inputs", "0");
	room_free(&room);
}

static void
a_finished_database_is_one_file(void **state)
{
	struct room room;

	(void)state;
	room_init(&room, 1);
	assert_int_equal(room_open(&room), 0);
	room_answer(&room, 0, "x");
	store_commit(room.store, clock_now_ns(), false);
	assert_true(scratch_size("runs.db-wal") > 0);
	assert_true(scratch_size("runs.db.lock") > 0);
	assert_int_equal(room_close(&room), STORE_HEALTHY);
	assert_int_equal(scratch_size("runs.db-wal"), -1);
	assert_int_equal(scratch_size("runs.db-shm"), -1);
	assert_int_equal(scratch_size("runs.db.lock"), -1);
	assert_sql("runs.db", "PRAGMA journal_mode", "delete");
	room_free(&room);
}

/*
 * Be told, have the database open for a while as "llmill status" does, go.
 * Forked before the store is opened: SQLite does not see locks of its own
 * process twice.
 */
static void
look_for_a_while(int fd)
{
	sqlite3 *db;
	char byte;

	if (read(fd, &byte, 1) == 1 &&
	    sqlite3_open_v2("runs.db", &db, SQLITE_OPEN_READONLY, NULL) == 0 &&
	    sqlite3_exec(db, "SELECT count(*) FROM llm_results", NULL, NULL,
		NULL) == 0 &&
	    write(fd, "r", 1) == 1)
		poll(NULL, 0, 100);
	_exit(0); /* what it held falls to the kernel */
}

static void
who_only_looks_is_waited_for_at_the_end(void **state)
{
	struct room room;
	int line[2];
	char byte = 0;
	pid_t pid;

	(void)state;
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, line), 0);
	pid = fork();
	if (pid == 0) {
		close(line[0]);
		look_for_a_while(line[1]);
	}
	close(line[1]);
	room_init(&room, 2);
	assert_int_equal(room_open(&room), 0);
	room_answer(&room, 0, "an answer");
	assert_int_equal(write(line[0], "g", 1), 1);
	assert_int_equal(read(line[0], &byte, 1), 1);
	room_close(&room);
	assert_int_equal(scratch_size("runs.db-wal"), -1);
	close(line[0]);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	room_free(&room);
}

static void
a_run_leaves_a_row(void **state)
{
	struct room room;

	(void)state;
	room_init(&room, 1);
	assert_int_equal(room_open(&room), 0);
	assert_sql("runs.db", "SELECT status FROM llm_runs", "running");
	room_close(&room);
	assert_sql("runs.db",
	    "SELECT run_id || status || version || argv || (ended_at >="
	    " started_at) || (pid > 1) || length(plan) FROM llm_runs",
	    "1finished1.2llmill run1164");
	assert_sql("runs.db",
	    "SELECT settings ->> '$.plan.model' || (settings ->> '$.workers')"
	    " FROM llm_runs",
	    "m4");
	room_free(&room);
}

static void
ends_are_found_again(void **state)
{
	static const uint8_t want[] = {
	    STORE_ANSWERED, STORE_FAILED, STORE_OPEN, STORE_ANSWERED};
	struct room room;

	(void)state;
	room_init(&room, 4);
	assert_int_equal(room_open(&room), 0);
	room_answer(&room, 0, "fine");
	room_note(&room, 1, STORE_FAILED, OUTCOME_CRASH,
	    span_of("it\n\tfell\x01 over"));
	room_note(&room, 2, STORE_OPEN, OUTCOME_SERVER_ERROR, span_of("500"));
	room_answer(&room, 3, "Error: Failed after all");
	room_close(&room);
	assert_int_equal(room.told_count, 4);
	assert_int_equal(room_open(&room), 0);
	assert_memory_equal(room.states, want, 4);
	assert_false(room.counts.is_new);
	assert_int_equal(room.counts.added, 0);
	assert_int_equal(room.counts.answered, 2);
	assert_int_equal(room.counts.failed, 1);
	assert_int_equal(room.counts.open, 1);
	room_close(&room);
	assert_sql("runs.db",
	    "SELECT substr(result, 1, 34) FROM llm_results WHERE id = 2",
	    "Error: Failed after 2 attempts: it");
	assert_sql("runs.db",
	    "SELECT instr(result, char(10)) FROM llm_results WHERE id = 2",
	    "0");
	assert_sql("runs.db",
	    "SELECT group_concat(state || ifnull(outcome, '')) FROM llm_status",
	    "answeredok,failedcrash,openserver_error,answeredok");
	assert_sql(
	    "runs.db", "SELECT id || outcome FROM llm_failures", "2crash");
	room_free(&room);
}

static void
answers_come_back_byte_for_byte(void **state)
{
	static const struct span answers[] = {
	    {"a\0b", 3}, {"\xFF\0\xFE", 3}, {"", 0}, {"\xC3\xA9", 2}};
	struct room room;
	struct store_row row;

	(void)state;
	room_init(&room, 4);
	assert_int_equal(room_open(&room), 0);
	for (uint32_t i = 0; i < 4; i++)
		room_note(&room, i, STORE_ANSWERED, OUTCOME_OK, answers[i]);
	store_commit(room.store, clock_now_ns(), true);
	for (uint32_t i = 0; i < 4; i++) {
		assert_int_equal(store_read_row(room.store, i, &row, NULL), 0);
		assert_true(span_equals(row.result, answers[i]));
		assert_int_equal(row.state, STORE_ANSWERED);
		assert_int_equal(row.attempts, 1);
		assert_int_equal(row.duration_ms, 12);
		assert_int_equal(row.input_tokens, -1);
		assert_int_equal(row.output_tokens, 34);
		assert_true(span_equals(row.outcome, span_of("ok")));
		assert_null(row.error.data);
	}
	room_close(&room);
	assert_sql("runs.db",
	    "SELECT group_concat(typeof(result) || hex(result))"
	    " FROM llm_results",
	    "text610062,blobFF00FE,text,textC3A9");
	/* sha256 of the two bytes of é */
	assert_sql("runs.db", "SELECT sha256 FROM llm_attempts WHERE id = 4",
	    "4a99557e4033c3539de2eb65472017cad5f9557f7a0625a09f1c3f6e2ba69c4c");
	assert_int_equal(room_open(&room), 0);
	assert_int_equal(room.counts.answered, 4);
	room_free(&room);
}

static void
a_row_that_is_open_has_no_result(void **state)
{
	struct room room;
	struct store_row row;

	(void)state;
	room_init(&room, 1);
	assert_int_equal(room_open(&room), 0);
	assert_int_equal(store_read_row(room.store, 0, &row, NULL), 0);
	assert_int_equal(row.state, STORE_OPEN);
	assert_null(row.result.data);
	assert_null(row.outcome.data);
	assert_int_equal(row.attempts, 0);
	assert_int_equal(row.duration_ms, -1);
	room_free(&room);
}

static void
raw_keeps_what_is_no_answer(void **state)
{
	struct room room;
	struct reply reply;
	struct store_note note = {
	    .state = STORE_FAILED, .tries = 1, .reply = &reply};

	(void)state;
	room_init(&room, 2);
	assert_int_equal(room_open(&room), 0);
	reply_init(&reply);
	reply.outcome = OUTCOME_TOO_LONG;
	reply.text = span_of("the start");
	assert_int_equal(store_remember(room.store, &note), 0);
	room_answer(&room, 1, "all");
	room_close(&room);
	assert_sql("runs.db",
	    "SELECT group_concat(ifnull(raw, 'none')) FROM llm_attempts",
	    "the start,none");
	assert_sql("runs.db", "SELECT result FROM llm_results",
	    "Error: Failed after 1 attempts: too long");
	room_free(&room);
}

static void
an_end_without_attempt_leaves_no_attempt(void **state)
{
	struct room room;
	struct reply reply;
	struct store_note note = {.state = STORE_FAILED,
	    .tries = 2,
	    .no_attempt = true,
	    .reply = &reply};

	(void)state;
	room_init(&room, 1);
	assert_int_equal(room_open(&room), 0);
	reply_init(&reply);
	reply.outcome = OUTCOME_POISON;
	reply.error = span_of("poison");
	assert_int_equal(store_remember(room.store, &note), 0);
	room_close(&room);
	assert_sql("runs.db", "SELECT count(*) FROM llm_attempts", "0");
	assert_sql("runs.db", "SELECT state FROM llm_status", "failed");
	room_free(&room);
}

/* The view lists the outcomes that answer; the table of traits decides. */
static void
the_view_knows_which_outcomes_answer(void **state)
{
	(void)state;
	for (int i = 0; i < OUTCOME_COUNT; i++) {
		bool answers = outcome_trait((enum outcome)i)->answers;
		struct room room;

		room_init(&room, 1);
		assert_int_equal(room_open(&room), 0);
		room_note(&room, 0, answers ? STORE_ANSWERED : STORE_FAILED,
		    (enum outcome)i, span_of("Error: Failed after x"));
		room_close(&room);
		assert_sql("runs.db", "SELECT state FROM llm_status",
		    answers ? "answered" : "failed");
		assert_int_equal(room_open(&room), 0);
		assert_int_equal(
		    room.states[0], answers ? STORE_ANSWERED : STORE_FAILED);
		room_free(&room);
		unlink("runs.db");
	}
}

static void
inputs_keep_what_stood_beside_the_prompt(void **state)
{
	struct room room;
	struct record plain = {.text = span_of("plain")};
	struct record rich = {.text = span_of("rich"),
	    .custom_id = span_of("c"),
	    .fields = span_of("{\"x\":0.30}"),
	    .body = span_of("{\"system\":\"s\"}"),
	    .line = 5};
	struct store_row row;

	(void)state;
	room_init(&room, 0);
	prompts_free(room.prompts);
	room.plan.prompts = room.prompts = prompts_new(NULL);
	prompts_name_input(room.prompts, "a.jsonl", &rich.file, NULL);
	prompts_add(room.prompts, &plain, NULL);
	prompts_add(room.prompts, &rich, NULL);
	prompts_seal(room.prompts, NULL);
	assert_int_equal(room_open(&room), 0);
	assert_int_equal(store_read_row(room.store, 1, &row, NULL), 0);
	assert_true(span_equals(row.custom_id, rich.custom_id));
	assert_true(span_equals(row.fields, rich.fields));
	room_close(&room);
	assert_sql("runs.db",
	    "SELECT id || custom_id || file || line || fields || body"
	    " FROM llm_inputs",
	    "2ca.jsonl5{\"x\":0.30}{\"system\":\"s\"}");
	/* The body is part of the plan. */
	rich.body = span_of("{\"system\":\"t\"}");
	prompts_free(room.prompts);
	room.plan.prompts = room.prompts = prompts_new(NULL);
	prompts_add(room.prompts, &plain, NULL);
	prompts_add(room.prompts, &rich, NULL);
	prompts_seal(room.prompts, NULL);
	assert_int_equal(room_open(&room), -1);
	assert_says(&room, ERR_USAGE, "prompt 2 differs");
	room_free(&room);
}

static void
a_list_may_grow_at_its_end(void **state)
{
	struct room room;

	(void)state;
	room_init(&room, 2);
	assert_int_equal(room_open(&room), 0);
	room_answer(&room, 1, "done");
	room_close(&room);
	room_list(&room, room_texts, 5);
	assert_int_equal(room_open(&room), 0);
	assert_int_equal(room.counts.added, 3);
	assert_int_equal(room.counts.answered, 1);
	assert_int_equal(room.counts.open, 4);
	assert_int_equal(room.states[1], STORE_ANSWERED);
	room_free(&room);
}

static void
another_list_is_refused(void **state)
{
	const char *const other[] = {"zero", "ONE", "two"};
	struct room room;

	(void)state;
	room_init(&room, 3);
	assert_int_equal(room_open(&room), 0);
	room_close(&room);
	room_list(&room, other, 3);
	assert_int_equal(room_open(&room), -1);
	assert_int_equal(room.err.class, ERR_USAGE);
	assert_string_equal(room.err.text, "prompt 2 differs from the one in "
					   "runs.db (one); give another --db");
	room_list(&room, room_texts, 2);
	assert_int_equal(room_open(&room), -1);
	assert_says(&room, ERR_USAGE, "runs.db holds 3 prompts, this list");
	room_list(&room, room_texts, 3);
	assert_int_equal(room_open(&room), 0);
	room_free(&room);
}

static void
other_settings_are_refused(void **state)
{
	struct room room;

	(void)state;
	room_init(&room, 2);
	assert_int_equal(room_open(&room), 0);
	room_close(&room);
	room.plan.model = span_of("n");
	assert_int_equal(room_open(&room), -1);
	assert_says(&room, ERR_USAGE, "model was \"m\", is \"n\"");
	/* A refusal is no run: the old plan still goes on. */
	assert_sql("runs.db", "SELECT count(*) FROM llm_runs", "1");
	room.plan.model = span_of("m");
	assert_int_equal(room_open(&room), 0);
	room_free(&room);
}

/* Rows out of order, columns of other names for the same types. */
static void
the_ids_of_a_seed_may_have_gaps(void **state)
{
	static const uint8_t want[] = {
	    STORE_ANSWERED, STORE_OPEN, STORE_OPEN, STORE_OPEN};
	const char *const other[] = {"zero", "two", "one"};
	struct store_row row;
	struct room room;

	(void)state;
	run_sql("runs.db",
	    "CREATE TABLE llm_results (id BIGINT PRIMARY KEY, prompt"
	    " VARCHAR(99) NOT NULL, result CLOB, created_at DATETIME);"
	    "INSERT INTO llm_results (id, prompt, result) VALUES"
	    " (40, 'two', NULL), (3, 'zero', 'yes'), (7, 'one', 'NA');");
	room_init(&room, 4);
	assert_int_equal(room_open(&room), 0);
	assert_memory_equal(room.states, want, 4);
	room_answer(&room, 1, "a");
	room_answer(&room, 3, "b");
	store_commit(room.store, clock_now_ns(), true);
	assert_int_equal(store_read_row(room.store, 1, &row, &room.err), 0);
	assert_int_equal(row.id, 7);
	assert_true(span_equals(row.result, span_of("a")));
	room_close(&room);
	assert_sql("runs.db",
	    "SELECT group_concat(id || prompt || quote(result))"
	    " FROM (SELECT * FROM llm_results ORDER BY id)",
	    "3zero'yes',7one'a',40twoNULL,41three'b'");
	assert_sql(
	    "runs.db", "SELECT group_concat(id) FROM llm_attempts", "7,41");
	assert_int_equal(room_open(&room), 0);
	assert_int_equal(room.states[1], STORE_ANSWERED);
	assert_int_equal(room.states[2], STORE_OPEN);
	room_close(&room);
	room_list(&room, other, 3);
	assert_int_equal(room_open(&room), -1);
	assert_says(&room, ERR_USAGE, "prompt 7 differs");
	room_free(&room);
}

static void
a_seeds_database_is_taken_over(void **state)
{
	static const uint8_t want[] = {
	    STORE_ANSWERED, STORE_OPEN, STORE_OPEN, STORE_OPEN, STORE_FAILED};
	struct room room;

	(void)state;
	make_seed();
	room_init(&room, 5);
	for (int again = 0; again < 2; again++) {
		assert_int_equal(room_open(&room), 0);
		assert_memory_equal(room.states, want, 5);
		room_close(&room);
		assert_sql("runs.db",
		    "SELECT group_concat(quote(result)) FROM llm_results",
		    "'yes',NULL,'','NA',"
		    "'Error: Failed after 3 attempts: x'");
		assert_sql("runs.db",
		    "SELECT group_concat(substr(state, 1, 1), '')"
		    " FROM llm_status",
		    "aooof");
	}
	/* An answer of ours may well be NA. */
	assert_int_equal(room_open(&room), 0);
	room_answer(&room, 3, "NA");
	room_close(&room);
	assert_int_equal(room_open(&room), 0);
	assert_int_equal(room.states[3], STORE_ANSWERED);
	room_free(&room);
}

static void
what_is_no_plain_file_is_refused(void **state)
{
	struct room room;

	(void)state;
	room_init(&room, 1);
	room.conf.path = ".";
	assert_int_equal(room_open(&room), -1);
	assert_says(&room, ERR_INPUT, ".: a directory, not a database");
	assert_int_equal(symlink("else.db", "runs.db"), 0);
	room.conf.path = "runs.db";
	assert_int_equal(room_open(&room), -1);
	assert_says(&room, ERR_INPUT, "runs.db: a symbolic link");
	assert_int_equal(scratch_size("else.db"), -1);
	room.conf.path = "nowhere/runs.db";
	assert_int_equal(room_open(&room), -1);
	assert_says(&room, ERR_SYSTEM, "nowhere/runs.db: No such file");
	room_free(&room);
}

/* What opening a file of that mode says to somebody who is not root. Gives the
 * exit status of who tried: 0 for these words. */
static int
try_opening(struct room *room, mode_t mode, const char *words)
{
	int status;
	pid_t child;

	assert_int_equal(chmod(room->conf.path, mode), 0);
	child = fork();
	if (child == 0) {
		if (geteuid() == 0 && seteuid(65534) == -1)
			_exit(1);
		if (room_open(room) == 0 || room->err.class != ERR_INPUT ||
		    strstr(room->err.text, words) == NULL)
			_exit(2);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

/* Else everything in it would be sent, and paid for, again. */
static void
what_is_there_but_shut_is_refused(void **state)
{
	char directory[] = "/tmp/llmill-test-XXXXXX";
	char path[100];
	struct room room;

	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof path, "%s/runs.db", directory);
	room_init(&room, 1);
	room.conf.path = path;
	assert_int_equal(room_open(&room), 0);
	room_close(&room);
	assert_int_equal(chmod(directory, 0777), 0);
	assert_int_equal(try_opening(&room, 0000, "cannot read /"), 0);
	assert_int_equal(try_opening(&room, 0444, "cannot write /"), 0);
	room_free(&room);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(directory), 0);
}

static void
a_directory_may_be_a_symbolic_link(void **state)
{
	struct room room;

	(void)state;
	assert_int_equal(symlink(".", "link"), 0);
	room_init(&room, 1);
	room.conf.path = "link/runs.db";
	assert_int_equal(room_open(&room), 0);
	assert_string_equal(store_path(room.store), "link/runs.db");
	room_free(&room);
	assert_true(scratch_size("runs.db") > 0);
}

static void
create_only_takes_no_file_that_is_there(void **state)
{
	struct room room;

	(void)state;
	scratch_write("runs.db", "", 0);
	room_init(&room, 1);
	room.conf.create_only = true;
	assert_int_equal(room_open(&room), -1);
	assert_int_equal(room.err.number, EEXIST);
	assert_int_equal(scratch_size("runs.db"), 0);
	room_free(&room);
}

static void
a_second_coordinator_is_refused(void **state)
{
	struct room room;
	struct room other;
	char pid[64];
	int status;
	pid_t child;

	(void)state;
	room_init(&room, 1);
	assert_int_equal(room_open(&room), 0);
	snprintf(pid, sizeof pid, "pid=%ld", (long)getpid());
	child = fork();
	if (child == 0) {
		room_init(&other, 1);
		if (room_open(&other) == 0 || other.err.class != ERR_BUSY ||
		    strstr(other.err.text, pid) == NULL)
			_exit(1);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	room_free(&room);
}

/* What was told before the coordinator died is there; and nothing of its
 * death hinders the next run. */
static void
what_was_told_survives_a_death(void **state)
{
	struct room room;
	int status;
	pid_t child;

	(void)state;
	room_init(&room, 3);
	child = fork();
	if (child == 0) {
		if (room_open(&room) == -1)
			_exit(1);
		room_answer(&room, 0, "told");
		store_commit(room.store, clock_now_ns(), true);
		room_answer(&room, 1, "lost");
		if (room.told_count == 1)
			raise(SIGKILL);
		_exit(1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_true(scratch_size("runs.db-wal") > 0);
	assert_int_equal(room_open(&room), 0);
	assert_int_equal(room.states[0], STORE_ANSWERED);
	assert_int_equal(room.states[1], STORE_OPEN);
	assert_sql("runs.db", "SELECT group_concat(status) FROM llm_runs",
	    "lost,running");
	room_free(&room);
}

static void
find_gives_the_newest_that_can_go_on(void **state)
{
	const char *const names[] = {"llm_results_1.db", "llm_results_2.db"};
	const struct timespec old[2] = {{1000, 0}, {1000, 0}};
	char digest[PLAN_DIGEST_BYTES];
	char path[100];
	struct room room;

	(void)state;
	room_init(&room, 1);
	plan_digest(&room.plan, digest);
	assert_false(store_find(".", digest, path, sizeof path));
	scratch_write("llm_results_0.db", "no database", 11);
	for (int i = 0; i < 2; i++) {
		room.conf.path = names[i];
		assert_int_equal(room_open(&room), 0);
		assert_false(store_find(names[i], digest, path, sizeof path));
		room_close(&room);
	}
	assert_int_equal(utimensat(AT_FDCWD, names[1], old, 0), 0);
	assert_true(store_find(".", digest, path, sizeof path));
	assert_string_equal(path, names[0]);
	assert_false(store_find(".", "other", path, sizeof path));
	/* Locked: the next one. Finished: none. */
	room.conf.path = names[0];
	assert_int_equal(room_open(&room), 0);
	assert_true(store_find(scratch_path, digest, path, sizeof path));
	assert_non_null(strstr(path, names[1]));
	room_answer(&room, 0, "x");
	room_close(&room);
	room.conf.path = names[1];
	assert_int_equal(room_open(&room), 0);
	assert_false(store_find(".", digest, path, sizeof path));
	room_free(&room);
}

static void
default_names_count_up(void **state)
{
	char first[100];
	char third[100];

	(void)state;
	store_default_name(1, first, sizeof first);
	store_default_name(3, third, sizeof third);
	assert_int_equal(
	    strlen(first), strlen("llm_results_20261123_183000.db"));
	assert_string_equal(third + strlen(third) - 5, "_3.db");
}

static void
an_unused_new_database_goes_away(void **state)
{
	struct room room;

	(void)state;
	room_init(&room, 1);
	assert_int_equal(room_open(&room), 0);
	assert_true(store_discard_if_unused(room.store));
	room.store = NULL;
	assert_int_equal(scratch_size("runs.db"), -1);
	assert_int_equal(scratch_size("runs.db-wal"), -1);
	assert_int_equal(scratch_size("runs.db.lock"), -1);
	assert_int_equal(room_open(&room), 0);
	room_note(&room, 0, STORE_OPEN, OUTCOME_TIMEOUT_TOTAL, span_of("x"));
	assert_false(store_discard_if_unused(room.store));
	room_close(&room);
	assert_int_equal(room_open(&room), 0);
	assert_false(store_discard_if_unused(room.store));
	room_free(&room);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    IN_SCRATCH(a_new_database_has_the_seeds_table),
	    IN_SCRATCH(a_finished_database_is_one_file),
	    IN_SCRATCH(who_only_looks_is_waited_for_at_the_end),
	    IN_SCRATCH(a_run_leaves_a_row),
	    IN_SCRATCH(ends_are_found_again),
	    IN_SCRATCH(answers_come_back_byte_for_byte),
	    IN_SCRATCH(a_row_that_is_open_has_no_result),
	    IN_SCRATCH(raw_keeps_what_is_no_answer),
	    IN_SCRATCH(an_end_without_attempt_leaves_no_attempt),
	    IN_SCRATCH(the_view_knows_which_outcomes_answer),
	    IN_SCRATCH(inputs_keep_what_stood_beside_the_prompt),
	    IN_SCRATCH(a_list_may_grow_at_its_end),
	    IN_SCRATCH(another_list_is_refused),
	    IN_SCRATCH(other_settings_are_refused),
	    IN_SCRATCH(a_seeds_database_is_taken_over),
	    IN_SCRATCH(the_ids_of_a_seed_may_have_gaps),
	    IN_SCRATCH(what_is_no_plain_file_is_refused),
	    cmocka_unit_test(what_is_there_but_shut_is_refused),
	    IN_SCRATCH(a_directory_may_be_a_symbolic_link),
	    IN_SCRATCH(create_only_takes_no_file_that_is_there),
	    IN_SCRATCH(a_second_coordinator_is_refused),
	    IN_SCRATCH(what_was_told_survives_a_death),
	    IN_SCRATCH(find_gives_the_newest_that_can_go_on),
	    IN_SCRATCH(default_names_count_up),
	    IN_SCRATCH(an_unused_new_database_goes_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
