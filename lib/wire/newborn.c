/* SPDX-License-Identifier: ISC */
/*
 * What a forked process lets go of: descriptors, handlers, a dead parent.
 * Descriptors are first moved out of the way, all of them, so that no order
 * of old and new numbers can make one close another.
 */
#include "wire/newborn.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/must.h"

#define HIDDEN_FIRST 32	      /* Linux: where real-time signals begin */
#define KERNEL_SIGSET_BYTES 8 /* 64 signals */

int
newborn_keep_fds(const int *fds, size_t count)
{
	int high[NEWBORN_FDS_MAX];

	MUST(count <= NEWBORN_FDS_MAX);
	for (size_t i = 0; i < count; i++) {
		high[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, NEWBORN_FDS_MAX);
		if (high[i] == -1)
			return -1;
	}
	for (size_t i = 0; i < count; i++)
		if (dup3(high[i], (int)i, i < 3 ? 0 : O_CLOEXEC) == -1)
			return -1;
	return (int)syscall(SYS_close_range, (unsigned)count, ~0U, 0);
}

/* libc keeps two signals to itself and refuses to talk of them. Where they
 * were ignored when we began (make does that), commands would inherit it. */
static void
heed_hidden(int number)
{
	struct {
		void (*handler)(int);
		unsigned long rest[7]; /* flags, restorer, mask: any order */
	} action;

	memset(&action, 0, sizeof(action));
	if (syscall(SYS_rt_sigaction, number, NULL, &action,
		KERNEL_SIGSET_BYTES) == -1 ||
	    action.handler != SIG_IGN)
		return;
	memset(&action, 0, sizeof(action));
	syscall(SYS_rt_sigaction, number, &action, NULL, KERNEL_SIGSET_BYTES);
}

void
newborn_reset_signals(const sigset_t *blocked)
{
	const struct sigaction plain = {.sa_handler = SIG_DFL};

	/* KILL and STOP refuse, which is fine. */
	for (int number = 1; number <= SIGRTMAX; number++)
		sigaction(number, &plain, NULL);
	for (int number = HIDDEN_FIRST; number < SIGRTMIN; number++)
		heed_hidden(number);
	pthread_sigmask(SIG_SETMASK, blocked, NULL);
}

bool
newborn_is_orphan(int parent_pid_fd)
{
	struct pollfd parent = {.fd = parent_pid_fd, .events = POLLIN};

	return poll(&parent, 1, 0) != 0;
}
