/* SPDX-License-Identifier: ISC */
/*
 * How long may a turn of the coordinator's loop sleep? A turn lasts from one
 * epoll_wait to the next; what counts is what it asks the kernel to wait for,
 * which no other load on the machine can change. At each longest turn so far,
 * and each lock that somebody else had, TURNS_FILE gets a line:
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
#include <time.h>

#include "shim.h"

#define FOR_EVER_MS 1000000000L

static int (*real_epoll_wait)(int, struct epoll_event *, int, int);
static int (*real_poll)(struct pollfd *, nfds_t, int);
static int (*real_nanosleep)(const struct timespec *, struct timespec *);
static int (*real_usleep)(useconds_t);
static int (*real_fcntl)(int, int, void *);

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
	if (turns == 0)
		return;
	slept_us += us;
	if (slept_us > longest_us) {
		longest_us = slept_us;
		say("slept", longest_us / 1000);
	}
}

int
epoll_wait(int fd, struct epoll_event *events, int max, int timeout)
{
	REAL(epoll_wait);
	turns++;
	slept_us = 0;
	return real_epoll_wait(fd, events, max, timeout);
}

int
poll(struct pollfd *fds, nfds_t count, int timeout)
{
	REAL(poll);
	sleeps(timeout < 0 ? FOR_EVER_MS : timeout * 1000L);
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
		sleeps(FOR_EVER_MS);
	done = real_fcntl(fd, command, arg);
	if (done == -1 && command == F_SETLK && turns > 0)
		say("refused", -1);
	return done;
}

int
fcntl64(int fd, int command, ...)
{
	va_list args;
	void *arg;

	va_start(args, command);
	arg = va_arg(args, void *);
	va_end(args);
	return fcntl(fd, command, arg);
}

__attribute__((destructor)) static void
end(void)
{
	if (turns > 0)
		say("turns", turns);
}
