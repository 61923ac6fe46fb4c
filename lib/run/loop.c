/* SPDX-License-Identifier: ISC */
/*
 * Sleep until something happens. Descriptors only; time is an
 * argument of each turn, because everybody knows their own next moment.
 */
#include "run/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/must.h"

#define LOOP_EVENTS_PER_TURN 256 /* what is ready beyond waits one turn */

struct loop {
	int epoll_fd;
};

struct loop *
loop_new(struct err *err)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (loop == NULL) {
		err_set_memory(err, "event loop");
		return NULL;
	}
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
	if (loop == NULL)
		return;
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
