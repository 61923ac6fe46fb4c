/* SPDX-License-Identifier: ISC */
/*
 * Calls on some files fail, for as long as a file says so:
 *
 *	FAIL_WHILE	path; while it exists, calls fail
 *	FAIL_HITS	path; grows by one byte for each call that failed
 *	FAIL_CALLS	words: write read sync open truncate unlink lock, or
 *			malloc for all that SQLite asks for
 *	FAIL_ERRNO	number
 *	FAIL_PATH	part of the path of the files that are concerned; with
 *			"$" behind, its end
 *	FAIL_FIRST	so many calls at most (default: all)
 *	FAIL_SHORT=1	half of what is written arrives
 *	FAIL_DONE=1	a truncate takes effect all the same
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/types.h>

#include "shim.h"

static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static ssize_t (*real_pread)(int, void *, size_t, off_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_ftruncate)(int, off_t);
static int (*real_fcntl)(int, int, ...);
static int (*real_unlink)(const char *);
static int (*real_open)(const char *, int, ...);
static void *(*real_malloc)(size_t);
static void *(*real_realloc)(void *, size_t);

static long failed;

/* Note the hit where the test can count it. */
static void
count_hit(void)
{
	const char *path = getenv("FAIL_HITS");
	int fd;

	failed++;
	REAL(open);
	REAL(write);
	fd = path == NULL
		 ? -1
		 : real_open(
		       path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	if (fd != -1) {
		(void)!real_write(fd, "x", 1);
		(void)close(fd);
	}
}

/* Is the trouble on, for this kind of call? */
static bool
is_on(const char *call)
{
	const char *calls = getenv("FAIL_CALLS");
	const char *file = getenv("FAIL_WHILE");
	const char *first = getenv("FAIL_FIRST");

	if (calls == NULL || file == NULL || strstr(calls, call) == NULL)
		return false;
	if (first != NULL && failed >= atol(first))
		return false;
	return access(file, F_OK) == 0;
}

static bool
is_meant(const char *path)
{
	const char *part = getenv("FAIL_PATH");

	size_t size = part == NULL ? 0 : strlen(part);

	if (size == 0 || part[size - 1] != '$')
		return part == NULL || strstr(path, part) != NULL;
	size--;
	return strlen(path) >= size &&
	       strncmp(path + strlen(path) - size, part, size) == 0;
}

/* Shall this call fail? Then errno is set and the hit counted. */
static bool
fails_at(const char *call, const char *path)
{
	int number = errno;
	bool fails = is_on(call) && is_meant(path);

	if (fails) {
		count_hit();
		number = atoi(getenv("FAIL_ERRNO"));
	}
	errno = number;
	return fails;
}

static bool
fails(const char *call, int fd)
{
	char path[PATH_MAX];
	int number = errno;

	if (!is_on(call)) {
		errno = number;
		return false;
	}
	return fails_at(call, shim_path_of(fd, path));
}

static size_t
short_of(size_t size)
{
	return getenv("FAIL_SHORT") == NULL ? 0 : size / 2;
}

ssize_t
write(int fd, const void *data, size_t size)
{
	REAL(write);
	if (fails("write", fd))
		return -1;
	return real_write(fd, data, size);
}

ssize_t
pwrite(int fd, const void *data, size_t size, off_t at)
{
	REAL(pwrite);
	if (!fails("write", fd))
		return real_pwrite(fd, data, size, at);
	if (short_of(size) > 0)
		(void)!real_pwrite(fd, data, short_of(size), at);
	return -1;
}

ssize_t
pwrite64(int fd, const void *data, size_t size, off_t at)
{
	return pwrite(fd, data, size, at);
}

ssize_t
pread(int fd, void *data, size_t size, off_t at)
{
	REAL(pread);
	return fails("read", fd) ? -1 : real_pread(fd, data, size, at);
}

ssize_t
pread64(int fd, void *data, size_t size, off_t at)
{
	return pread(fd, data, size, at);
}

int
fsync(int fd)
{
	REAL(fsync);
	return fails("sync", fd) ? -1 : real_fsync(fd);
}

int
fdatasync(int fd)
{
	REAL(fdatasync);
	return fails("sync", fd) ? -1 : real_fdatasync(fd);
}

int
ftruncate(int fd, off_t size)
{
	int number;

	REAL(ftruncate);
	if (!fails("truncate", fd))
		return real_ftruncate(fd, size);
	number = errno;
	if (getenv("FAIL_DONE") != NULL)
		(void)!real_ftruncate(fd, size);
	errno = number;
	return -1;
}

int
ftruncate64(int fd, off_t size)
{
	return ftruncate(fd, size);
}

static bool
is_lock(int command)
{
	return command == F_SETLK || command == F_GETLK ||
	       command == F_OFD_SETLK || command == F_OFD_GETLK;
}

int
fcntl(int fd, int command, ...)
{
	va_list args;
	void *arg;

	va_start(args, command);
	arg = va_arg(args, void *);
	va_end(args);
	REAL(fcntl);
	if (is_lock(command) && fails("lock", fd))
		return -1;
	return real_fcntl(fd, command, arg);
}

int fcntl64(int fd, int command, ...) __attribute__((alias("fcntl")));

int
unlink(const char *path)
{
	REAL(unlink);
	return fails_at("unlink", path) ? -1 : real_unlink(path);
}

int
open(const char *path, int flags, ...)
{
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = (flags & O_CREAT) != 0 ? va_arg(args, mode_t) : 0;
	va_end(args);
	REAL(open);
	return fails_at("open", path) ? -1 : real_open(path, flags, mode);
}

int
open64(const char *path, int flags, ...)
{
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = (flags & O_CREAT) != 0 ? va_arg(args, mode_t) : 0;
	va_end(args);
	return open(path, flags, mode);
}

/* Does SQLite ask for it? */
static bool
is_for_sqlite(const void *caller)
{
	Dl_info info;

	return dladdr(caller, &info) != 0 && info.dli_fname != NULL &&
	       strstr(info.dli_fname, "libsqlite3") != NULL;
}

static bool
no_memory(const void *caller)
{
	return is_on("malloc") && is_for_sqlite(caller) &&
	       fails_at("malloc", getenv("FAIL_PATH"));
}

void *
malloc(size_t size)
{
	REAL(malloc);
	if (no_memory(__builtin_return_address(0)))
		return NULL;
	return real_malloc(size);
}

void *
realloc(void *old, size_t size)
{
	REAL(realloc);
	if (no_memory(__builtin_return_address(0)))
		return NULL;
	return real_realloc(old, size);
}
