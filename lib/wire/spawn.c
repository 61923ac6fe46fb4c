/* SPDX-License-Identifier: ISC */
/*
 * How workers come into the world. The nursery is a small process that waits
 * for orders on a packet socket (slot and three pipe ends), forks a sibling
 * of itself for each and sends back a pidfd. A sibling is the coordinator's
 * child, but what it inherits is the nursery: small, and empty-handed.
 */
#include "wire/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bsd/unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/must.h"
#include "wire/isolate.h"
#include "wire/newborn.h"
#include "wire/packet.h"
#include "wire/reap.h"

/* Keeps descriptors in flight far below RLIMIT_NOFILE, where Linux refuses
 * more (ETOOMANYREFS). A birth takes 0.2 ms: nobody waits for this. */
#define OUTSTANDING_MAX 64
#define CLOSE_WAIT_MS 1000 /* an idle nursery leaves at once; then SIGKILL */

#define NEEDS_LINUX " (Linux 5.10 or newer is needed)"

#define SOCKET_FD 3	 /* in the nursery */
#define COORDINATOR_FD 4 /* in the nursery: the coordinator's pidfd */

#define ORDER_FDS 3 /* down, up, stderr */

struct order {
	uint32_t slot;
	uint32_t generation;
};

/* With one descriptor, the pidfd, when pid > 1. */
struct notice {
	struct order order;
	pid_t pid;
	int number;
};

/* What a worker is born with. */
struct legacy {
	const struct heritage *heritage;
	struct isolation isolation;
};

struct nursery {
	struct heritage heritage;
	int fd;
	pid_t pid;
	int pid_fd;
	unsigned outstanding;
};

pid_t
spawn_fork(void)
{
	sigset_t all;
	sigset_t before;
	pid_t pid;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pid = fork();
	if (pid != 0)
		pthread_sigmask(SIG_SETMASK, &before, NULL);
	return pid;
}

/* What holds for nursery and workers: Slurm sends TERM to everybody, but
 * only the coordinator decides; a closed pipe is an error value. */
static void
set_signals(void)
{
	static const int deaf_to[] = {
	    SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2};
	const struct sigaction ignore = {.sa_handler = SIG_IGN};
	sigset_t blocked;

	sigemptyset(&blocked);
	for (size_t i = 0; i < sizeof(deaf_to) / sizeof(deaf_to[0]); i++)
		sigaddset(&blocked, deaf_to[i]);
	newborn_reset_signals(&blocked);
	sigaction(SIGPIPE, &ignore, NULL);
}

/* The log's descriptors are about to close; their numbers will be others'. */
static void
leave_log(void)
{
	log_set_screen(-1, LOG_ERROR, NULL, NULL);
	log_set_file(-1);
}

/* Who cannot begin says so where words of commands are read. */
static _Noreturn void
give_up(int words_fd)
{
	dprintf(words_fd, "cannot begin: %s\n", strerror(errno));
	_exit(1);
}

static _Noreturn void
worker_begin(
    const struct legacy *legacy, const struct order *order, const int *pipes)
{
	const struct heritage *heritage = legacy->heritage;
	const int keep[] = {
	    STDIN_FILENO, pipes[2], pipes[2], pipes[0], pipes[1]};
	const struct spawn_child child = {
	    .down_fd = SPAWN_DOWN_FD,
	    .up_fd = SPAWN_UP_FD,
	    .slot = order->slot,
	    .generation = order->generation,
	    .titled = heritage->titled,
	};

	setpgid(0, 0);
	if (heritage->reaps && !heritage->isolated)
		prctl(PR_SET_CHILD_SUBREAPER, 1);
	else
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (newborn_is_orphan(COORDINATOR_FD))
		_exit(1);
	set_signals();
	if (heritage->isolated) {
		if (isolation_enter(&legacy->isolation) == -1)
			give_up(pipes[2]);
		reap_rule();
	}
	if (newborn_keep_fds(keep, sizeof(keep) / sizeof(keep[0])) == -1)
		give_up(pipes[2]);
	if (heritage->titled)
		setproctitle("-llmill: worker %u", order->slot);
	_exit(heritage->live(&child, heritage->arg));
}

/*
 * Fork a sibling. Gives its pid with *pid_fd, 0 in it, -1 with errno. The
 * kernel wants no exit signal with CLONE_PARENT: it takes the nursery's,
 * SIGCHLD.
 */
static pid_t
clone_sibling(uint64_t flags, int *pid_fd)
{
	struct clone_args args = {
	    .flags = CLONE_PARENT | CLONE_PIDFD | flags,
	    .pidfd = (uint64_t)(uintptr_t)pid_fd,
	};

	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

/* A birth that is not told would be a worker nobody knows: try until it is,
 * or the coordinator is gone. */
static void
tell_birth(const struct notice *notice, int pid_fd)
{
	while (packet_send(SOCKET_FD, notice, sizeof(*notice), &pid_fd,
		   pid_fd == -1 ? 0 : 1, 0) == -1) {
		if (errno == EPIPE || errno == ECONNRESET)
			_exit(0);
		poll(NULL, 0, 1);
	}
}

/* Carry out one order. Gives false when there will be no more. */
static bool
nursery_serve(const struct legacy *legacy)
{
	struct notice notice = {.pid = -1};
	int pipes[ORDER_FDS];
	int pid_fd = -1;

	if (packet_receive(SOCKET_FD, &notice.order, sizeof(notice.order),
		pipes, ORDER_FDS, 0) != 1)
		return false;
	if (pipes[ORDER_FDS - 1] == -1) {
		notice.number = EMFILE;
	} else {
		notice.pid = clone_sibling(legacy->isolation.flags, &pid_fd);
		if (notice.pid == 0)
			worker_begin(legacy, &notice.order, pipes);
		if (notice.pid == -1)
			notice.number = errno;
	}
	tell_birth(&notice, pid_fd);
	fd_close(&pid_fd);
	for (size_t i = 0; i < ORDER_FDS; i++)
		fd_close(&pipes[i]);
	return true;
}

/* Let go of all that is the coordinator's. Gives 0, or -1 with err. */
static int
nursery_settle(int socket_fd, int coordinator_fd, struct err *err)
{
	const int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	const int screen_fd =
	    fcntl(STDERR_FILENO, F_GETFD) == -1 ? null_fd : STDERR_FILENO;
	const int keep[] = {
	    null_fd, null_fd, screen_fd, socket_fd, coordinator_fd};

	if (null_fd == -1)
		return err_set_errno(err, "cannot open /dev/null");
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (newborn_is_orphan(coordinator_fd))
		_exit(0);
	set_signals();
	leave_log();
	if (newborn_keep_fds(keep, sizeof(keep) / sizeof(keep[0])) == -1)
		return err_set_errno(
		    err, "cannot let go of descriptors" NEEDS_LINUX);
	/* Without arguments clone3 says EINVAL where it exists. */
	if (syscall(SYS_clone3, NULL, 0) == -1 && errno != EINVAL)
		return err_set_errno(err, "cannot clone a process" NEEDS_LINUX);
	return 0;
}

static _Noreturn void
nursery_live(const struct heritage *heritage, int socket_fd, int coordinator_fd)
{
	struct legacy legacy = {.heritage = heritage};
	struct err err = {.class = ERR_NONE};
	int result = nursery_settle(socket_fd, coordinator_fd, &err);

	if (result == 0) {
		socket_fd = SOCKET_FD;
		if (heritage->titled)
			setproctitle("-llmill: nursery");
		if (heritage->isolated)
			result = isolation_find(&legacy.isolation, &err);
		if (result == 0 && heritage->prepare != NULL)
			result = heritage->prepare(heritage->arg, &err);
	}
	MUST((result == 0) == (err.class == ERR_NONE));
	packet_send(socket_fd, &err, sizeof(err), NULL, 0, 0);
	while (result == 0 && nursery_serve(&legacy))
		continue;
	_exit(result == 0 ? 0 : 1);
}

/* Wait for its end, kill it when it takes too long, bury it. */
static void
nursery_bury(struct nursery *nursery, int wait_ms)
{
	struct pollfd process = {.fd = nursery->pid_fd, .events = POLLIN};
	struct death death;

	if (nursery->pid == -1)
		return;
	shutdown(nursery->fd, SHUT_RDWR);
	fd_close(&nursery->fd);
	if (poll(&process, 1, wait_ms) != 1) {
		reap_signal(nursery->pid_fd, SIGKILL);
		poll(&process, 1, CLOSE_WAIT_MS);
	}
	if (reap_look(nursery->pid_fd, &death) == REAP_DEAD)
		reap_bury(nursery->pid_fd);
	fd_close(&nursery->pid_fd);
	nursery->pid = -1;
	nursery->outstanding = 0;
}

/* The nursery's first packet: is it ready, and if not, why? */
static int
nursery_hear(struct nursery *nursery, struct err *err)
{
	struct err word;
	int got;

	got = packet_receive(nursery->fd, &word, sizeof(word), NULL, 0, 0);
	if (got == 1 && word.class == ERR_NONE)
		return 0;
	nursery_bury(nursery, CLOSE_WAIT_MS);
	if (got != 1)
		return err_set(err, ERR_SYSTEM,
		    "the process that starts workers died at once");
	if (err != NULL)
		*err = word;
	return -1;
}

/* Hold the newborn nursery by descriptor. Failing that it must not live: it
 * leaves when its socket ends. */
static int
nursery_hold(struct nursery *nursery, struct err *err)
{
	nursery->pid_fd = (int)syscall(SYS_pidfd_open, nursery->pid, 0);
	if (nursery->pid_fd != -1)
		return 0;
	err_set_errno(err, "cannot hold the process that starts workers");
	fd_close(&nursery->fd);
	while (waitpid(nursery->pid, NULL, 0) == -1 && errno == EINTR)
		continue;
	nursery->pid = -1;
	return -1;
}

static int
nursery_fork(struct nursery *nursery, struct err *err)
{
	int ends[2] = {-1, -1};
	int self_fd = (int)syscall(SYS_pidfd_open, getpid(), 0);

	if (self_fd == -1)
		return err_set_errno(
		    err, "cannot hold a process by descriptor" NEEDS_LINUX);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == -1) {
		err_set_errno(err, "cannot make a socket");
		goto out;
	}
	nursery->pid = spawn_fork();
	if (nursery->pid == -1) {
		err_set_errno(err, "cannot fork");
		goto out;
	}
	if (nursery->pid == 0)
		nursery_live(&nursery->heritage, ends[1], self_fd);
	nursery->fd = ends[0];
	ends[0] = -1;
out:
	fd_close(&ends[0]);
	fd_close(&ends[1]);
	fd_close(&self_fd);
	if (nursery->pid == -1 || nursery_hold(nursery, err) == -1)
		return -1;
	return nursery_hear(nursery, err);
}

struct nursery *
nursery_open(const struct heritage *heritage, struct err *err)
{
	struct nursery *nursery = calloc(1, sizeof(*nursery));

	if (nursery == NULL) {
		err_set_memory(err, "nursery");
		return NULL;
	}
	nursery->heritage = *heritage;
	nursery->fd = -1;
	nursery->pid = -1;
	nursery->pid_fd = -1;
	if (nursery_fork(nursery, err) == -1) {
		free(nursery);
		return NULL;
	}
	return nursery;
}

int
nursery_fd(const struct nursery *nursery)
{
	return nursery->fd;
}

pid_t
nursery_pid(const struct nursery *nursery)
{
	return nursery->pid;
}

int
nursery_ask(struct nursery *nursery, uint32_t slot, uint32_t generation,
    int down_read_fd, int up_write_fd, int stderr_write_fd)
{
	const struct order order = {.slot = slot, .generation = generation};
	const int pipes[] = {down_read_fd, up_write_fd, stderr_write_fd};

	if (nursery->outstanding == OUTSTANDING_MAX) {
		errno = EAGAIN;
		return -1;
	}
	if (packet_send(nursery->fd, &order, sizeof(order), pipes, ORDER_FDS,
		MSG_DONTWAIT) == -1) {
		if (errno == ECONNRESET || errno == EBADF)
			errno = EPIPE;
		return -1;
	}
	nursery->outstanding++;
	return 0;
}

/* A worker whose pidfd could not be taken (too many open here) cannot be
 * watched: end it. It is our child and unburied, so the number is its own. */
static void
disown(pid_t pid)
{
	MUST(pid > 1);
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) == -1 && errno == EINTR)
		continue;
}

int
nursery_next(struct nursery *nursery, struct birth *birth)
{
	struct notice notice;
	int pid_fd;

	switch (packet_receive(
	    nursery->fd, &notice, sizeof(notice), &pid_fd, 1, MSG_DONTWAIT)) {
	case 0:
		return -1;
	case -1:
		return errno == EAGAIN ? 0 : -1;
	}
	MUST(nursery->outstanding > 0);
	nursery->outstanding--;
	if (notice.pid > 1 && pid_fd == -1) {
		disown(notice.pid);
		notice.pid = -1;
		notice.number = EMFILE;
	}
	/* The group is there before anybody can want to signal it, even if
	 * the newborn has not run yet. */
	if (notice.pid > 1)
		setpgid(notice.pid, notice.pid);
	*birth = (struct birth){
	    .slot = notice.order.slot,
	    .generation = notice.order.generation,
	    .pid = notice.pid,
	    .pid_fd = pid_fd,
	    .number = notice.number,
	};
	return 1;
}

int
nursery_reopen(struct nursery *nursery, struct err *err)
{
	nursery_bury(nursery, 0);
	return nursery_fork(nursery, err);
}

void
nursery_close(struct nursery *nursery)
{
	if (nursery == NULL)
		return;
	nursery_bury(nursery, CLOSE_WAIT_MS);
	free(nursery);
}
