/* SPDX-License-Identifier: ISC */
/*
 * What a list of prompts to do again may say.
 */
#include "data/redo.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"

static void
words_and_ids_are_read(void **state)
{
	struct redo redo;

	(void)state;
	assert_int_equal(redo_parse(&redo, NULL, NULL), 0);
	assert_true(redo_is_none(&redo));
	assert_int_equal(redo_parse(&redo, "failed,7,na,20-30", NULL), 0);
	assert_false(redo_is_none(&redo));
	assert_true(redo.failed && redo.na);
	assert_false(redo.empty || redo.length);
	assert_int_equal(redo.range_count, 2);
	assert_int_equal(redo.ranges[0].first, 7);
	assert_int_equal(redo.ranges[0].last, 7);
	assert_int_equal(redo.ranges[1].first, 20);
	assert_int_equal(redo.ranges[1].last, 30);
	redo_free(&redo);
	assert_int_equal(
	    redo_parse(&redo, "length,empty,100000000000000000", NULL), 0);
	assert_true(redo.length && redo.empty);
	redo_free(&redo);
}

static void
anything_else_is_refused_by_name(void **state)
{
	static const char *const lists[] = {"", "7,", ",7", "0", "-7", "7-",
	    "9-7", "7-x", "Failed", "fail", "7 ", "1000000000000000000",
	    "9999999999999999999999", "failed,open"};

	(void)state;
	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
		struct err err = {0};
		struct redo redo;

		if (redo_parse(&redo, lists[i], &err) == 0)
			fail_msg("taken: \"%s\"", lists[i]);
		assert_int_equal(err.class, ERR_USAGE);
		assert_non_null(strstr(err.text, "--redo: \""));
		redo_free(&redo);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(words_and_ids_are_read),
	    cmocka_unit_test(anything_else_is_refused_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
