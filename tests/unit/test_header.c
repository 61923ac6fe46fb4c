/* SPDX-License-Identifier: ISC */
/*
 * Header lines of users: what may go out, and what may never be echoed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/err.h"
#include "chat/header.h"

static void
ordinary_headers_are_taken(void **state)
{
	static const char *const lines[] = {
	    "X-A: b", "x-a:b", "OpenAI-Organization: org", "X-Empty:"};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_int_equal(header_check(lines[i], 1, NULL), 0);
}

static void
broken_headers_are_refused_without_their_value(void **state)
{
	static const char *const lines[] = {
	    "sesame",
	    ": sesame",
	    "X A: sesame",
	    "X-A : sesame",
	    "X-\xc3\xa4: sesame",
	    "X-A: sesame\r\nX-B: c",
	    "X-A: sesame\n",
	    "X-A: sesame\x7f",
	    "content-length: sesame",
	    "Transfer-Encoding: sesame",
	    "",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct err err;

		assert_int_equal(header_check(lines[i], i + 1, &err), -1);
		assert_int_equal(err.class, ERR_USAGE);
		assert_null(strstr(err.text, "sesame"));
	}
}

static void
names_are_found_in_any_case(void **state)
{
	static const char *const lines[] = {
	    "authorization: x", "X-Ab: y", NULL};
	static const char *const plain[] = {"X-Ab: y", NULL};

	(void)state;
	assert_true(header_has(lines, "Authorization"));
	assert_true(header_has(lines, "x-ab"));
	assert_false(header_has(lines, "X-A"));
	assert_false(header_has(NULL, "X-A"));
	assert_true(header_has_secret(lines));
	assert_false(header_has_secret(plain));
	assert_false(header_has_secret(NULL));
}

static void
secret_values_are_struck_out(void **state)
{
	static const char *const lines[] = {"Authorization: Bearer 0123456789",
	    "X-Ab: not-a-secret", "Cookie: session=abc", NULL};
	char text[] =
	    "0123456789, Bearer 0123456789, session=abc, not-a-secret";
	size_t size = header_redact(lines, text, strlen(text));

	(void)state;
	text[size] = '\0';
	assert_string_equal(text, "[key], [key], [key], not-a-secret");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(ordinary_headers_are_taken),
	    cmocka_unit_test(broken_headers_are_refused_without_their_value),
	    cmocka_unit_test(names_are_found_in_any_case),
	    cmocka_unit_test(secret_values_are_struck_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
