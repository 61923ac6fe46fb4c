/* SPDX-License-Identifier: ISC */
/*
 * Where the machine gives no more processes, those that are there do the work.
 */
#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/log.h"
#include "pool_bench.h"

/* The user may have so many processes, this one among them. */
static void
limit_processes(rlim_t count)
{
	const struct rlimit limit = {count, count};

	NEED(setgroups(0, NULL) == 0);
	NEED(setuid(54321) == 0);
	NEED(setrlimit(RLIMIT_NPROC, &limit) == 0);
}

static void
start_too_many(void *arg)
{
	static const struct fake fake = {FAKE_READY, NULL};
	struct bench bench;
	char said[512] = "";
	int read_end;
	int write_end;
	int idle = 0;

	(void)arg;
	limit_processes(30);
	NEED(fd_pipe(&read_end, &write_end, NULL) == 0);
	NEED(fd_set_nonblocking(read_end, true) == 0);
	log_set_screen(write_end, LOG_INFO, NULL, NULL);
	bench_open(&bench, &fake, 200);
	bench_start(&bench);
	/* All retries together: no report, no second word. */
	while (hear_within(&bench, 700)) {
		NEED(bench.report.event == POOL_READY);
		idle++;
	}
	await_births(&bench);
	NEED(idle >= 20 && idle < 30);
	NEED(pool_births(bench.pool) == (uint64_t)idle);
	NEED(read(read_end, said, sizeof(said) - 1) > 0);
	NEED(strstr(said, "of 200 workers could be started: Resource temp") !=
	     NULL);
	NEED(strstr(said, "(ulimit -u, or pids.max") != NULL);
	NEED(strchr(said, '\n')[1] == '\0');
	/* One that dies makes room for another at once, however long the next
	 * try would have been waited for. */
	while (bench.pool->short_pause_ns < POOL_THROTTLE_MOST) {
		bench.skipped_ns += POOL_THROTTLE_MOST;
		NEED(!hear_within(&bench, 1));
		await_births(&bench);
	}
	give(&bench, FAKE_ABORT);
	hear(&bench, POOL_LOST);
	hear(&bench, POOL_READY); /* it listens for 10 s, not for 30 */
	log_set_screen(-1, LOG_ERROR, NULL, NULL);
	bench_close(&bench);
	fd_close(&read_end);
	fd_close(&write_end);
}

static void
where_no_more_can_be_started_those_that_are_there_do_the_work(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip(); /* root has no such limit, others have it in use */
	assert_int_equal(apart_run(start_too_many, NULL), 0);
}

/* One that is slowed down, or still leaving, is not passed by for a place that
 * is only there for later. */
static void
use_a_part(void *arg)
{
	static const struct fake fake = {FAKE_READY, NULL};
	struct pool_census census;
	struct bench bench;

	(void)arg;
	bench_open(&bench, &fake, 8);
	bench.pool = pool_new(&bench.conf, bench.loop, bench.nursery, NULL);
	NEED(bench.pool != NULL);
	pool_use(bench.pool, 2);
	pool_want(bench.pool, 8);
	pool_tick(bench.pool, now(&bench));
	for (int i = 0; i < 2; i++) {
		hear(&bench, POOL_READY);
		NEED(bench.report.slot < 2);
	}
	NEED(!hear_within(&bench, SLACK_MS));
	NEED(pool_alive(bench.pool) == 2);
	give(&bench, FAKE_ABORT);
	hear(&bench, POOL_LOST);
	hear(&bench, POOL_READY); /* in its own place */
	NEED(bench.report.slot < 2);
	pool_use(bench.pool, 3);
	pool_tick(bench.pool, now(&bench));
	hear(&bench, POOL_READY);
	NEED(bench.report.slot == 2);
	pool_count(bench.pool, &census);
	NEED(census.idle == 3 && census.busy == 0);
	NEED(census.oldest_slot == UINT32_MAX);
	bench_close(&bench);
}

static void
workers_are_started_in_the_slots_in_use_only(void **state)
{
	(void)state;
	assert_int_equal(apart_run(use_a_part, NULL), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(
		where_no_more_can_be_started_those_that_are_there_do_the_work),
	    cmocka_unit_test(workers_are_started_in_the_slots_in_use_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
