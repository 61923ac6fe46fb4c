/* SPDX-License-Identifier: ISC */
/*
 * What is said of a command that gave no answer.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/tail.h"
#include "chat/errand.h"
#include "chat/verdict.h"

static struct buf error;

static void
assert_says(const char *text)
{
	assert_true(span_equals(buf_span(&error), span_of(text)));
	buf_free(&error);
}

static void
assert_start(int number, bool in_exec, enum outcome outcome, const char *text)
{
	buf_init(&error, VERDICT_MAX_BYTES);
	assert_int_equal(
	    verdict_of_start(&error, "cmd", number, in_exec), outcome);
	assert_says(text);
}

static void
what_is_short_for_now_is_another_time(void **state)
{
	static const int numbers[] = {EAGAIN, EMFILE, ENFILE};

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		char text[128];

		snprintf(text, sizeof(text), "cannot run cmd: %s",
		    strerror(numbers[i]));
		assert_start(numbers[i], true, OUTCOME_OVERLOADED, text);
	}
	assert_start(EPERM, false, OUTCOME_OVERLOADED,
	    "cannot start a process for cmd: Operation not permitted");
	assert_start(ENOMEM, true, OUTCOME_OUT_OF_MEMORY,
	    "cannot run cmd: Cannot allocate memory");
	assert_start(ENOMEM, false, OUTCOME_OUT_OF_MEMORY,
	    "cannot start a process for cmd: Cannot allocate memory");
}

static void
what_cannot_be_run_is_no_command(void **state)
{
	(void)state;
	assert_start(ENOENT, true, OUTCOME_NO_COMMAND,
	    "cannot run cmd: No such file or directory");
	assert_start(EACCES, true, OUTCOME_NO_COMMAND,
	    "cannot run cmd: Permission denied");
	assert_start(ENOEXEC, true, OUTCOME_NO_COMMAND,
	    "cannot run cmd: Exec format error: it is no program, and a "
	    "script wants a first line such as #!/bin/sh");
}

static void
a_shells_words_for_nothing_to_run_are_126_and_127(void **state)
{
	struct death death = {.number = 126};

	(void)state;
	assert_true(verdict_cannot_run(&death));
	death.number = 127;
	assert_true(verdict_cannot_run(&death));
	death.number = 128;
	assert_false(verdict_cannot_run(&death));
	death.number = 1;
	assert_false(verdict_cannot_run(&death));
	death = (struct death){.signalled = true, .number = 126};
	assert_false(verdict_cannot_run(&death));
}

static void
an_end_of_ours_has_its_outcome_and_reason(void **state)
{
	static const struct {
		enum errand_ending ending;
		enum outcome outcome;
		const char *text;
	} cases[] = {
	    {ERRAND_GIVEN_UP, OUTCOME_INTERRUPTED, "interrupted"},
	    {ERRAND_TIMEOUT, OUTCOME_TIMEOUT_TOTAL,
		"no word within 2.5 s: last words"},
	    {ERRAND_TOO_LONG, OUTCOME_TOO_LONG, ""},
	    {ERRAND_NO_MEMORY, OUTCOME_OUT_OF_MEMORY,
		"no memory for the answer"},
	};
	static struct errand errand;
	enum outcome outcome;

	(void)state;
	tail_keep(&errand.tail, "last\nwords\n", strlen("last\nwords\n"));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		buf_init(&error, VERDICT_MAX_BYTES);
		errand.ending = cases[i].ending;
		assert_true(verdict_of_ending(
		    &error, &errand, "word", 2500 * CLOCK_MS, &outcome));
		assert_int_equal(outcome, cases[i].outcome);
		assert_says(cases[i].text);
	}
}

static void
an_end_of_its_own_is_for_others_to_judge(void **state)
{
	static const enum errand_ending endings[] = {
	    ERRAND_ITSELF, ERRAND_LINE};
	static struct errand errand;
	enum outcome outcome;

	(void)state;
	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		buf_init(&error, VERDICT_MAX_BYTES);
		errand.ending = endings[i];
		assert_false(verdict_of_ending(
		    &error, &errand, "answer", CLOCK_S, &outcome));
		assert_says("");
	}
}

static void
words_are_one_clean_line_or_nothing(void **state)
{
	static struct tail tail;

	(void)state;
	buf_init(&error, VERDICT_MAX_BYTES);
	verdict_put_words(&error, &tail);
	assert_says("");
	tail_keep(&tail, "a\x1b[31m\nb", strlen("a\x1b[31m\nb"));
	buf_init(&error, VERDICT_MAX_BYTES);
	verdict_put_words(&error, &tail);
	assert_null(memchr(error.data, '\x1b', error.size));
	assert_null(memchr(error.data, '\n', error.size));
	assert_memory_equal(error.data, ": a", 3);
	buf_free(&error);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_short_for_now_is_another_time),
	    cmocka_unit_test(what_cannot_be_run_is_no_command),
	    cmocka_unit_test(a_shells_words_for_nothing_to_run_are_126_and_127),
	    cmocka_unit_test(an_end_of_ours_has_its_outcome_and_reason),
	    cmocka_unit_test(an_end_of_its_own_is_for_others_to_judge),
	    cmocka_unit_test(words_are_one_clean_line_or_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
