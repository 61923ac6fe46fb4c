/* SPDX-License-Identifier: ISC */
/*
 * Whatever a worker does becomes one report, in time; its slot is used again;
 * no process is left. Workers that misbehave on order come from a real nursery;
 * each test is a process apart, whose children can only be its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pool_bench.h"

/* ---- every misdeed by itself ---- */

struct deed {
	enum fake_deed deed;
	enum pool_event event;
	enum outcome outcome;
	bool killed;
	bool late;
	const char *words; /* in the reason, or NULL */
	int64_t least_ms;
	int64_t most_ms;
	enum pool_event then; /* what else follows, or POOL_READY: nothing */
};

/* The times are those of the deed's own deadline; SLACK_MS is added. */
static const struct deed deeds[] = {
    {FAKE_ANSWER, POOL_DONE, OUTCOME_OK, .most_ms = 0},
    {FAKE_BEATS, POOL_DONE, OUTCOME_OK, .most_ms = ALLOWED_MS},
    {FAKE_EXIT, POOL_LOST, OUTCOME_CRASH, .words = "exit status 0"},
    {FAKE_WORDS, POOL_LOST, OUTCOME_CRASH,
	.words = "exit status 3: cannot find the thing"},
    {FAKE_LOUD, POOL_LOST, OUTCOME_CRASH, .words = "the very last word"},
    {FAKE_ABORT, POOL_LOST, OUTCOME_CRASH, .words = "signal 6"},
    {FAKE_HALF_FRAME, POOL_LOST, OUTCOME_CRASH, .words = "exit status 0"},
    {FAKE_DEAF, POOL_LOST, OUTCOME_TIMEOUT_TOTAL, .killed = true,
	.words = "no answer within 0.1 s", .least_ms = HANG_MS,
	.most_ms = HANG_MS},
    {FAKE_BEAT_AND_HANG, POOL_LOST, OUTCOME_TIMEOUT_TOTAL, .killed = true,
	.words = "no answer within 0.1 s after 12 kB; worker killed",
	.least_ms = HANG_MS, .most_ms = HANG_MS},
    {FAKE_STOP_ITSELF, POOL_LOST, OUTCOME_TIMEOUT_TOTAL, .killed = true,
	.words = "no answer within 0.1 s", .least_ms = HANG_MS,
	.most_ms = HANG_MS},
    {FAKE_LATE, POOL_DONE, OUTCOME_OK, .late = true,
	.least_ms = ALLOWED_MS + LATE_MS, .most_ms = ALLOWED_MS + LATE_MS},
    {FAKE_GIVE_UP, POOL_DONE, OUTCOME_TIMEOUT_TOTAL, .late = true,
	.words = "no answer within 0.1 s", .least_ms = ALLOWED_MS + LATE_MS,
	.most_ms = ALLOWED_MS + LATE_MS},
    {FAKE_INTERRUPTED, POOL_LOST, OUTCOME_GARBAGE, .killed = true,
	.words = "protocol"},
    {FAKE_WRONG_TICKET, POOL_LOST, OUTCOME_GARBAGE, .killed = true,
	.words = "protocol"},
    {FAKE_FLOOD, POOL_LOST, OUTCOME_GARBAGE, .killed = true},
    {FAKE_OVER_CAP, POOL_LOST, OUTCOME_GARBAGE, .killed = true},
    {FAKE_WRONG_BEAT, POOL_LOST, OUTCOME_GARBAGE, .killed = true},
    {FAKE_HELLO_AGAIN, POOL_LOST, OUTCOME_GARBAGE, .killed = true},
    {FAKE_UNKNOWN_KIND, POOL_LOST, OUTCOME_GARBAGE, .killed = true},
    {FAKE_WRONG_VERSION, POOL_LOST, OUTCOME_GARBAGE, .killed = true},
    {FAKE_LEFTOVER, POOL_LOST, OUTCOME_GARBAGE, .killed = true},
    {FAKE_HALF_FRAME_AND_STAY, POOL_LOST, OUTCOME_GARBAGE, .killed = true,
	.least_ms = PIPE_MS, .most_ms = PIPE_MS},
    {FAKE_CLOSE_AND_STAY, POOL_LOST, OUTCOME_GARBAGE, .killed = true,
	.least_ms = PIPE_MS, .most_ms = PIPE_MS},
    {FAKE_DUPLICATE, POOL_DONE, OUTCOME_OK, .then = POOL_GONE},
    {FAKE_ANSWER_AND_DIE, POOL_DONE, OUTCOME_OK, .then = POOL_GONE},
};

static void
check_report(const struct bench *bench, const struct deed *deed)
{
	const struct pool_report *report = &bench->report;

	NEED(report->slot == 0);
	NEED(report->index == (uint32_t)deed->deed);
	NEED(report->attempt == 1);
	NEED(report->reply.outcome == deed->outcome);
	NEED(report->killed == deed->killed);
	NEED(report->late == deed->late);
	if (deed->words != NULL)
		NEED(strstr(bench->error, deed->words) != NULL);
	if (deed->outcome == OUTCOME_OK)
		NEED(strcmp(bench->text, "fine") == 0);
	else
		NEED(bench->error[0] != '\0');
}

static void
do_deed(void *arg)
{
	static const struct fake fake = {FAKE_READY, NULL};
	const struct deed *deed = arg;
	struct bench bench;
	int64_t took_ms;

	bench_open(&bench, &fake, 1);
	bench_start(&bench);
	hear(&bench, POOL_READY);
	give(&bench, deed->deed);
	hear(&bench, deed->event);
	took_ms = (now(&bench) - bench.report.started_ns) / CLOCK_MS;
	check_report(&bench, deed);
	NEED(took_ms >= deed->least_ms);
	NEED(took_ms <= deed->most_ms + SLACK_MS);
	if (deed->then != POOL_READY)
		hear(&bench, deed->then);
	/* The slot serves on, in a new process or the old one. */
	while (!pool_has_idle(bench.pool))
		hear(&bench, POOL_READY);
	NEED((pool_births(bench.pool) > 1) ==
	     (deed->deed != FAKE_ANSWER && deed->deed != FAKE_BEATS));
	give(&bench, FAKE_ANSWER);
	hear(&bench, POOL_DONE);
	NEED(bench.report.reply.outcome == OUTCOME_OK);
	NEED(pool_busy(bench.pool) == 0);
	bench_close(&bench);
}

static void
every_misdeed_is_one_report_in_time_and_the_slot_serves_on(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++) {
		struct deed deed = deeds[i];

		if (apart_run(do_deed, &deed) != 0)
			fail_msg("deed %d", (int)deed.deed);
	}
}

/* ---- births ---- */

static void
be_stillborn(void *arg)
{
	const struct fake *fake = arg;
	struct bench bench;
	int64_t began_ns;

	bench_open(&bench, fake, 1);
	bench_start(&bench);
	began_ns = now(&bench);
	/* 0.1 s, 0.2 s: each start waits longer. */
	for (int i = 0; i < 3; i++) {
		if (fake->birth == FAKE_READY_AND_DIE ||
		    fake->birth == FAKE_HELLO_TWICE)
			hear(&bench, POOL_READY);
		hear(&bench, POOL_STILLBORN);
		NEED(bench.error[0] != '\0');
	}
	NEED(now(&bench) - began_ns >= 300 * CLOCK_MS);
	NEED(now(&bench) - began_ns <= CLOCK_S);
	NEED(pool_births(bench.pool) == 3);
	bench_close(&bench);
}

static void
a_start_that_comes_to_nothing_is_told_and_slows_down_the_next(void **state)
{
	static const enum fake_birth births[] = {FAKE_DIE_EARLY, FAKE_REFUSE,
	    FAKE_GARBAGE_FIRST, FAKE_DONE_FIRST, FAKE_READY_AND_DIE,
	    FAKE_HELLO_TWICE};

	(void)state;
	for (size_t i = 0; i < sizeof(births) / sizeof(births[0]); i++) {
		struct fake fake = {births[i], NULL};

		if (apart_run(be_stillborn, &fake) != 0)
			fail_msg("birth %d", (int)births[i]);
	}
}

static void
hear_why(void *arg)
{
	static const struct fake fakes[] = {
	    {FAKE_DIE_EARLY, NULL}, {FAKE_REFUSE, NULL}};
	struct bench bench;

	(void)arg;
	bench_open(&bench, &fakes[0], 1);
	bench_start(&bench);
	hear(&bench, POOL_STILLBORN);
	NEED(bench.report.reply.outcome == OUTCOME_CRASH);
	NEED(strstr(bench.error, "exit status 7: no such library") != NULL);
	NEED(!bench.report.killed);
	bench_close(&bench);
	bench_open(&bench, &fakes[1], 1);
	bench_start(&bench);
	hear(&bench, POOL_STILLBORN);
	NEED(bench.report.reply.outcome == OUTCOME_NO_COMMAND);
	NEED(strcmp(bench.error, "no such plugin") == 0);
	bench_close(&bench);
}

static void
why_it_was_never_ready_is_told(void **state)
{
	(void)state;
	assert_int_equal(apart_run(hear_why, NULL), 0);
}

static void
refuse_and_stay(void *arg)
{
	static const struct fake fake = {FAKE_REFUSE_AND_STAY, NULL};
	struct bench bench;

	(void)arg;
	bench_open(&bench, &fake, 1);
	bench_start(&bench);
	hear(&bench, POOL_STILLBORN);
	pool_want(bench.pool, 0);
	/* It is killed after a second, and that is no second report. */
	NEED(!hear_within(&bench, 1000 + SLACK_MS));
	NEED(pool_alive(bench.pool) == 0);
	bench_close(&bench);
}

static void
a_refusal_is_told_once_even_if_it_stays(void **state)
{
	(void)state;
	assert_int_equal(apart_run(refuse_and_stay, NULL), 0);
}

static void
be_silent(void *arg)
{
	static const struct fake fake = {FAKE_SILENT, NULL};
	struct bench bench;

	(void)arg;
	bench_open(&bench, &fake, 1);
	bench_start(&bench);
	NEED(!hear_within(&bench, 50));
	NEED(pool_alive(bench.pool) == 1);
	bench.skipped_ns = 30 * CLOCK_S;
	hear(&bench, POOL_STILLBORN);
	NEED(bench.report.killed);
	NEED(bench.report.reply.outcome == OUTCOME_TIMEOUT_TOTAL);
	NEED(strstr(bench.error, "not ready within 30") != NULL);
	bench_close(&bench);
}

static void
one_that_is_never_ready_is_killed_after_30_s(void **state)
{
	(void)state;
	assert_int_equal(apart_run(be_silent, NULL), 0);
}

/* A nursery that sleeps: the birth comes after all patience has ended. */
static void
be_born_late(void *arg)
{
	static const struct fake fake = {FAKE_READY, NULL};
	bool forgotten = *(bool *)arg;
	struct bench bench;
	pid_t nursery;

	bench_open(&bench, &fake, 1);
	nursery = nursery_pid(bench.nursery);
	NEED(kill(nursery, SIGSTOP) == 0);
	await_stop(nursery);
	bench_start(&bench);
	bench.skipped_ns = 30 * CLOCK_S;
	NEED(!hear_within(&bench, 10));
	NEED(pool_alive(bench.pool) == 1);
	if (forgotten) {
		bench.skipped_ns += 10 * CLOCK_S;
		hear(&bench, POOL_GONE);
	}
	NEED(kill(nursery, SIGCONT) == 0);
	if (!forgotten)
		hear(&bench, POOL_STILLBORN);
	hear(&bench, POOL_READY);
	NEED(pool_births(bench.pool) == 2);
	give(&bench, FAKE_ANSWER);
	hear(&bench, POOL_DONE);
	bench_close(&bench);
}

static void
one_that_is_born_too_late_is_buried(void **state)
{
	bool forgotten = false;

	(void)state;
	assert_int_equal(apart_run(be_born_late, &forgotten), 0);
	forgotten = true;
	assert_int_equal(apart_run(be_born_late, &forgotten), 0);
}

static void
lose_nursery(void *arg)
{
	static const struct fake fake = {FAKE_READY, NULL};
	struct bench bench;

	(void)arg;
	bench_open(&bench, &fake, 2);
	bench_start(&bench);
	hear(&bench, POOL_READY);
	hear(&bench, POOL_READY);
	await_births(&bench);
	give(&bench, FAKE_LATE);
	NEED(kill(nursery_pid(bench.nursery), SIGKILL) == 0);
	give(&bench, FAKE_EXIT);
	/* The call in flight is untouched, the dead one is replaced. */
	hear(&bench, POOL_LOST);
	while (!pool_has_idle(bench.pool))
		hear(&bench, POOL_READY);
	give(&bench, FAKE_ANSWER);
	for (int i = 0; i < 2; i++) {
		hear_end(&bench);
		NEED(bench.report.event == POOL_DONE);
		NEED(bench.report.reply.outcome == OUTCOME_OK);
	}
	bench_close(&bench);
}

static void
a_nursery_that_dies_is_replaced(void **state)
{
	(void)state;
	assert_int_equal(apart_run(lose_nursery, NULL), 0);
}

/* The nursery died between a birth and its notice. */
static void
lose_notice(void *arg)
{
	static const struct fake fake = {FAKE_READY, NULL};
	struct bench bench;
	struct slot *slot;
	pid_t pid;

	(void)arg;
	bench_open(&bench, &fake, 1);
	bench_start(&bench);
	hear(&bench, POOL_READY);
	await_births(&bench);
	slot = &bench.pool->slots[0];
	pid = slot->pid;
	loop_unwatch(bench.loop, &slot->pid_watch);
	fd_close(&slot->pid_fd);
	slot->pid = -1;
	give(&bench, FAKE_LATE);
	NEED(kill(nursery_pid(bench.nursery), SIGKILL) == 0);
	hear(&bench, POOL_LOST);
	NEED(bench.report.index == FAKE_LATE);
	NEED(bench.report.reply.outcome == OUTCOME_CRASH);
	NEED(strstr(bench.error, "status unknown") != NULL);
	NEED(waitpid(pid, NULL, 0) == pid); /* it left by itself */
	hear(&bench, POOL_READY);
	give(&bench, FAKE_ANSWER);
	hear(&bench, POOL_DONE);
	bench_close(&bench);
}

static void
a_prompt_is_not_lost_with_the_notice_of_its_workers_birth(void **state)
{
	(void)state;
	assert_int_equal(apart_run(lose_notice, NULL), 0);
}

static void
lose_nursery_for_a_while(void *arg)
{
	static const struct fake fake = {FAKE_READY, NULL};
	struct rlimit limit;
	struct rlimit none;
	struct bench bench;

	(void)arg;
	bench_open(&bench, &fake, 1);
	NEED(kill(nursery_pid(bench.nursery), SIGKILL) == 0);
	NEED(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	/* No descriptor is free for another nursery, nor for pipes. */
	none = (struct rlimit){3, limit.rlim_max};
	NEED(setrlimit(RLIMIT_NOFILE, &none) == 0);
	bench_start(&bench);
	NEED(!hear_within(&bench, 250));
	NEED(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	hear(&bench, POOL_READY);
	bench_close(&bench);
}

static void
a_nursery_that_cannot_be_replaced_is_tried_again(void **state)
{
	(void)state;
	assert_int_equal(apart_run(lose_nursery_for_a_while, NULL), 0);
}

/* ---- many at once ---- */

static enum fake_deed
mixed_deed(uint32_t index, uint32_t attempt)
{
	static const enum fake_deed mixed[] = {FAKE_ANSWER, FAKE_EXIT,
	    FAKE_ANSWER, FAKE_ABORT, FAKE_ANSWER, FAKE_WRONG_TICKET,
	    FAKE_ANSWER, FAKE_FLOOD, FAKE_ANSWER, FAKE_DUPLICATE,
	    FAKE_ANSWER_AND_DIE, FAKE_DEAF, FAKE_HALF_FRAME};

	(void)attempt;
	return mixed[index % (sizeof(mixed) / sizeof(mixed[0]))];
}

static void
do_many(void *arg)
{
	static const struct fake fake = {FAKE_READY, mixed_deed};
	enum {
		JOBS = 200
	};
	bool ended[JOBS] = {false};
	uint32_t given = 0;
	uint32_t returned = 0;
	struct bench bench;

	(void)arg;
	bench_open(&bench, &fake, 16);
	bench_start(&bench);
	while (returned < JOBS) {
		while (given < JOBS && pool_has_idle(bench.pool))
			given += try_give(&bench, given);
		NEED(hear_within(&bench, 5000));
		if (bench.report.event != POOL_DONE &&
		    bench.report.event != POOL_LOST)
			continue;
		/* Each of them once. */
		NEED(bench.report.index < given);
		NEED(bench.report.endpoint == 7);
		NEED(!ended[bench.report.index]);
		ended[bench.report.index] = true;
		returned++;
	}
	NEED(pool_busy(bench.pool) == 0);
	bench_close(&bench);
}

static void
many_jobs_on_many_workers_are_each_reported_once(void **state)
{
	(void)state;
	assert_int_equal(apart_run(do_many, NULL), 0);
}

static void
start_many(void *arg)
{
	static const struct fake fake = {FAKE_READY, NULL};
	struct bench bench;

	(void)arg;
	bench_open(&bench, &fake, 150);
	bench_start(&bench);
	for (int i = 0; i < 150; i++)
		hear(&bench, POOL_READY);
	NEED(pool_births(bench.pool) == 150);
	NEED(pool_alive(bench.pool) == 150);
	pool_want(bench.pool, 3);
	pool_tick(bench.pool, now(&bench));
	NEED(!hear_within(&bench, 200));
	NEED(pool_alive(bench.pool) == 3);
	pool_want(bench.pool, 5);
	pool_tick(bench.pool, now(&bench));
	hear(&bench, POOL_READY);
	hear(&bench, POOL_READY);
	NEED(pool_alive(bench.pool) == 5);
	bench_close(&bench);
}

static void
more_workers_than_the_nursery_takes_at_once_come_and_go(void **state)
{
	(void)state;
	assert_int_equal(apart_run(start_many, NULL), 0);
}

/* ---- ends ---- */

static void
give_up(void *arg)
{
	int64_t grace_ns = *(int64_t *)arg;
	static const struct fake fake = {FAKE_READY, NULL};
	struct bench bench;
	int64_t began_ns;

	bench_open(&bench, &fake, 2);
	bench_start(&bench);
	hear(&bench, POOL_READY);
	hear(&bench, POOL_READY);
	give(&bench, FAKE_DEAF);
	give(&bench, FAKE_GIVE_UP);
	NEED(pool_busy(bench.pool) == 2);
	began_ns = now(&bench);
	pool_give_up(bench.pool, grace_ns, began_ns);
	for (int i = 0; i < 2; i++) {
		hear_end(&bench);
		NEED(bench.report.reply.outcome == OUTCOME_INTERRUPTED);
		if (grace_ns > 0 && bench.report.index == FAKE_GIVE_UP)
			NEED(bench.report.event == POOL_DONE);
		else
			NEED(bench.report.event == POOL_LOST);
	}
	NEED(now(&bench) - began_ns <= grace_ns + SLACK_MS * CLOCK_MS);
	bench_close(&bench);
}

static void
calls_that_are_given_up_were_interrupted(void **state)
{
	int64_t grace_ns = 0;

	(void)state;
	assert_int_equal(apart_run(give_up, &grace_ns), 0);
	grace_ns = 80 * CLOCK_MS; /* sooner than their own time is up */
	assert_int_equal(apart_run(give_up, &grace_ns), 0);
}

static void
leave_in_the_middle(void *arg)
{
	static const struct fake fake = {FAKE_READY, NULL};
	struct bench bench;

	(void)arg;
	/* With births on their way … */
	bench_open(&bench, &fake, 20);
	bench_start(&bench);
	bench_close(&bench);
	/* … and with calls in flight. */
	bench_open(&bench, &fake, 4);
	bench_start(&bench);
	for (int i = 0; i < 4; i++)
		hear(&bench, POOL_READY);
	give(&bench, FAKE_DEAF);
	give(&bench, FAKE_STOP_ITSELF);
	give(&bench, FAKE_CLOSE_AND_STAY);
	bench_close(&bench);
}

static void
freeing_leaves_no_process(void **state)
{
	(void)state;
	assert_int_equal(apart_run(leave_in_the_middle, NULL), 0);
}

/* A child from before: it has nothing of our environment. */
static pid_t
start_stranger(void)
{
	const char *const nothing[] = {NULL};
	pid_t pid = fork();

	NEED(pid != -1);
	if (pid == 0) {
		execle("/bin/sleep", "sleep", "1000", NULL, nothing);
		_exit(1);
	}
	while (reap_carries(pid, bench_variable())) /* not yet */
		NEED(waitpid(pid, NULL, WNOHANG) == 0);
	return pid;
}

static void
leave_children(void *arg)
{
	static const struct fake fake = {FAKE_READY, NULL};
	const bool alone = *(bool *)arg;
	pid_t own = alone ? -1 : start_stranger();
	struct bench bench;
	int64_t began_ns;

	bench_open(&bench, &fake, 1);
	bench.conf.sweeps = true;
	bench.conf.mark = alone ? "NO" : bench_variable();
	bench_start(&bench);
	for (int i = 0; i < 2; i++) {
		while (!pool_has_idle(bench.pool))
			hear(&bench, POOL_READY);
		began_ns = now(&bench);
		give(&bench, i == 0 ? FAKE_HOLDER : FAKE_RUNAWAY);
		/* Nobody waits for whom else holds the pipes. */
		hear(&bench, POOL_LOST);
		NEED(strstr(bench.error, "exit status 3") != NULL);
		NEED(now(&bench) - began_ns <= SLACK_MS * CLOCK_MS);
	}
	hear(&bench, POOL_READY);
	pool_free(bench.pool);
	loop_free(bench.loop);
	nursery_close(bench.nursery);
	if (alone) {
		NEED(apart_is_childless());
		return;
	}
	/* Who was there before is spared. */
	NEED(waitpid(-1, NULL, WNOHANG) == 0);
	NEED(kill(own, SIGKILL) == 0);
	NEED(waitpid(-1, NULL, 0) == own);
	NEED(apart_is_childless());
}

static void
what_a_dead_worker_leaves_behind_is_swept(void **state)
{
	bool alone = true;

	(void)state;
	assert_int_equal(apart_run(leave_children, &alone), 0);
	alone = false;
	assert_int_equal(apart_run(leave_children, &alone), 0);
}

/* ---- words ---- */

static void
be_loud(void *arg)
{
	static const struct fake fake = {FAKE_READY, NULL};
	struct bench bench;
	siginfo_t info;

	(void)arg;
	bench_open(&bench, &fake, 1);
	bench_start(&bench);
	hear(&bench, POOL_READY);
	give(&bench, FAKE_LOUD);
	NEED(waitid(P_ALL, 0, &info, WEXITED | WNOWAIT) == 0);
	hear(&bench, POOL_LOST);
	/* All of it to the log, the end of it in the reason. */
	NEED(bench.word_bytes == FAKE_LOUD_BYTES);
	NEED(strstr(bench.error, "the very last word") != NULL);
	NEED(strlen(bench.error) < 1200);
	bench_close(&bench);
}

static void
last_words_are_heard_to_their_end(void **state)
{
	(void)state;
	assert_int_equal(apart_run(be_loud, NULL), 0);
}

/* ---- time ---- */

static void
wake_late(void *arg)
{
	static const struct fake fake = {FAKE_READY, NULL};
	struct bench bench;

	(void)arg;
	bench_open(&bench, &fake, 1);
	bench_start(&bench);
	hear(&bench, POOL_READY);
	give(&bench, FAKE_ANSWER_AND_STOP);
	await_stop(0); /* the answer is in the pipe */
	bench.skipped_ns = 3600 * CLOCK_S;
	pool_tick(bench.pool, now(&bench));
	hear(&bench, POOL_DONE);
	NEED(!bench.report.late);
	NEED(bench.report.reply.outcome == OUTCOME_OK);
	bench_close(&bench);
}

static void
nobody_is_judged_before_the_pipe_was_read(void **state)
{
	(void)state;
	assert_int_equal(apart_run(wake_late, NULL), 0);
}

static void
sleep_with(void *arg)
{
	static const struct fake fake = {FAKE_READY, NULL};
	struct bench bench;
	int64_t latest_ns;

	(void)arg;
	bench_open(&bench, &fake, 1);
	bench_start(&bench);
	hear(&bench, POOL_READY);
	give(&bench, FAKE_GIVE_UP);
	latest_ns = pool_latest_ns(bench.pool);
	NEED(latest_ns - now(&bench) <= (ALLOWED_MS + LATE_MS) * CLOCK_MS);
	await_births(&bench);
	pool_signal_all(bench.pool, SIGSTOP);
	await_stop(0);
	/* An hour in which nobody ran. */
	bench.skipped_ns = 3600 * CLOCK_S;
	pool_shift(bench.pool, 3600 * CLOCK_S);
	pool_signal_all(bench.pool, SIGCONT);
	NEED(pool_latest_ns(bench.pool) == latest_ns + 3600 * CLOCK_S);
	NEED(!hear_within(&bench, ALLOWED_MS / 2));
	hear(&bench, POOL_DONE);
	NEED(bench.report.reply.outcome == OUTCOME_TIMEOUT_TOTAL);
	NEED(bench.report.reply.duration_ms < 10000);
	bench_close(&bench);
}

static void
time_slept_is_nobodys(void **state)
{
	(void)state;
	assert_int_equal(apart_run(sleep_with, NULL), 0);
}

/* ---- handing out ---- */

static void
give_to_the_dead(void *arg)
{
	static const struct fake fake = {FAKE_READY, NULL};
	struct bench bench;
	siginfo_t info;
	bool used = *(bool *)arg;

	bench_open(&bench, &fake, 1);
	bench_start(&bench);
	hear(&bench, POOL_READY);
	give(&bench, FAKE_ANSWER);
	hear(&bench, POOL_DONE);
	if (!used) {
		give(&bench, FAKE_EXIT);
		hear(&bench, POOL_LOST);
		hear(&bench, POOL_READY);
	}
	/* Dies behind our back. */
	await_births(&bench);
	pool_signal_all(bench.pool, SIGTRAP);
	NEED(waitid(P_ALL, 0, &info, WEXITED | WNOWAIT) == 0);
	NEED(!try_give(&bench, FAKE_ANSWER));
	NEED(pool_busy(bench.pool) == 0);
	NEED(!pool_has_idle(bench.pool));
	hear(&bench, used ? POOL_GONE : POOL_STILLBORN);
	NEED(!bench.report.killed);
	NEED(strstr(bench.error, "signal 5") != NULL);
	hear(&bench, POOL_READY);
	give(&bench, FAKE_ANSWER);
	hear(&bench, POOL_DONE);
	bench_close(&bench);
}

static void
a_job_for_a_dead_worker_comes_back_at_once(void **state)
{
	bool used = true;

	(void)state;
	assert_int_equal(apart_run(give_to_the_dead, &used), 0);
	used = false;
	assert_int_equal(apart_run(give_to_the_dead, &used), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(
		every_misdeed_is_one_report_in_time_and_the_slot_serves_on),
	    cmocka_unit_test(
		a_start_that_comes_to_nothing_is_told_and_slows_down_the_next),
	    cmocka_unit_test(why_it_was_never_ready_is_told),
	    cmocka_unit_test(a_refusal_is_told_once_even_if_it_stays),
	    cmocka_unit_test(one_that_is_never_ready_is_killed_after_30_s),
	    cmocka_unit_test(one_that_is_born_too_late_is_buried),
	    cmocka_unit_test(a_nursery_that_dies_is_replaced),
	    cmocka_unit_test(
		a_prompt_is_not_lost_with_the_notice_of_its_workers_birth),
	    cmocka_unit_test(a_nursery_that_cannot_be_replaced_is_tried_again),
	    cmocka_unit_test(many_jobs_on_many_workers_are_each_reported_once),
	    cmocka_unit_test(
		more_workers_than_the_nursery_takes_at_once_come_and_go),
	    cmocka_unit_test(calls_that_are_given_up_were_interrupted),
	    cmocka_unit_test(freeing_leaves_no_process),
	    cmocka_unit_test(what_a_dead_worker_leaves_behind_is_swept),
	    cmocka_unit_test(last_words_are_heard_to_their_end),
	    cmocka_unit_test(nobody_is_judged_before_the_pipe_was_read),
	    cmocka_unit_test(time_slept_is_nobodys),
	    cmocka_unit_test(a_job_for_a_dead_worker_comes_back_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
