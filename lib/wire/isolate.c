/* SPDX-License-Identifier: ISC */
/*
 * A process namespace for a worker. What a kernel allows depends on its
 * settings, on security modules and on containers: instead of asking for all
 * of these, one process is cloned on trial.
 */
#include "wire/isolate.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"

#define MAP_BYTES 64

static int
write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int result;

	if (fd == -1)
		return -1;
	result = fd_write_all(fd, text, strlen(text));
	fd_close(&fd);
	return result;
}

static int
write_maps(const struct isolation *isolation)
{
	char users[MAP_BYTES];
	char groups[MAP_BYTES];

	snprintf(users, sizeof(users), "%u %u 1\n", (unsigned)isolation->uid,
	    (unsigned)isolation->uid);
	snprintf(groups, sizeof(groups), "%u %u 1\n", (unsigned)isolation->gid,
	    (unsigned)isolation->gid);
	/* Without the right to change groups our own may be mapped. */
	if (write_file("/proc/self/setgroups", "deny\n") == -1 ||
	    write_file("/proc/self/uid_map", users) == -1)
		return -1;
	return write_file("/proc/self/gid_map", groups);
}

int
isolation_enter(const struct isolation *isolation)
{
	int dumpable = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);
	int result;

	if ((isolation->flags & CLONE_NEWUSER) == 0)
		return 0;
	/* The files of a process that keeps a secret are root's. */
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	result = write_maps(isolation);
	prctl(PR_SET_DUMPABLE, dumpable, 0, 0, 0);
	return result;
}

/* Gives 0 when a process can be born so, else the errno of what failed. */
static int
try_it(const struct isolation *isolation)
{
	struct clone_args args = {
	    .flags = isolation->flags,
	    .exit_signal = SIGCHLD,
	};
	int status = 0;
	pid_t pid;

	pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (pid == -1)
		return errno;
	if (pid == 0)
		_exit(isolation_enter(isolation) == 0 ? 0 : errno);
	while (waitpid(pid, &status, 0) == -1)
		if (errno != EINTR)
			return errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EPERM;
}

int
isolation_find(struct isolation *isolation, struct err *err)
{
	static const uint64_t ways[] = {
	    CLONE_NEWPID, CLONE_NEWPID | CLONE_NEWUSER};

	isolation->uid = geteuid();
	isolation->gid = getegid();
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		isolation->flags = ways[i];
		errno = try_it(isolation);
		if (errno == 0)
			return 0;
	}
	return err_set_errno(err,
	    "workers cannot be isolated here (--isolate=ns needs user "
	    "namespaces: see sysctl user.max_user_namespaces, "
	    "kernel.unprivileged_userns_clone, "
	    "kernel.apparmor_restrict_unprivileged_userns)");
}
