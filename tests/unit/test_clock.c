/* SPDX-License-Identifier: ISC */
/*
 * Sums that stay in range, waits that never wake too early.
 */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"

static void
clock_never_runs_backwards(void **state)
{
	int64_t last = clock_now_ns();

	(void)state;
	assert_true(last > 0);
	for (int i = 0; i < 1000; i++) {
		int64_t now = clock_now_ns();

		assert_true(now >= last);
		last = now;
	}
}

static int64_t
forty_two(void)
{
	return 42;
}

static void
clock_takes_a_test_clock_and_gives_it_back(void **state)
{
	(void)state;
	clock_set_test(forty_two);
	assert_int_equal(clock_now_ns(), 42);
	clock_set_test(NULL);
	assert_true(clock_now_ns() > 42);
}

static void
clock_wall_time_is_of_our_days(void **state)
{
	char year[8];

	(void)state;
	assert_true(clock_wall_ms() > INT64_C(1600000000000));
	clock_wall_text("%Y", year, sizeof(year));
	assert_int_equal(strlen(year), 4);
	assert_in_range(atoi(year), 2020, 9999);
}

static void
clock_wall_text_is_local(void **state)
{
	char utc[4];
	char there[4];

	(void)state;
	setenv("TZ", "UTC0", 1);
	tzset();
	clock_wall_text("%M", utc, sizeof(utc));
	setenv("TZ", "XXX-0:30", 1);
	tzset();
	clock_wall_text("%M", there, sizeof(there));
	unsetenv("TZ");
	tzset();
	/* half an hour apart, but for the minute that may turn meanwhile */
	assert_in_range((atoi(there) - atoi(utc) + 60) % 60, 30, 31);
}

static void
clock_add_saturates(void **state)
{
	(void)state;
	assert_int_equal(clock_add(5, 7), 12);
	assert_int_equal(clock_add(5, -7), -2);
	assert_true(clock_add(CLOCK_NEVER, 1) == CLOCK_NEVER);
	assert_true(clock_add(CLOCK_NEVER, -1) == CLOCK_NEVER);
	assert_true(clock_add(-1, CLOCK_NEVER) == CLOCK_NEVER);
	assert_true(clock_add(CLOCK_NEVER - 1, 2) == CLOCK_NEVER);
	assert_true(clock_add(CLOCK_NEVER - 2, 1) == CLOCK_NEVER - 1);
	assert_true(clock_add(INT64_MIN, -1) == INT64_MIN);
}

static void
clock_wait_rounds_up_and_stays_in_an_int(void **state)
{
	(void)state;
	assert_int_equal(clock_wait_ms(10, CLOCK_NEVER), -1);
	assert_int_equal(clock_wait_ms(10, 10), 0);
	assert_int_equal(clock_wait_ms(10, 9), 0);
	assert_int_equal(clock_wait_ms(10, 0), 0);
	assert_int_equal(clock_wait_ms(10, 11), 1);
	assert_int_equal(clock_wait_ms(0, CLOCK_MS), 1);
	assert_int_equal(clock_wait_ms(0, CLOCK_MS + 1), 2);
	assert_int_equal(clock_wait_ms(0, 3 * CLOCK_S), 3000);
	assert_int_equal(clock_wait_ms(0, CLOCK_NEVER - 1), INT_MAX);
	assert_int_equal(clock_wait_ms(-1, CLOCK_NEVER - 1), INT_MAX);
	assert_int_equal(clock_wait_ms(-2, CLOCK_NEVER - 1), INT_MAX);
}

static void
clock_nap_tells_sleep_from_a_slow_turn(void **state)
{
	struct clock_nap nap;

	(void)state;
	clock_nap_begin(&nap, 0, 4 * CLOCK_S);
	assert_true(nap.look_ns == CLOCK_S);
	assert_true(clock_nap_next_ns(&nap, CLOCK_NEVER) == CLOCK_S);
	assert_true(clock_nap_next_ns(&nap, CLOCK_MS) == CLOCK_MS);
	assert_true(clock_nap_slept_ns(&nap, CLOCK_S) == 0);
	assert_true(clock_nap_slept_ns(&nap, 3 * CLOCK_S) == 0);
	assert_true(clock_nap_slept_ns(&nap, 9 * CLOCK_S) == 6 * CLOCK_S);
	assert_true(clock_nap_slept_ns(&nap, 9 * CLOCK_S) == 0);
}

static void
clock_nap_looks_neither_too_often_nor_too_seldom(void **state)
{
	struct clock_nap nap;

	(void)state;
	clock_nap_begin(&nap, 0, 1);
	assert_true(nap.look_ns == 50 * CLOCK_MS);
	clock_nap_begin(&nap, 0, CLOCK_NEVER);
	assert_true(nap.look_ns == 5 * CLOCK_S);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(clock_never_runs_backwards),
	    cmocka_unit_test(clock_takes_a_test_clock_and_gives_it_back),
	    cmocka_unit_test(clock_wall_time_is_of_our_days),
	    cmocka_unit_test(clock_wall_text_is_local),
	    cmocka_unit_test(clock_add_saturates),
	    cmocka_unit_test(clock_wait_rounds_up_and_stays_in_an_int),
	    cmocka_unit_test(clock_nap_tells_sleep_from_a_slow_turn),
	    cmocka_unit_test(clock_nap_looks_neither_too_often_nor_too_seldom),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
