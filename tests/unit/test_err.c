/* SPDX-License-Identifier: ISC */
/*
 * Sentences: class, errno, what was tried in front, cut at a character.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/text.h"

static void
err_set_gives_minus_one_and_fills(void **state)
{
	struct err err = {0};

	(void)state;
	assert_int_equal(
	    err_set(&err, ERR_INPUT, "%s: line %d", "prompts.txt", 7), -1);
	assert_int_equal(err.class, ERR_INPUT);
	assert_int_equal(err.number, 0);
	assert_string_equal(err.text, "prompts.txt: line 7");
}

static void
err_takes_nobody_who_wants_to_know(void **state)
{
	(void)state;
	assert_int_equal(err_set(NULL, ERR_INPUT, "x"), -1);
	assert_int_equal(err_set_errno(NULL, "x"), -1);
	assert_int_equal(err_set_memory(NULL, "x"), -1);
	assert_int_equal(err_add(NULL, "x"), -1);
}

static void
err_keeps_errno_and_appends_its_reason(void **state)
{
	struct err err;

	(void)state;
	errno = ENOSPC;
	assert_int_equal(err_set_errno(&err, "cannot write %s", "a.db"), -1);
	assert_int_equal(errno, ENOSPC);
	assert_int_equal(err.class, ERR_SYSTEM);
	assert_int_equal(err.number, ENOSPC);
	assert_string_equal(
	    err.text, "cannot write a.db: No space left on device");
}

static void
err_calls_enomem_want_of_memory(void **state)
{
	struct err err;

	(void)state;
	errno = ENOMEM;
	err_set_errno(&err, "cannot map");
	assert_int_equal(err.class, ERR_MEMORY);
	err_set_memory(&err, "prompts");
	assert_int_equal(err.class, ERR_MEMORY);
	assert_int_equal(err.number, ENOMEM);
	assert_string_equal(err.text, "out of memory (prompts)");
}

static void
err_add_puts_in_front_and_keeps_class_and_errno(void **state)
{
	struct err err;

	(void)state;
	errno = EIO;
	err_set_errno(&err, "read");
	assert_int_equal(err_add(&err, "key file %s", "k"), -1);
	assert_int_equal(err.class, ERR_SYSTEM);
	assert_int_equal(err.number, EIO);
	assert_string_equal(err.text, "key file k: read: Input/output error");
}

static void
err_cuts_long_sentences_at_a_character(void **state)
{
	char foreign[3 * ERR_TEXT_MAX + 1];
	struct err err;

	(void)state;
	foreign[0] = '\0';
	for (size_t i = 0; i < ERR_TEXT_MAX; i++)
		memcpy(foreign + 3 * i, "€", 4);
	for (int shift = 0; shift < 3; shift++) {
		err_set(&err, ERR_INPUT, "%.*s%s", shift, "abc", foreign);
		assert_in_range(
		    strlen(err.text), ERR_TEXT_MAX - 4, ERR_TEXT_MAX - 1);
		assert_true(text_is_utf8(span_of(err.text), NULL));
		err_add(&err, "%.*s", shift, "xyz");
		assert_in_range(
		    strlen(err.text), ERR_TEXT_MAX - 4, ERR_TEXT_MAX - 1);
		assert_true(text_is_utf8(span_of(err.text), NULL));
		errno = EIO;
		err_set_errno(&err, "%.*s%s", shift, "abc", foreign);
		assert_true(text_is_utf8(span_of(err.text), NULL));
	}
}

static void
err_keeps_a_cut_sentence_that_never_was_utf8(void **state)
{
	char foreign[ERR_TEXT_MAX + 100];
	struct err err;

	(void)state;
	memset(foreign, 0xFF, sizeof(foreign) - 1);
	foreign[sizeof(foreign) - 1] = '\0';
	err_set(&err, ERR_INPUT, "%s", foreign);
	assert_int_equal(strlen(err.text), ERR_TEXT_MAX - 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(err_set_gives_minus_one_and_fills),
	    cmocka_unit_test(err_takes_nobody_who_wants_to_know),
	    cmocka_unit_test(err_keeps_errno_and_appends_its_reason),
	    cmocka_unit_test(err_calls_enomem_want_of_memory),
	    cmocka_unit_test(err_add_puts_in_front_and_keeps_class_and_errno),
	    cmocka_unit_test(err_cuts_long_sentences_at_a_character),
	    cmocka_unit_test(err_keeps_a_cut_sentence_that_never_was_utf8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
