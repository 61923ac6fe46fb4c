/* SPDX-License-Identifier: ISC */
/*
 * Money in integers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/price.h"

static void
a_price_is_that_of_a_million_tokens(void **state)
{
	const struct price price = {150000, 600000}; /* 0.15, 0.60 */
	const struct tokens million = {1000000, 1000000};
	const struct tokens one = {1, 0};

	(void)state;
	assert_int_equal(price_of(&price, &million), PRICE_UNIT / 100 * 75);
	assert_int_equal(price_of(&price, &one), 150000);
}

static void
what_is_too_much_stays_at_the_most(void **state)
{
	const struct price dear = {UINT64_MAX, 1};
	const struct tokens much = {UINT64_MAX, 2};

	(void)state;
	assert_int_equal(tokens_sum(&much), UINT64_MAX);
	assert_int_equal(price_of(&dear, &much), UINT64_MAX);
	assert_int_equal(price_add(UINT64_MAX, 1), UINT64_MAX);
}

static void
texts_are_rounded(void **state)
{
	static const struct {
		uint64_t cost;
		const char *text;
	} rows[] = {
	    {0, "0.000000"},
	    {499999, "0.000000"},
	    {500000, "0.000001"},
	    {PRICE_UNIT / 1000 * 150, "0.150000"},
	    {PRICE_UNIT - 1, "1.000000"},
	    {PRICE_UNIT, "1.00"},
	    {PRICE_UNIT / 1000 * 1235, "1.24"},
	    {1234567 * PRICE_UNIT, "1234567.00"},
	    {UINT64_MAX, "18446744.07"},
	};
	char text[32];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		assert_string_equal(
		    price_text(rows[i].cost, text, sizeof(text)), rows[i].text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_price_is_that_of_a_million_tokens),
	    cmocka_unit_test(what_is_too_much_stays_at_the_most),
	    cmocka_unit_test(texts_are_rounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
