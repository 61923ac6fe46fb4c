/* SPDX-License-Identifier: ISC */
/*
 * Signals are read, not suffered. Each test is a process of its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/signals.h"

#include "apart.h"

static const int taken[] = {SIGTERM, SIGUSR1, SIGHUP, SIGCONT, 0};

static void
hear(void *arg)
{
	struct signals signals;
	struct err err;

	(void)arg;
	signal(SIGHUP, SIG_IGN); /* nohup */
	NEED(signals_open(&signals, taken, &err) == 0);
	NEED(signals_next(&signals) == 0);
	raise(SIGUSR1);
	raise(SIGHUP);
	NEED(signals_next(&signals) == SIGUSR1);
	raise(SIGCONT);
	raise(SIGTERM);
	NEED(signals_next(&signals) + signals_next(&signals) ==
	     SIGCONT + SIGTERM);
	NEED(signals_next(&signals) == 0);
	signals_close(&signals);
	NEED(signals.fd == -1 && signals_next(&signals) == 0);
	signals_close(&signals);
}

static void
what_is_not_ignored_is_read(void **state)
{
	(void)state;
	assert_int_equal(apart_run(hear, NULL), 0);
}

static void
close_with_pending(void *arg)
{
	struct signals signals;
	struct err err;
	sigset_t mask;

	(void)arg;
	NEED(signals_open(&signals, taken, &err) == 0);
	raise(SIGTERM);
	signals_close(&signals); /* still alive? */
	NEED(sigprocmask(SIG_SETMASK, NULL, &mask) == 0);
	NEED(sigismember(&mask, SIGTERM) == 0);
	NEED(sigismember(&mask, SIGUSR1) == 0);
}

/* Slurm sends a second SIGTERM 8 ms after the first. */
static void
one_that_nobody_asked_for_kills_nobody(void **state)
{
	(void)state;
	assert_int_equal(apart_run(close_with_pending, NULL), 0);
}

static const int stops[] = {SIGTSTP, 0};

/* In a child, for a parent that continues it. */
static void
be_stopped(void)
{
	struct signals signals;
	struct err err;

	NEED(signals_open(&signals, stops, &err) == 0);
	raise(SIGTSTP);
	signals_suffer(&signals); /* stopped, and continued */
	NEED(signals_next(&signals) == 0);
	raise(SIGTSTP);
	raise(SIGCONT);
	signals_suffer(&signals); /* it was taken back */
	_exit(0);
}

static void
suffer(void *arg)
{
	pid_t pid = fork();
	int status;

	(void)arg;
	NEED(pid != -1);
	if (pid == 0) {
		NEED(setpgid(0, 0) == 0); /* an orphaned group never stops */
		be_stopped();
	}
	NEED(waitpid(pid, &status, WUNTRACED) == pid);
	NEED(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTSTP);
	NEED(kill(pid, SIGCONT) == 0);
	NEED(waitpid(pid, &status, WUNTRACED) == pid);
	NEED(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void
what_waits_strikes_when_it_is_let(void **state)
{
	(void)state;
	assert_int_equal(apart_run(suffer, NULL), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_not_ignored_is_read),
	    cmocka_unit_test(what_waits_strikes_when_it_is_let),
	    cmocka_unit_test(one_that_nobody_asked_for_kills_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
