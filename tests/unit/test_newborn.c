/* SPDX-License-Identifier: ISC */
/*
 * What a forked process lets go of. Each test is a process apart that turns
 * into a newborn itself.
 */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "wire/newborn.h"

#include "apart.h"

/* Make descriptor number hold one byte to be known by. */
static void
plant(int number, char byte)
{
	int ends[2];

	NEED(fd_pipe(&ends[0], &ends[1], NULL) == 0);
	NEED(write(ends[1], &byte, 1) == 1);
	NEED(dup2(ends[0], number) == number);
	if (ends[0] != number)
		close(ends[0]);
	close(ends[1]);
}

static bool
holds(int number, char byte)
{
	char got = 0;

	return read(number, &got, 1) == 1 && got == byte;
}

static size_t
open_count(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t count = 0;

	NEED(dir != NULL);
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count - 3; /* ".", ".." and the directory itself */
}

static void
keep_crossed(void *arg)
{
	const int keep[] = {20, 3, 3, 4, 1};

	(void)arg;
	plant(20, 'z');
	plant(1, 'u');
	plant(3, 'x');
	plant(4, 'y');
	NEED(newborn_keep_fds(keep, 5) == 0);
	NEED(holds(0, 'z'));
	NEED(holds(1, 'x')); /* once: 2 shares it */
	NEED(holds(3, 'y'));
	NEED(holds(4, 'u'));
	NEED(open_count() == 5);
}

static void
keep_fds_survives_any_order_of_numbers(void **state)
{
	(void)state;
	assert_int_equal(apart_run(keep_crossed, NULL), 0);
}

static void
keep_and_look_at_flags(void *arg)
{
	const int keep[] = {20, 20, 20, 20, 20};

	(void)arg;
	plant(20, 'a');
	NEED(newborn_keep_fds(keep, 5) == 0);
	for (int i = 0; i < 5; i++)
		NEED(fcntl(i, F_GETFD) == (i < 3 ? 0 : FD_CLOEXEC));
}

static void
keep_fds_lets_commands_inherit_only_the_first_three(void **state)
{
	(void)state;
	assert_int_equal(apart_run(keep_and_look_at_flags, NULL), 0);
}

static void
keep_closed(void *arg)
{
	const int keep[] = {0, 99};

	(void)arg;
	NEED(newborn_keep_fds(keep, 2) == -1);
	NEED(errno == EBADF);
}

static void
keep_fds_says_when_one_is_not_open(void **state)
{
	(void)state;
	assert_int_equal(apart_run(keep_closed, NULL), 0);
}

static void
take_no_notice(int signal_number)
{
	(void)signal_number;
}

static void
handle(int signal_number)
{
	const struct sigaction action = {.sa_handler = take_no_notice};

	NEED(sigaction(signal_number, &action, NULL) == 0);
}

static void
reset(void *arg)
{
	struct sigaction now;
	sigset_t set;

	(void)arg;
	handle(SIGALRM);
	signal(SIGHUP, SIG_IGN);
	signal(SIGRTMAX, SIG_IGN);
	sigfillset(&set);
	sigprocmask(SIG_SETMASK, &set, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	newborn_reset_signals(&set);
	for (int number = 1; number <= SIGRTMAX; number++)
		if (sigaction(number, NULL, &now) == 0)
			NEED(now.sa_handler == SIG_DFL);
	sigprocmask(SIG_SETMASK, NULL, &set);
	for (int number = 1; number <= SIGRTMAX; number++)
		NEED((sigismember(&set, number) == 1) == (number == SIGUSR1));
}

static void
reset_signals_leaves_defaults_and_exactly_that_mask(void **state)
{
	(void)state;
	assert_int_equal(apart_run(reset, NULL), 0);
}

static void
look_at_a_parent(void *arg)
{
	pid_t pid = fork();
	int pid_fd;

	(void)arg;
	if (pid == 0)
		for (;;)
			pause();
	pid_fd = (int)syscall(SYS_pidfd_open, pid, 0);
	NEED(!newborn_is_orphan(pid_fd));
	NEED(kill(pid, SIGKILL) == 0);
	NEED(waitpid(pid, NULL, 0) == pid);
	NEED(newborn_is_orphan(pid_fd));
}

static void
is_orphan_when_that_process_is_dead(void **state)
{
	(void)state;
	assert_int_equal(apart_run(look_at_a_parent, NULL), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(keep_fds_survives_any_order_of_numbers),
	    cmocka_unit_test(
		keep_fds_lets_commands_inherit_only_the_first_three),
	    cmocka_unit_test(keep_fds_says_when_one_is_not_open),
	    cmocka_unit_test(
		reset_signals_leaves_defaults_and_exactly_that_mask),
	    cmocka_unit_test(is_orphan_when_that_process_is_dead),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
