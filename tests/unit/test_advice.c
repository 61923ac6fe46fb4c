/* SPDX-License-Identifier: ISC */
/*
 * What to do must keep up with the vocabulary of outcomes.
 */
#include "api/advice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "api/backend.h"

static void
advice_knows_every_outcome_but_answers(void **state)
{
	struct backend backend = {0};

	(void)state;
	for (int i = 0; i < OUTCOME_COUNT; i++) {
		enum outcome outcome = (enum outcome)i;
		const char *advice = advice_on(outcome, &backend);

		if (outcome_trait(outcome)->answers)
			assert_null(advice);
		else if (advice == NULL)
			fail_msg(
			    "no advice on %s", outcome_trait(outcome)->name);
	}
}

static void
advice_on_a_wrong_key_says_which_was_sent(void **state)
{
	static const char *const headers[] = {"Authorization: x", NULL};
	struct backend backend = {0};

	(void)state;
	assert_non_null(
	    strstr(advice_on(OUTCOME_AUTH, &backend), "No key was sent"));
	backend.key_withheld = true;
	assert_non_null(strstr(
	    advice_on(OUTCOME_AUTH, &backend), "--key-env OPENAI_API_KEY"));
	backend.key_withheld = false;
	backend.chat.headers = headers;
	assert_non_null(
	    strstr(advice_on(OUTCOME_AUTH, &backend), "does not take"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(advice_knows_every_outcome_but_answers),
	    cmocka_unit_test(advice_on_a_wrong_key_says_which_was_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
