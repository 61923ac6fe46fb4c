/* SPDX-License-Identifier: ISC */
/*
 * A user's command as a child. That exec failed, and why, comes back over a
 * pipe that a successful exec closes: no status has to be guessed at.
 */
#include "chat/child.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/must.h"
#include "wire/newborn.h"
#include "wire/spawn.h"

/* What a SIGKILL does not end in this time hangs in the kernel; the
 * coordinator will give up the whole worker. */
#define ANSWER_STEP_BYTES 4096
#define CHILD_END_MS 2000

#define CHILD_PATH "/usr/local/bin:/usr/bin:/bin" /* where $PATH is not set */

#define REPORT_FD 3 /* in the newborn: errno of a failed exec */

enum {
	READ_END = 0,
	WRITE_END = 1
};

struct pipes {
	int in[2];
	int out[2];
	int err[2];
	int report[2];
};

static int
pipes_open(struct pipes *pipes)
{
	int *const all[] = {pipes->in, pipes->out, pipes->err, pipes->report};

	memset(pipes, -1, sizeof(*pipes));
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (fd_pipe(&all[i][READ_END], &all[i][WRITE_END], NULL) == -1)
			return -1;
	/* Of our ends only: the command's own are another matter. */
	if (fd_set_nonblocking(pipes->in[WRITE_END], true) == -1 ||
	    fd_set_nonblocking(pipes->out[READ_END], true) == -1 ||
	    fd_set_nonblocking(pipes->err[READ_END], true) == -1)
		return -1;
	return 0;
}

static void
pipes_close(struct pipes *pipes)
{
	for (int end = READ_END; end <= WRITE_END; end++) {
		fd_close(&pipes->in[end]);
		fd_close(&pipes->out[end]);
		fd_close(&pipes->err[end]);
		fd_close(&pipes->report[end]);
	}
}

/* Does extra set the same variable as setting ("NAME=value")? */
static bool
is_replaced(const char *setting, const char *const *extra)
{
	const size_t size = strcspn(setting, "=") + 1;

	for (; *extra != NULL; extra++)
		if (strncmp(setting, *extra, size) == 0)
			return true;
	return false;
}

/* Gives a new environment of lent strings for free, or NULL. */
static const char **
environment_with(const char *const *extra)
{
	const char **settings;
	size_t count = 1;
	size_t at = 0;

	for (size_t i = 0; extra[i] != NULL; i++)
		count++;
	for (size_t i = 0; environ != NULL && environ[i] != NULL; i++)
		count++;
	settings = reallocarray(NULL, count, sizeof(*settings));
	if (settings == NULL)
		return NULL;
	for (size_t i = 0; extra[i] != NULL; i++)
		settings[at++] = extra[i];
	for (size_t i = 0; environ != NULL && environ[i] != NULL; i++)
		if (!is_replaced(environ[i], extra))
			settings[at++] = environ[i];
	settings[at] = NULL;
	return settings;
}

/* Is it a file that we may execute? Gives false with errno. */
static bool
is_program(const char *path)
{
	struct stat st;

	if (stat(path, &st) == -1 || access(path, X_OK) == -1)
		return false;
	errno = EACCES;
	return S_ISREG(st.st_mode);
}

char *
child_find(const char *name)
{
	const char *at = getenv("PATH");
	int number = ENOENT;

	if (strchr(name, '/') != NULL)
		return strdup(name);
	if (at == NULL)
		at = CHILD_PATH;
	for (;; at++) {
		size_t size = strcspn(at, ":");
		char *path;

		/* An empty entry is the current directory. */
		if (asprintf(&path, "%.*s%s%s", (int)size, at,
			size > 0 ? "/" : "./", name) == -1)
			return NULL;
		if (is_program(path))
			return path;
		if (errno == EACCES)
			number = EACCES;
		free(path);
		at += size;
		if (*at == '\0')
			break;
	}
	errno = number;
	return NULL;
}

/* In the newborn: become the command. */
static _Noreturn void
become(const struct pipes *pipes, pid_t parent, const char *path,
    const char *const *argv, const char *const *settings)
{
	const int keep[] = {pipes->in[READ_END], pipes->out[WRITE_END],
	    pipes->err[WRITE_END], pipes->report[WRITE_END]};
	int report_fd = pipes->report[WRITE_END];
	sigset_t none;
	int number;

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	if (newborn_keep_fds(keep, sizeof(keep) / sizeof(keep[0])) == 0) {
		report_fd = REPORT_FD;
		sigemptyset(&none);
		newborn_reset_signals(&none);
		execve(path, (char *const *)argv, (char *const *)settings);
	}
	number = errno;
	fd_write_all(report_fd, &number, sizeof(number));
	_exit(127);
}

/* Gives 0 when the exec has succeeded, else the errno of what failed. */
static int
hear_report(int fd)
{
	int number = 0;
	ssize_t got;

	do
		got = read(fd, &number, sizeof(number));
	while (got == -1 && errno == EINTR);
	return got == (ssize_t)sizeof(number) ? number : 0;
}

/* Take our ends out of pipes. Gives 0, or -1 with errno. */
static int
hold(struct child *child, struct pipes *pipes)
{
	/* The group is there before anybody can want to signal it. */
	setpgid(child->pid, child->pid);
	child->stdin_fd = pipes->in[WRITE_END];
	child->stdout_fd = pipes->out[READ_END];
	child->stderr_fd = pipes->err[READ_END];
	pipes->in[WRITE_END] = -1;
	pipes->out[READ_END] = -1;
	pipes->err[READ_END] = -1;
	fd_close(&pipes->report[WRITE_END]);
	child->pid_fd = (int)syscall(SYS_pidfd_open, child->pid, 0);
	return child->pid_fd == -1 ? -1 : 0;
}

void
child_signal(struct child *child, int signal_number)
{
	reap_signal_group(child->pid, signal_number);
}

bool
child_wait(struct child *child, int wait_ms, struct death *death)
{
	struct pollfd process = {.fd = child->pid_fd, .events = POLLIN};
	enum reap_state state;

	poll(&process, 1, wait_ms);
	state = reap_look(child->pid_fd, death);
	MUST(state != REAP_UNKNOWN);
	return state == REAP_DEAD;
}

/* sweeps: with all that it left behind, which is all that we have. */
static void
bury(struct child *child, bool sweeps)
{
	struct death death;

	if (child->pid != -1) {
		child_signal(child, SIGKILL);
		/* Its own corpse first: mostly there is nobody else, and the
		 * sweep need not look for them. */
		if (child->pid_fd != -1 &&
		    child_wait(child, CHILD_END_MS, &death))
			reap_bury(child->pid_fd);
		if (sweeps)
			reap_sweep(NULL, NULL, CHILD_END_MS, NULL);
		child->pid = -1;
	}
	fd_close(&child->pid_fd);
	fd_close(&child->stdin_fd);
	fd_close(&child->stdout_fd);
	fd_close(&child->stderr_fd);
}

static int
start(struct child *child, const char *path, const char *const *argv,
    const char *const *extra, bool sweeps, int *number, bool *in_exec)
{
	const pid_t self = getpid();
	const char **settings = NULL;
	struct pipes pipes;

	*child = (struct child){-1, -1, -1, -1, -1};
	*in_exec = false;
	if (pipes_open(&pipes) == -1)
		goto fail;
	settings = environment_with(extra);
	if (settings == NULL)
		goto fail;
	child->pid = spawn_fork();
	if (child->pid == -1)
		goto fail;
	if (child->pid == 0)
		become(&pipes, self, path, argv, settings);
	if (hold(child, &pipes) == -1)
		goto fail;
	*number = hear_report(pipes.report[READ_END]);
	*in_exec = *number != 0;
	if (*in_exec)
		bury(child, sweeps);
	free(settings);
	pipes_close(&pipes);
	return *in_exec ? -1 : 0;
fail:
	*number = errno;
	bury(child, sweeps);
	free(settings);
	pipes_close(&pipes);
	return -1;
}

int
child_start(struct child *child, const char *path, const char *const *argv,
    const char *const *extra, int *number, bool *in_exec)
{
	return start(child, path, argv, extra, true, number, in_exec);
}

void
child_bury(struct child *child)
{
	bury(child, true);
}

/* Read to the end, or until then. */
static void
hear_out(int fd, int64_t until_ns, struct buf *answer)
{
	struct pollfd look = {.fd = fd, .events = POLLIN};
	int left_ms;

	while ((left_ms = clock_wait_ms(clock_now_ns(), until_ns)) > 0 &&
	       (poll(&look, 1, left_ms) <= 0 ||
		   fd_read(fd, answer, ANSWER_STEP_BYTES) > 0))
		continue;
}

int
child_ask(const char *const *argv, int64_t wait_ns, struct buf *answer)
{
	static const char *const nothing[] = {NULL};
	char *path = child_find(argv[0]);
	struct child child;
	bool in_exec;
	int number;

	if (path == NULL)
		return -1;
	if (start(&child, path, argv, nothing, false, &number, &in_exec) == 0) {
		fd_close(&child.stdin_fd);
		hear_out(child.stdout_fd, clock_add(clock_now_ns(), wait_ns),
		    answer);
		bury(&child, false);
	}
	free(path);
	return answer->failed ? -1 : 0;
}
