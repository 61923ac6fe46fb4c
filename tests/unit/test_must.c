/* SPDX-License-Identifier: ISC */
/*
 * Bugs end the process, with a line that says where.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/must.h"

static int
count_call(int *calls)
{
	return ++*calls;
}

static void
must_passes_what_holds_and_asks_once(void **state)
{
	int calls = 0;

	(void)state;
	MUST(count_call(&calls) == 1);
	assert_int_equal(calls, 1);
}

/* In a child whose standard error is a pipe. Gives its wait status and what
 * it said. */
static int
die_in_child(void (*die)(void), char *said, size_t size)
{
	int ends[2];
	int status;
	size_t used = 0;
	ssize_t got;
	pid_t child;

	assert_int_equal(pipe(ends), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		const struct rlimit none = {0, 0};

		setrlimit(RLIMIT_CORE, &none);
		signal(SIGABRT, SIG_DFL); /* cmocka catches it */
		dup2(ends[1], STDERR_FILENO);
		die();
		_exit(0);
	}
	close(ends[1]);
	while ((got = read(ends[0], said + used, size - 1 - used)) > 0)
		used += (size_t)got;
	said[used] = '\0';
	close(ends[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static void
break_a_claim(void)
{
	MUST(1 + 1 == 3);
}

static void
must_aborts_and_names_claim_and_place(void **state)
{
	char said[1024];
	int status = die_in_child(break_a_claim, said, sizeof(said));

	(void)state;
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
	assert_non_null(strstr(said, "llmill: bug: \"1 + 1 == 3\""));
	assert_non_null(strstr(said, "test_must.c:"));
	assert_non_null(strstr(said, "break_a_claim"));
	assert_int_equal(said[strlen(said) - 1], '\n');
}

static void
break_a_long_claim(void)
{
	char claim[2000];

	memset(claim, 'x', sizeof(claim) - 1);
	claim[sizeof(claim) - 1] = '\0';
	must_fail(claim, "file", 1, "function");
}

static void
must_cuts_a_long_claim_to_one_line(void **state)
{
	char said[4096];
	int status = die_in_child(break_a_long_claim, said, sizeof(said));

	(void)state;
	assert_true(WIFSIGNALED(status));
	assert_in_range(strlen(said), 100, 512);
	assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(must_passes_what_holds_and_asks_once),
	    cmocka_unit_test(must_aborts_and_names_claim_and_place),
	    cmocka_unit_test(must_cuts_a_long_claim_to_one_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
