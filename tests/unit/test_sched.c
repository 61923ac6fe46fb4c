/* SPDX-License-Identifier: ISC */
/*
 * Each rule of the scheduler by itself; sim_sched has them all at once.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/clock.h"
#include "run/sched.h"

#include "apart.h"

static const struct sched_policy usual = {
    .tries_max = 3,
    .delay_ns = CLOCK_S,
    .delay_max_ns = 60 * CLOCK_S,
    .poison = 2,
    .wait_max_ns = 3600 * CLOCK_S,
    .random_seed = 1,
};

/* All of count prompts are asked for. */
static struct sched *
open_all(uint32_t count, const struct sched_policy *policy)
{
	struct sched *sched = sched_new(count, policy);

	assert_non_null(sched);
	for (uint32_t i = 0; i < count; i++)
		sched_open(sched, i);
	return sched;
}

/* Take the next one, which must be this. Gives its attempt. */
static uint32_t
take(struct sched *sched, int64_t now_ns, uint32_t expected)
{
	uint32_t index;
	uint32_t attempt;

	assert_true(sched_next(sched, now_ns, &index, &attempt));
	assert_int_equal(index, expected);
	return attempt;
}

static bool
takes_none(struct sched *sched, int64_t now_ns)
{
	uint32_t index;
	uint32_t attempt;

	return !sched_next(sched, now_ns, &index, &attempt);
}

static enum sched_verdict
say(struct sched *sched, uint32_t index, enum outcome outcome, int64_t now_ns)
{
	const struct sched_result result = {
	    .outcome = outcome,
	    .retry_after_ns = -1,
	};

	return sched_report(sched, index, &result, now_ns);
}

static enum sched_verdict
say_died(struct sched *sched, uint32_t index, int64_t now_ns)
{
	const struct sched_result result = {
	    .outcome = OUTCOME_CRASH,
	    .worker_died = true,
	    .retry_after_ns = -1,
	};

	return sched_report(sched, index, &result, now_ns);
}

static enum sched_verdict
say_after(struct sched *sched, uint32_t index, enum outcome outcome,
    int64_t retry_after_ns, int64_t now_ns)
{
	const struct sched_result result = {
	    .outcome = outcome,
	    .retry_after_ns = retry_after_ns,
	};

	return sched_report(sched, index, &result, now_ns);
}

static void
nothing_asked_for_is_nothing_to_do(void **state)
{
	struct sched *sched = sched_new(5, &usual);
	struct sched *none = sched_new(0, &usual);

	(void)state;
	assert_int_equal(sched_left(sched), 0);
	assert_true(takes_none(sched, 0));
	assert_true(sched_due_ns(sched) == CLOCK_NEVER);
	assert_true(takes_none(none, 0));
	sched_free(sched);
	sched_free(none);
	sched_free(NULL);
}

static void
fresh_prompts_go_out_in_order_and_others_never(void **state)
{
	struct sched *sched = sched_new(10, &usual);

	(void)state;
	sched_open(sched, 7);
	sched_open(sched, 2);
	sched_open(sched, 3);
	assert_int_equal(sched_left(sched), 3);
	assert_int_equal(sched_due_ns(sched), 0);
	assert_int_equal(take(sched, 0, 2), 1);
	assert_int_equal(take(sched, 0, 3), 1);
	assert_int_equal(sched_ready(sched), 1);
	assert_int_equal(take(sched, 0, 7), 1);
	assert_true(takes_none(sched, 0));
	assert_int_equal(sched_out(sched), 3);
	assert_true(sched_due_ns(sched) == CLOCK_NEVER);
	sched_free(sched);
}

static void
an_answer_closes(void **state)
{
	static const enum outcome answers[] = {
	    OUTCOME_OK, OUTCOME_LENGTH, OUTCOME_TOOL_CALLS};
	struct sched *sched = open_all(3, &usual);

	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		take(sched, 0, i);
		assert_int_equal(say(sched, i, answers[i], 5), SCHED_ANSWERED);
		assert_int_equal(sched_tries(sched, i), 1);
	}
	assert_int_equal(sched_left(sched), 0);
	assert_true(takes_none(sched, CLOCK_NEVER));
	sched_free(sched);
}

static void
a_returned_prompt_was_never_taken_and_goes_first(void **state)
{
	struct sched *sched = open_all(3, &usual);

	(void)state;
	take(sched, 100, 0);
	take(sched, 100, 1);
	sched_return(sched, 1);
	assert_true(sched_due_ns(sched) <= 100);
	assert_int_equal(sched_waiting(sched), 1);
	assert_int_equal(take(sched, 100, 1), 1);
	assert_int_equal(take(sched, 100, 2), 1);
	assert_int_equal(sched_tries(sched, 1), 0);
	sched_free(sched);
}

static void
tries_are_used_up_and_no_more(void **state)
{
	struct sched *sched = open_all(1, &usual);
	int64_t now_ns = 0;

	(void)state;
	for (uint32_t try = 1; try <= 3; try++) {
		assert_int_equal(take(sched, now_ns, 0), try);
		assert_int_equal(say(sched, 0, OUTCOME_SERVER_ERROR, now_ns),
		    try < 3 ? SCHED_LATER : SCHED_FAILED);
		assert_int_equal(sched_tries(sched, 0), try);
		if (try < 3)
			now_ns = sched_due_ns(sched);
	}
	assert_int_equal(sched_left(sched), 0);
	sched_free(sched);
}

static void
no_second_try_where_none_can_help(void **state)
{
	static const enum outcome hopeless[] = {OUTCOME_REFUSED,
	    OUTCOME_CONTENT_FILTER, OUTCOME_BAD_REQUEST, OUTCOME_TOO_LONG};
	struct sched *sched = open_all(4, &usual);

	(void)state;
	for (uint32_t i = 0; i < 4; i++) {
		take(sched, 0, i);
		assert_int_equal(say(sched, i, hopeless[i], 0), SCHED_FAILED);
	}
	assert_int_equal(sched_left(sched), 0);
	sched_free(sched);
}

/* The pause before the next try after so many failures, drawn anew with each
 * seed. */
static int64_t
pause_after(uint32_t failures, const struct sched_policy *policy, uint64_t seed)
{
	struct sched_policy drawn = *policy;
	struct sched *sched;
	int64_t now_ns = 0;
	int64_t pause_ns = 0;

	drawn.random_seed = seed;
	sched = open_all(1, &drawn);
	for (uint32_t i = 0; i < failures; i++) {
		now_ns += pause_ns;
		take(sched, now_ns, 0);
		assert_int_equal(
		    say(sched, 0, OUTCOME_SERVER_ERROR, now_ns), SCHED_LATER);
		pause_ns = sched_due_ns(sched) - now_ns;
	}
	sched_free(sched);
	return pause_ns;
}

static void
pauses_double_up_to_the_cap_with_full_jitter(void **state)
{
	static const int64_t most_s[] = {1, 2, 4, 8, 16, 32, 60, 60};
	struct sched_policy policy = usual;

	(void)state;
	policy.tries_max = 100;
	for (uint32_t failures = 1; failures <= 8; failures++) {
		int64_t most_ns = most_s[failures - 1] * CLOCK_S;
		int64_t longest_ns = 0;
		int64_t shortest_ns = CLOCK_NEVER;

		for (uint64_t seed = 0; seed < 500; seed++) {
			int64_t pause_ns = pause_after(failures, &policy, seed);

			if (pause_ns > longest_ns)
				longest_ns = pause_ns;
			if (pause_ns < shortest_ns)
				shortest_ns = pause_ns;
		}
		assert_true(longest_ns <= most_ns);
		assert_true(longest_ns > most_ns / 10 * 9);
		assert_true(shortest_ns >= 0);
		assert_true(shortest_ns < most_ns / 10);
	}
}

static void
a_first_pause_over_the_cap_is_cut(void **state)
{
	struct sched_policy policy = usual;

	(void)state;
	policy.delay_ns = 100 * 3600 * CLOCK_S;
	for (uint64_t seed = 0; seed < 100; seed++)
		assert_true(
		    pause_after(1, &policy, seed) <= policy.delay_max_ns);
}

static void
what_the_server_asks_for_is_a_floor(void **state)
{
	struct sched *sched = open_all(2, &usual);

	(void)state;
	take(sched, 10, 0);
	take(sched, 10, 1);
	assert_int_equal(
	    say_after(sched, 0, OUTCOME_OVERLOADED, 90 * CLOCK_S, 10),
	    SCHED_LATER);
	assert_true(sched_due_ns(sched) == 10 + 90 * CLOCK_S);
	assert_int_equal(
	    say_after(sched, 1, OUTCOME_RATE_LIMITED, 70 * CLOCK_S, 10),
	    SCHED_LATER);
	assert_true(sched_due_ns(sched) == 10 + 70 * CLOCK_S);
	assert_true(takes_none(sched, 10 + 70 * CLOCK_S - 1));
	assert_int_equal(take(sched, 10 + 70 * CLOCK_S, 1), 2);
	sched_free(sched);
}

static void
a_waiting_prompt_that_is_due_goes_before_fresh_ones(void **state)
{
	struct sched *sched = open_all(3, &usual);

	(void)state;
	take(sched, 0, 0);
	say_after(sched, 0, OUTCOME_SERVER_ERROR, 5 * CLOCK_S, 0);
	assert_int_equal(take(sched, 5 * CLOCK_S - 1, 1), 1);
	assert_int_equal(take(sched, 5 * CLOCK_S, 0), 2);
	assert_int_equal(take(sched, 5 * CLOCK_S, 2), 1);
	sched_free(sched);
}

static void
the_first_death_is_retried_at_once_and_enough_are_poison(void **state)
{
	struct sched_policy policy = usual;
	struct sched *sched;

	(void)state;
	policy.tries_max = 10;
	policy.poison = 3;
	sched = open_all(1, &policy);
	take(sched, 7, 0);
	assert_int_equal(say_died(sched, 0, 7), SCHED_LATER);
	assert_int_equal(sched_due_ns(sched), 7);
	assert_int_equal(sched_tries(sched, 0), 1);
	take(sched, 7, 0);
	assert_int_equal(say_died(sched, 0, 7), SCHED_LATER);
	take(sched, sched_due_ns(sched), 0);
	assert_int_equal(say_died(sched, 0, 7), SCHED_POISON);
	assert_int_equal(sched_left(sched), 0);
	sched_free(sched);
}

static void
timeouts_are_no_poison(void **state)
{
	struct sched_policy policy = usual;
	struct sched *sched;

	(void)state;
	policy.tries_max = 5;
	sched = open_all(1, &policy);
	for (uint32_t i = 1; i <= 5; i++) {
		take(sched, 1000 * CLOCK_S * i, 0);
		assert_int_equal(
		    say(sched, 0, OUTCOME_TIMEOUT_TOTAL, 1000 * CLOCK_S * i),
		    i < 5 ? SCHED_LATER : SCHED_FAILED);
	}
	sched_free(sched);
}

static void
a_rate_limit_is_no_try(void **state)
{
	struct sched_policy policy = usual;
	struct sched *sched;
	int64_t now_ns = 0;

	(void)state;
	policy.tries_max = 1;
	sched = open_all(1, &policy);
	for (uint32_t i = 1; i <= 20; i++) {
		assert_int_equal(take(sched, now_ns, 0), i);
		assert_int_equal(
		    say_after(sched, 0, OUTCOME_RATE_LIMITED, CLOCK_S, now_ns),
		    SCHED_LATER);
		now_ns = sched_due_ns(sched);
	}
	assert_int_equal(sched_tries(sched, 0), 0);
	take(sched, now_ns, 0);
	assert_int_equal(say(sched, 0, OUTCOME_OK, now_ns), SCHED_ANSWERED);
	sched_free(sched);
}

static void
a_rate_limit_without_end_fails_after_max_wait(void **state)
{
	struct sched *sched = open_all(1, &usual);
	int64_t now_ns = 0;
	int64_t waits = 0;

	(void)state;
	for (;; waits++) {
		take(sched, now_ns, 0);
		if (say_after(sched, 0, OUTCOME_RATE_LIMITED, 100 * CLOCK_S,
			now_ns) == SCHED_FAILED)
			break;
		assert_true(waits < 40);
		now_ns = sched_due_ns(sched);
	}
	assert_true(waits >= 34 && waits <= 36);
	assert_int_equal(sched_left(sched), 0);
	sched_free(sched);
}

/* --retry-delay 0 against a server that says 429 and no more. */
static void
a_rate_limit_is_never_hammered_at(void **state)
{
	struct sched_policy policy = usual;
	struct sched *sched;
	int64_t now_ns = 0;
	uint32_t asked = 0;

	(void)state;
	policy.delay_ns = 0;
	policy.wait_max_ns = 600 * CLOCK_S;
	sched = open_all(1, &policy);
	do {
		take(sched, now_ns, 0);
		asked++;
		assert_true(asked < 100);
		if (say(sched, 0, OUTCOME_RATE_LIMITED, now_ns) == SCHED_FAILED)
			break;
		now_ns = sched_due_ns(sched);
	} while (sched_left(sched) > 0);
	assert_true(now_ns > 300 * CLOCK_S);
	sched_free(sched);
}

static void
a_server_that_is_away_costs_neither_tries_nor_the_prompt(void **state)
{
	static const enum outcome aways[] = {
	    OUTCOME_NO_SERVER, OUTCOME_TLS, OUTCOME_INTERRUPTED};
	struct sched_policy policy = usual;
	struct sched *sched;
	int64_t now_ns = 0;

	(void)state;
	policy.tries_max = 1;
	sched = open_all(1, &policy);
	/* Its Retry-After is kept, but is no waiting of the prompt. */
	for (uint32_t i = 0; i < 300; i++) {
		take(sched, now_ns, 0);
		assert_int_equal(say_after(sched, 0, aways[i % 3],
				     i % 2 == 0 ? -1 : 600 * CLOCK_S, now_ns),
		    SCHED_LATER);
		assert_true(sched_due_ns(sched) ==
			    now_ns + (i % 2 == 0 ? 0 : 600 * CLOCK_S));
		now_ns = sched_due_ns(sched);
	}
	assert_int_equal(sched_tries(sched, 0), 0);
	sched_free(sched);
}

static void
what_blames_the_run_is_held_until_it_is_known(void **state)
{
	static const enum outcome blames[] = {OUTCOME_AUTH, OUTCOME_NO_MONEY,
	    OUTCOME_NO_MODEL, OUTCOME_NO_COMMAND};
	struct sched *sched = open_all(4, &usual);

	(void)state;
	for (uint32_t i = 0; i < 4; i++) {
		take(sched, 0, i);
		assert_int_equal(say(sched, i, blames[i], 0), SCHED_HELD);
		assert_int_equal(sched_tries(sched, i), 1);
	}
	assert_int_equal(sched_left(sched), 0);
	assert_true(takes_none(sched, CLOCK_NEVER));
	for (uint32_t i = 0; i < 4; i++)
		sched_fail_held(sched, i);
	assert_int_equal(sched_left(sched), 0);
	sched_free(sched);
}

static void
more_tries_than_can_be_counted_end_as_well(void **state)
{
	struct sched_policy policy = usual;
	struct sched *sched;
	uint32_t tries = 0;

	(void)state;
	policy.tries_max = 1000000;
	policy.delay_ns = 0;
	sched = open_all(1, &policy);
	do {
		take(sched, 0, 0);
		assert_true(++tries <= 70000);
	} while (say(sched, 0, OUTCOME_SERVER_ERROR, 0) == SCHED_LATER);
	assert_int_equal(tries, 65535);
	assert_int_equal(sched_tries(sched, 0), 65535);
	sched_free(sched);
	policy.poison = 1000000;
	sched = open_all(1, &policy);
	for (uint32_t deaths = 1; deaths < 255; deaths++) {
		take(sched, 0, 0);
		assert_int_equal(say_died(sched, 0, 0), SCHED_LATER);
	}
	take(sched, 0, 0);
	assert_int_equal(say_died(sched, 0, 0), SCHED_POISON);
	sched_free(sched);
}

/* ---- bugs ---- */

enum misuse {
	OPEN_TWICE = 0,
	OPEN_LATE = 1,
	REPORT_TWICE = 2,
	RETURN_UNTAKEN = 3,
	FAIL_NOT_HELD = 4,
	BEYOND = 5,
};

static void
misuse_it(void *arg)
{
	const struct rlimit none = {0, 0};
	struct sched *sched = sched_new(2, &usual);
	uint32_t index;
	uint32_t attempt;

	setrlimit(RLIMIT_CORE, &none);
	signal(SIGABRT, SIG_DFL); /* cmocka catches it */
	sched_open(sched, 0);
	if (*(const enum misuse *)arg == OPEN_TWICE)
		sched_open(sched, 0);
	sched_next(sched, 0, &index, &attempt);
	switch (*(const enum misuse *)arg) {
	case OPEN_TWICE:
		break;
	case OPEN_LATE:
		sched_open(sched, 1);
		break;
	case REPORT_TWICE:
		say(sched, 0, OUTCOME_OK, 0);
		say(sched, 0, OUTCOME_OK, 0);
		break;
	case RETURN_UNTAKEN:
		sched_return(sched, 1);
		break;
	case FAIL_NOT_HELD:
		sched_fail_held(sched, 0);
		break;
	case BEYOND:
		sched_tries(sched, 2);
		break;
	}
	_exit(0);
}

static void
misuse_is_a_bug(void **state)
{
	(void)state;
	for (enum misuse misuse = OPEN_TWICE; misuse <= BEYOND; misuse++) {
		int status = apart_run(misuse_it, &misuse);

		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), SIGABRT);
	}
}

/* ---- what people say of single ones ---- */

static void
a_cancelled_prompt_is_nothing_to_do(void **state)
{
	struct sched *sched = open_all(4, &usual);

	(void)state;
	sched_cancel(sched, 1); /* fresh */
	take(sched, 0, 0);
	assert_int_equal(say(sched, 0, OUTCOME_TIMEOUT_TOTAL, 0), SCHED_LATER);
	assert_int_equal(sched_state(sched, 0), SCHED_IS_HERE);
	sched_cancel(sched, 0); /* waits */
	take(sched, 0, 2);
	sched_cancel(sched, 2); /* out: it comes back once, */
	assert_int_equal(sched_state(sched, 2), SCHED_IS_OUT);
	assert_int_equal(sched_out(sched), 1);
	sched_cancel(sched, 2); /* told twice, */
	assert_int_equal(
	    say(sched, 2, OUTCOME_INTERRUPTED, 0), SCHED_CANCELLED);
	take(sched, 0, 3);
	sched_cancel(sched, 3); /* and an answer is kept */
	assert_int_equal(say(sched, 3, OUTCOME_OK, 0), SCHED_ANSWERED);
	assert_int_equal(sched_left(sched), 0);
	assert_int_equal(sched_due_ns(sched), CLOCK_NEVER);
	assert_true(takes_none(sched, CLOCK_S * 100));
	sched_free(sched);
}

static void
a_reopened_prompt_has_all_its_tries_and_goes_first(void **state)
{
	struct sched *sched = open_all(2, &usual);

	(void)state;
	take(sched, 0, 0);
	assert_int_equal(say(sched, 0, OUTCOME_BAD_REQUEST, 0), SCHED_FAILED);
	assert_int_equal(sched_state(sched, 0), SCHED_IS_CLOSED);
	sched_reopen(sched, 0);
	assert_int_equal(take(sched, 0, 0), 2); /* attempts are counted on */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(
		    say(sched, 0, OUTCOME_TIMEOUT_TOTAL, 0), SCHED_LATER);
		take(sched, CLOCK_S * 60, 0);
	}
	assert_int_equal(say(sched, 0, OUTCOME_TIMEOUT_TOTAL, 0), SCHED_FAILED);
	take(sched, 0, 1);
	sched_free(sched);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(nothing_asked_for_is_nothing_to_do),
	    cmocka_unit_test(fresh_prompts_go_out_in_order_and_others_never),
	    cmocka_unit_test(an_answer_closes),
	    cmocka_unit_test(a_returned_prompt_was_never_taken_and_goes_first),
	    cmocka_unit_test(tries_are_used_up_and_no_more),
	    cmocka_unit_test(no_second_try_where_none_can_help),
	    cmocka_unit_test(pauses_double_up_to_the_cap_with_full_jitter),
	    cmocka_unit_test(a_first_pause_over_the_cap_is_cut),
	    cmocka_unit_test(what_the_server_asks_for_is_a_floor),
	    cmocka_unit_test(
		a_waiting_prompt_that_is_due_goes_before_fresh_ones),
	    cmocka_unit_test(
		the_first_death_is_retried_at_once_and_enough_are_poison),
	    cmocka_unit_test(timeouts_are_no_poison),
	    cmocka_unit_test(a_rate_limit_is_no_try),
	    cmocka_unit_test(a_rate_limit_without_end_fails_after_max_wait),
	    cmocka_unit_test(a_rate_limit_is_never_hammered_at),
	    cmocka_unit_test(
		a_server_that_is_away_costs_neither_tries_nor_the_prompt),
	    cmocka_unit_test(what_blames_the_run_is_held_until_it_is_known),
	    cmocka_unit_test(more_tries_than_can_be_counted_end_as_well),
	    cmocka_unit_test(misuse_is_a_bug),
	    cmocka_unit_test(a_cancelled_prompt_is_nothing_to_do),
	    cmocka_unit_test(
		a_reopened_prompt_has_all_its_tries_and_goes_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
