/* SPDX-License-Identifier: ISC */
/*
 * How many calls at once: opened by time, adapted by what comes back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "run/width.h"

static void
it_opens_by_doubling_from_the_first_call_on(void **state)
{
	const int64_t first_ns = CLOCK_S + WIDTH_WAITS_NS;
	struct width width;

	(void)state;
	width_init(&width, 100, 100, true, false);
	assert_int_equal(width_at(&width, 500 * CLOCK_S), WIDTH_FIRST);
	assert_true(width_grows_ns(&width, 500 * CLOCK_S) == CLOCK_NEVER);
	width_sent(&width, CLOCK_S);
	width_sent(&width, 2 * CLOCK_S);
	assert_int_equal(width_at(&width, CLOCK_S), 16);
	assert_true(width_grows_ns(&width, CLOCK_S) == first_ns);
	assert_int_equal(width_at(&width, first_ns - 1), 16);
	assert_int_equal(width_at(&width, first_ns), 32);
	assert_true(
	    width_grows_ns(&width, first_ns) == first_ns + WIDTH_DOUBLES_NS);
	assert_int_equal(
	    width_at(&width, first_ns + 2 * WIDTH_DOUBLES_NS), 100);
	assert_int_equal(width_at(&width, 1000000 * CLOCK_S), 100);
}

static void
few_workers_or_a_command_are_open_at_once(void **state)
{
	struct width width;

	(void)state;
	width_init(&width, 8, 8, true, false);
	assert_int_equal(width_at(&width, 0), 8);
	width_init(&width, 5000, 5000, false, false);
	assert_int_equal(width_at(&width, 0), 5000);
	assert_true(width_grows_ns(&width, 0) == CLOCK_NEVER);
}

/* So many answers of calls that went out at now_ns, all that may be out. */
static void
answer(struct width *width, int64_t now_ns)
{
	uint32_t round = width_at(width, now_ns);

	for (uint32_t i = 0; i < round; i++)
		width_report(width, OUTCOME_OK, round - 1, now_ns, now_ns + 1);
}

static void
it_doubles_per_round_then_halves_then_adds_one_per_round(void **state)
{
	struct width width;

	(void)state;
	width_init(&width, 2, 64, false, true);
	assert_int_equal(width_at(&width, 0), 2);
	answer(&width, 10);
	answer(&width, 20);
	answer(&width, 30);
	assert_int_equal(width_at(&width, 40), 16);
	width_report(&width, OUTCOME_OVERLOADED, 15, 40, 50);
	assert_int_equal(width_at(&width, 50), 8);
	answer(&width, 60);
	answer(&width, 70);
	assert_in_range(width_at(&width, 80), 9, 10);
	for (int i = 0; i < 1000; i++)
		answer(&width, 100 + i);
	assert_int_equal(width_at(&width, 2000), 64);
}

static void
an_episode_cuts_once(void **state)
{
	struct width width;

	(void)state;
	width_init(&width, 1, 64, false, true);
	width.now = 64;
	for (int i = 0; i < 40; i++)
		width_report(&width,
		    i % 2 == 0 ? OUTCOME_OVERLOADED : OUTCOME_RATE_LIMITED, 60,
		    90, 100 + i);
	assert_int_equal(width_at(&width, 200), 32);
	width_report(&width, OUTCOME_OVERLOADED, 30, 150, 300);
	assert_int_equal(width_at(&width, 300), 16);
	for (int i = 0; i < 10; i++)
		width_report(&width, OUTCOME_OVERLOADED, 10, 400 + 100 * i,
		    450 + 100 * i);
	assert_int_equal(width_at(&width, 2000), 1);
}

static void
what_is_not_used_up_does_not_grow(void **state)
{
	struct width width;

	(void)state;
	width_init(&width, 10, 64, false, true);
	for (int i = 0; i < 100; i++)
		width_report(&width, OUTCOME_OK, 3, i, i + 1);
	assert_int_equal(width_at(&width, 200), 10);
	for (int i = 0; i < 100; i++)
		width_report(&width, OUTCOME_SERVER_ERROR, 9, i, i + 1);
	assert_int_equal(width_at(&width, 200), 10);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(it_opens_by_doubling_from_the_first_call_on),
	    cmocka_unit_test(few_workers_or_a_command_are_open_at_once),
	    cmocka_unit_test(
		it_doubles_per_round_then_halves_then_adds_one_per_round),
	    cmocka_unit_test(an_episode_cuts_once),
	    cmocka_unit_test(what_is_not_used_up_does_not_grow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
