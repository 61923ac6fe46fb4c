/* SPDX-License-Identifier: ISC */
/*
 * How long a call will take, as far as that can be known.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/hist.h"
#include "run/deadline.h"

static void
few_answers_say_nothing(void **state)
{
	struct hist latency = {0};

	(void)state;
	for (int i = 0; i < DEADLINE_KNOWS - 1; i++)
		hist_add(&latency, CLOCK_S);
	assert_true(deadline_call_ns(&latency, 60 * CLOCK_S, 100 * CLOCK_S) ==
		    25 * CLOCK_S);
	assert_true(deadline_call_ns(&latency, 60 * CLOCK_S, 1000 * CLOCK_S) ==
		    60 * CLOCK_S);
	hist_add(&latency, CLOCK_S);
	assert_true(deadline_call_ns(&latency, 60 * CLOCK_S, 100 * CLOCK_S) <
		    2 * CLOCK_S);
}

static void
a_slow_twentieth_counts(void **state)
{
	struct hist latency = {0};
	int64_t call_ns;

	(void)state;
	for (int i = 0; i < 94; i++)
		hist_add(&latency, CLOCK_S);
	for (int i = 0; i < 6; i++)
		hist_add(&latency, 30 * CLOCK_S);
	call_ns = deadline_call_ns(&latency, 600 * CLOCK_S, 10 * CLOCK_S);
	assert_true(call_ns > 29 * CLOCK_S && call_ns < 31 * CLOCK_S);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(few_answers_say_nothing),
	    cmocka_unit_test(a_slow_twentieth_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
