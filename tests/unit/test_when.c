/* SPDX-License-Identifier: ISC */
/*
 * Times as headers write them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "chat/when.h"

#define NOON_MS INT64_C(1769515200000) /* 2026-01-27 12:00:00 UTC */
#define BAD INT64_C(-7)

static int64_t
duration(const char *text)
{
	int64_t value;

	return when_duration(span_of(text), &value) ? value : BAD;
}

static int64_t
timestamp(const char *text)
{
	int64_t value;

	return when_timestamp(span_of(text), &value) ? value : BAD;
}

static int64_t
date(const char *text)
{
	int64_t value;

	return when_date(span_of(text), &value) ? value : BAD;
}

static int64_t
decimal(const char *text, int64_t unit_ms)
{
	int64_t value;

	return when_decimal(span_of(text), unit_ms, &value) ? value : BAD;
}

static void
a_duration_is_the_sum_of_its_parts(void **state)
{
	(void)state;
	assert_true(duration("1s") == 1000);
	assert_true(duration("500ms") == 500);
	assert_true(duration("6m0s") == 360000);
	assert_true(duration("2m59.56s") == 179560);
	assert_true(duration("1h2m3s4ms") == 3723004);
	assert_true(duration("1d") == 86400000);
	assert_true(duration("8.64s") == 8640);
	assert_true(duration("17.4ms") == 18); /* rather too long */
	assert_true(duration("9999999999d9999999999d") == WHEN_MAX_MS);
}

static void
what_is_no_duration_is_none(void **state)
{
	static const char *const texts[] = {NULL, "", "s", "1", "1x", "1s ",
	    " 1s", "-1s", "1.s.", "1..5s", ".s", "1m5", "1sm"};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_true(duration(texts[i]) == BAD);
}

static void
a_decimal_is_rounded_up_and_capped(void **state)
{
	(void)state;
	assert_true(decimal("2", 1000) == 2000);
	assert_true(decimal("0.25", 1000) == 250);
	assert_true(decimal("0.0001", 1000) == 1);
	assert_true(decimal("99999999999999999999999", 1000) == WHEN_MAX_MS);
	assert_true(decimal("", 1000) == BAD);
	assert_true(decimal(".", 1000) == BAD);
	assert_true(decimal("-1", 1000) == BAD);
	assert_true(decimal("1e3", 1000) == BAD);
}

static void
a_timestamp_is_a_moment_wherever_its_clock_stands(void **state)
{
	(void)state;
	assert_true(timestamp("2026-01-27T12:00:00Z") == NOON_MS);
	assert_true(timestamp("2026-01-27T12:00:00.250Z") == NOON_MS + 250);
	assert_true(timestamp("2026-01-27T17:30:00+05:30") == NOON_MS);
	assert_true(timestamp("2026-01-27T04:00:00-08:00") == NOON_MS);
	assert_true(timestamp("2026-01-27T12:00:00") == BAD);
	assert_true(timestamp("2026-01-27T12:00:00.Z") == BAD);
	assert_true(timestamp("2026-01-27T12:00:00Zulu") == BAD);
	assert_true(timestamp("2026-13-27T12:00:00Z") == BAD);
	assert_true(timestamp("soon") == BAD);
	assert_true(timestamp(NULL) == BAD);
}

static void
a_date_has_three_forms(void **state)
{
	(void)state;
	assert_true(date("Tue, 27 Jan 2026 12:00:00 GMT") == NOON_MS);
	assert_true(date("Tuesday, 27-Jan-26 12:00:00 GMT") == NOON_MS);
	assert_true(date("Tue Jan 27 12:00:00 2026") == NOON_MS);
	assert_true(date("Tue, 27 Jan 2026 12:00:00 CET") == BAD);
	assert_true(date(NULL) == BAD);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_duration_is_the_sum_of_its_parts),
	    cmocka_unit_test(what_is_no_duration_is_none),
	    cmocka_unit_test(a_decimal_is_rounded_up_and_capped),
	    cmocka_unit_test(a_timestamp_is_a_moment_wherever_its_clock_stands),
	    cmocka_unit_test(a_date_has_three_forms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
