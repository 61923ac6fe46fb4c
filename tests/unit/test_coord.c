/* SPDX-License-Identifier: ISC */
/*
 * Whole runs: what workers do, what signals want, and what the database, the
 * numbers and the exit status say of it in the end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <time.h>

#include <cmocka.h>

#include "chat/echo.h"

#include "coord_bench.h"

/* ---- faults by script: the end of every prompt is known beforehand ---- */

#define FAULTS                                                                 \
	"ms=0-3,fail=8%,refuse=2%,empty=3%,hang=1%,crash=6%,exit=2%,"          \
	"garbage=3%,seed=5"

struct fate {
	bool answered;
	enum outcome outcome; /* of the end */
	uint32_t attempts;
};

static enum outcome
outcome_of(enum echo_fault fault)
{
	static const enum outcome outcomes[] = {
	    [ECHO_FAIL] = OUTCOME_SERVER_ERROR,
	    [ECHO_REFUSE] = OUTCOME_REFUSED,
	    [ECHO_EMPTY] = OUTCOME_EMPTY,
	    [ECHO_HANG] = OUTCOME_TIMEOUT_TOTAL,
	    [ECHO_CRASH] = OUTCOME_CRASH,
	    [ECHO_EXIT] = OUTCOME_CRASH,
	    [ECHO_GARBAGE] = OUTCOME_GARBAGE,
	    [ECHO_NONE] = OUTCOME_OK,
	};

	return outcomes[fault];
}

static struct fate
foresee(const struct echo_script *script, uint32_t index)
{
	struct fate fate = {.outcome = OUTCOME_OK};
	uint32_t deaths = 0;

	while (fate.attempts < 3) {
		enum echo_fault fault =
		    echo_choose(script, index, ++fate.attempts);

		fate.outcome = outcome_of(fault);
		fate.answered = fault == ECHO_NONE;
		if (fate.answered || fault == ECHO_REFUSE)
			break;
		deaths += fault == ECHO_CRASH || fault == ECHO_EXIT;
		if (deaths == 2) {
			fate.outcome = OUTCOME_POISON;
			break;
		}
	}
	return fate;
}

static void
check_row(struct stage *stage, uint32_t index, const struct fate *fate)
{
	struct store_row row;
	struct err err;
	char text[64];

	NEED(store_read_row(stage->store, index, &row, &err) == 0);
	NEED(stage->states[index] ==
	     (fate->answered ? STORE_ANSWERED : STORE_FAILED));
	NEED(row.attempts == fate->attempts);
	NEED(span_equals(
	    row.outcome, span_of(outcome_trait(fate->outcome)->name)));
	if (fate->answered)
		snprintf(text, sizeof(text), "prompt %u", (unsigned)index);
	else
		snprintf(text, sizeof(text), "Error: Failed after %u attempt",
		    (unsigned)fate->attempts);
	NEED(row.result.size >= strlen(text));
	NEED(memcmp(row.result.data, text, strlen(text)) == 0);
	if (fate->answered)
		NEED(row.result.size == strlen(text));
}

static void
suffer(void *arg)
{
	struct echo_script script;
	struct stage stage;
	uint64_t attempts = 0;
	uint64_t failed_by[OUTCOME_COUNT] = {0};
	struct err err;

	(void)arg;
	NEED(echo_read_script(FAULTS, &script, &err) == 0);
	stage_open(&stage, 200, NULL, FAULTS);
	NEED(stage_run(&stage) == 0);
	for (uint32_t i = 0; i < stage.count; i++) {
		struct fate fate = foresee(&script, i);

		attempts += fate.attempts;
		failed_by[fate.outcome] += !fate.answered;
		check_row(&stage, i, &fate);
	}
	stage_check_stats(&stage);
	NEED(stage.stats.attempts == attempts);
	NEED(stage.seen_count == attempts);
	NEED(stage.stats.retries == attempts - stage.count);
	NEED(memcmp(stage.stats.failed_by, failed_by, sizeof(failed_by)) == 0);
	/* Faults that were never met were never survived. */
	NEED(stage.stats.attempts_by[OUTCOME_SERVER_ERROR] > 0);
	NEED(stage.stats.attempts_by[OUTCOME_TIMEOUT_TOTAL] > 0);
	NEED(stage.stats.attempts_by[OUTCOME_GARBAGE] > 0);
	NEED(stage.stats.deaths > 0 && stage.stats.killed > 0);
	NEED(failed_by[OUTCOME_REFUSED] > 0);
	stage_close(&stage);
}

static void
every_prompt_ends_as_its_faults_want_and_the_numbers_add_up(void **state)
{
	(void)state;
	assert_int_equal(apart_run(suffer, NULL), 0);
}

static void
do_nothing(void *arg)
{
	struct stage stage;

	(void)arg;
	stage_open(&stage, 3, NULL, NULL);
	NEED(stage_run(&stage) == 0);
	NEED(stage.stats.attempts == 3);
	/* All are answered: nothing is asked for, nobody is started. */
	NEED(stage_run(&stage) == 0);
	NEED(stage.stats.attempts == 0 && stage.stats.births == 0);
	stage_close(&stage);
}

static void
nothing_to_do_starts_nobody(void **state)
{
	(void)state;
	assert_int_equal(apart_run(do_nothing, NULL), 0);
}

static void
kill_nursery_once(struct stage *stage, const struct pool_report *report)
{
	(void)report;
	if (stage->seen_count == 50)
		NEED(kill(nursery_pid(stage->nursery), SIGKILL) == 0);
}

static void
lose_nursery(void *arg)
{
	struct stage stage;

	(void)arg;
	stage_open(&stage, 200, NULL, "crash=5%,seed=2");
	stage.conf.policy.poison = 100;
	/* One that was born, but not told any more, is nobody's child. */
	stage.conf.pool.sweeps = true;
	stage.conf.pool.mark = "X=1";
	stage.seen = kill_nursery_once;
	NEED(stage_run(&stage) == 0);
	NEED(stage_count(&stage, STORE_OPEN) == 0);
	NEED(stage.stats.deaths > 0);
	stage_check_stats(&stage);
	stage_close(&stage);
}

static void
a_nursery_that_dies_costs_nothing(void **state)
{
	(void)state;
	assert_int_equal(apart_run(lose_nursery, NULL), 0);
}

/* ---- signals ---- */

static void
term_after_ten(struct stage *stage, const struct pool_report *report)
{
	(void)report;
	if (stage->seen_count == 10)
		NEED(kill(getpid(), SIGTERM) == 0);
}

static void
drain(void *arg)
{
	struct stage stage;
	uint32_t answered;

	(void)arg;
	stage_open(&stage, 200, NULL, "ms=30");
	stage.take_signals = true;
	stage.seen = term_after_ten;
	NEED(stage_run(&stage) == 75);
	answered = stage_count(&stage, STORE_ANSWERED);
	/* What was in flight came home, and nothing else was sent. */
	NEED(answered >= 10 && answered <= 10 + 2 * 4);
	NEED(stage.stats.attempts == answered);
	NEED(stage_count(&stage, STORE_FAILED) == 0);
	stage_check_stats(&stage);
	/* The same again sends only what is open. */
	stop_init(&stage.stop, false, 4);
	stage.seen = NULL;
	NEED(stage_run(&stage) == 0);
	NEED(stage.stats.attempts == 200 - answered);
	NEED(stage_count(&stage, STORE_ANSWERED) == 200);
	stage_close(&stage);
}

static void
a_term_drains_and_the_same_again_does_the_rest(void **state)
{
	(void)state;
	assert_int_equal(apart_run(drain, NULL), 0);
}

/* Ctrl-C, and again 400 ms later. */
static void
send_interrupts(timer_t *timer)
{
	const struct itimerspec times = {
	    .it_value.tv_nsec = 100 * CLOCK_MS,
	    .it_interval.tv_nsec = 400 * CLOCK_MS,
	};
	struct sigevent event = {
	    .sigev_notify = SIGEV_SIGNAL,
	    .sigev_signo = SIGINT,
	};

	NEED(timer_create(CLOCK_MONOTONIC, &event, timer) == 0);
	NEED(timer_settime(*timer, 0, &times, NULL) == 0);
}

static enum fake_deed
be_deaf(uint32_t index, uint32_t attempt)
{
	(void)index, (void)attempt;
	return FAKE_DEAF;
}

static void
interrupt_twice(void *arg)
{
	static const struct fake fake = {FAKE_READY, be_deaf};
	struct stage stage;
	timer_t timer;
	int64_t took_ns;

	(void)arg;
	stage_open(&stage, 10, &fake, NULL);
	stop_init(&stage.stop, true, 4);
	stage.take_signals = true;
	stage.conf.timeout_ns = 1000 * CLOCK_S;
	send_interrupts(&timer);
	took_ns = clock_now_ns();
	NEED(stage_run(&stage) == 130);
	took_ns = clock_now_ns() - took_ns;
	NEED(timer_delete(timer) == 0);
	NEED(took_ns >= 500 * CLOCK_MS && took_ns < 2 * CLOCK_S);
	/* Cut short, and nobody's fault. */
	NEED(stage_count(&stage, STORE_OPEN) == 10);
	NEED(stage.stats.attempts_by[OUTCOME_INTERRUPTED] == 4);
	stage_check_stats(&stage);
	stage_close(&stage);
}

static void
a_second_interrupt_kills_and_leaves_prompts_open(void **state)
{
	(void)state;
	assert_int_equal(apart_run(interrupt_twice, NULL), 0);
}

static enum fake_deed
terminate_two(uint32_t index, uint32_t attempt)
{
	(void)attempt;
	return index == 0 ? FAKE_SLOW_ANSWER : FAKE_TERMINATED;
}

/* Both others are heard in one turn, and our own signal comes between. */
static void
term_between(struct stage *stage, const struct pool_report *report)
{
	(void)report;
	if (stage->seen_count == 1)
		usleep(500000);
	if (stage->seen_count == 2)
		NEED(kill(getpid(), SIGTERM) == 0);
}

static void
be_terminated(void *arg)
{
	static const struct fake fake = {FAKE_READY, terminate_two};
	struct stage stage;

	(void)arg;
	stage_open(&stage, 3, &fake, NULL);
	stage.conf.policy.tries_max = 1;
	stage.take_signals = true;
	stage.seen = term_between;
	NEED(stage_run(&stage) == 75);
	NEED(stage_count(&stage, STORE_ANSWERED) == 1);
	NEED(stage_count(&stage, STORE_FAILED) == 1);
	NEED(stage_count(&stage, STORE_OPEN) == 1);
	NEED(stage.stats.attempts_by[OUTCOME_EXIT_STATUS] == 1);
	NEED(stage.stats.attempts_by[OUTCOME_INTERRUPTED] == 1);
	stage_check_stats(&stage);
	stage_close(&stage);
}

static void
a_command_that_a_term_for_all_hit_first_is_not_charged(void **state)
{
	(void)state;
	assert_int_equal(apart_run(be_terminated, NULL), 0);
}

static void
ignore_hangup(void *arg)
{
	struct stage stage;

	(void)arg;
	signal(SIGHUP, SIG_IGN); /* nohup */
	stage_open(&stage, 20, NULL, "ms=10");
	stage.take_signals = true;
	NEED(kill(getpid(), SIGHUP) == 0);
	NEED(stage_run(&stage) == 0);
	NEED(stage_count(&stage, STORE_ANSWERED) == 20);
	stage_close(&stage);
}

static void
a_signal_that_was_ignored_at_start_stays_so(void **state)
{
	(void)state;
	assert_int_equal(apart_run(ignore_hangup, NULL), 0);
}

/* ---- held prompts ---- */

static enum fake_deed
all_auth(uint32_t index, uint32_t attempt)
{
	(void)index, (void)attempt;
	return FAKE_AUTH;
}

static void
refuse_all(void *arg)
{
	static const struct fake fake = {FAKE_READY, all_auth};
	uint32_t count = *(uint32_t *)arg;
	struct stage stage;

	stage_open(&stage, count, &fake, NULL);
	NEED(stage_run(&stage) == 69);
	NEED(strstr(stage.stop.reason, "bad key") != NULL);
	NEED(stage_count(&stage, STORE_OPEN) == count);
	/* Three, and what was in flight then. */
	NEED(stage.stats.attempts <= 3 + 4);
	stage_check_stats(&stage);
	stage_close(&stage);
}

static void
a_wrong_key_stops_with_69_and_leaves_prompts_open(void **state)
{
	uint32_t counts[] = {200, 2, 1};

	(void)state;
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(apart_run(refuse_all, &counts[i]), 0);
}

static enum fake_deed
some_auth(uint32_t index, uint32_t attempt)
{
	(void)attempt;
	return index == 50 || index >= 198 ? FAKE_AUTH : FAKE_ANSWER;
}

static void
refuse_some(void *arg)
{
	static const struct fake fake = {FAKE_READY, some_auth};
	struct stage stage;
	struct store_row row;
	struct err err;

	(void)arg;
	stage_open(&stage, 200, &fake, NULL);
	NEED(stage_run(&stage) == 0);
	NEED(stage_count(&stage, STORE_ANSWERED) == 197);
	NEED(stage.stats.failed_by[OUTCOME_AUTH] == 3);
	NEED(stage.states[50] == STORE_FAILED);
	NEED(stage.states[198] == STORE_FAILED);
	NEED(stage.states[199] == STORE_FAILED);
	NEED(store_read_row(stage.store, 50, &row, &err) == 0);
	NEED(row.attempts == 1);
	NEED(span_equals(row.outcome, span_of("auth")));
	NEED(memmem(row.result.data, row.result.size, "bad key", 7) != NULL);
	NEED(stage.stats.attempts == 200);
	stage_check_stats(&stage);
	stage_close(&stage);
}

static void
where_others_were_answered_it_is_the_prompts_own_fault(void **state)
{
	(void)state;
	assert_int_equal(apart_run(refuse_some, NULL), 0);
}

static enum fake_deed
auth_beside_one(uint32_t index, uint32_t attempt)
{
	(void)attempt;
	return index == 0 ? FAKE_SLOW_ANSWER : FAKE_AUTH;
}

static void
answer_too_late(void *arg)
{
	static const struct fake fake = {FAKE_READY, auth_beside_one};
	struct stage stage;

	(void)arg;
	stage_open(&stage, 20, &fake, NULL);
	NEED(stage_run(&stage) == 69);
	NEED(stage.states[0] == STORE_ANSWERED);
	NEED(stage_count(&stage, STORE_OPEN) == 19);
	stage_check_stats(&stage);
	stage_close(&stage);
}

static void
an_answer_during_the_drain_blames_no_prompt(void **state)
{
	(void)state;
	assert_int_equal(apart_run(answer_too_late, NULL), 0);
}

static enum fake_deed
auth_for_one(uint32_t index, uint32_t attempt)
{
	(void)attempt;
	return index == 1 ? FAKE_AUTH : FAKE_SLOW_ANSWER;
}

static void
term_on_auth(struct stage *stage, const struct pool_report *report)
{
	(void)stage;
	if (report->reply.outcome == OUTCOME_AUTH)
		NEED(kill(getpid(), SIGTERM) == 0);
}

static void
stop_while_held(void *arg)
{
	static const struct fake fake = {FAKE_READY, auth_for_one};
	struct stage stage;

	(void)arg;
	stage_open(&stage, 20, &fake, NULL);
	stage.take_signals = true;
	stage.seen = term_on_auth;
	NEED(stage_run(&stage) == 75);
	NEED(stage.states[1] == STORE_OPEN);
	NEED(stage_count(&stage, STORE_FAILED) == 0);
	NEED(stage_count(&stage, STORE_ANSWERED) > 0);
	stage_close(&stage);
}

static void
a_run_that_is_stopped_leaves_held_prompts_open(void **state)
{
	(void)state;
	assert_int_equal(apart_run(stop_while_held, NULL), 0);
}

/* ---- workers that are no good ---- */

static enum fake_deed
all_abort(uint32_t index, uint32_t attempt)
{
	(void)index, (void)attempt;
	return FAKE_ABORT;
}

static void
be_no_good(void *arg)
{
	const struct fake *fake = arg;
	struct stage stage;

	stage_open(&stage, 200, fake, NULL);
	NEED(stage_run(&stage) == 69);
	NEED(stage_count(&stage, STORE_ANSWERED) == 0);
	NEED(stage_count(&stage, STORE_OPEN) >= 190);
	NEED(stage.stats.births <= 10 + 2 * 4);
	stage_check_stats(&stage);
	stage_close(&stage);
}

static void
workers_that_never_work_stop_with_69(void **state)
{
	static const struct fake fakes[] = {
	    {FAKE_DIE_EARLY, NULL},
	    {FAKE_REFUSE, NULL},
	    {FAKE_GARBAGE_FIRST, NULL},
	    {FAKE_READY_AND_DIE, NULL},
	    {FAKE_READY, all_abort},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(fakes) / sizeof(fakes[0]); i++) {
		struct fake fake = fakes[i];

		if (apart_run(be_no_good, &fake) != 0)
			fail_msg("fake %zu", i);
	}
}

static void
fail_always(void *arg)
{
	uint32_t count = *(uint32_t *)arg;
	bool proven = count >= 20 + 2 * 4;
	struct store_row row;
	struct stage stage;
	struct err err;

	stage_open(&stage, count, NULL, "fail=100%");
	NEED(stage_run(&stage) == (proven ? 69 : 0));
	NEED(stage_count(&stage, proven ? STORE_OPEN : STORE_FAILED) == count);
	stage_check_stats(&stage);
	NEED(store_read_row(stage.store, 0, &row, &err) == 0);
	NEED((row.result.data == NULL) == proven);
	NEED(proven || row.attempts == 3);
	stage_close(&stage);
}

/* Until something was answered, failures may be the run's own: they stay open
 * when it stops for them, and are the prompts' own when it got through. */
static void
failures_without_any_answer_count_once_the_run_got_through(void **state)
{
	uint32_t count = 60;

	(void)state;
	assert_int_equal(apart_run(fail_always, &count), 0);
	count = 27;
	assert_int_equal(apart_run(fail_always, &count), 0);
}

static enum fake_deed
all_interrupted(uint32_t index, uint32_t attempt)
{
	(void)index, (void)attempt;
	return FAKE_INTERRUPTED;
}

static void
be_interrupted(void *arg)
{
	static const struct fake fake = {FAKE_READY, all_interrupted};
	struct stage stage;

	(void)arg;
	stage_open(&stage, 5, &fake, NULL);
	NEED(stage_run(&stage) == 0);
	NEED(stage_count(&stage, STORE_FAILED) == 5);
	NEED(stage.stats.attempts == 15);
	stage_close(&stage);
}

static void
a_worker_cannot_have_tries_for_nothing(void **state)
{
	(void)state;
	assert_int_equal(apart_run(be_interrupted, NULL), 0);
}

/* ---- servers ---- */

static double
cpu_seconds(void)
{
	struct rusage usage;

	NEED(getrusage(RUSAGE_SELF, &usage) == 0);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static enum fake_deed
all_away(uint32_t index, uint32_t attempt)
{
	(void)index, (void)attempt;
	return FAKE_NO_SERVER;
}

static void
wait_for_server(void *arg)
{
	static const struct fake fake = {FAKE_READY, all_away};
	uint32_t count = *(uint32_t *)arg;
	struct stage stage;
	double cpu_s;
	int64_t took_ns;

	stage_open(&stage, count, &fake, NULL);
	stage.conf.wait_server_first_ns = 1700 * CLOCK_MS;
	cpu_s = cpu_seconds();
	took_ns = clock_now_ns();
	NEED(stage_run(&stage) == 69);
	took_ns = clock_now_ns() - took_ns;
	NEED(took_ns >= 1700 * CLOCK_MS && took_ns < 3 * CLOCK_S);
	/* It slept, and did not ask again and again. */
	NEED(cpu_seconds() - cpu_s < 0.4);
	NEED(stage.stats.attempts <= 4 + 1);
	NEED(stage_count(&stage, STORE_OPEN) == count);
	NEED(strstr(stage.stop.reason, "refused") != NULL);
	NEED(stage.stats.server_wait_ns > CLOCK_S);
	stage_close(&stage);
}

static void
a_server_that_never_comes_is_waited_for_asleep_then_69(void **state)
{
	uint32_t count = 50;

	(void)state;
	assert_int_equal(apart_run(wait_for_server, &count), 0);
	/* One prompt, which itself is asked to wait for longer. */
	count = 1;
	assert_int_equal(apart_run(wait_for_server, &count), 0);
}

static enum fake_deed
rate_then_answer(uint32_t index, uint32_t attempt)
{
	(void)index;
	return attempt <= 3 ? FAKE_RATE : FAKE_ANSWER;
}

static void
be_limited(void *arg)
{
	static const struct fake fake = {FAKE_READY, rate_then_answer};
	struct stage stage;

	(void)arg;
	stage_open(&stage, 20, &fake, NULL);
	stage.conf.policy.tries_max = 1;
	NEED(stage_run(&stage) == 0);
	NEED(stage_count(&stage, STORE_ANSWERED) == 20);
	NEED(stage.stats.attempts == 4 * 20);
	stage_check_stats(&stage);
	stage_close(&stage);
}

static void
rate_limits_cost_no_tries(void **state)
{
	(void)state;
	assert_int_equal(apart_run(be_limited, NULL), 0);
}

static enum fake_deed
hours_for_one(uint32_t index, uint32_t attempt)
{
	(void)attempt;
	return index == 7 ? FAKE_RATE_HOURS : FAKE_ANSWER;
}

static void
be_asked_for_hours(void *arg)
{
	static const struct fake fake = {FAKE_READY, hours_for_one};
	struct stage stage;

	(void)arg;
	stage_open(&stage, 200, &fake, NULL);
	NEED(stage_run(&stage) == 75);
	NEED(strstr(stage.stop.reason, "2 h") != NULL);
	NEED(strstr(stage.stop.reason, "slow down") != NULL);
	NEED(stage.states[7] == STORE_OPEN);
	NEED(stage_count(&stage, STORE_FAILED) == 0);
	NEED(stage_count(&stage, STORE_OPEN) > 100);
	stage_check_stats(&stage);
	stage_close(&stage);
}

static void
a_pause_of_hours_is_a_stop(void **state)
{
	(void)state;
	assert_int_equal(apart_run(be_asked_for_hours, NULL), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(
		every_prompt_ends_as_its_faults_want_and_the_numbers_add_up),
	    cmocka_unit_test(nothing_to_do_starts_nobody),
	    cmocka_unit_test(a_nursery_that_dies_costs_nothing),
	    cmocka_unit_test(a_term_drains_and_the_same_again_does_the_rest),
	    cmocka_unit_test(a_second_interrupt_kills_and_leaves_prompts_open),
	    cmocka_unit_test(
		a_command_that_a_term_for_all_hit_first_is_not_charged),
	    cmocka_unit_test(a_signal_that_was_ignored_at_start_stays_so),
	    cmocka_unit_test(a_wrong_key_stops_with_69_and_leaves_prompts_open),
	    cmocka_unit_test(
		where_others_were_answered_it_is_the_prompts_own_fault),
	    cmocka_unit_test(an_answer_during_the_drain_blames_no_prompt),
	    cmocka_unit_test(a_run_that_is_stopped_leaves_held_prompts_open),
	    cmocka_unit_test(workers_that_never_work_stop_with_69),
	    cmocka_unit_test(
		failures_without_any_answer_count_once_the_run_got_through),
	    cmocka_unit_test(a_worker_cannot_have_tries_for_nothing),
	    cmocka_unit_test(
		a_server_that_never_comes_is_waited_for_asleep_then_69),
	    cmocka_unit_test(rate_limits_cost_no_tries),
	    cmocka_unit_test(a_pause_of_hours_is_a_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
