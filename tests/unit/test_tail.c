/* SPDX-License-Identifier: ISC */
/*
 * The last bytes of a stream.
 */
#include "base/tail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void
tail_keeps_the_end_whatever_the_pieces(void **state)
{
	char all[3 * TAIL_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = (char)('a' + i % 23);
	for (size_t piece = 1; piece < 2 * TAIL_BYTES; piece += 97) {
		struct tail tail = {.size = 0};

		for (size_t at = 0; at < sizeof(all); at += piece)
			tail_keep(&tail, all + at,
			    at + piece < sizeof(all) ? piece
						     : sizeof(all) - at);
		assert_int_equal(tail_span(&tail).size, TAIL_BYTES);
		assert_memory_equal(tail_span(&tail).data,
		    all + sizeof(all) - TAIL_BYTES, TAIL_BYTES);
	}
}

static void
tail_of_little_is_all_of_it(void **state)
{
	struct tail tail = {.size = 0};

	(void)state;
	tail_keep(&tail, "no ", 3);
	tail_keep(&tail, "", 0);
	tail_keep(&tail, "more", 4);
	assert_true(span_equals(tail_span(&tail), span_of("no more")));
}

static void
tail_leaves_out_half_a_character_at_its_front(void **state)
{
	struct tail tail = {.size = 0};
	char text[TAIL_BYTES];

	(void)state;
	memset(text, 'x', sizeof(text));
	tail_keep(&tail, "\xE2\x82\xAC", 3);
	tail_keep(&tail, text, sizeof(text) - 2);
	assert_int_equal(tail_span(&tail).size, TAIL_BYTES - 2);
	assert_int_equal(tail_span(&tail).data[0], 'x');
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(tail_keeps_the_end_whatever_the_pieces),
	    cmocka_unit_test(tail_of_little_is_all_of_it),
	    cmocka_unit_test(tail_leaves_out_half_a_character_at_its_front),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
