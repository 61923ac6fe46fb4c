/* SPDX-License-Identifier: ISC */
/*
 * Moments as people type them, in a zone with summer time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/moment.h"

#define NOW_MS INT64_C(1795600000500) /* 2026-11-25 10:46:40.5 in Berlin */

static int64_t
at(const char *text)
{
	int64_t moment_ms = -1;

	if (!moment_read(text, NOW_MS, &moment_ms))
		return -1;
	return moment_ms;
}

static void
clock_times_are_the_next_ones(void **state)
{
	(void)state;
	assert_true(at("10:47") == INT64_C(1795600020000));
	assert_true(at("10:46:41") == INT64_C(1795600001000));
	assert_true(at("10:46:40") == INT64_C(1795600000000) + 86400000);
	assert_true(at("0:00") == INT64_C(1795647600000));
}

static void
dates_are_local(void **state)
{
	(void)state;
	assert_true(at("2026-11-25T10:46:40") == INT64_C(1795600000000));
	assert_true(at("2026-11-25 10:46") == INT64_C(1795599960000));
	/* Summer time. */
	assert_true(at("2026-07-01T12:00") == INT64_C(1782900000000));
	assert_true(at("1970-01-02T01:00") == INT64_C(86400000));
}

static void
spans_count_from_now(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds;
	} cases[] = {{"+8h", 28800}, {"+30m", 1800}, {"+90", 90}, {"+90s", 90},
	    {"+2d", 172800}, {"+08:00:00", 28800}, {"+8:30", 30600},
	    {"+1-12:00:00", 129600}, {"+100:00:00", 360000},
	    {"+36525d", INT64_C(3155760000)}, {"+0", 0}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_true(
		    at(cases[i].text) == NOW_MS + cases[i].seconds * 1000);
	assert_true(at("@1795600000") == INT64_C(1795600000000));
}

static void
anything_else_is_none(void **state)
{
	static const char *const cases[] = {"", "+", "@", "now", "24:00",
	    "10:60", "10:00:60", "10", "10:5x", "+5x", "+h", "+-5", "-5", "@-5",
	    "@5x", "2026-02-30T10:00", "2026-13-01T10:00", "2026-11-25",
	    "2026-11-25T", "2026-11-25T24:00", "2026-11-25T10:00Z",
	    "2026-11-25X10:00", " 10:00", "10:00 ", "+99999999999999999999",
	    "@99999999999999999999", "+1-", "+1-2h", "NONE", "Unknown", "N/A"};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (at(cases[i]) != -1)
			fail_msg("\"%s\" is a moment", cases[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(clock_times_are_the_next_ones),
	    cmocka_unit_test(dates_are_local),
	    cmocka_unit_test(spans_count_from_now),
	    cmocka_unit_test(anything_else_is_none),
	};

	/* By rule, so that no zone files are needed. */
	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
