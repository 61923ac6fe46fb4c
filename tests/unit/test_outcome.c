/* SPDX-License-Identifier: ISC */
/*
 * The vocabulary: numbers and names that stand in databases, and who is
 * blamed for what.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "wire/outcome.h"

/* What stands in databases: never to change, only to grow. */
static const char *const names[] = {"ok", "length", "tool_calls", "refused",
    "empty", "content_filter", "bad_request", "too_long", "rate_limited",
    "overloaded", "server_error", "auth", "no_money", "no_model", "no_command",
    "no_server", "tls", "truncated", "garbage", "timeout_connect",
    "timeout_first_byte", "timeout_stall", "timeout_total", "crash",
    "exit_status", "out_of_memory", "poison", "interrupted"};

static void
outcome_numbers_and_names_never_change(void **state)
{
	(void)state;
	assert_int_equal(sizeof(names) / sizeof(names[0]), OUTCOME_COUNT);
	for (int i = 0; i < OUTCOME_COUNT; i++)
		assert_string_equal(
		    outcome_trait((enum outcome)i)->name, names[i]);
}

static void
outcome_is_found_by_its_name_alone(void **state)
{
	enum outcome outcome = OUTCOME_POISON;

	(void)state;
	for (int i = 0; i < OUTCOME_COUNT; i++) {
		assert_true(outcome_by_name(names[i], &outcome));
		assert_int_equal((int)outcome, i);
	}
	assert_false(outcome_by_name("", &outcome));
	assert_false(outcome_by_name("okay", &outcome));
	assert_false(outcome_by_name("OK", &outcome));
}

/* Does name stand in a list of words parted by blanks? */
static bool
listed(const char *list, const char *name)
{
	char padded[1024];
	char wanted[64];

	snprintf(padded, sizeof(padded), " %s ", list);
	snprintf(wanted, sizeof(wanted), " %s ", name);
	return strstr(padded, wanted) != NULL;
}

static void
outcome_traits_are_as_the_rules_say(void **state)
{
	(void)state;
	for (int i = 0; i < OUTCOME_COUNT; i++) {
		const struct outcome_trait *trait =
		    outcome_trait((enum outcome)i);
		const char *name = trait->name;

		assert_int_equal(
		    trait->answers, listed("ok length tool_calls", name));
		assert_int_equal(trait->retries,
		    listed("empty rate_limited overloaded server_error "
			   "truncated garbage timeout_connect "
			   "timeout_first_byte timeout_stall timeout_total "
			   "crash exit_status out_of_memory no_server tls "
			   "interrupted",
			name));
		assert_int_equal(trait->charged,
		    !listed("rate_limited no_server tls timeout_connect "
			    "interrupted auth no_money no_model no_command",
			name));
		assert_int_equal(trait->blames_run,
		    listed("auth no_money no_model no_command", name));
		assert_int_equal(trait->blames_server,
		    listed("no_server tls timeout_connect", name));
		assert_int_equal(
		    trait->hangs, strncmp(name, "timeout_", 8) == 0);
	}
}

static void
outcome_words_are_short_and_all_different(void **state)
{
	(void)state;
	for (int i = 0; i < OUTCOME_COUNT; i++) {
		const char *words = outcome_trait((enum outcome)i)->words;

		assert_in_range(strlen(words), 3, 32);
		for (int k = 0; k < i; k++)
			assert_string_not_equal(
			    words, outcome_trait((enum outcome)k)->words);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(outcome_numbers_and_names_never_change),
	    cmocka_unit_test(outcome_is_found_by_its_name_alone),
	    cmocka_unit_test(outcome_traits_are_as_the_rules_say),
	    cmocka_unit_test(outcome_words_are_short_and_all_different),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
