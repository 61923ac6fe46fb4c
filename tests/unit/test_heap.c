/* SPDX-License-Identifier: ISC */
/*
 * What was pushed is popped, once, in order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/heap.h"

static void
heap_of_nothing_has_no_top(void **state)
{
	struct heap heap;

	(void)state;
	heap_init(&heap);
	assert_null(heap_top(&heap));
	heap_free(&heap);
}

static void
heap_gives_equal_times_by_smaller_key(void **state)
{
	static const uint32_t keys[] = {7, 3, 9, 0, UINT32_MAX, 5};
	static const uint32_t sorted[] = {0, 3, 5, 7, 9, UINT32_MAX};
	struct heap heap;

	(void)state;
	heap_init(&heap);
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(heap_push(&heap, 100, keys[i]), 0);
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(heap_pop(&heap).key, sorted[i]);
	heap_free(&heap);
}

static void
heap_gives_the_earliest_of_extremes(void **state)
{
	struct heap heap;

	(void)state;
	heap_init(&heap);
	heap_push(&heap, INT64_MAX, 1);
	heap_push(&heap, 0, 2);
	heap_push(&heap, INT64_MIN, 3);
	assert_int_equal(heap_top(&heap)->key, 3);
	assert_int_equal(heap_pop(&heap).key, 3);
	assert_int_equal(heap_pop(&heap).key, 2);
	assert_int_equal(heap_pop(&heap).key, 1);
	heap_free(&heap);
}

static int
compare_items(const void *left, const void *right)
{
	const struct heap_item *a = left;
	const struct heap_item *b = right;

	if (a->due_ns != b->due_ns)
		return a->due_ns < b->due_ns ? -1 : 1;
	return (a->key > b->key) - (a->key < b->key);
}

/* Pushes and pops at random beside a sorted list that is surely right. */
static void
heap_agrees_with_a_sorted_list(void **state)
{
	enum {
		TURNS = 4000
	};
	static struct heap_item list[TURNS];
	size_t count = 0;
	unsigned seed = (unsigned)clock_now_ns();
	struct heap heap;

	(void)state;
	print_message("seed %u\n", seed);
	srandom(seed);
	heap_init(&heap);
	for (int i = 0; i < TURNS; i++) {
		if (count == 0 || random() % 3 > 0) {
			list[count].due_ns = random() % 50;
			list[count].key = (uint32_t)(random() % 50);
			assert_int_equal(heap_push(&heap, list[count].due_ns,
					     list[count].key),
			    0);
			count++;
			continue;
		}
		qsort(list, count, sizeof(list[0]), compare_items);
		assert_int_equal(compare_items(heap_top(&heap), list), 0);
		struct heap_item item = heap_pop(&heap);

		assert_int_equal(compare_items(&item, list), 0);
		list[0] = list[--count];
		assert_int_equal(heap.count, count);
	}
	heap_free(&heap);
}

/* Whatever is taken out from wherever: the rest stays in order. */
static void
what_is_removed_is_gone_and_the_rest_in_order(void **state)
{
	unsigned seed = 7;

	(void)state;
	for (int round = 0; round < 300; round++) {
		int64_t due[40];
		bool gone[40] = {false};
		struct heap heap;
		int64_t last = INT64_MIN;
		uint32_t left = 40;

		heap_init(&heap);
		for (uint32_t i = 0; i < 40; i++) {
			due[i] = rand_r(&seed) % 20;
			assert_int_equal(heap_push(&heap, due[i], i), 0);
		}
		for (int i = 0; i < round % 40; i++) {
			uint32_t key = (uint32_t)rand_r(&seed) % 40;

			if (gone[key])
				continue;
			gone[key] = true;
			left--;
			heap_remove(&heap, key);
		}
		for (; left > 0; left--) {
			struct heap_item item = heap_pop(&heap);

			assert_false(gone[item.key]);
			gone[item.key] = true;
			assert_int_equal(item.due_ns, due[item.key]);
			assert_true(item.due_ns >= last);
			last = item.due_ns;
		}
		assert_null(heap_top(&heap));
		heap_free(&heap);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(heap_of_nothing_has_no_top),
	    cmocka_unit_test(heap_gives_equal_times_by_smaller_key),
	    cmocka_unit_test(heap_gives_the_earliest_of_extremes),
	    cmocka_unit_test(heap_agrees_with_a_sorted_list),
	    cmocka_unit_test(what_is_removed_is_gone_and_the_rest_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
