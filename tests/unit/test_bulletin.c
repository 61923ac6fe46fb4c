/* SPDX-License-Identifier: ISC */
/*
 * A run's word for a database that others cannot look into.
 */
#include "view/bulletin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/json.h"
#include "data/lock.h"
#include "data/survey.h"
#include "view/stats.h"

#include "scratch.h"

#define T0 (1000 * CLOCK_S)

static struct bulletin *
begin(struct stats *stats)
{
	const struct survey base = {
	    .name = "a.db",
	    .total = 10,
	    .answered = 4,
	    .failed = 1,
	    .open = 5,
	    .runs = 1,
	    .is_running = true,
	    .holder = {.pid = 42, .host = "n1"},
	    .last = {.id = 1, .status = "running"},
	};

	memset(stats, 0, sizeof *stats);
	stats->started_ns = T0;
	return bulletin_new("a.db", &base, NULL);
}

/* Assert a number of what is read as JSON. */
static void
assert_number(struct json *root, const char *key, int64_t want)
{
	assert_int_equal(json_integer(json_get(root, key), -1), want);
}

static void
it_counts_the_run_on_top_of_what_there_was(void **state)
{
	struct bulletin *bulletin;
	struct stats stats;
	struct json *root;
	struct lock lock;
	struct buf out;

	(void)state;
	assert_int_equal(lock_take(&lock, "a.db", NULL), 0);
	scratch_write("a.db", "", 0);
	bulletin = begin(&stats);
	stats.answered = 2;
	stats.failed = 1;
	stats.failed_by[OUTCOME_CRASH] = 1;
	stats.attempts = 5;
	bulletin_tick(bulletin, &stats, T0 + 3 * CLOCK_S);
	buf_init(&out, 100000);
	assert_true(bulletin_read("a.db", true, &out));
	root = json_parse(buf_span(&out), NULL);
	assert_number(root, "total", 10);
	assert_number(root, "answered", 6);
	assert_number(root, "failed", 2);
	assert_number(root, "open", 2);
	assert_number(root, "attempts", 5);
	assert_number(
	    json_get(json_get(root, "failed_by"), "crash"), "count", 1);
	assert_number(json_get(root, "running"), "pid", 42);
	json_free(root);
	buf_clear(&out);
	assert_true(bulletin_read("a.db", false, &out));
	assert_non_null(
	    strstr(out.data, "prompts:  10: 6 answered, 2 failed, 2 open\n"));
	assert_non_null(strstr(out.data, "running:  pid 42 on n1"));
	buf_free(&out);
	bulletin_end(bulletin);
	assert_int_equal(scratch_size("a.db.status.json"), -1);
	assert_int_equal(scratch_size("a.db.status.json.part"), -1);
	lock_release(&lock);
}

static void
it_is_written_once_a_second(void **state)
{
	struct stats stats;
	struct bulletin *bulletin = begin(&stats);

	(void)state;
	assert_true(bulletin_due_ns(bulletin) <= T0);
	bulletin_tick(bulletin, &stats, T0);
	assert_true(bulletin_due_ns(bulletin) == T0 + CLOCK_S);
	assert_int_equal(unlink("a.db.status.json"), 0);
	bulletin_tick(bulletin, &stats, T0 + CLOCK_S - 1);
	assert_int_equal(scratch_size("a.db.status.json"), -1);
	bulletin_tick(bulletin, &stats, T0 + CLOCK_S);
	assert_true(scratch_size("a.db.status.json") > 0);
	bulletin_end(bulletin);
	assert_true(bulletin_due_ns(NULL) == CLOCK_NEVER);
	bulletin_end(NULL);
}

static void
without_its_run_it_says_nothing(void **state)
{
	struct stats stats;
	struct bulletin *bulletin = begin(&stats);
	struct lock lock;
	struct buf out;

	(void)state;
	buf_init(&out, 100000);
	scratch_write("a.db", "", 0);
	bulletin_tick(bulletin, &stats, T0);
	assert_false(bulletin_read("a.db", false, &out));
	assert_int_equal(lock_take(&lock, "a.db", NULL), 0);
	scratch_write("a.db.status.json", "{\"text\":", 8);
	assert_false(bulletin_read("a.db", false, &out));
	assert_int_equal(out.size, 0);
	lock_release(&lock);
	buf_free(&out);
	bulletin_end(bulletin);
}

/* A place that cannot be written holds nobody up. */
static void
what_cannot_be_written_is_left(void **state)
{
	struct stats stats;
	struct bulletin *bulletin = begin(&stats);

	(void)state;
	assert_int_equal(mkdir("a.db.status.json", 0700), 0);
	bulletin_tick(bulletin, &stats, T0);
	assert_int_equal(scratch_size("a.db.status.json.part"), -1);
	bulletin_end(bulletin);
}

#define IN_SCRATCH(test)                                                       \
	cmocka_unit_test_setup_teardown(test, scratch_enter, scratch_leave)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    IN_SCRATCH(it_counts_the_run_on_top_of_what_there_was),
	    IN_SCRATCH(it_is_written_once_a_second),
	    IN_SCRATCH(without_its_run_it_says_nothing),
	    IN_SCRATCH(what_cannot_be_written_is_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
