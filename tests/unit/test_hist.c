/* SPDX-License-Identifier: ISC */
/*
 * Percentiles within 1 %, from microseconds to days.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/hist.h"

#define US INT64_C(1000)
#define HOUR (INT64_C(3600) * 1000 * 1000 * US)

static void
hist_of_nothing_says_zero(void **state)
{
	static struct hist hist;

	(void)state;
	assert_int_equal(hist_share_ns(&hist, 0.5), 0);
}

static void
hist_is_within_one_percent_up_to_38_hours(void **state)
{
	static struct hist hist;

	(void)state;
	for (int64_t ns = 64 * US; ns < 38 * HOUR; ns += ns / 97 + 1) {
		int64_t said;

		memset(&hist, 0, sizeof(hist));
		hist_add(&hist, ns);
		said = hist_share_ns(&hist, 0.5);
		assert_true(fabs((double)(said - ns)) <= 0.01 * (double)ns);
	}
}

static void
hist_is_right_to_the_microsecond_below_64(void **state)
{
	static struct hist hist;

	(void)state;
	for (int64_t us = 0; us < 64; us++) {
		memset(&hist, 0, sizeof(hist));
		hist_add(&hist, us * US + 999);
		assert_int_equal(hist_share_ns(&hist, 1), us * US);
	}
}

static void
hist_finds_shares_of_a_thousand(void **state)
{
	static const struct {
		double share;
		int64_t ms;
	} wanted[] = {{0, 1}, {0.001, 1}, {0.5, 500}, {0.95, 950}, {0.99, 990},
	    {1, 1000}};
	static struct hist hist;

	(void)state;
	for (int64_t ms = 1000; ms >= 1; ms--)
		hist_add(&hist, ms * 1000 * US);
	assert_int_equal(hist.count, 1000);
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		int64_t ns = wanted[i].ms * 1000 * US;
		int64_t said = hist_share_ns(&hist, wanted[i].share);

		assert_true(fabs((double)(said - ns)) <= 0.01 * (double)ns);
	}
}

static void
hist_counts_what_is_out_of_its_range(void **state)
{
	static struct hist hist;

	(void)state;
	hist_add(&hist, -5);
	hist_add(&hist, INT64_MIN);
	hist_add(&hist, INT64_MAX);
	assert_int_equal(hist.count, 3);
	assert_int_equal(hist.buckets[0], 2);
	assert_int_equal(hist.buckets[HIST_BUCKETS - 1], 1);
	assert_true(hist_share_ns(&hist, 1) >= 38 * HOUR);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(hist_of_nothing_says_zero),
	    cmocka_unit_test(hist_is_within_one_percent_up_to_38_hours),
	    cmocka_unit_test(hist_is_right_to_the_microsecond_below_64),
	    cmocka_unit_test(hist_finds_shares_of_a_thousand),
	    cmocka_unit_test(hist_counts_what_is_out_of_its_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
