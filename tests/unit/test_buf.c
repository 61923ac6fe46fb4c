/* SPDX-License-Identifier: ISC */
/*
 * Growing bytes under a cap.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"

/* Under AddressSanitizer too a size that cannot be had gives NULL. */
const char *__asan_default_options(void);

const char *
__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}

static void
buf_appends_in_order_and_closes_with_nul(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 1000);
	assert_int_equal(buf_add(&buf, "a\0b", 3), 0);
	assert_int_equal(buf_add_text(&buf, "cd"), 0);
	assert_int_equal(buf_add_byte(&buf, 'e'), 0);
	assert_int_equal(buf_printf(&buf, "-%d-", 12), 0);
	assert_int_equal(buf.size, 10);
	assert_memory_equal(buf.data, "a\0bcde-12-", 11);
	buf_free(&buf);
	assert_null(buf.data);
	buf_free(&buf);
}

static void
buf_reaches_its_cap_and_never_passes_it(void **state)
{
	(void)state;
	for (size_t cap = 0; cap < 200; cap++) {
		struct buf buf;

		buf_init(&buf, cap);
		for (size_t i = 0; i < cap; i++)
			assert_int_equal(buf_add_byte(&buf, 'x'), 0);
		assert_int_equal(buf.size, cap);
		assert_false(buf.failed);
		assert_in_range(buf.room, 0, cap + 1);
		assert_int_equal(buf_add_byte(&buf, 'y'), -1);
		assert_int_equal(buf.size, cap);
		assert_true(buf.failed);
		buf_free(&buf);
	}
}

static void
buf_failure_adds_nothing_and_stays_until_clear(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 4);
	assert_int_equal(buf_add_text(&buf, "abc"), 0);
	assert_int_equal(buf_add_text(&buf, "de"), -1);
	assert_int_equal(buf_add_text(&buf, "f"), -1); /* would fit: no holes */
	assert_int_equal(buf_printf(&buf, "g"), -1);
	assert_null(buf_reserve(&buf, 0));
	assert_string_equal(buf.data, "abc");
	buf_clear(&buf);
	assert_false(buf.failed);
	assert_int_equal(buf_add_text(&buf, "defg"), 0);
	assert_string_equal(buf.data, "defg");
	buf_free(&buf);
}

static void
buf_refuses_sizes_that_would_wrap(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 100);
	buf_add_text(&buf, "abc");
	assert_null(buf_reserve(&buf, SIZE_MAX));
	buf_clear(&buf);
	buf_add_text(&buf, "abc");
	assert_null(buf_reserve(&buf, SIZE_MAX - 3));
	buf_free(&buf);
}

static void
buf_without_memory_fails_like_over_the_cap(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, SIZE_MAX / 2 - 1);
	buf_add_text(&buf, "abc");
	assert_null(buf_reserve(&buf, SIZE_MAX / 2 - 10));
	assert_true(buf.failed);
	assert_string_equal(buf.data, "abc");
	buf_free(&buf);
}

static void
buf_reserve_and_grow_count_what_was_filled_in(void **state)
{
	struct buf buf;
	char *place;

	(void)state;
	buf_init(&buf, 1000);
	place = buf_reserve(&buf, 500);
	assert_non_null(place);
	memset(place, 'z', 500);
	buf_grow(&buf, 3);
	assert_string_equal(buf.data, "zzz");
	buf_free(&buf);
}

static void
buf_drops_from_the_front(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 100);
	buf_drop(&buf, 0);
	buf_add_text(&buf, "abcdef");
	buf_drop(&buf, 2);
	assert_string_equal(buf.data, "cdef");
	buf_drop(&buf, 4);
	assert_string_equal(buf.data, "");
	assert_int_equal(buf.size, 0);
	buf_free(&buf);
}

static void
buf_span_of_nothing_is_empty_not_none(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 10);
	assert_non_null(buf_span(&buf).data);
	assert_int_equal(buf_span(&buf).size, 0);
	assert_null(span_of(NULL).data);
	assert_non_null(span_of("").data);
}

static void
span_equals_tells_none_from_empty_and_looks_past_nul(void **state)
{
	const struct span none = {NULL, 0};

	(void)state;
	assert_true(span_equals(none, none));
	assert_false(span_equals(none, span_of("")));
	assert_true(span_equals(span_of("ab"), span_of("ab")));
	assert_false(span_equals(span_of("ab"), span_of("abc")));
	assert_false(
	    span_equals((struct span){"a\0b", 3}, (struct span){"a\0c", 3}));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(buf_appends_in_order_and_closes_with_nul),
	    cmocka_unit_test(buf_reaches_its_cap_and_never_passes_it),
	    cmocka_unit_test(buf_failure_adds_nothing_and_stays_until_clear),
	    cmocka_unit_test(buf_refuses_sizes_that_would_wrap),
	    cmocka_unit_test(buf_without_memory_fails_like_over_the_cap),
	    cmocka_unit_test(buf_reserve_and_grow_count_what_was_filled_in),
	    cmocka_unit_test(buf_drops_from_the_front),
	    cmocka_unit_test(buf_span_of_nothing_is_empty_not_none),
	    cmocka_unit_test(
		span_equals_tells_none_from_empty_and_looks_past_nul),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
