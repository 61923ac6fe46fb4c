/* SPDX-License-Identifier: ISC */
/*
 * Prompts kept aside: everything that was put there comes out again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "run/held.h"

static int
push(struct held **list, uint32_t index, uint32_t endpoint, struct span why)
{
	const struct held what = {
	    .index = index,
	    .endpoint = endpoint,
	    .outcome = OUTCOME_AUTH,
	};

	return held_push(list, &what, why);
}

static void
an_empty_list_gives_nothing(void **state)
{
	struct held *list = NULL;

	(void)state;
	assert_null(held_pop(&list, HELD_ANY));
	held_free(NULL);
}

static void
what_was_pushed_is_popped_once_with_its_reason(void **state)
{
	struct held *list = NULL;
	bool seen[3] = {false, false, false};
	char why[] = "reason 0";

	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		why[7] = (char)('0' + i);
		assert_int_equal(push(&list, i, 0, span_of(why)), 0);
	}
	memset(why, '?', sizeof(why)); /* it keeps a copy */
	for (int i = 0; i < 3; i++) {
		struct held *held = held_pop(&list, HELD_ANY);

		assert_non_null(held);
		assert_true(held->index < 3);
		assert_false(seen[held->index]);
		seen[held->index] = true;
		assert_int_equal(held->outcome, OUTCOME_AUTH);
		assert_int_equal(held->why.size, 8);
		assert_memory_equal(held->why.data, "reason ", 7);
		assert_int_equal(held->why.data[7], '0' + (int)held->index);
		held_free(held);
	}
	assert_null(held_pop(&list, HELD_ANY));
}

static void
no_reason_and_a_very_long_one_are_taken(void **state)
{
	static char huge[100000];
	struct held *list = NULL;
	struct held *held;

	(void)state;
	memset(huge, 'x', sizeof(huge));
	assert_int_equal(push(&list, 1, 0, (struct span){NULL, 0}), 0);
	assert_int_equal(
	    push(&list, 2, 0, (struct span){huge, sizeof(huge)}), 0);
	held = held_pop(&list, HELD_ANY);
	assert_int_equal(held->index, 2);
	assert_true(held->why.size > 1000);
	held_free(held);
	held = held_pop(&list, HELD_ANY);
	assert_int_equal(held->index, 1);
	assert_int_equal(held->why.size, 0);
	held_free(held);
}

static void
those_of_one_endpoint_are_taken_out_from_among_the_others(void **state)
{
	struct held *list = NULL;
	struct held *held;

	(void)state;
	for (uint32_t i = 0; i < 6; i++)
		assert_int_equal(push(&list, i, i % 3, span_of("why")), 0);
	for (uint32_t i = 0; i < 2; i++) {
		held = held_pop(&list, 1);
		assert_non_null(held);
		assert_int_equal(held->endpoint, 1);
		assert_int_equal(held->index % 3, 1);
		held_free(held);
	}
	assert_null(held_pop(&list, 1));
	for (uint32_t i = 0; i < 4; i++) {
		held = held_pop(&list, HELD_ANY);
		assert_non_null(held);
		assert_int_not_equal(held->endpoint, 1);
		held_free(held);
	}
	assert_null(list);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_empty_list_gives_nothing),
	    cmocka_unit_test(what_was_pushed_is_popped_once_with_its_reason),
	    cmocka_unit_test(no_reason_and_a_very_long_one_are_taken),
	    cmocka_unit_test(
		those_of_one_endpoint_are_taken_out_from_among_the_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
