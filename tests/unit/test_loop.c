/* SPDX-License-Identifier: ISC */
/*
 * Descriptors wake the loop, time ends its sleep.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "run/loop.h"

#include "apart.h"

struct listener {
	struct loop *loop;
	struct loop_watch watch;
	struct listener *other; /* to be unwatched by this one, or NULL */
	unsigned calls;
};

static void
hear(void *arg, uint32_t events)
{
	struct listener *listener = arg;

	(void)events;
	listener->calls++;
	if (listener->other != NULL)
		loop_unwatch(listener->loop, &listener->other->watch);
}

static void
listen_to(struct loop *loop, struct listener *listener, int fd)
{
	struct err err;

	*listener = (struct listener){
	    .loop = loop,
	    .watch = {.fd = -1, .ready = hear, .arg = listener},
	};
	assert_int_equal(
	    loop_watch(loop, &listener->watch, fd, EPOLLIN, &err), 0);
}

/* A turn that does not sleep. */
static void
look(struct loop *loop)
{
	struct err err;

	assert_int_equal(loop_turn(loop, 1, 0, &err), 0);
}

static void
a_ready_descriptor_is_told_until_it_is_read_or_unwatched(void **state)
{
	struct err err;
	struct loop *loop = loop_new(&err);
	struct listener listener;
	int read_end;
	int write_end;

	(void)state;
	assert_int_equal(fd_pipe(&read_end, &write_end, &err), 0);
	listen_to(loop, &listener, read_end);
	look(loop);
	assert_int_equal(listener.calls, 0);
	assert_int_equal(write(write_end, "x", 1), 1);
	look(loop);
	look(loop);
	assert_int_equal(listener.calls, 2);
	loop_unwatch(loop, &listener.watch);
	assert_int_equal(listener.watch.fd, -1);
	loop_unwatch(loop, &listener.watch);
	look(loop);
	assert_int_equal(listener.calls, 2);
	fd_close(&read_end);
	fd_close(&write_end);
	loop_free(loop);
	loop_free(NULL);
}

static void
one_that_is_unwatched_by_another_in_the_same_turn_is_not_told(void **state)
{
	struct err err;
	struct loop *loop = loop_new(&err);
	struct listener listeners[2];
	int read_ends[2];
	int write_ends[2];

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(
		    fd_pipe(&read_ends[i], &write_ends[i], &err), 0);
		listen_to(loop, &listeners[i], read_ends[i]);
		assert_int_equal(write(write_ends[i], "x", 1), 1);
	}
	listeners[0].other = &listeners[1];
	listeners[1].other = &listeners[0];
	look(loop);
	assert_int_equal(listeners[0].calls + listeners[1].calls, 1);
	for (int i = 0; i < 2; i++) {
		fd_close(&read_ends[i]);
		fd_close(&write_ends[i]);
	}
	loop_free(loop);
}

static void
a_turn_sleeps_until_its_time_and_no_longer(void **state)
{
	struct err err;
	struct loop *loop = loop_new(&err);
	int64_t began_ns = clock_now_ns();
	int64_t took_ns;

	(void)state;
	assert_int_equal(
	    loop_turn(loop, began_ns, began_ns + 30 * CLOCK_MS, &err), 0);
	took_ns = clock_now_ns() - began_ns;
	assert_true(took_ns >= 30 * CLOCK_MS);
	assert_true(took_ns < 500 * CLOCK_MS);
	loop_free(loop);
}

static void
what_cannot_be_watched_is_an_error(void **state)
{
	struct err err = {0};
	struct loop *loop = loop_new(&err);
	struct loop_watch watch = {.fd = -1};

	(void)state;
	assert_int_equal(loop_watch(loop, &watch, 1000000, EPOLLIN, &err), -1);
	assert_int_equal(err.class, ERR_SYSTEM);
	assert_int_equal(watch.fd, -1);
	loop_free(loop);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(
		a_ready_descriptor_is_told_until_it_is_read_or_unwatched),
	    cmocka_unit_test(
		one_that_is_unwatched_by_another_in_the_same_turn_is_not_told),
	    cmocka_unit_test(a_turn_sleeps_until_its_time_and_no_longer),
	    cmocka_unit_test(what_cannot_be_watched_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
