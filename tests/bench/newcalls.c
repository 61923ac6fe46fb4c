/* SPDX-License-Identifier: ISC */
/*
 * Loaded before libc under valgrind, which knows neither pidfd_open() nor
 * clone3(). The first is asked of the process that listens at the path in
 * $BENCH_PIDFD and sends the descriptor back; the second is said with clone().
 */
#include <dlfcn.h>
#include <errno.h>
#include <linux/sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/un.h>
#include <unistd.h>

static long (*real)(long, ...);

static int
ask(int peer, pid_t pid)
{
	char control[CMSG_SPACE(sizeof(int))];
	char byte;
	struct iovec data = {.iov_base = &byte, .iov_len = 1};
	struct msghdr message = {
	    .msg_iov = &data,
	    .msg_iovlen = 1,
	    .msg_control = control,
	    .msg_controllen = sizeof(control),
	};
	const struct cmsghdr *head;
	int fd = -1;

	if (write(peer, &pid, sizeof(pid)) != sizeof(pid) ||
	    recvmsg(peer, &message, MSG_CMSG_CLOEXEC) <= 0)
		return -1;
	head = CMSG_FIRSTHDR(&message);
	if (head != NULL && head->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(head), sizeof(fd));
	return fd;
}

static long
open_pidfd(pid_t pid)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int peer = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fd = -1;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s",
	    getenv("BENCH_PIDFD"));
	if (connect(peer, (struct sockaddr *)&address, sizeof(address)) == 0)
		fd = ask(peer, pid);
	close(peer);
	if (fd == -1)
		errno = ESRCH;
	return fd;
}

/* As the program uses it: a fork that is the caller's sibling. */
static long
clone_fork(const struct clone_args *args)
{
	if (args == NULL) {
		errno = EINVAL;
		return -1;
	}
	return real(SYS_clone, args->flags, 0, args->pidfd, 0, 0, 0);
}

long
syscall(long number, ...)
{
	long with[6];
	va_list args;

	va_start(args, number);
	for (int i = 0; i < 6; i++)
		with[i] = va_arg(args, long);
	va_end(args);
	if (number == SYS_pidfd_open)
		return open_pidfd((pid_t)with[0]);
	if (real == NULL)
		real = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
	if (number == SYS_clone3)
		return clone_fork((const struct clone_args *)with[0]);
	return real(
	    number, with[0], with[1], with[2], with[3], with[4], with[5]);
}
