/* SPDX-License-Identifier: ISC */
/*
 * When may anybody be sent: rate limits and servers that are away.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "run/pace.h"

#define FIRST (30 * CLOCK_S)
#define LATER (900 * CLOCK_S)
#define PROBE 1000 /* its prompt's index */

static void
hear(struct pace *pace, enum outcome outcome, int64_t now_ns)
{
	pace_report(pace, 1, outcome, -1, now_ns, now_ns);
}

static void
hear_probe(struct pace *pace, enum outcome outcome, int64_t now_ns)
{
	pace_report(pace, PROBE, outcome, -1, now_ns, now_ns);
}

static void
nothing_wrong_is_no_wait(void **state)
{
	struct pace pace;

	(void)state;
	pace_init(&pace, FIRST, LATER);
	for (uint32_t i = 0; i < 100; i++) {
		assert_true(pace_may_send(&pace, 0));
		pace_sent(&pace, i, 0);
	}
	assert_int_equal(pace_due_ns(&pace), 0);
	assert_true(pace_gives_up_ns(&pace) == CLOCK_NEVER);
	assert_false(pace_waits(&pace, 0));
	assert_false(pace_gave_up(&pace, CLOCK_NEVER - 1));
}

static void
a_rate_limit_holds_up_everybody_and_a_longer_one_extends_it(void **state)
{
	struct pace pace;

	(void)state;
	pace_init(&pace, FIRST, LATER);
	pace_report(&pace, 1, OUTCOME_RATE_LIMITED, 10 * CLOCK_S, 0, 0);
	assert_true(pace_waits(&pace, 0));
	assert_false(pace_may_send(&pace, 10 * CLOCK_S - 1));
	assert_true(pace_due_ns(&pace) == 10 * CLOCK_S);
	pace_report(&pace, 2, OUTCOME_RATE_LIMITED, CLOCK_S, 0, 0);
	assert_true(pace_due_ns(&pace) == 10 * CLOCK_S);
	pace_report(&pace, 3, OUTCOME_RATE_LIMITED, 20 * CLOCK_S, 0, 0);
	assert_true(pace_due_ns(&pace) == 20 * CLOCK_S);
	assert_true(pace_may_send(&pace, 20 * CLOCK_S));
	assert_false(pace_waits(&pace, 20 * CLOCK_S));
}

static void
a_rate_limit_without_a_time_holds_up_nobody_else(void **state)
{
	struct pace pace;

	(void)state;
	pace_init(&pace, FIRST, LATER);
	hear(&pace, OUTCOME_RATE_LIMITED, 5);
	assert_true(pace_may_send(&pace, 5));
	assert_false(pace_waits(&pace, 5));
}

static void
a_server_that_is_away_is_probed_by_one(void **state)
{
	struct pace pace;

	(void)state;
	pace_init(&pace, FIRST, LATER);
	hear(&pace, OUTCOME_NO_SERVER, 0);
	assert_true(pace_waits(&pace, 0));
	assert_false(pace_may_send(&pace, CLOCK_S - 1));
	assert_true(pace_due_ns(&pace) == CLOCK_S);
	assert_true(pace_may_send(&pace, CLOCK_S));
	/* Asking is not sending. */
	assert_true(pace_may_send(&pace, CLOCK_S));
	pace_sent(&pace, PROBE, 0);
	assert_false(pace_may_send(&pace, 1000 * CLOCK_S));
	assert_true(pace_due_ns(&pace) == CLOCK_NEVER);
	hear_probe(&pace, OUTCOME_OK, 2 * CLOCK_S);
	assert_true(pace_may_send(&pace, 2 * CLOCK_S));
	assert_false(pace_waits(&pace, 2 * CLOCK_S));
}

static void
probes_come_after_1_s_doubling_to_60_s(void **state)
{
	static const int64_t pauses_s[] = {1, 2, 4, 8, 16, 32, 60, 60, 60};
	struct pace pace;
	int64_t now_ns = 0;

	(void)state;
	pace_init(&pace, LATER, LATER);
	hear(&pace, OUTCOME_TLS, now_ns);
	for (size_t i = 0; i < sizeof(pauses_s) / sizeof(pauses_s[0]); i++) {
		assert_true(
		    pace_due_ns(&pace) == now_ns + pauses_s[i] * CLOCK_S);
		now_ns = pace_due_ns(&pace);
		pace_sent(&pace, PROBE, 0);
		hear_probe(&pace, OUTCOME_NO_SERVER, now_ns);
	}
}

static void
calls_that_were_in_flight_neither_probe_nor_end_a_probe(void **state)
{
	static const enum outcome words[] = {OUTCOME_NO_SERVER, OUTCOME_CRASH,
	    OUTCOME_TIMEOUT_TOTAL, OUTCOME_TIMEOUT_CONNECT,
	    OUTCOME_INTERRUPTED};
	struct pace pace;

	(void)state;
	pace_init(&pace, FIRST, LATER);
	hear(&pace, OUTCOME_NO_SERVER, 0);
	for (uint32_t i = 0; i < 5; i++)
		pace_report(
		    &pace, 10 + i, words[i], -1, CLOCK_S / 2, CLOCK_S / 2);
	assert_true(pace_due_ns(&pace) == CLOCK_S);
	pace_sent(&pace, PROBE, 0);
	for (uint32_t i = 0; i < 5; i++)
		pace_report(&pace, 10 + i, words[i], -1, CLOCK_S, CLOCK_S);
	assert_true(pace_due_ns(&pace) == CLOCK_NEVER);
	hear_probe(&pace, OUTCOME_NO_SERVER, CLOCK_S);
	assert_true(pace_due_ns(&pace) == 3 * CLOCK_S);
}

static void
a_probe_that_dies_says_nothing_and_another_follows(void **state)
{
	static const enum outcome words[] = {OUTCOME_CRASH,
	    OUTCOME_TIMEOUT_TOTAL, OUTCOME_TIMEOUT_CONNECT,
	    OUTCOME_INTERRUPTED};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct pace pace;

		pace_init(&pace, FIRST, LATER);
		hear(&pace, OUTCOME_NO_SERVER, 0);
		pace_sent(&pace, PROBE, 0);
		hear_probe(&pace, words[i], CLOCK_S);
		assert_true(pace_waits(&pace, CLOCK_S));
		assert_true(pace_due_ns(&pace) == 3 * CLOCK_S);
	}
}

static void
any_word_from_the_server_says_that_it_is_back(void **state)
{
	static const enum outcome words[] = {OUTCOME_OK, OUTCOME_LENGTH,
	    OUTCOME_REFUSED, OUTCOME_BAD_REQUEST, OUTCOME_RATE_LIMITED,
	    OUTCOME_OVERLOADED, OUTCOME_SERVER_ERROR, OUTCOME_AUTH,
	    OUTCOME_TRUNCATED, OUTCOME_TIMEOUT_STALL};

	(void)state;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		struct pace pace;

		pace_init(&pace, FIRST, LATER);
		hear(&pace, OUTCOME_NO_SERVER, 0);
		hear(&pace, words[i], 1);
		assert_false(pace_waits(&pace, 1));
		assert_true(pace_may_send(&pace, 1));
	}
}

static void
patience_is_short_before_the_first_answer_and_long_after(void **state)
{
	struct pace pace;

	(void)state;
	pace_init(&pace, FIRST, LATER);
	/* Words that are no answers are no proof that it ever works. */
	hear(&pace, OUTCOME_SERVER_ERROR, 0);
	hear(&pace, OUTCOME_NO_SERVER, 7);
	assert_true(pace_gives_up_ns(&pace) == 7 + FIRST);
	assert_false(pace_gave_up(&pace, 7 + FIRST - 1));
	assert_true(pace_gave_up(&pace, 7 + FIRST));
	hear(&pace, OUTCOME_OK, 10 * CLOCK_S);
	assert_false(pace_gave_up(&pace, CLOCK_NEVER - 1));
	hear(&pace, OUTCOME_NO_SERVER, 20 * CLOCK_S);
	assert_true(pace_gives_up_ns(&pace) == 20 * CLOCK_S + LATER);
}

static void
nobody_gives_up_while_a_probe_is_out(void **state)
{
	struct pace pace;

	(void)state;
	pace_init(&pace, FIRST, LATER);
	hear(&pace, OUTCOME_NO_SERVER, 0);
	pace_sent(&pace, PROBE, 0);
	assert_true(pace_gives_up_ns(&pace) == CLOCK_NEVER);
	assert_false(pace_gave_up(&pace, 31 * CLOCK_S));
	hear_probe(&pace, OUTCOME_NO_SERVER, 31 * CLOCK_S);
	assert_true(pace_gave_up(&pace, 31 * CLOCK_S));
}

static void
no_patience_gives_up_at_once_and_endless_patience_never(void **state)
{
	struct pace pace;

	(void)state;
	pace_init(&pace, 0, 0);
	hear(&pace, OUTCOME_NO_SERVER, 5);
	assert_true(pace_gave_up(&pace, 5));
	pace_init(&pace, CLOCK_NEVER, CLOCK_NEVER);
	hear(&pace, OUTCOME_NO_SERVER, 5);
	assert_true(pace_gives_up_ns(&pace) == CLOCK_NEVER);
}

static void
a_probe_waits_for_the_rate_limit_too(void **state)
{
	struct pace pace;

	(void)state;
	pace_init(&pace, FIRST, LATER);
	pace_report(&pace, 1, OUTCOME_RATE_LIMITED, 10 * CLOCK_S, 0, 0);
	hear(&pace, OUTCOME_NO_SERVER, 0);
	assert_true(pace_due_ns(&pace) == 10 * CLOCK_S);
	assert_false(pace_may_send(&pace, CLOCK_S));
}

static void
time_slept_is_no_wait_for_a_server(void **state)
{
	struct pace pace;

	(void)state;
	pace_init(&pace, FIRST, LATER);
	pace_shift(&pace, CLOCK_S); /* nothing runs */
	assert_true(pace_gives_up_ns(&pace) == CLOCK_NEVER);
	pace_report(&pace, 1, OUTCOME_RATE_LIMITED, 10 * CLOCK_S, 0, 0);
	hear(&pace, OUTCOME_NO_SERVER, 0);
	pace_shift(&pace, 3600 * CLOCK_S);
	assert_true(pace_gives_up_ns(&pace) == FIRST + 3600 * CLOCK_S);
	assert_false(pace_gave_up(&pace, 3600 * CLOCK_S));
	/* The pause is over, and it may have come back. */
	assert_true(pace_may_send(&pace, 3600 * CLOCK_S));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(nothing_wrong_is_no_wait),
	    cmocka_unit_test(
		a_rate_limit_holds_up_everybody_and_a_longer_one_extends_it),
	    cmocka_unit_test(a_rate_limit_without_a_time_holds_up_nobody_else),
	    cmocka_unit_test(a_server_that_is_away_is_probed_by_one),
	    cmocka_unit_test(probes_come_after_1_s_doubling_to_60_s),
	    cmocka_unit_test(
		calls_that_were_in_flight_neither_probe_nor_end_a_probe),
	    cmocka_unit_test(
		a_probe_that_dies_says_nothing_and_another_follows),
	    cmocka_unit_test(any_word_from_the_server_says_that_it_is_back),
	    cmocka_unit_test(
		patience_is_short_before_the_first_answer_and_long_after),
	    cmocka_unit_test(nobody_gives_up_while_a_probe_is_out),
	    cmocka_unit_test(
		no_patience_gives_up_at_once_and_endless_patience_never),
	    cmocka_unit_test(a_probe_waits_for_the_rate_limit_too),
	    cmocka_unit_test(time_slept_is_no_wait_for_a_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
