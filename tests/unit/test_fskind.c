/* SPDX-License-Identifier: ISC */
/*
 * Which file systems others mount too.
 */
#include "data/fskind.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void
fskind_takes_the_word_of_the_environment(void **state)
{
	(void)state;
	setenv("LLMILL_FSTYPE", "nfs", 1);
	assert_string_equal(fskind_network("/"), "nfs");
	setenv("LLMILL_FSTYPE", "local", 1);
	assert_null(fskind_network("/"));
	unsetenv("LLMILL_FSTYPE");
}

static void
fskind_calls_what_cannot_be_asked_local(void **state)
{
	(void)state;
	unsetenv("LLMILL_FSTYPE");
	assert_null(fskind_network("/proc"));
	assert_null(fskind_network("/no/such/directory"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(fskind_takes_the_word_of_the_environment),
	    cmocka_unit_test(fskind_calls_what_cannot_be_asked_local),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
