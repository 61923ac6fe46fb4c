/* SPDX-License-Identifier: ISC */
/*
 * What check says must keep up with the vocabulary of outcomes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../bin/advice.h"
#include "wire/outcome.h"

static void
advice_knows_every_outcome_but_answers(void **state)
{
	(void)state;
	for (int i = 0; i < OUTCOME_COUNT; i++) {
		const struct outcome_trait *trait =
		    outcome_trait((enum outcome)i);

		if (trait->answers)
			assert_null(advice_on(trait->name));
		else if (!advice_on(trait->name))
			fail_msg("no advice on %s", trait->name);
	}
}

static void
advice_on_unknown_names_is_none(void **state)
{
	(void)state;
	assert_null(advice_on(""));
	assert_null(advice_on("no_such_outcome"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(advice_knows_every_outcome_but_answers),
	    cmocka_unit_test(advice_on_unknown_names_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
