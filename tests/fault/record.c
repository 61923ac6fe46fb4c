/* SPDX-License-Identifier: ISC */
/*
 * Writes down, in order, all that a process does to the files of a directory
 * and what it says on standard output: tests/fault/images.py makes of it what
 * a power cut might have left. RECORD_DIR is the directory, RECORD_FILE where
 * it goes. Children are not recorded: they touch nothing there.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "shim.h"

enum kind {
	KIND_WRITE = 0,
	KIND_CUT = 1,
	KIND_SYNC = 2, /* of a file or of the directory */
	KIND_CREATE = 3,
	KIND_RENAME = 4,
	KIND_UNLINK = 5,
	KIND_SAY = 6,
};

struct head {
	uint32_t kind;
	uint32_t path_bytes;
	uint64_t inode;
	uint64_t at;
	uint64_t data_bytes;
};

static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite64)(int, const void *, size_t, off_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_ftruncate64)(int, off_t);
static int (*real_unlink)(const char *);
static int (*real_rename)(const char *, const char *);
static int (*real_open64)(const char *, int, ...);

static int log_fd = -1;
static pid_t owner;

__attribute__((constructor)) static void
begin(void)
{
	const char *path = getenv("RECORD_FILE");

	REAL(open64);
	if (path != NULL)
		log_fd = real_open64(
		    path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	owner = getpid();
}

static void
record(struct head head, const char *path, const void *data)
{
	struct iovec parts[] = {
	    {&head, sizeof head},
	    {(void *)path, path == NULL ? 0 : strlen(path)},
	    {(void *)data, head.data_bytes},
	};
	int number = errno;

	head.path_bytes = (uint32_t)parts[1].iov_len;
	if (writev(log_fd, parts, 3) == -1)
		abort();
	errno = number;
}

static bool
is_ours(const char *path)
{
	const char *directory = getenv("RECORD_DIR");

	return log_fd != -1 && getpid() == owner && directory != NULL &&
	       strncmp(path, directory, strlen(directory)) == 0;
}

/* Is the descriptor open on something there? Then its inode is filled in. */
static bool
is_there(int fd, uint64_t *inode)
{
	char path[PATH_MAX];
	struct stat st;

	if (fd == log_fd || !is_ours(shim_path_of(fd, path)) ||
	    fstat(fd, &st) == -1)
		return false;
	*inode = st.st_ino;
	return true;
}

ssize_t
write(int fd, const void *data, size_t size)
{
	struct head head = {.kind = KIND_WRITE};
	struct stat st;
	ssize_t done;

	REAL(write);
	if (fd == STDOUT_FILENO && log_fd != -1 && getpid() == owner) {
		done = real_write(fd, data, size);
		head.kind = KIND_SAY;
		head.data_bytes = done > 0 ? (uint64_t)done : 0;
		record(head, NULL, data);
		return done;
	}
	if (!is_there(fd, &head.inode) || fstat(fd, &st) == -1)
		return real_write(fd, data, size);
	head.at = (fcntl(fd, F_GETFL) & O_APPEND) != 0
		      ? (uint64_t)st.st_size
		      : (uint64_t)lseek(fd, 0, SEEK_CUR);
	done = real_write(fd, data, size);
	head.data_bytes = done > 0 ? (uint64_t)done : 0;
	record(head, NULL, data);
	return done;
}

ssize_t
pwrite64(int fd, const void *data, size_t size, off_t at)
{
	struct head head = {.kind = KIND_WRITE, .at = (uint64_t)at};
	ssize_t done;

	REAL(pwrite64);
	done = real_pwrite64(fd, data, size, at);
	head.data_bytes = done > 0 ? (uint64_t)done : 0;
	if (done > 0 && is_there(fd, &head.inode))
		record(head, NULL, data);
	return done;
}

ssize_t
pwrite(int fd, const void *data, size_t size, off_t at)
{
	return pwrite64(fd, data, size, at);
}

int
ftruncate64(int fd, off_t size)
{
	struct head head = {.kind = KIND_CUT, .at = (uint64_t)size};
	int done;

	REAL(ftruncate64);
	done = real_ftruncate64(fd, size);
	if (done == 0 && is_there(fd, &head.inode))
		record(head, NULL, NULL);
	return done;
}

int
ftruncate(int fd, off_t size)
{
	return ftruncate64(fd, size);
}

static int
synced(int fd, int done)
{
	struct head head = {.kind = KIND_SYNC};

	if (done == 0 && is_there(fd, &head.inode))
		record(head, NULL, NULL);
	return done;
}

int
fsync(int fd)
{
	REAL(fsync);
	return synced(fd, real_fsync(fd));
}

int
fdatasync(int fd)
{
	REAL(fdatasync);
	return synced(fd, real_fdatasync(fd));
}

int
unlink(const char *path)
{
	char real[PATH_MAX];
	bool ours = realpath(path, real) != NULL && is_ours(real);
	struct head head = {.kind = KIND_UNLINK};
	int done;

	REAL(unlink);
	done = real_unlink(path);
	if (done == 0 && ours)
		record(head, real, NULL);
	return done;
}

int
rename(const char *from, const char *to)
{
	char old[PATH_MAX];
	char new[PATH_MAX];
	struct head head = {.kind = KIND_RENAME};
	int done;

	REAL(rename);
	if (realpath(from, old) == NULL || !is_ours(old))
		return real_rename(from, to);
	done = real_rename(from, to);
	if (done == 0 && realpath(to, new) != NULL) {
		head.data_bytes = strlen(new);
		record(head, old, new);
	}
	return done;
}

int
open64(const char *path, int flags, ...)
{
	struct head head = {.kind = KIND_CREATE};
	char real[PATH_MAX];
	va_list args;
	mode_t mode;
	bool is_new;
	int fd;

	va_start(args, flags);
	mode = (flags & O_CREAT) != 0 ? va_arg(args, mode_t) : 0;
	va_end(args);
	REAL(open64);
	is_new = (flags & O_CREAT) != 0 && access(path, F_OK) == -1;
	fd = real_open64(path, flags, mode);
	if (fd != -1 && is_new && is_there(fd, &head.inode))
		record(head, shim_path_of(fd, real), NULL);
	return fd;
}

int
open(const char *path, int flags, ...)
{
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = (flags & O_CREAT) != 0 ? va_arg(args, mode_t) : 0;
	va_end(args);
	return open64(path, flags, mode);
}
