/* SPDX-License-Identifier: ISC */
/*
 * Sleep until something happens. Descriptors and signals only; time is an
 * argument of each turn, because everybody knows their own next moment.
 */
#include "run/loop.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/must.h"

#define LOOP_EVENTS_PER_TURN 256 /* what is ready beyond waits one turn */

struct loop {
	int epoll_fd;
	int signal_fd;
	bool masked;
	sigset_t old_mask;
	struct loop_watch signal_watch;
	void (*take_signal)(void *arg, int signal_number);
	void *take_signal_arg;
};

struct loop *
loop_new(struct err *err)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (loop == NULL) {
		err_set_memory(err, "event loop");
		return NULL;
	}
	loop->signal_fd = -1;
	loop->signal_watch.fd = -1;
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd == -1) {
		err_set_errno(err, "cannot make an event loop");
		free(loop);
		return NULL;
	}
	return loop;
}

void
loop_free(struct loop *loop)
{
	struct signalfd_siginfo info;

	if (loop == NULL)
		return;
	/* One that came after the last turn must not strike now: Slurm sends
	 * a second SIGTERM. */
	while (loop->signal_fd != -1 &&
	       read(loop->signal_fd, &info, sizeof(info)) > 0)
		continue;
	if (loop->masked)
		sigprocmask(SIG_SETMASK, &loop->old_mask, NULL);
	fd_close(&loop->signal_fd);
	fd_close(&loop->epoll_fd);
	free(loop);
}

int
loop_watch(struct loop *loop, struct loop_watch *watch, int fd, uint32_t events,
    struct err *err)
{
	struct epoll_event event = {.events = events, .data.ptr = watch};

	MUST(watch->fd == -1 && fd >= 0);
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) == -1)
		return err_set_errno(err, "cannot watch descriptor %d", fd);
	watch->fd = fd;
	watch->events = events;
	return 0;
}

void
loop_unwatch(struct loop *loop, struct loop_watch *watch)
{
	if (watch->fd == -1)
		return;
	epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
	watch->fd = -1;
}

static void
read_signals(void *arg, uint32_t events)
{
	struct loop *loop = arg;
	struct signalfd_siginfo info;

	(void)events;
	while (
	    read(loop->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		loop->take_signal(loop->take_signal_arg, (int)info.ssi_signo);
}

int
loop_signals(struct loop *loop, const int *signals,
    void (*take)(void *arg, int signal_number), void *arg, struct err *err)
{
	sigset_t set;

	sigemptyset(&set);
	for (; *signals != 0; signals++)
		sigaddset(&set, *signals);
	if (sigprocmask(SIG_BLOCK, &set, &loop->old_mask) == -1)
		return err_set_errno(err, "cannot block signals");
	loop->masked = true;
	loop->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (loop->signal_fd == -1)
		return err_set_errno(err, "cannot read signals");
	loop->take_signal = take;
	loop->take_signal_arg = arg;
	loop->signal_watch.ready = read_signals;
	loop->signal_watch.arg = loop;
	return loop_watch(
	    loop, &loop->signal_watch, loop->signal_fd, EPOLLIN, err);
}

int
loop_turn(struct loop *loop, int64_t now_ns, int64_t then_ns, struct err *err)
{
	struct epoll_event events[LOOP_EVENTS_PER_TURN];
	int count;

	count = epoll_wait(loop->epoll_fd, events, LOOP_EVENTS_PER_TURN,
	    clock_wait_ms(now_ns, then_ns));
	/* Whoever was stopped is interrupted here, and has to hear of SIGCONT
	 * before anything is judged by the clock. */
	if (count == -1 && errno == EINTR)
		count =
		    epoll_wait(loop->epoll_fd, events, LOOP_EVENTS_PER_TURN, 0);
	if (count == -1 && errno != EINTR)
		return err_set_errno(err, "cannot wait for events");
	for (int i = 0; i < count; i++) {
		struct loop_watch *watch = events[i].data.ptr;

		if (watch->fd != -1)
			watch->ready(watch->arg, events[i].events);
	}
	return 0;
}
