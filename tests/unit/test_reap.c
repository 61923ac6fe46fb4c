/* SPDX-License-Identifier: ISC */
/*
 * How processes leave: looked at, buried, swept. Every test is a process
 * apart, which can only meet children of its own.
 */
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

#include "base/clock.h"
#include "base/fd.h"
#include "wire/reap.h"

#include "apart.h"

static _Noreturn void
wait_for_ever(void)
{
	for (;;)
		pause();
}

/* Fork a child that does nothing. */
static pid_t
start_idler(void)
{
	pid_t pid = fork();

	NEED(pid != -1);
	if (pid == 0)
		wait_for_ever();
	return pid;
}

static int
hold(pid_t pid)
{
	int pid_fd = (int)syscall(SYS_pidfd_open, pid, 0);

	NEED(pid_fd != -1);
	return pid_fd;
}

/* Wait, without burying, until it is dead. */
static void
await_death(pid_t pid)
{
	siginfo_t info;

	NEED(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) == 0);
}

static void
look(void *arg)
{
	struct death death = {0};
	pid_t pid = start_idler();
	int pid_fd = hold(pid);

	(void)arg;
	NEED(reap_look(pid_fd, &death) == REAP_ALIVE);
	NEED(reap_signal(pid_fd, SIGUSR1) == 0);
	await_death(pid);
	NEED(reap_look(pid_fd, &death) == REAP_DEAD);
	NEED(reap_look(pid_fd, &death) == REAP_DEAD); /* still a corpse */
	NEED(death.signalled && death.number == SIGUSR1);
	reap_bury(pid_fd);
	NEED(reap_look(pid_fd, &death) == REAP_UNKNOWN);
	NEED(reap_signal(pid_fd, SIGKILL) == -1 && errno == ESRCH);
	NEED(apart_is_childless());
	fd_close(&pid_fd);
}

static void
look_tells_alive_dead_and_taken_by_others(void **state)
{
	(void)state;
	assert_int_equal(apart_run(look, NULL), 0);
}

static void
look_at_status(void *arg)
{
	struct death death = {0};
	pid_t pid = fork();
	int pid_fd;

	(void)arg;
	if (pid == 0)
		_exit(3);
	pid_fd = hold(pid);
	await_death(pid);
	NEED(reap_look(pid_fd, &death) == REAP_DEAD);
	NEED(!death.signalled && death.number == 3 && !death.core);
	reap_bury(pid_fd);
	fd_close(&pid_fd);
}

static void
look_gives_the_exit_status(void **state)
{
	(void)state;
	assert_int_equal(apart_run(look_at_status, NULL), 0);
}

/* Signal 0 throughout: should the guard be broken, it still hits nobody. */
static void
signal_group_of(void *leader)
{
	const int null_fd = open("/dev/null", O_WRONLY);

	dup2(null_fd, STDERR_FILENO); /* the bug report is wanted here */
	reap_signal_group(*(pid_t *)leader, 0);
}

static void
signal_group_refuses_everybody_and_oneself(void **state)
{
	pid_t leaders[] = {1, 0, -1, -2, INT32_MIN};

	(void)state;
	for (size_t i = 0; i < sizeof(leaders) / sizeof(leaders[0]); i++) {
		int status = apart_run(signal_group_of, &leaders[i]);

		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), SIGABRT);
	}
}

static void
signal_own_group(void *arg)
{
	pid_t self = getpgrp();

	(void)arg;
	signal_group_of(&self);
}

static void
signal_group_refuses_its_own(void **state)
{
	int status = apart_run(signal_own_group, NULL);

	(void)state;
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void
signal_a_group(void *arg)
{
	pid_t leader = start_idler();
	pid_t member = start_idler();

	(void)arg;
	NEED(setpgid(leader, leader) == 0);
	NEED(setpgid(member, leader) == 0);
	NEED(reap_signal_group(leader, SIGTERM) == 0);
	NEED(waitpid(leader, NULL, 0) == leader);
	NEED(waitpid(member, NULL, 0) == member);
	NEED(reap_signal_group(leader, SIGTERM) == -1 && errno == ESRCH);
}

static void
signal_group_reaches_all_members(void **state)
{
	(void)state;
	assert_int_equal(apart_run(signal_a_group, NULL), 0);
}

/* Leave a process behind that is deaf to TERM and leads its own session. */
static void
leave_daemon(void)
{
	int ready[2];
	char byte;
	pid_t pid;

	NEED(fd_pipe(&ready[0], &ready[1], NULL) == 0);
	pid = fork();
	if (pid == 0) {
		setsid();
		if (fork() != 0)
			_exit(0);
		signal(SIGTERM, SIG_IGN);
		NEED(write(ready[1], "", 1) == 1);
		wait_for_ever();
	}
	NEED(read(ready[0], &byte, 1) == 1);
	NEED(waitpid(pid, NULL, 0) == pid);
	fd_close(&ready[0]);
	fd_close(&ready[1]);
}

/* Sweep to the end. Gives how many were killed. */
static size_t
sweep_count(reap_spare *spare, void *arg)
{
	size_t killed = 0;

	NEED(reap_sweep(spare, arg, 5000, &killed));
	return killed;
}

static void
sweep_all(void *arg)
{
	(void)arg;
	leave_daemon();
	leave_daemon();
	NEED(!apart_is_childless());
	NEED(sweep_count(NULL, NULL) == 2);
	NEED(apart_is_childless());
	NEED(sweep_count(NULL, NULL) == 0);
}

static void
sweep_finds_adopted_daemons(void **state)
{
	(void)state;
	assert_int_equal(apart_run(sweep_all, NULL), 0);
}

static void
sweep_a_family(void *arg)
{
	pid_t pid = fork();

	(void)arg;
	/* Each generation is adopted when the one above it dies. */
	if (pid == 0) {
		for (int i = 0; i < 5 && fork() == 0; i++)
			setsid();
		wait_for_ever();
	}
	NEED(sweep_count(NULL, NULL) >= 1);
	NEED(apart_is_childless());
}

static void
sweep_goes_on_until_nobody_is_left(void **state)
{
	(void)state;
	assert_int_equal(apart_run(sweep_a_family, NULL), 0);
}

/* A chain of sessions, each member the parent of the next, deaf to TERM. */
static void
start_chain(int length)
{
	int ready[2];
	char byte;

	NEED(fd_pipe(&ready[0], &ready[1], NULL) == 0);
	if (fork() == 0) {
		signal(SIGTERM, SIG_IGN);
		for (int i = 1; i < length; i++) {
			setsid();
			if (fork() != 0)
				wait_for_ever();
		}
		NEED(write(ready[1], "", 1) == 1);
		wait_for_ever();
	}
	NEED(read(ready[0], &byte, 1) == 1);
	fd_close(&ready[0]);
	fd_close(&ready[1]);
}

static void
sweep_a_deep_family(void *arg)
{
	size_t killed = 0;
	int looks = 1;

	(void)arg;
	start_chain(60);
	while (!reap_sweep(NULL, NULL, 0, &killed))
		NEED(looks++ < 1000);
	NEED(looks > 10);
	NEED(killed == 60);
	NEED(apart_is_childless());
}

static void
sweep_says_when_there_was_not_time_enough(void **state)
{
	(void)state;
	assert_int_equal(apart_run(sweep_a_deep_family, NULL), 0);
}

static void
sweep_the_stopped_and_the_dead(void *arg)
{
	pid_t stopped = start_idler();
	pid_t dead = fork();

	(void)arg;
	if (dead == 0)
		_exit(0);
	await_death(dead);
	NEED(kill(stopped, SIGSTOP) == 0);
	NEED(sweep_count(NULL, NULL) == 1);
	NEED(apart_is_childless());
}

static void
sweep_buries_corpses_but_counts_only_the_killed(void **state)
{
	(void)state;
	assert_int_equal(apart_run(sweep_the_stopped_and_the_dead, NULL), 0);
}

static bool
is_that(void *arg, pid_t pid, bool dead)
{
	(void)dead;
	return pid == *(pid_t *)arg;
}

static void
sweep_all_but_one(void *arg)
{
	struct death death;
	pid_t spared = start_idler();
	int pid_fd = hold(spared);

	(void)arg;
	start_idler();
	NEED(sweep_count(is_that, &spared) == 1);
	NEED(reap_look(pid_fd, &death) == REAP_ALIVE);
	NEED(reap_signal(pid_fd, SIGKILL) == 0);
	NEED(waitpid(spared, NULL, 0) == spared);
	fd_close(&pid_fd);
}

static void
sweep_spares_whom_it_is_told_to(void **state)
{
	(void)state;
	assert_int_equal(apart_run(sweep_all_but_one, NULL), 0);
}

static void
sweep_a_liar(void *arg)
{
	int ready[2];
	char byte;

	(void)arg;
	NEED(fd_pipe(&ready[0], &ready[1], NULL) == 0);
	if (fork() == 0) {
		prctl(PR_SET_NAME, "x) Z 1 (");
		NEED(write(ready[1], "", 1) == 1);
		wait_for_ever();
	}
	NEED(read(ready[0], &byte, 1) == 1);
	NEED(sweep_count(NULL, NULL) == 1);
	NEED(apart_is_childless());
	fd_close(&ready[0]);
	fd_close(&ready[1]);
}

static void
sweep_is_not_fooled_by_a_name(void **state)
{
	(void)state;
	assert_int_equal(apart_run(sweep_a_liar, NULL), 0);
}

static void
look_for_others(void *arg)
{
	pid_t first;

	(void)arg;
	NEED(!reap_has_other_child(1));
	first = start_idler();
	NEED(reap_has_other_child(1) && !reap_has_other_child(first));
	start_idler();
	NEED(reap_has_other_child(first));
	NEED(sweep_count(NULL, NULL) == 2);
	first = fork();
	if (first == 0)
		_exit(0);
	await_death(first);
	NEED(reap_has_other_child(1)); /* a corpse is one, too */
	NEED(sweep_count(NULL, NULL) == 0);
}

static void
other_children_are_noticed(void **state)
{
	(void)state;
	assert_int_equal(apart_run(look_for_others, NULL), 0);
}

static void
look_for_a_variable(void *arg)
{
	const char *const settings[] = {"A=1", "MARK=12", "B=", "C", NULL};
	pid_t pid = fork();

	(void)arg;
	if (pid == 0) {
		execle("/bin/sleep", "sleep", "1000", NULL, settings);
		_exit(1);
	}
	while (!reap_carries(pid, "A"))
		NEED(waitpid(pid, NULL, WNOHANG) == 0);
	NEED(reap_carries(pid, "MARK") && reap_carries(pid, "B"));
	NEED(!reap_carries(pid, "MAR") && !reap_carries(pid, "MARK1"));
	NEED(!reap_carries(pid, "ARK") && !reap_carries(pid, "C"));
	NEED(!reap_carries(pid, ""));
	NEED(kill(pid, SIGKILL) == 0);
	await_death(pid);
	NEED(!reap_carries(pid, "MARK"));
	NEED(sweep_count(NULL, NULL) == 1);
	NEED(!reap_carries(pid, "MARK"));
}

static void
carries_finds_a_variable_of_the_living(void **state)
{
	(void)state;
	assert_int_equal(apart_run(look_for_a_variable, NULL), 0);
}

static void
describe_names_signal_or_status(void **state)
{
	const struct death crashed = {.signalled = true, .number = SIGSEGV};
	const struct death left = {.number = 3};
	char text[64] = "old";
	char small[8];

	(void)state;
	reap_describe(&crashed, text, sizeof(text));
	assert_string_equal(text, "signal 11 (Segmentation fault)");
	reap_describe(&left, text, sizeof(text));
	assert_string_equal(text, "exit status 3");
	reap_describe(&left, small, sizeof(small));
	assert_string_equal(small, "exit st");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(look_tells_alive_dead_and_taken_by_others),
	    cmocka_unit_test(look_gives_the_exit_status),
	    cmocka_unit_test(signal_group_refuses_everybody_and_oneself),
	    cmocka_unit_test(signal_group_refuses_its_own),
	    cmocka_unit_test(signal_group_reaches_all_members),
	    cmocka_unit_test(sweep_finds_adopted_daemons),
	    cmocka_unit_test(sweep_goes_on_until_nobody_is_left),
	    cmocka_unit_test(sweep_says_when_there_was_not_time_enough),
	    cmocka_unit_test(sweep_buries_corpses_but_counts_only_the_killed),
	    cmocka_unit_test(sweep_spares_whom_it_is_told_to),
	    cmocka_unit_test(sweep_is_not_fooled_by_a_name),
	    cmocka_unit_test(other_children_are_noticed),
	    cmocka_unit_test(carries_finds_a_variable_of_the_living),
	    cmocka_unit_test(describe_names_signal_or_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
