/* SPDX-License-Identifier: ISC */
/*
 * Several databases become one, or nothing: runs, values, what is refused, and
 * trouble on the way.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "data/lock.h"

#include "merge_room.h"

/* ---- runs ---- */

static void
runs_are_numbered_anew_in_the_order_of_time(void **state)
{
	(void)state;
	shard("a.db", 1,
	    "DELETE FROM llm_runs;"
	    "INSERT INTO llm_runs (run_id, started_at, status, host, plan)"
	    " VALUES (3, '2026-01-01 00:00:00', 'finished', 'a', 'p'),"
	    " (4, '2026-01-03 00:00:00', 'interrupted', 'c', 'p');"
	    "INSERT INTO llm_attempts (id, run_id, attempt, outcome) VALUES"
	    " (1, 4, 1, 'tls'), (1, 3, 2, 'crash'), (1, 9, 3, 'empty'),"
	    " (1, NULL, 4, 'garbage')");
	shard("b.db", 1,
	    "DELETE FROM llm_runs;"
	    "INSERT INTO llm_runs (run_id, started_at, status, host, plan)"
	    " VALUES (3, '2026-01-02 00:00:00', 'running', 'b', 'p');"
	    "INSERT INTO llm_attempts (id, run_id, attempt, outcome) VALUES"
	    " (1, 3, 1, 'server_error')");
	MERGE("a.db", "b.db");
	assert_sql("out.db",
	    "SELECT group_concat(run_id || host || status) FROM llm_runs",
	    "1afinished,2blost,3cinterrupted");
	assert_sql("out.db",
	    "SELECT group_concat(outcome || coalesce(run_id, '-')) FROM"
	    " llm_attempts",
	    "server_error2,tls3,crash1,empty-,garbage-");
	assert_string_equal(warnings, "");
	assert_false(merge.plans_differ);
}

static void
the_same_list_and_plan_go_on_with_it(void **state)
{
	struct room room;
	uint32_t answered = 0;

	(void)state;
	room_init(&room, 4);
	for (int i = 0; i < 2; i++) {
		room.conf.path = i == 0 ? "a.db" : "b.db";
		assert_int_equal(room_open(&room), 0);
		room_answer(&room, (uint32_t)i, "yes");
		room_close(&room);
	}
	MERGE("a.db", "b.db");
	assert_string_equal(warnings, "");
	room.conf.path = "out.db";
	if (room_open(&room) == -1)
		fail_msg("%s", room.err.text);
	assert_int_equal(room.counts.answered, 2);
	assert_int_equal(room.counts.open, 2);
	assert_int_equal(room.counts.added, 0);
	for (int i = 0; i < 4; i++)
		answered += room.states[i] == STORE_ANSWERED;
	assert_int_equal(answered, 2);
	/* At a glance, by the digest that the newest run carries. */
	assert_sql("out.db",
	    "SELECT count(DISTINCT plan) || count(*) FROM llm_runs", "13");
	room_close(&room);
	room_free(&room);
}

static void
another_plan_is_one_warning_that_names_what_differs(void **state)
{
	struct room room;
	const char *names[] = {"a.db", "b.db", "c.db"};

	(void)state;
	room_init(&room, 2);
	for (int i = 0; i < 3; i++) {
		room.conf.path = names[i];
		room.plan.model = span_of(i == 0 ? "m" : "other");
		assert_int_equal(room_open(&room), 0);
		room_close(&room);
	}
	run_sql(
	    "b.db", "UPDATE llm_runs SET started_at = '2099-01-01 00:00:00'");
	MERGE_PARTIAL("a.db", "b.db", "c.db");
	assert_true(merge.plans_differ);
	assert_warned("a.db and b.db were not run with the same plan (model "
		      "was \"m\", is \"other\")");
	assert_warned("of the newest run, in b.db");
	assert_null(strchr(strchr(warnings, '\n') + 1, '\n'));
	/* As is said: that plan goes on, the other is refused. */
	room.conf.path = "out.db";
	assert_int_equal(room_open(&room), 0);
	room_close(&room);
	room.plan.model = span_of("m");
	assert_int_equal(room_open(&room), -1);
	assert_says(&room, ERR_USAGE, "model was");
	room_free(&room);
}

/* ---- what is copied ---- */

static void
every_value_is_copied_as_it_is(void **state)
{
	(void)state;
	shard("a.db", 3,
	    "UPDATE llm_results SET result = x'FF00', created_at = 12345"
	    " WHERE id = 1;"
	    "UPDATE llm_results SET result = 'a' || char(0) || 'b',"
	    " created_at = 'long ago' WHERE id = 2;"
	    "UPDATE llm_results SET prompt = x'FE', result = CAST(x'61FF' AS"
	    " TEXT), created_at = NULL WHERE id = 3;"
	    "INSERT INTO llm_inputs VALUES (2, 'my-id', 'in.jsonl', 7,"
	    " '{\"n\":0.30}', NULL);"
	    "INSERT INTO llm_attempts VALUES (3, 1, 2, 3, 'tls', 4, 5, 6, 7,"
	    " x'00', 'r', 'm', 'f', 8, 9, 'th', 're', NULL, x'80')");
	shard("b.db", 3, "UPDATE llm_results SET prompt = x'FE' WHERE id = 3");
	MERGE("b.db", "a.db");
	assert_sql("out.db",
	    "SELECT group_concat(typeof(result) || hex(result) ||"
	    " typeof(created_at) || quote(created_at)) FROM llm_results",
	    "blobFF00integer12345,text610062text'long ago',text61FFnullNULL");
	assert_sql("out.db",
	    "SELECT group_concat(typeof(prompt)) FROM llm_results",
	    "text,text,blob");
	assert_sql("out.db",
	    "SELECT id || custom_id || file || line || fields ||"
	    " quote(body) FROM llm_inputs",
	    "2my-idin.jsonl7{\"n\":0.30}NULL");
	run_sql("out.db",
	    "ATTACH 'a.db' AS a;"
	    "UPDATE llm_attempts SET run_id = 1;"
	    "CREATE TABLE same AS SELECT * FROM llm_attempts UNION"
	    " SELECT * FROM a.llm_attempts");
	assert_sql("out.db", "SELECT count(*) FROM same", "1");
}

static void
the_new_one_is_ours_and_private(void **state)
{
	struct stat st;

	(void)state;
	shard("a.db", 1, "SELECT 1");
	MERGE("a.db");
	assert_int_equal(stat("out.db", &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_sql("out.db", "PRAGMA application_id", "1280068940");
	assert_sql("out.db", "PRAGMA user_version", "1");
	run_sql("out.db", "ATTACH 'a.db' AS a; CREATE TABLE differs AS"
			  " SELECT sql FROM main.sqlite_schema"
			  " WHERE name NOT IN ('differs', 'llm_merges') EXCEPT "
			  "SELECT sql FROM a.sqlite_schema");
	assert_sql("out.db", "SELECT count(*) FROM differs", "0");
}

/* ---- what is refused ---- */

static void
a_shard_that_is_worked_on_is_refused(void **state)
{
	struct room room;
	char who[400];
	char host[256] = "";

	(void)state;
	shard("a.db", 1, "SELECT 1");
	room_init(&room, 1);
	assert_int_equal(room_open(&room), 0);
	(void)gethostname(host, sizeof host - 1);
	snprintf(who, sizeof who,
	    "runs.db: another llmill works on it (pid %ld on %s)",
	    (long)getpid(), host);
	REFUSED(ERR_BUSY, who, "a.db", "runs.db");
	room_close(&room);
	MERGE("a.db", "runs.db");
	room_free(&room);
}

static void
a_shard_named_twice_is_refused(void **state)
{
	(void)state;
	shard("a.db", 1, "SELECT 1");
	assert_int_equal(symlink("a.db", "b.db"), 0);
	REFUSED(ERR_USAGE, "a.db and ./a.db are the same", "a.db", "./a.db");
	REFUSED(ERR_USAGE, "are the same", "a.db", "b.db");
}

static void
what_is_no_database_is_refused(void **state)
{
	(void)state;
	shard("a.db", 1, "SELECT 1");
	scratch_write("text.db", "this is no database, but text", 29);
	REFUSED(ERR_INPUT, "none.db", "a.db", "none.db");
	REFUSED(ERR_INPUT, "text.db", "a.db", "text.db");
	run_sql("key.db",
	    "CREATE TABLE llm_results (id TEXT PRIMARY KEY, prompt, result,"
	    " created_at); INSERT INTO llm_results (id) VALUES ('x')");
	REFUSED(ERR_INPUT, "key.db: corrupt (its ids", "key.db");
	run_sql("desc.db", /* its index is not in the order that it says */
	    "CREATE TABLE llm_results (id INT, prompt, result, created_at,"
	    " PRIMARY KEY (id DESC));"
	    "INSERT INTO llm_results (id, prompt) VALUES (1, 'a'), (2, 'b');"
	    "PRAGMA writable_schema = 1; UPDATE sqlite_schema"
	    " SET sql = replace(sql, ' DESC', '')");
	REFUSED(ERR_INPUT, "desc.db: corrupt (its ids", "desc.db");
	run_sql("null.db",
	    "CREATE TABLE llm_results (id INTEGER PRIMARY KEY, prompt, result,"
	    " created_at); INSERT INTO llm_results (id) VALUES (5)");
	REFUSED(ERR_INPUT, "null.db: corrupt (prompt 5", "null.db");
	REFUSED(ERR_USAGE, "no database to merge", NULL);
}

static void
what_is_there_already_is_not_touched(void **state)
{
	const char *const shards[] = {"a.db", NULL};
	const struct merge_conf conf = {.path = "out.db", .shards = shards};
	struct err err = {0};
	struct lock lock;

	(void)state;
	shard("a.db", 1, "SELECT 1");
	scratch_write("out.db", "mine", 4);
	assert_int_equal(lock_take(&lock, "out.db", NULL), 0);
	assert_int_equal(try_merge(&conf, &err), -1); /* not waited for */
	lock_release(&lock);
	assert_int_equal(err.class, ERR_USAGE);
	assert_non_null(strstr(err.text, "out.db is there already"));
	assert_int_equal(scratch_size("out.db"), 4);
	assert_int_equal(scratch_size("out.db.part"), -1);
	assert_int_equal(unlink("out.db"), 0);
	assert_int_equal(symlink("nowhere", "out.db"), 0);
	assert_int_equal(try_merge(&conf, &err), -1);
	assert_int_equal(err.class, ERR_USAGE);
	assert_int_equal(scratch_size("nowhere"), -1);
}

static void
two_merges_to_one_place_exclude_each_other(void **state)
{
	const char *const shards[] = {"a.db", NULL};
	const struct merge_conf conf = {.path = "out.db", .shards = shards};
	struct err err = {0};
	struct lock lock;

	(void)state;
	shard("a.db", 1, "SELECT 1");
	scratch_write("out.db.part", "of the other", 12);
	assert_int_equal(lock_take(&lock, "out.db", NULL), 0);
	assert_int_equal(try_merge(&conf, &err), -1);
	assert_int_equal(err.class, ERR_BUSY);
	assert_int_equal(scratch_size("out.db.part"), 12);
	lock_release(&lock);
	MERGE("a.db"); /* it is dead: what it left is in nobody's way */
}

static void
it_may_go_where_a_link_leads(void **state)
{
	const char *const shards[] = {"a.db", NULL};
	const struct merge_conf conf = {.path = "link/x.db", .shards = shards};
	struct err err = {0};

	(void)state;
	shard("a.db", 1, "SELECT 1");
	assert_int_equal(mkdir("real", 0700), 0);
	assert_int_equal(symlink("real", "link"), 0);
	if (try_merge(&conf, &err) == -1)
		fail_msg("%s", err.text);
	assert_int_equal(unlink("real/x.db"), 0);
}

/* ---- trouble on the way ---- */

/* Stops at the countdown'th look. */
static bool
count_down(void *arg)
{
	unsigned *countdown = arg;

	return --*countdown == 0;
}

static void
stopped_it_leaves_nothing(void **state)
{
	const char *const shards[] = {"a.db", NULL};
	unsigned countdown = 1;
	struct merge_conf conf = {.path = "out.db",
	    .shards = shards,
	    .is_stopped = count_down,
	    .arg = &countdown};
	struct err err = {0};
	unsigned looks = 0;

	(void)state;
	seed("a.db", "(1, 'p', 'a')");
	run_sql("a.db",
	    COUNT(1000) "INSERT INTO llm_results (prompt) SELECT 'p' FROM"
			" numbers");
	for (; try_merge(&conf, &err) == -1; countdown = looks + 1) {
		assert_int_equal(err.class, ERR_BUSY);
		assert_non_null(strstr(err.text, "interrupted"));
		assert_nothing_left();
		looks++;
	}
	assert_int_equal(looks, 5); /* at every 256th, and at the end */
}

/* Every write fails that makes a file longer than this. */
static void
a_file_that_cannot_grow_leaves_nothing(void **state)
{
	static const rlim_t sizes[] = {0, 4096, 30000, 100000, 250000};
	const char *const shards[] = {"a.db", NULL};
	const struct merge_conf conf = {.path = "out.db", .shards = shards};
	struct rlimit before;

	(void)state;
	seed("a.db", "(1, 'p', 'a')");
	run_sql("a.db",
	    COUNT(300) "INSERT INTO llm_results (prompt, result) SELECT 'p',"
		       " hex(zeroblob(500)) FROM numbers");
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	signal(SIGXFSZ, SIG_IGN);
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		const struct rlimit limit = {sizes[i], before.rlim_max};
		struct err err = {0};

		assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
		assert_int_equal(try_merge(&conf, &err), -1);
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
		assert_int_equal(err.class, ERR_SYSTEM);
		if (strstr(err.text, "out.db: File too large") == NULL)
			fail_msg("%s", err.text);
		assert_nothing_left();
	}
	MERGE("a.db");
}

static void
a_shard_that_breaks_on_the_way_leaves_nothing(void **state)
{
	(void)state;
	seed("a.db", "(1, 'p', 'a')");
	run_sql("a.db",
	    COUNT(300) "INSERT INTO llm_results (prompt, result) SELECT 'p',"
		       " hex(zeroblob(500)) FROM numbers");
	shard("b.db", 1, "UPDATE llm_results SET prompt = 'p'");
	{
		int fd = open("a.db", O_WRONLY | O_CLOEXEC);

		assert_int_equal(
		    pwrite(fd, "\xFF\xFF\xFF\xFF", 4, 150 * 1024), 4);
		for (int page = 20; page < 60; page++)
			(void)!pwrite(fd, "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 8,
			    page * 4096);
		fd_close(&fd);
	}
	REFUSED(ERR_INPUT, "a.db: corrupt", "b.db", "a.db");
}

static void
shards_are_only_read(void **state)
{
	struct stat before;
	struct stat after;

	(void)state;
	shard("a.db", 3, "SELECT 1");
	assert_int_equal(chmod("a.db", 0400), 0);
	assert_int_equal(stat("a.db", &before), 0);
	MERGE("a.db");
	assert_int_equal(stat("a.db", &after), 0);
	assert_memory_equal(
	    &before.st_mtim, &after.st_mtim, sizeof before.st_mtim);
	assert_memory_equal(
	    &before.st_ctim, &after.st_ctim, sizeof before.st_ctim);
}

static void
answers_that_wait_beside_a_shard_are_told_of(void **state)
{
	(void)state;
	shard("a.db", 1,
	    "UPDATE llm_runs SET argv = 'llmill run x.txt --db a.db'");
	seed("s.db", "(1, 'zero', 'yes')");
	scratch_write("a.db.spill.jsonl", "{}\n", 3);
	scratch_write("s.db.spill.jsonl", "{}\n", 3);
	MERGE("a.db", "s.db");
	assert_warned("a.db.spill.jsonl has answers that a.db does not have");
	assert_warned("takes them in: llmill run x.txt --db a.db\n");
	assert_warned("s.db.spill.jsonl has answers");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    IN_SCRATCH(runs_are_numbered_anew_in_the_order_of_time),
	    IN_SCRATCH(the_same_list_and_plan_go_on_with_it),
	    IN_SCRATCH(another_plan_is_one_warning_that_names_what_differs),
	    IN_SCRATCH(every_value_is_copied_as_it_is),
	    IN_SCRATCH(the_new_one_is_ours_and_private),
	    IN_SCRATCH(a_shard_that_is_worked_on_is_refused),
	    IN_SCRATCH(a_shard_named_twice_is_refused),
	    IN_SCRATCH(what_is_no_database_is_refused),
	    IN_SCRATCH(what_is_there_already_is_not_touched),
	    IN_SCRATCH(two_merges_to_one_place_exclude_each_other),
	    IN_SCRATCH(it_may_go_where_a_link_leads),
	    IN_SCRATCH(stopped_it_leaves_nothing),
	    IN_SCRATCH(a_file_that_cannot_grow_leaves_nothing),
	    IN_SCRATCH(a_shard_that_breaks_on_the_way_leaves_nothing),
	    IN_SCRATCH(shards_are_only_read),
	    IN_SCRATCH(answers_that_wait_beside_a_shard_are_told_of),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
