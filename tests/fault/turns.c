/* SPDX-License-Identifier: ISC */
/*
 * How long may a turn of the coordinator's loop sleep? A turn lasts from one
 * epoll_wait to the next (what comes after the last is the end, not a turn);
 * what counts is what it asks the kernel to wait for, by sleeping or by a pipe
 * that may block, which no other load on the machine can change. At each
 * longest turn so far, and each lock that somebody else had, TURNS_FILE gets
 * a line:
 *
 *	slept MILLISECONDS
 *	refused
 *	turns COUNT	(at the end)
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "shim.h"

#define FOR_EVER_US 1000000000L

static int (*real_epoll_wait)(int, struct epoll_event *, int, int);
static int (*real_poll)(struct pollfd *, nfds_t, int);
static int (*real_nanosleep)(const struct timespec *, struct timespec *);
static int (*real_usleep)(useconds_t);
static int (*real_fcntl)(int, int, void *);
static int (*real_waitid)(idtype_t, id_t, siginfo_t *, int);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_read)(int, void *, size_t);

static long turns;	/* 0: the loop has not begun */
static long slept_us;	/* in this turn */
static long longest_us; /* of all turns */

static void
say(const char *what, long number)
{
	const char *path = getenv("TURNS_FILE");
	FILE *file = path == NULL ? NULL : fopen(path, "ae");

	if (file == NULL)
		return;
	if (number < 0)
		fprintf(file, "%s\n", what);
	else
		fprintf(file, "%s %ld\n", what, number);
	(void)fclose(file);
}

static void
sleeps(long us)
{
	if (turns > 0)
		slept_us += us;
}

int
epoll_wait(int fd, struct epoll_event *events, int max, int timeout)
{
	REAL(epoll_wait);
	if (slept_us > longest_us) {
		longest_us = slept_us;
		say("slept", longest_us / 1000);
	}
	turns++;
	slept_us = 0;
	return real_epoll_wait(fd, events, max, timeout);
}

int
poll(struct pollfd *fds, nfds_t count, int timeout)
{
	REAL(poll);
	sleeps(timeout < 0 ? FOR_EVER_US : timeout * 1000L);
	return real_poll(fds, count, timeout);
}

int
nanosleep(const struct timespec *wanted, struct timespec *left)
{
	REAL(nanosleep);
	sleeps(wanted->tv_sec * 1000000L + wanted->tv_nsec / 1000);
	return real_nanosleep(wanted, left);
}

int
usleep(useconds_t us)
{
	REAL(usleep);
	sleeps((long)us);
	return real_usleep(us);
}

int
fcntl(int fd, int command, ...)
{
	va_list args;
	void *arg;
	int done;

	va_start(args, command);
	arg = va_arg(args, void *);
	va_end(args);
	REAL(fcntl);
	if (command == F_SETLKW || command == F_OFD_SETLKW)
		sleeps(FOR_EVER_US);
	done = real_fcntl(fd, command, arg);
	if (done == -1 && command == F_SETLK && turns > 0)
		say("refused", -1);
	return done;
}

int
waitid(idtype_t type, id_t id, siginfo_t *info, int options)
{
	REAL(waitid);
	if ((options & WNOHANG) == 0)
		sleeps(FOR_EVER_US);
	return real_waitid(type, id, info, options);
}

/* A pipe or socket of a worker's that may make us wait. */
static void
may_block(int fd)
{
	struct stat st;

	if (turns == 0 || fd <= STDERR_FILENO || fstat(fd, &st) == -1 ||
	    !(S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode)))
		return;
	REAL(fcntl);
	if ((real_fcntl(fd, F_GETFL, NULL) & O_NONBLOCK) == 0)
		sleeps(FOR_EVER_US);
}

ssize_t
write(int fd, const void *data, size_t size)
{
	REAL(write);
	may_block(fd);
	return real_write(fd, data, size);
}

ssize_t
read(int fd, void *data, size_t size)
{
	REAL(read);
	may_block(fd);
	return real_read(fd, data, size);
}

int fcntl64(int fd, int command, ...) __attribute__((alias("fcntl")));

__attribute__((destructor)) static void
end(void)
{
	if (turns > 0)
		say("turns", turns);
}
