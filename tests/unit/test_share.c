/* SPDX-License-Identifier: ISC */
/*
 * A shard of a list: ids of the whole, as a text, and out of a range.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/share.h"

static void
shares_have_every_id_once(void **state)
{
	unsigned seen[31] = {0};

	(void)state;
	for (uint32_t number = 0; number < 7; number++) {
		const struct share share = {number, 7};

		for (uint32_t i = 0; i < share_within(share, 30); i++)
			seen[share_id(share, i)]++;
	}
	for (size_t id = 1; id <= 30; id++)
		assert_int_equal(seen[id], 1);
	assert_int_equal(seen[0], 0);
}

static void
a_range_of_the_list_holds_some_of_a_share(void **state)
{
	const struct share share = {2, 5}; /* 3, 8, 13, … */

	(void)state;
	assert_int_equal(share_within(share, 0), 0);
	assert_int_equal(share_within(share, 2), 0);
	assert_int_equal(share_within(share, 3), 1);
	assert_int_equal(share_within(share, 7), 1);
	assert_int_equal(share_within(share, 8), 2);
	assert_int_equal(share_within(SHARE_WHOLE, 4294967294), 4294967294);
}

static void
a_text_comes_back(void **state)
{
	static const struct {
		const char *text;
		bool good;
		struct share share;
	} cases[] = {
	    {NULL, true, {0, 1}},
	    {"", true, {0, 1}},
	    {"0/2", true, {0, 2}},
	    {"3/16", true, {3, 16}},
	    {"999999/1000000", true, {999999, 1000000}},
	    {"16/16", false, {0, 1}},
	    {"0/1", false, {0, 1}},
	    {"1/0", false, {0, 1}},
	    {"-1/4", false, {0, 1}},
	    {"03/16", false, {0, 1}},
	    {"3/16 ", false, {0, 1}},
	    {"3", false, {0, 1}},
	    {"auto/4", false, {0, 1}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct share share;
		char text[SHARE_TEXT_BYTES];

		assert_int_equal(
		    share_read(cases[i].text, &share), cases[i].good);
		if (!cases[i].good)
			continue;
		assert_int_equal(share.number, cases[i].share.number);
		assert_int_equal(share.count, cases[i].share.count);
		share_put(share, text);
		assert_string_equal(
		    text, cases[i].text == NULL ? "" : cases[i].text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(shares_have_every_id_once),
	    cmocka_unit_test(a_range_of_the_list_holds_some_of_a_share),
	    cmocka_unit_test(a_text_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
