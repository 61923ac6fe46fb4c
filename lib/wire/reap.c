/* SPDX-License-Identifier: ISC */
/*
 * How processes leave. Whatever is signalled is held by a pidfd, or is a group
 * whose leader is unburied, so that no number can have passed to a stranger.
 * A sweep asks the kernel first whether there is any child at all: the usual
 * answer is no, and costs one system call instead of a walk through /proc.
 */
#include "wire/reap.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bsd/stdlib.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/must.h"

/* Linux gives arguments and environment 6 MB at most, unless it is told to. */
#define ENVIRONMENT_BYTES ((size_t)8 << 20)
#define STAT_BYTES 256 /* pid, name (≤ 64), state, parent: the rest is cut */
#define SWEEP_PAUSE_MS 5 /* look again at the latest, should a death hide */

static int
wait_quietly(idtype_t type, id_t id, siginfo_t *info, int options)
{
	int result;

	memset(info, 0, sizeof(*info));
	do
		result = waitid(type, id, info, options | WEXITED | WNOHANG);
	while (result == -1 && errno == EINTR);
	return result;
}

static void
read_death(const siginfo_t *info, struct death *death)
{
	death->signalled = info->si_code != CLD_EXITED;
	death->number = info->si_status;
	death->core = info->si_code == CLD_DUMPED;
}

enum reap_state
reap_look(int pid_fd, struct death *death)
{
	siginfo_t info;

	if (wait_quietly(P_PIDFD, (id_t)pid_fd, &info, WNOWAIT) == -1) {
		MUST(errno == ECHILD);
		return REAP_UNKNOWN;
	}
	if (info.si_pid == 0)
		return REAP_ALIVE;
	read_death(&info, death);
	return REAP_DEAD;
}

void
reap_bury(int pid_fd)
{
	siginfo_t info;

	if (wait_quietly(P_PIDFD, (id_t)pid_fd, &info, 0) == 0)
		MUST(info.si_pid != 0);
}

int
reap_signal(int pid_fd, int signal_number)
{
	return (int)syscall(
	    SYS_pidfd_send_signal, pid_fd, signal_number, NULL, 0);
}

int
reap_signal_group(pid_t leader, int signal_number)
{
	MUST(leader > 1);
	MUST(leader != getpgrp());
	return kill(-leader, signal_number);
}

/*
 * Gives a process's parent, or -1 when it is gone. Its name in the text may
 * hold blanks and parentheses: what counts stands behind the last one.
 */
static pid_t
read_parent(int proc_fd, pid_t pid)
{
	char path[32];
	char text[STAT_BYTES];
	const char *rest;
	pid_t parent;
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), "%d/stat", pid);
	fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return -1;
	got = read(fd, text, sizeof(text) - 1);
	fd_close(&fd);
	if (got <= 0)
		return -1;
	text[got] = '\0';
	rest = strrchr(text, ')');
	if (rest == NULL || sscanf(rest + 1, " %*c %d", &parent) != 1)
		return -1;
	return parent;
}

/* Call visit for every child this process has now, corpses included. */
static void
visit_children(void (*visit)(void *arg, pid_t pid), void *arg)
{
	const pid_t self = getpid();
	DIR *proc = opendir("/proc");
	struct dirent *entry;

	if (proc == NULL)
		return;
	while ((entry = readdir(proc)) != NULL) {
		/* 0 for what is no process. */
		pid_t pid = (pid_t)strtonum(entry->d_name, 2, INT_MAX, NULL);

		if (pid != 0 && read_parent(dirfd(proc), pid) == self)
			visit(arg, pid);
	}
	closedir(proc);
}

struct sweep {
	reap_spare *spare;
	void *arg;
	size_t killed;
	size_t buried;	/* in this round */
	int waiting_fd; /* one that was killed and is not dead yet, or -1 */
};

/* Kill it if it lives, bury it if it is dead; the next round comes again. */
static void
sweep_one(void *arg, pid_t pid)
{
	struct sweep *sweep = arg;
	struct death death;
	enum reap_state state;
	int pid_fd;

	pid_fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pid_fd == -1)
		return;
	state = reap_look(pid_fd, &death);
	if (sweep->spare != NULL &&
	    sweep->spare(sweep->arg, pid, state == REAP_DEAD)) {
		/* left alone */
	} else if (state == REAP_DEAD) {
		reap_bury(pid_fd);
		sweep->buried++;
		sweep->killed += death.signalled && death.number == SIGKILL;
	} else if (state == REAP_ALIVE && reap_signal(pid_fd, SIGKILL) == 0 &&
		   sweep->waiting_fd == -1) {
		sweep->waiting_fd = pid_fd;
		return;
	}
	fd_close(&pid_fd);
}

static bool
has_children(void)
{
	siginfo_t info;

	return wait_quietly(P_ALL, 0, &info, WNOWAIT) == 0;
}

static bool rules;

void
reap_rule(void)
{
	MUST(getpid() == 1);
	rules = true;
}

/* The same where all are ours, also those that are not our children yet. */
static bool
sweep_namespace(int64_t until_ns, size_t *killed)
{
	siginfo_t info;
	size_t count = 0;
	bool clean = true;

	while (kill(-1, SIGKILL) == 0 || has_children()) {
		if (wait_quietly(P_ALL, 0, &info, 0) == 0 && info.si_pid != 0) {
			count += info.si_code == CLD_KILLED;
		} else if (clock_now_ns() > until_ns) {
			clean = false;
			break;
		} else {
			poll(NULL, 0, 1);
		}
	}
	if (killed != NULL)
		*killed += count;
	return clean;
}

bool
reap_sweep(reap_spare *spare, void *arg, int limit_ms, size_t *killed)
{
	const int64_t until_ns = clock_now_ns() + limit_ms * CLOCK_MS;
	struct sweep sweep = {.spare = spare, .arg = arg, .waiting_fd = -1};
	bool clean = true;

	MUST(!rules || spare == NULL);
	if (rules)
		return sweep_namespace(until_ns, killed);
	while (has_children()) {
		struct pollfd dying = {.events = POLLIN};

		sweep.buried = 0;
		visit_children(sweep_one, &sweep);
		if (sweep.buried == 0 && sweep.waiting_fd == -1)
			break;
		clean = clock_now_ns() < until_ns;
		if (!clean)
			break;
		dying.fd = sweep.waiting_fd;
		if (dying.fd != -1)
			poll(&dying, 1, SWEEP_PAUSE_MS);
		fd_close(&sweep.waiting_fd);
	}
	fd_close(&sweep.waiting_fd);
	if (killed != NULL)
		*killed += sweep.killed;
	return clean;
}

void
reap_describe(const struct death *death, char *out, size_t size)
{
	if (death->signalled)
		snprintf(out, size, "signal %d (%s)", death->number,
		    strsignal(death->number));
	else
		snprintf(out, size, "exit status %d", death->number);
}

struct search {
	pid_t but;
	bool found;
};

static void
find_other(void *arg, pid_t pid)
{
	struct search *search = arg;

	search->found |= pid != search->but;
}

bool
reap_has_other_child(pid_t pid)
{
	struct search search = {.but = pid};

	if (has_children())
		visit_children(find_other, &search);
	return search.found;
}

bool
reap_carries(pid_t pid, const char *name)
{
	size_t size = strlen(name);
	char path[32];
	struct buf text;
	bool found = false;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/environ", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return false;
	buf_init(&text, ENVIRONMENT_BYTES);
	fd_read_all(fd, &text);
	for (size_t at = 0; at + size < text.size && !found;) {
		const char *here = text.data + at;

		found = memcmp(here, name, size) == 0 && here[size] == '=';
		at += strnlen(here, text.size - at) + 1;
	}
	buf_free(&text);
	fd_close(&fd);
	return found;
}
