/* SPDX-License-Identifier: ISC */
/*
 * How much memory a process holds with all that it started.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "wire/weigh.h"

#define MEGABYTE ((size_t)1 << 20)

/* Hold so much, say so, and wait for ever. */
static void
hold(size_t bytes, int say)
{
	char *memory = malloc(bytes);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	explicit_bzero(memory, bytes); /* not left out by the compiler */
	if (write(say, "x", 1) == 1)
		for (;;)
			pause();
	_exit(1);
}

/* A child with so many descendants under it, one below the other. */
static pid_t
start(unsigned depth, size_t each, int say)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	setpgid(0, 0);
	for (; depth > 0 && fork() == 0; depth--)
		continue;
	hold(each, say);
	return -1;
}

static void
a_process_weighs_what_it_and_its_descendants_hold(void **state)
{
	(void)state;
	for (unsigned depth = 0; depth <= 3; depth++) {
		uint64_t bytes;
		int said[2];
		char byte;
		pid_t pid;

		assert_int_equal(pipe(said), 0);
		pid = start(depth, 20 * MEGABYTE, said[1]);
		for (unsigned i = 0; i <= depth; i++)
			assert_int_equal(read(said[0], &byte, 1), 1);
		bytes = weigh_tree(pid);
		assert_in_range(bytes, (depth + 1) * 20 * MEGABYTE,
		    (depth + 1) * 120 * MEGABYTE);
		kill(-pid, SIGKILL);
		waitpid(pid, NULL, 0);
		close(said[0]);
		close(said[1]);
	}
}

static void
nobody_weighs_nothing(void **state)
{
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		_exit(0);
	waitpid(pid, NULL, 0);
	assert_true(weigh_tree(pid) == 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_process_weighs_what_it_and_its_descendants_hold),
	    cmocka_unit_test(nobody_weighs_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
