/* SPDX-License-Identifier: ISC */
/*
 * Packets that carry descriptors.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "wire/packet.h"

struct note {
	int number;
};

static int ends[2];

static int
open_pair(void **state)
{
	(void)state;
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends);
}

static int
close_pair(void **state)
{
	(void)state;
	fd_close(&ends[0]);
	fd_close(&ends[1]);
	return 0;
}

static void
packet_brings_descriptors_in_order(void **state)
{
	const struct note sent = {.number = 7};
	struct note got = {0};
	int pipe_a[2];
	int pipe_b[2];
	int fds[3];
	char byte = 0;

	(void)state;
	assert_int_equal(fd_pipe(&pipe_a[0], &pipe_a[1], NULL), 0);
	assert_int_equal(fd_pipe(&pipe_b[0], &pipe_b[1], NULL), 0);
	assert_int_equal(packet_send(ends[0], &sent, sizeof(sent),
			     (int[]){pipe_a[1], pipe_b[1]}, 2, 0),
	    0);
	assert_int_equal(
	    packet_receive(ends[1], &got, sizeof(got), fds, 3, 0), 1);
	assert_int_equal(got.number, 7);
	assert_int_equal(fds[2], -1);
	assert_int_equal(fcntl(fds[0], F_GETFD), FD_CLOEXEC);
	assert_int_equal(write(fds[0], "a", 1), 1);
	assert_int_equal(write(fds[1], "b", 1), 1);
	assert_int_equal(read(pipe_a[0], &byte, 1), 1);
	assert_int_equal(byte, 'a');
	assert_int_equal(read(pipe_b[0], &byte, 1), 1);
	assert_int_equal(byte, 'b');
	for (int i = 0; i < 2; i++) {
		fd_close(&pipe_a[i]);
		fd_close(&pipe_b[i]);
		fd_close(&fds[i]);
	}
}

static void
packet_without_descriptors_leaves_none(void **state)
{
	const struct note sent = {.number = 8};
	struct note got = {0};
	int fd = 12345;

	(void)state;
	assert_int_equal(
	    packet_send(ends[0], &sent, sizeof(sent), NULL, 0, 0), 0);
	assert_int_equal(
	    packet_receive(ends[1], &got, sizeof(got), &fd, 1, 0), 1);
	assert_int_equal(got.number, 8);
	assert_int_equal(fd, -1);
}

static void
packet_without_room_for_descriptors_still_comes(void **state)
{
	const struct note sent = {.number = 9};
	struct note got = {0};
	struct rlimit limit;
	struct rlimit none;
	int fd;
	int result;

	(void)state;
	assert_int_equal(
	    packet_send(ends[0], &sent, sizeof(sent), &ends[0], 1, 0), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	result = packet_receive(ends[1], &got, sizeof(got), &fd, 1, 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(result, 1);
	assert_int_equal(got.number, 9);
	assert_int_equal(fd, -1);
}

static void
packet_receive_tells_nothing_yet_from_the_end(void **state)
{
	struct note got;

	(void)state;
	assert_int_equal(
	    packet_receive(ends[1], &got, sizeof(got), NULL, 0, MSG_DONTWAIT),
	    -1);
	assert_int_equal(errno, EAGAIN);
	fd_close(&ends[0]);
	assert_int_equal(
	    packet_receive(ends[1], &got, sizeof(got), NULL, 0, MSG_DONTWAIT),
	    0);
}

static void
packet_send_to_nobody_is_an_error_not_a_signal(void **state)
{
	const struct note sent = {.number = 1};

	(void)state;
	fd_close(&ends[1]);
	assert_int_equal(
	    packet_send(ends[0], &sent, sizeof(sent), NULL, 0, 0), -1);
	assert_int_equal(errno, EPIPE);
}

#define WITH_PAIR(test)                                                        \
	cmocka_unit_test_setup_teardown(test, open_pair, close_pair)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH_PAIR(packet_brings_descriptors_in_order),
	    WITH_PAIR(packet_without_descriptors_leaves_none),
	    WITH_PAIR(packet_without_room_for_descriptors_still_comes),
	    WITH_PAIR(packet_receive_tells_nothing_yet_from_the_end),
	    WITH_PAIR(packet_send_to_nobody_is_an_error_not_a_signal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
