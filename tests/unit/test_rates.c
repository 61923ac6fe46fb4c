/* SPDX-License-Identifier: ISC */
/*
 * Rate headers of the two families.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "chat/rates.h"

#define NOON_MS INT64_C(1769515200000) /* 2026-01-27 12:00:00 UTC */

/* "name", "value", …, NULL */
static struct span
header(void *arg, const char *name)
{
	const char *const *pair = arg;

	for (; pair[0] != NULL; pair += 2)
		if (strcmp(pair[0], name) == 0)
			return span_of(pair[1]);
	return span_of(NULL);
}

static void
expect(const char *const *headers, struct reply_quota requests,
    struct reply_quota tokens)
{
	const struct rates_facts facts = {
	    .header = header,
	    .arg = (void *)(uintptr_t)headers,
	    .wall_ms = NOON_MS,
	};
	struct reply_quota got = {5, 5};
	struct reply_quota got_tokens = {5, 5};

	rates_read(&facts, &got, &got_tokens);
	assert_true(got.remaining == requests.remaining);
	assert_true(got.reset_ms == requests.reset_ms);
	assert_true(got_tokens.remaining == tokens.remaining);
	assert_true(got_tokens.reset_ms == tokens.reset_ms);
}

static const struct reply_quota none = {-1, -1};

static void
openais_headers_have_a_time_to_go(void **state)
{
	static const char *const headers[] = {"x-ratelimit-limit-requests",
	    "60", "x-ratelimit-remaining-requests", "59",
	    "x-ratelimit-reset-requests", "1s", "x-ratelimit-remaining-tokens",
	    "149984", "x-ratelimit-reset-tokens", "6m0s", NULL};
	static const char *const plain[] = {"x-ratelimit-remaining-requests",
	    "0", "x-ratelimit-reset-requests", "12.5", NULL};

	(void)state;
	expect(headers, (struct reply_quota){59, 1000},
	    (struct reply_quota){149984, 360000});
	expect(plain, (struct reply_quota){0, 12500}, none);
}

static void
anthropics_headers_have_a_moment(void **state)
{
	static const char *const headers[] = {
	    "anthropic-ratelimit-requests-remaining", "7",
	    "anthropic-ratelimit-requests-reset", "2026-01-27T12:00:30Z",
	    "anthropic-ratelimit-tokens-remaining", "8000",
	    "anthropic-ratelimit-tokens-reset", "2026-01-27T11:59:00Z", NULL};

	(void)state;
	expect(headers, (struct reply_quota){7, 30000},
	    (struct reply_quota){8000, 0});
}

static void
the_servers_clock_is_the_one_that_counts(void **state)
{
	static const char *const headers[] = {"date",
	    "Tue, 27 Jan 2026 11:00:20 GMT",
	    "anthropic-ratelimit-requests-remaining", "7",
	    "anthropic-ratelimit-requests-reset", "2026-01-27T11:00:30Z", NULL};

	(void)state;
	expect(headers, (struct reply_quota){7, 10000}, none);
}

static void
half_a_word_says_nothing(void **state)
{
	static const char *const no_reset[] = {
	    "x-ratelimit-remaining-requests", "59", NULL};
	static const char *const no_number[] = {
	    "x-ratelimit-remaining-requests", "-1",
	    "x-ratelimit-reset-requests", "1s", NULL};
	static const char *const no_time[] = {"x-ratelimit-remaining-requests",
	    "1", "x-ratelimit-reset-requests", "soon", NULL};
	static const char *const nothing[] = {NULL};

	(void)state;
	expect(no_reset, none, none);
	expect(no_number, none, none);
	expect(no_time, none, none);
	expect(nothing, none, none);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(openais_headers_have_a_time_to_go),
	    cmocka_unit_test(anthropics_headers_have_a_moment),
	    cmocka_unit_test(the_servers_clock_is_the_one_that_counts),
	    cmocka_unit_test(half_a_word_says_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
