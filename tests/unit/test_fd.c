/* SPDX-License-Identifier: ISC */
/*
 * Descriptors: inheritance, the odd cases of read and write, the limit.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/fd.h"

static void
fd_close_empties_the_field_and_keeps_errno(void **state)
{
	int read_end;
	int write_end;
	int number;

	(void)state;
	assert_int_equal(fd_pipe(&read_end, &write_end, NULL), 0);
	number = read_end;
	errno = EDOM;
	fd_close(&read_end);
	assert_int_equal(read_end, -1);
	assert_int_equal(errno, EDOM);
	assert_int_equal(fcntl(number, F_GETFD), -1);
	fd_close(&read_end); /* calm */
	fd_close(&write_end);
}

static void
fd_pipe_is_close_on_exec_and_blocking(void **state)
{
	int ends[2];

	(void)state;
	assert_int_equal(fd_pipe(&ends[0], &ends[1], NULL), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(fcntl(ends[i], F_GETFD), FD_CLOEXEC);
		assert_int_equal(fcntl(ends[i], F_GETFL) & O_NONBLOCK, 0);
		assert_int_equal(fd_set_nonblocking(ends[i], true), 0);
		assert_int_not_equal(fcntl(ends[i], F_GETFL) & O_NONBLOCK, 0);
		assert_int_equal(fd_set_nonblocking(ends[i], false), 0);
		assert_int_equal(fcntl(ends[i], F_GETFL) & O_NONBLOCK, 0);
		fd_close(&ends[i]);
	}
	assert_int_equal(fd_set_nonblocking(-1, true), -1);
}

/* A child that reads all of a pipe, in small pieces, and says by its exit
 * status whether it got size bytes in order. */
static pid_t
start_reader(int read_end, int write_end, size_t size)
{
	pid_t child = fork();
	size_t seen = 0;
	unsigned char piece[777];
	ssize_t got;

	assert_true(child >= 0);
	if (child > 0)
		return child;
	close(write_end);
	while ((got = read(read_end, piece, sizeof(piece))) > 0) {
		for (ssize_t i = 0; i < got; i++)
			if (piece[i] != (unsigned char)(seen++ % 251))
				_exit(1);
	}
	_exit(seen == size ? 0 : 2);
}

static void
write_through(bool nonblocking)
{
	enum {
		SIZE = 300000 /* more than a pipe holds */
	};
	unsigned char *bytes = malloc(SIZE);
	int read_end;
	int write_end;
	int status;
	pid_t child;

	assert_non_null(bytes);
	for (size_t i = 0; i < SIZE; i++)
		bytes[i] = (unsigned char)(i % 251);
	assert_int_equal(fd_pipe(&read_end, &write_end, NULL), 0);
	assert_int_equal(fd_set_nonblocking(write_end, nonblocking), 0);
	child = start_reader(read_end, write_end, SIZE);
	fd_close(&read_end);
	assert_int_equal(fd_write_all(write_end, bytes, SIZE), 0);
	fd_close(&write_end);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	free(bytes);
}

static void
fd_write_all_writes_all_to_a_slow_reader(void **state)
{
	(void)state;
	write_through(false);
	write_through(true);
}

static void
fd_write_all_tells_why_it_cannot(void **state)
{
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

	(void)state;
	assert_true(full >= 0);
	assert_int_equal(fd_write_all(full, "x", 1), -1);
	assert_int_equal(errno, ENOSPC);
	fd_close(&full);
}

static void
fd_read_gives_bytes_again_end_and_cap(void **state)
{
	struct buf buf;
	int read_end;
	int write_end;

	(void)state;
	buf_init(&buf, 5);
	assert_int_equal(fd_pipe(&read_end, &write_end, NULL), 0);
	assert_int_equal(fd_set_nonblocking(read_end, true), 0);
	assert_int_equal(fd_read(read_end, &buf, 100), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(fd_write_all(write_end, "abcdefg", 7), 0);
	assert_int_equal(fd_read(read_end, &buf, 3), 3);
	assert_int_equal(fd_read(read_end, &buf, 100), 2);
	assert_string_equal(buf.data, "abcde");
	assert_int_equal(fd_read(read_end, &buf, 100), -1);
	assert_int_equal(errno, ENOBUFS);
	assert_false(buf.failed);
	buf_drop(&buf, 5);
	assert_int_equal(fd_read(read_end, &buf, 100), 2);
	fd_close(&write_end);
	assert_int_equal(fd_read(read_end, &buf, 100), 0);
	assert_string_equal(buf.data, "fg");
	fd_close(&read_end);
	buf_free(&buf);
}

static void
fd_read_at_reads_all_or_says_why_not(void **state)
{
	char name[] = "/tmp/llmill-test-XXXXXX";
	char got[4] = "";
	int fd = mkstemp(name);

	(void)state;
	unlink(name);
	assert_int_equal(write(fd, "0123456789", 10), 10);
	assert_int_equal(fd_read_at(fd, got, 3, 6), 0);
	assert_string_equal(got, "678");
	assert_int_equal(fd_read_at(fd, got, 3, 8), -1);
	assert_int_equal(errno, EIO);
	close(fd);
	assert_int_equal(fd_read_at(fd, got, 1, 0), -1);
	assert_int_equal(errno, EBADF);
}

static void
fd_read_all_takes_exactly_its_cap_and_no_more(void **state)
{
	(void)state;
	for (size_t size = 9; size <= 11; size++) {
		struct buf buf;
		int read_end;
		int write_end;

		buf_init(&buf, 10);
		assert_int_equal(fd_pipe(&read_end, &write_end, NULL), 0);
		assert_int_equal(
		    fd_write_all(write_end, "abcdefghijk", size), 0);
		fd_close(&write_end);
		if (size <= 10) {
			assert_int_equal(fd_read_all(read_end, &buf), 0);
			assert_int_equal(buf.size, size);
			assert_memory_equal(buf.data, "abcdefghijk", size);
		} else {
			assert_int_equal(fd_read_all(read_end, &buf), -1);
			assert_int_equal(errno, EFBIG);
		}
		fd_close(&read_end);
		buf_free(&buf);
	}
}

static void
fd_read_all_waits_on_a_nonblocking_descriptor(void **state)
{
	struct buf buf;
	struct pollfd look;
	int ends[4]; /* data: 0 1, go ahead: 2 3 */
	pid_t child;
	char byte;

	(void)state;
	buf_init(&buf, 100);
	assert_int_equal(fd_pipe(&ends[0], &ends[1], NULL), 0);
	assert_int_equal(fd_pipe(&ends[2], &ends[3], NULL), 0);
	assert_int_equal(fd_set_nonblocking(ends[0], true), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		close(ends[3]);
		/* the parent has found the pipe empty, then closes this */
		if (read(ends[2], &byte, 1) == 0 &&
		    write(ends[1], "late", 4) == 4)
			_exit(0);
		_exit(1);
	}
	fd_close(&ends[1]);
	fd_close(&ends[2]);
	look = (struct pollfd){.fd = ends[0], .events = POLLIN};
	assert_int_equal(poll(&look, 1, 0), 0);
	fd_close(&ends[3]);
	assert_int_equal(fd_read_all(ends[0], &buf), 0);
	assert_string_equal(buf.data, "late");
	assert_int_equal(waitpid(child, NULL, 0), child);
	fd_close(&ends[0]);
	buf_free(&buf);
}

/* In a child, for limits cannot be taken back. */
static int
raise_in_child(size_t hard, size_t count)
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0) {
		struct rlimit limit = {.rlim_cur = 20, .rlim_max = hard};
		struct err err = {0};
		char number[32];

		if (setrlimit(RLIMIT_NOFILE, &limit) == -1)
			_exit(9);
		if (fd_raise_limit(count, &err) == -1) {
			snprintf(number, sizeof(number), "%zu ", hard);
			_exit(strstr(err.text, number) != NULL ? 1 : 8);
		}
		getrlimit(RLIMIT_NOFILE, &limit);
		_exit(limit.rlim_cur >= count ? 0 : 7);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
fd_limit_goes_up_to_the_hard_one_which_is_named(void **state)
{
	(void)state;
	assert_int_equal(raise_in_child(64, 10), 0);
	assert_int_equal(raise_in_child(64, 64), 0);
	assert_int_equal(raise_in_child(64, 65), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(fd_close_empties_the_field_and_keeps_errno),
	    cmocka_unit_test(fd_pipe_is_close_on_exec_and_blocking),
	    cmocka_unit_test(fd_write_all_writes_all_to_a_slow_reader),
	    cmocka_unit_test(fd_write_all_tells_why_it_cannot),
	    cmocka_unit_test(fd_read_gives_bytes_again_end_and_cap),
	    cmocka_unit_test(fd_read_at_reads_all_or_says_why_not),
	    cmocka_unit_test(fd_read_all_takes_exactly_its_cap_and_no_more),
	    cmocka_unit_test(fd_read_all_waits_on_a_nonblocking_descriptor),
	    cmocka_unit_test(fd_limit_goes_up_to_the_hard_one_which_is_named),
	};

	alarm(30);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
