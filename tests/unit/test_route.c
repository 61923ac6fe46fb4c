/* SPDX-License-Identifier: ISC */
/*
 * Which of several servers gets the next prompt.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "run/route.h"

#define PROMPTS 1000

static const struct route_conf equals[] = {
    {"a", 1, 0}, {"b", 1, 0}, {"c", 1, 0}};

static struct route
open_route(const struct route_conf *ends, uint32_t count)
{
	struct route route;
	struct pace pace;

	pace_init(&pace, 30 * CLOCK_S, 900 * CLOCK_S);
	pace.learns = true;
	assert_int_equal(route_init(&route, ends, count, PROMPTS, &pace), 0);
	return route;
}

static uint32_t
send(struct route *route, uint32_t index, int64_t now_ns)
{
	uint32_t end = route_pick(route, index, now_ns);

	assert_int_not_equal(end, ROUTE_NONE);
	route_sent(route, end, index, now_ns);
	return end;
}

static void
back(struct route *route, uint32_t end, uint32_t index, enum outcome outcome,
    int64_t now_ns)
{
	route_report(route, end, index, outcome, -1, now_ns, now_ns);
}

static void
a_single_server_is_as_its_pace_says(void **state)
{
	struct route route = open_route(equals, 1);

	(void)state;
	assert_true(route_due_ns(&route) == 0);
	assert_int_equal(send(&route, 0, 0), 0);
	for (uint32_t i = 0; i < 9; i++) {
		assert_int_equal(send(&route, 1, 0), 0);
		back(&route, 0, 1, OUTCOME_SERVER_ERROR, 0);
	}
	assert_true(route_due_ns(&route) == 0); /* nobody else is there */
	back(&route, 0, 0, OUTCOME_NO_SERVER, CLOCK_S);
	assert_true(route_due_ns(&route) == 2 * CLOCK_S);
	assert_true(route_all_down(&route));
	assert_true(route_gives_up_ns(&route) == 31 * CLOCK_S);
	route_free(&route);
}

static void
shares_in_flight_follow_the_weights(void **state)
{
	const struct route_conf ends[] = {
	    {"a", 1, 0}, {"b", 3, 0}, {"c", 2, 0}};
	struct route route = open_route(ends, 3);

	(void)state;
	for (uint32_t i = 0; i < 60; i++)
		send(&route, i, 0);
	assert_int_equal(route.ends[0].out, 10);
	assert_int_equal(route.ends[1].out, 30);
	assert_int_equal(route.ends[2].out, 20);
	route_free(&route);
}

static void
one_at_a_time_is_shared_by_weight_as_well(void **state)
{
	const struct route_conf ends[] = {{"a", 1, 0}, {"b", 2, 0}};
	struct route route = open_route(ends, 2);

	(void)state;
	for (uint32_t i = 0; i < 30; i++)
		back(&route, send(&route, i, 0), i, OUTCOME_OK, 0);
	assert_int_equal(route.ends[0].pace.sent, 10);
	assert_int_equal(route.ends[1].pace.sent, 20);
	route_free(&route);
}

static void
a_slow_server_gets_less(void **state)
{
	struct route route = open_route(equals, 2);
	int64_t done_ns[8];
	uint32_t at[8];

	(void)state;
	/* 8 in flight for 100 s: b answers in 1 s, a in 10 s. */
	for (uint32_t i = 0; i < 8; i++) {
		at[i] = send(&route, i, 0);
		done_ns[i] = at[i] == 0 ? 10 : 1;
	}
	for (int64_t now = 1; now <= 100; now++) {
		for (uint32_t i = 0; i < 8; i++) {
			if (done_ns[i] != now)
				continue;
			back(&route, at[i], i, OUTCOME_OK, 0);
			at[i] = send(&route, i, 0);
			done_ns[i] = now + (at[i] == 0 ? 10 : 1);
		}
	}
	assert_in_range(route.ends[0].out, 3, 5);
	assert_in_range(route.ends[0].pace.sent, 35, 60);
	assert_in_range(route.ends[1].pace.sent, 350, 500);
	route_free(&route);
}

static void
no_more_than_max_are_in_flight(void **state)
{
	const struct route_conf ends[] = {{"a", 9, 2}, {"b", 1, 3}};
	struct route route = open_route(ends, 2);

	(void)state;
	for (uint32_t i = 0; i < 5; i++)
		send(&route, i, 0);
	assert_int_equal(route.ends[0].out, 2);
	assert_int_equal(route.ends[1].out, 3);
	assert_true(route_due_ns(&route) == CLOCK_NEVER);
	assert_int_equal(route_pick(&route, 9, 0), ROUTE_NONE);
	back(&route, 0, 0, OUTCOME_OK, CLOCK_S);
	assert_true(route_due_ns(&route) == 0);
	assert_int_equal(route_pick(&route, 9, CLOCK_S), 0);
	route_free(&route);
}

static void
one_that_fails_rests_5_s_doubling_to_60_s(void **state)
{
	static const int64_t pauses_s[] = {5, 10, 20, 40, 60, 60};
	struct route route = open_route(equals, 2);
	int64_t now_ns = 0;

	(void)state;
	assert_int_equal(send(&route, 0, 0), 0);
	assert_int_equal(send(&route, 500, 0), 1);
	back(&route, 0, 0, OUTCOME_NO_SERVER, 0);
	for (size_t i = 0; i < sizeof(pauses_s) / sizeof(pauses_s[0]); i++) {
		int64_t due_ns = now_ns + pauses_s[i] * CLOCK_S;
		uint32_t probe = (uint32_t)i + 1;

		/* All goes to the other one meanwhile. */
		assert_int_equal(route_pick(&route, 9, due_ns - 1), 1);
		assert_true(route_is_down(&route, 0));
		assert_false(route_waits(&route, now_ns));
		assert_true(route_due_ns(&route) == 0);
		now_ns = due_ns;
		assert_int_equal(send(&route, probe, now_ns), 0);
		assert_int_equal(route_pick(&route, 9, now_ns), 1);
		back(&route, 0, probe, OUTCOME_NO_SERVER, now_ns);
	}
	route_free(&route);
}

static void
three_failures_in_a_row_are_one_too(void **state)
{
	static const enum outcome kinds[] = {OUTCOME_SERVER_ERROR,
	    OUTCOME_OVERLOADED, OUTCOME_TRUNCATED, OUTCOME_GARBAGE,
	    OUTCOME_TIMEOUT_FIRST_BYTE, OUTCOME_TIMEOUT_STALL,
	    OUTCOME_TIMEOUT_TOTAL};

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct route route = open_route(equals, 2);

		for (uint32_t n = 0; n < 8; n++)
			route_sent(&route, 0, n, 0);
		back(&route, 0, 0, kinds[i], 0);
		back(&route, 0, 1, kinds[i], 0);
		back(&route, 0, 2, OUTCOME_OK, 0); /* not in a row */
		back(&route, 0, 3, kinds[i], 0);
		back(&route, 0, 4, kinds[i], 0);
		back(&route, 0, 5, OUTCOME_CRASH, 0); /* says nothing */
		assert_false(route_is_down(&route, 0));
		back(&route, 0, 6, kinds[i], 0);
		assert_true(route_is_down(&route, 0));
		back(&route, 0, 7, OUTCOME_OK, 0);
		assert_false(route_is_down(&route, 0));
		route_free(&route);
	}
}

static void
a_prompt_goes_elsewhere_first(void **state)
{
	struct route route = open_route(equals, 3);

	(void)state;
	assert_int_equal(send(&route, 7, 0), 0);
	back(&route, 0, 7, OUTCOME_SERVER_ERROR, 0);
	/* Free as it is, it is not asked again by this prompt. */
	route_sent(&route, 1, 100, 0);
	route_sent(&route, 2, 101, 0);
	assert_int_equal(route_pick(&route, 8, 0), 0);
	assert_int_equal(route_pick(&route, 7, 0), 1);
	/* But where nobody else is, it is. */
	route_set_aside(&route, 1);
	route_set_aside(&route, 2);
	assert_int_equal(route_pick(&route, 7, 0), 0);
	route_free(&route);
}

static void
a_pause_is_of_the_server_that_asked_for_it(void **state)
{
	struct route route = open_route(equals, 2);

	(void)state;
	route_sent(&route, 0, 1, 0);
	route_sent(&route, 1, 2, 0);
	route_report(
	    &route, 0, 1, OUTCOME_RATE_LIMITED, 9 * CLOCK_S, 0, CLOCK_S);
	assert_true(route_pause_ns(&route, CLOCK_S) == 0);
	assert_int_equal(route_pick(&route, 1, CLOCK_S), 1);
	assert_false(route_waits(&route, CLOCK_S));
	route_report(
	    &route, 1, 2, OUTCOME_RATE_LIMITED, 4 * CLOCK_S, 0, CLOCK_S);
	assert_true(route_pause_ns(&route, CLOCK_S) == 4 * CLOCK_S);
	assert_true(route_waits(&route, CLOCK_S));
	assert_true(route_due_ns(&route) >= 5 * CLOCK_S);
	assert_int_equal(route_pick(&route, 1, CLOCK_S), ROUTE_NONE);
	route_free(&route);
}

static void
the_run_gives_up_when_all_are_away_for_too_long(void **state)
{
	struct route route = open_route(equals, 3);

	(void)state;
	for (uint32_t i = 0; i < 3; i++)
		route_sent(&route, i, i, 0);
	back(&route, 0, 0, OUTCOME_NO_SERVER, 1 * CLOCK_S);
	back(&route, 1, 1, OUTCOME_NO_SERVER, 4 * CLOCK_S);
	assert_true(route_gives_up_ns(&route) == CLOCK_NEVER);
	route_set_aside(&route, 2); /* nobody waits for that one */
	assert_true(route_all_down(&route));
	assert_true(route_gives_up_ns(&route) == 34 * CLOCK_S);
	route_shift(&route, 10 * CLOCK_S);
	assert_true(route_gives_up_ns(&route) == 44 * CLOCK_S);
	back(&route, 2, 2, OUTCOME_OK, 5 * CLOCK_S); /* it did work once */
	assert_true(route_answered(&route));
	assert_true(route_gives_up_ns(&route) == 914 * CLOCK_S);
	route_free(&route);
}

static void
blames_are_counted_until_an_answer_comes_from_there(void **state)
{
	struct route route = open_route(equals, 2);

	(void)state;
	for (uint32_t i = 0; i < 6; i++)
		route_sent(&route, i % 2, i, 0);
	back(&route, 0, 0, OUTCOME_AUTH, 0);
	back(&route, 1, 1, OUTCOME_OK, 0);
	back(&route, 0, 2, OUTCOME_NO_MODEL, 0);
	assert_int_equal(route.ends[0].blames, 2);
	back(&route, 0, 4, OUTCOME_OK, 0);
	assert_int_equal(route.ends[0].blames, 0);
	route_free(&route);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_single_server_is_as_its_pace_says),
	    cmocka_unit_test(shares_in_flight_follow_the_weights),
	    cmocka_unit_test(one_at_a_time_is_shared_by_weight_as_well),
	    cmocka_unit_test(a_slow_server_gets_less),
	    cmocka_unit_test(no_more_than_max_are_in_flight),
	    cmocka_unit_test(one_that_fails_rests_5_s_doubling_to_60_s),
	    cmocka_unit_test(three_failures_in_a_row_are_one_too),
	    cmocka_unit_test(a_prompt_goes_elsewhere_first),
	    cmocka_unit_test(a_pause_is_of_the_server_that_asked_for_it),
	    cmocka_unit_test(the_run_gives_up_when_all_are_away_for_too_long),
	    cmocka_unit_test(
		blames_are_counted_until_an_answer_comes_from_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
