/* SPDX-License-Identifier: ISC */
/*
 * Numbers as people type them: what is taken and to the last digit, and the
 * many things that are not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../bin/value.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

/* What no reader takes, whatever it reads. */
static const char *const garbage[] = {"", " ", "-1", "+1", " 1", "1 ", "nan",
    "NaN", "inf", "-inf", "infinity", "0x10", "1e3", "1,5", "k", "s", "1kk",
    "1 s", "one", "-", ".", "1.", "99999999999999999999", "1\n"};

static void
duration_takes_units_and_decimals(void **state)
{
	static const struct {
		const char *text;
		int64_t ns;
	} cases[] = {
	    {"500ms", 500000000},
	    {"30s", 30000000000},
	    {"5m", 300000000000},
	    {"1h", 3600000000000},
	    {"0", 0},
	    {"7", 7000000000},
	    {"0.1", 100000000},
	    {"1.5", 1500000000},
	    {".5s", 500000000},
	    {"0.25h", 900000000000},
	    {"1.000000001", 1000000001},
	    {"1.0000000019", 1000000001},
	    {"0.000001ms", 1},
	    {"0.999999999h", 3599999996400},
	    {"9223372036.854775807", INT64_MAX},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		int64_t ns = -1;

		assert_true(value_duration(cases[i].text, &ns));
		assert_int_equal(ns, cases[i].ns);
	}
}

static void
duration_refuses_garbage_and_overflow(void **state)
{
	static const char *const more[] = {"5x", "5d", "1h30m", "5S", "5 ms",
	    "1.s", "1..5", "1.5.5", "9223372036.854775808", "9223372037",
	    "2562048h"};
	int64_t ns = -1;

	(void)state;
	for (size_t i = 0; i < COUNT(garbage); i++)
		assert_false(value_duration(garbage[i], &ns));
	for (size_t i = 0; i < COUNT(more); i++)
		assert_false(value_duration(more[i], &ns));
	assert_int_equal(ns, -1);
}

static void
size_counts_in_1024(void **state)
{
	uint64_t bytes;

	(void)state;
	assert_true(value_size("0", &bytes));
	assert_int_equal(bytes, 0);
	assert_true(value_size("65536", &bytes));
	assert_int_equal(bytes, 65536);
	assert_true(value_size("64K", &bytes));
	assert_int_equal(bytes, 65536);
	assert_true(value_size("2m", &bytes));
	assert_int_equal(bytes, 2097152);
	assert_true(value_size("1G", &bytes));
	assert_int_equal(bytes, 1073741824);
}

static void
size_refuses_garbage_and_overflow(void **state)
{
	static const char *const more[] = {
	    "1.5M", "64KB", "64KiB", "1T", "8589934592G"};
	uint64_t bytes = 7;

	(void)state;
	for (size_t i = 0; i < COUNT(garbage); i++)
		assert_false(value_size(garbage[i], &bytes));
	for (size_t i = 0; i < COUNT(more); i++)
		assert_false(value_size(more[i], &bytes));
	assert_int_equal(bytes, 7);
}

static void
count_counts_in_1000(void **state)
{
	uint64_t count;

	(void)state;
	assert_true(value_count("812", &count));
	assert_int_equal(count, 812);
	assert_true(value_count("10k", &count));
	assert_int_equal(count, 10000);
	assert_true(value_count("10K", &count));
	assert_int_equal(count, 10000);
	assert_true(value_count("2M", &count));
	assert_int_equal(count, 2000000);
}

static void
count_refuses_garbage_and_overflow(void **state)
{
	static const char *const more[] = {
	    "2m", "1G", "1.5k", "9223372036854775808", "9223372036854776k"};
	uint64_t count = 7;

	(void)state;
	for (size_t i = 0; i < COUNT(garbage); i++)
		assert_false(value_count(garbage[i], &count));
	for (size_t i = 0; i < COUNT(more); i++)
		assert_false(value_count(more[i], &count));
	assert_int_equal(count, 7);
}

static void
range_takes_both_ends_or_one(void **state)
{
	uint32_t first;
	uint32_t last;

	(void)state;
	assert_true(value_range("3:5", &first, &last));
	assert_int_equal(first, 3);
	assert_int_equal(last, 5);
	assert_true(value_range("7:7", &first, &last));
	assert_true(value_range("9:", &first, &last));
	assert_int_equal(first, 9);
	assert_int_equal(last, 0);
	assert_true(value_range(":4294967295", &first, &last));
	assert_int_equal(first, 0);
	assert_int_equal(last, UINT32_MAX);
}

static void
range_refuses_what_is_none(void **state)
{
	static const char *const more[] = {":", "0:5", "5:0", "5:3", "3-5",
	    "1:2:3", "1: 2", "a:b", "4294967296:", "1:2x", "-1:2", "3"};
	uint32_t first = 7;
	uint32_t last = 8;

	(void)state;
	for (size_t i = 0; i < COUNT(garbage); i++)
		assert_false(value_range(garbage[i], &first, &last));
	for (size_t i = 0; i < COUNT(more); i++)
		assert_false(value_range(more[i], &first, &last));
	assert_int_equal(first, 7);
	assert_int_equal(last, 8);
}

static void
number_is_what_json_takes(void **state)
{
	static const char *const good[] = {
	    "0", "0.7", "-1", "1e3", "1E-3", "10.25e+2", "-0", "123456789"};
	static const char *const bad[] = {"", ".5", "5.", "01", "+1", "nan",
	    "inf", "0x1", "1e", "1e+", "1 ", " 1", "-", "1.5.5", "--1", "1k"};

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		assert_true(value_is_number(good[i]));
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_false(value_is_number(bad[i]));
}

static void
integer_fits_64_bits(void **state)
{
	(void)state;
	assert_true(value_is_integer("0"));
	assert_true(value_is_integer("-1"));
	assert_true(value_is_integer("9223372036854775807"));
	assert_true(value_is_integer("-9223372036854775808"));
	assert_false(value_is_integer("9223372036854775808"));
	assert_false(value_is_integer("1.0"));
	assert_false(value_is_integer("1e3"));
	assert_false(value_is_integer("007"));
	assert_false(value_is_integer(""));
}

static void
limits_are_written_as_they_could_be_typed(void **state)
{
	char out[24];

	(void)state;
	assert_string_equal(value_duration_text(0, out, sizeof(out)), "0");
	assert_string_equal(
	    value_duration_text(1000000, out, sizeof(out)), "1ms");
	assert_string_equal(
	    value_duration_text(90000000000, out, sizeof(out)), "90s");
	assert_string_equal(
	    value_duration_text(31536000000000000, out, sizeof(out)), "8760h");
	assert_string_equal(value_size_text(0, out, sizeof(out)), "0");
	assert_string_equal(value_size_text(1, out, sizeof(out)), "1");
	assert_string_equal(value_size_text(1536, out, sizeof(out)), "1536");
	assert_string_equal(value_size_text(1 << 30, out, sizeof(out)), "1G");
}

static void
money_is_exact_to_a_millionth(void **state)
{
	static const struct {
		const char *text;
		uint64_t millionths;
	} good[] = {{"0.15", 150000}, {"3", 3000000}, {".6", 600000}, {"0", 0},
	    {"0.000001", 1}, {"1.0000000", 1000000},
	    {"9223372036854", UINT64_C(9223372036854000000)}};
	static const char *const bad[] = {"", ".", "-1", "1e3", "0.0000001",
	    "1,5", " 1", "1 ", "1.", "9223372036855", "0x1", "nan"};
	uint64_t millionths = 7;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(value_money(good[i].text, &millionths));
		assert_int_equal(millionths, good[i].millionths);
	}
	millionths = 7;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(value_money(bad[i], &millionths));
	assert_int_equal(millionths, 7);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(duration_takes_units_and_decimals),
	    cmocka_unit_test(duration_refuses_garbage_and_overflow),
	    cmocka_unit_test(size_counts_in_1024),
	    cmocka_unit_test(size_refuses_garbage_and_overflow),
	    cmocka_unit_test(count_counts_in_1000),
	    cmocka_unit_test(count_refuses_garbage_and_overflow),
	    cmocka_unit_test(range_takes_both_ends_or_one),
	    cmocka_unit_test(range_refuses_what_is_none),
	    cmocka_unit_test(number_is_what_json_takes),
	    cmocka_unit_test(integer_fits_64_bits),
	    cmocka_unit_test(limits_are_written_as_they_could_be_typed),
	    cmocka_unit_test(money_is_exact_to_a_millionth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
