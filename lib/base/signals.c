/* SPDX-License-Identifier: ISC */
/*
 * Signals only write; whoever owns them reads when it suits, or lets them
 * strike.
 */
#include "base/signals.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"

int
signals_open(struct signals *signals, const int *numbers, struct err *err)
{
	struct sigaction action;
	sigset_t set;

	signals->fd = -1;
	sigemptyset(&set);
	for (; *numbers != 0; numbers++)
		if (sigaction(*numbers, NULL, &action) == 0 &&
		    action.sa_handler != SIG_IGN)
			sigaddset(&set, *numbers);
	if (sigprocmask(SIG_BLOCK, &set, &signals->old_mask) == -1)
		return err_set_errno(err, "cannot block signals");
	sigprocmask(SIG_BLOCK, NULL, &signals->mask);
	signals->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signals->fd != -1)
		return 0;
	err_set_errno(err, "cannot read signals");
	sigprocmask(SIG_SETMASK, &signals->old_mask, NULL);
	return -1;
}

int
signals_next(struct signals *signals)
{
	struct signalfd_siginfo info;

	if (signals->fd == -1 ||
	    read(signals->fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return 0;
	return (int)info.ssi_signo;
}

void
signals_suffer(const struct signals *signals)
{
	if (signals->fd == -1)
		return;
	sigprocmask(SIG_SETMASK, &signals->old_mask, NULL);
	sigprocmask(SIG_SETMASK, &signals->mask, NULL);
}

void
signals_close(struct signals *signals)
{
	if (signals->fd == -1)
		return;
	while (signals_next(signals) != 0)
		continue;
	sigprocmask(SIG_SETMASK, &signals->old_mask, NULL);
	fd_close(&signals->fd);
}
