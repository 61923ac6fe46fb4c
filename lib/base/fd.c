/* SPDX-License-Identifier: ISC */
/*
 * Descriptors with the odd cases of read and write taken care of in one
 * place: interrupted, short, would block, full.
 */
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/must.h"

#define FD_READ_BYTES ((size_t)65536) /* one turn of reading all: a pipe's */

void
fd_close(int *fd)
{
	int number = errno;

	/* EINTR and EIO close it too; a closed number is our own bug. */
	if (*fd >= 0 && close(*fd) == -1)
		MUST(errno != EBADF);
	*fd = -1;
	errno = number;
}

int
fd_pipe(int *read_end, int *write_end, struct err *err)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) == -1)
		return err_set_errno(err, "cannot make a pipe");
	*read_end = ends[0];
	*write_end = ends[1];
	return 0;
}

int
fd_set_nonblocking(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags == -1)
		return -1;
	flags = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
	return fcntl(fd, F_SETFL, flags) == -1 ? -1 : 0;
}

/* A descriptor that is ready for events, or broken, which the next call on it
 * will say. */
static int
wait_for(int fd, short events)
{
	struct pollfd look = {.fd = fd, .events = events};

	return poll(&look, 1, -1) == -1 && errno != EINTR ? -1 : 0;
}

int
fd_write_all(int fd, const void *data, size_t size)
{
	const char *bytes = data;

	while (size > 0) {
		ssize_t done = write(fd, bytes, size);

		if (done >= 0) {
			bytes += done;
			size -= (size_t)done;
		} else if (errno == EAGAIN) {
			if (wait_for(fd, POLLOUT) == -1)
				return -1;
		} else if (errno != EINTR) {
			return -1;
		}
	}
	return 0;
}

int
fd_open_again(int fd)
{
	struct stat status;
	char path[32];

	if (fstat(fd, &status) == -1 || S_ISREG(status.st_mode))
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

/* How much may be written at once? One that could make us wait takes up to
 * PIPE_BUF bytes where it says that there is room. */
static size_t
piece_of(int fd, size_t size)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags != -1 && (flags & O_NONBLOCK) != 0)
		return size;
	return size < PIPE_BUF ? size : PIPE_BUF;
}

ssize_t
fd_write_ready(int fd, const void *data, size_t size)
{
	struct pollfd look = {.fd = fd, .events = POLLOUT};
	const char *bytes = data;
	size_t sent = 0;

	while (sent < size && poll(&look, 1, 0) == 1) {
		ssize_t done =
		    write(fd, bytes + sent, piece_of(fd, size - sent));

		if (done >= 0)
			sent += (size_t)done;
		else if (errno == EAGAIN)
			break;
		else if (errno != EINTR)
			return -1;
	}
	return (ssize_t)sent;
}

ssize_t
fd_read(int fd, struct buf *buf, size_t size)
{
	char *place;
	ssize_t done;

	if (size > buf->cap - buf->size)
		size = buf->cap - buf->size;
	if (size == 0) {
		errno = ENOBUFS;
		return -1;
	}
	place = buf_reserve(buf, size);
	if (place == NULL) {
		errno = ENOMEM;
		return -1;
	}
	do
		done = read(fd, place, size);
	while (done == -1 && errno == EINTR);
	if (done > 0)
		buf_grow(buf, (size_t)done);
	return done;
}

/* The buffer is full to its cap: fine if that was the end. */
static ssize_t
read_past_cap(int fd)
{
	char byte;
	ssize_t done;

	do
		done = read(fd, &byte, 1);
	while (done == -1 && errno == EINTR);
	if (done > 0) {
		errno = EFBIG;
		return -1;
	}
	return done;
}

int
fd_read_at(int fd, void *data, size_t size, int64_t offset)
{
	char *at = data;

	while (size > 0) {
		ssize_t got = pread(fd, at, size, offset);

		if (got == 0)
			errno = EIO;
		if (got == 0 || (got == -1 && errno != EINTR))
			return -1;
		if (got == -1)
			continue;
		at += got;
		size -= (size_t)got;
		offset += got;
	}
	return 0;
}

int
fd_read_all(int fd, struct buf *buf)
{
	for (;;) {
		ssize_t done = buf->size == buf->cap
				   ? read_past_cap(fd)
				   : fd_read(fd, buf, FD_READ_BYTES);

		if (done == 0)
			return 0;
		if (done > 0)
			continue;
		if (errno != EAGAIN || wait_for(fd, POLLIN) == -1)
			return -1;
	}
}

int
fd_raise_limit(size_t count, struct err *err)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
		return err_set_errno(
		    err, "cannot read the limit of open files");
	if (limit.rlim_cur >= count)
		return 0;
	if (limit.rlim_max < count)
		return err_set(err, ERR_SYSTEM,
		    "%zu open files are needed, but the hard limit is %ju "
		    "(ulimit -Hn): use fewer workers, or raise it",
		    count, (uintmax_t)limit.rlim_max);
	limit.rlim_cur = count;
	if (setrlimit(RLIMIT_NOFILE, &limit) == -1)
		return err_set_errno(
		    err, "cannot raise the limit of open files to %zu", count);
	return 0;
}

unsigned
fd_columns(int fd)
{
	struct winsize size;

	if (ioctl(fd, TIOCGWINSZ, &size) == -1)
		return 0;
	return size.ws_col;
}
