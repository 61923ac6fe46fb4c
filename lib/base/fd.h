/* SPDX-License-Identifier: ISC */
#ifndef FD_H
#define FD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/buf.h"

struct err;

/*
 * Descriptors. Every one is born close-on-exec, lives in a field that is -1
 * when empty, and is closed by that field's owner.
 */

/* Close *fd when it is open and set it to -1; errno stays. */
void fd_close(int *fd);

/* Make a pipe, both ends close-on-exec and blocking. */
int fd_pipe(int *read_end, int *write_end, struct err *err);

int fd_set_nonblocking(int fd, bool on);

/* Write all bytes to a blocking or non-blocking descriptor (polls when it is
 * full). Gives 0, or -1 with errno. Interrupted calls go on. */
int fd_write_all(int fd, const void *data, size_t size);

/*
 * Open what fd is open on once more, for writing without waiting: descriptors
 * 0 to 2 are shared with the shell and must not become non-blocking.
 * Gives it; -1 where that is refused (a socket, a terminal of another user),
 * or makes no sense: a regular file has its place in the descriptor.
 */
int fd_open_again(int fd);

/*
 * Write as much as is taken at once, and never wait for a reader.
 * Gives how many bytes, 0 … size, or -1 with errno when it is broken.
 */
ssize_t fd_write_ready(int fd, const void *data, size_t size);

/*
 * Read once into buf, at most size bytes.
 * Gives bytes read, 0 at the end, -1 with errno (EAGAIN: nothing now; ENOBUFS:
 * over the cap of buf).
 */
ssize_t fd_read(int fd, struct buf *buf, size_t size);

/* Read exactly size bytes at an offset. Gives 0, or -1 with errno (EIO: the
 * file ends before). */
int fd_read_at(int fd, void *data, size_t size, int64_t offset);

/* Read all of a blocking or non-blocking descriptor into buf, up to its cap
 * (then -1, EFBIG). Gives 0, or -1 with errno. */
int fd_read_all(int fd, struct buf *buf);

/*
 * Raise the soft descriptor limit to at least count.
 * Gives 0, or -1 with a sentence that names the hard limit.
 */
int fd_raise_limit(size_t count, struct err *err);

/* Gives the columns of the terminal that fd leads to; 0 when it is none, or
 * does not say. */
unsigned fd_columns(int fd);

#endif
