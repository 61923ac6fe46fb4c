/* SPDX-License-Identifier: ISC */
/*
 * SHA-256 as others have it: the examples of FIPS 180-2.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/sha256.h"

#define LONG_TEXT "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"
#define LONG_HEX                                                               \
	"248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"

static void
assert_hash(struct span bytes, const char *expected)
{
	char hex[SHA256_HEX_BYTES];

	sha256_of(bytes, hex);
	assert_string_equal(hex, expected);
}

static void
it_is_what_the_standard_says(void **state)
{
	(void)state;
	assert_hash(span_of("abc"),
	    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	assert_hash(span_of(LONG_TEXT), LONG_HEX);
}

static void
nothing_has_a_hash_as_well(void **state)
{
	static const char hex[] =
	    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

	(void)state;
	assert_hash(span_of(""), hex);
	assert_hash((struct span){NULL, 0}, hex);
}

static void
pieces_are_as_the_whole(void **state)
{
	const struct span text = span_of(LONG_TEXT);

	(void)state;
	for (size_t cut = 0; cut <= text.size; cut++) {
		char hex[SHA256_HEX_BYTES];
		struct sha256 sha256;

		sha256_begin(&sha256);
		sha256_add(&sha256, (struct span){text.data, cut});
		sha256_add(
		    &sha256, (struct span){text.data + cut, text.size - cut});
		sha256_end_hex(&sha256, hex);
		assert_string_equal(hex, LONG_HEX);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(it_is_what_the_standard_says),
	    cmocka_unit_test(nothing_has_a_hash_as_well),
	    cmocka_unit_test(pieces_are_as_the_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
