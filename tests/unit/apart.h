/* SPDX-License-Identifier: ISC */
#ifndef APART_H
#define APART_H

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#define APART_LEAKS() (__lsan_do_recoverable_leak_check() != 0)
#else
#define APART_LEAKS() false
#endif

/*
 * Tests that kill run in a process of their own, with a group of its own,
 * that adopts whatever its offspring leave behind: what they sweep can be
 * nobody else's. There NEED takes the place of cmocka's assertions, which
 * would go on with the next test in the wrong process.
 */
#define APART_LIMIT_S 30 /* a test that hangs fails by SIGALRM */

#define NEED(claim) ((claim) ? (void)0 : apart_fail(#claim, __FILE__, __LINE__))

static inline _Noreturn void
apart_fail(const char *claim, const char *file, int line)
{
	dprintf(STDERR_FILENO, "%s:%d: %s does not hold (errno %d)\n", file,
	    line, claim, errno);
	_exit(1);
}

/* Run body apart. Gives its wait status: 0 when all it needed held. */
static inline int
apart_run(void (*body)(void *arg), void *arg)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		setpgid(0, 0);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_CHILD_SUBREAPER, 1);
		signal(SIGPIPE, SIG_IGN);
		alarm(APART_LIMIT_S);
		body(arg);
		_exit(APART_LEAKS() ? 1 : 0);
	}
	if (pid == -1 || waitpid(pid, &status, 0) != pid)
		return -1;
	return status;
}

/* Does this process have no child, alive or dead? */
static inline bool
apart_is_childless(void)
{
	siginfo_t info;

	return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == -1 &&
	       errno == ECHILD;
}

#endif
