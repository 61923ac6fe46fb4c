/* SPDX-License-Identifier: ISC */
/*
 * Workers that are process 1 of a namespace: they are who we are, and take
 * along all that they started. Each test as root, where it is run by root,
 * and as a user who may do this only in a user namespace.
 */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/fd.h"

#include "wire/reap.h"
#include "wire/spawn.h"

#include "apart.h"

#define NOBODY 65534
#define FAMILY 20	/* processes that a worker starts */
#define WITHIN_MS 10000 /* for what takes some */

typedef int live_fn(const struct spawn_child *, void *);

/* ---- one worker's life ---- */

/* Gives its exit status; *gone_fd reads to its end when nobody is left who
 * has the worker's standard error. */
static int
live_once(live_fn *live, void *arg, int *gone_fd)
{
	const struct heritage heritage = {
	    .live = live, .arg = arg, .reaps = true, .isolated = true};
	struct err err = {0};
	struct nursery *nursery = nursery_open(&heritage, &err);
	struct pollfd ready = {.events = POLLIN};
	struct birth birth;
	struct death death;
	int down[2], up[2], words[2];

	if (nursery == NULL)
		dprintf(STDERR_FILENO, "%s\n", err.text);
	NEED(nursery != NULL);
	NEED(fd_pipe(&down[0], &down[1], NULL) == 0);
	NEED(fd_pipe(&up[0], &up[1], NULL) == 0);
	NEED(fd_pipe(&words[0], &words[1], NULL) == 0);
	NEED(nursery_ask(nursery, 0, 1, down[0], up[1], words[1]) == 0);
	fd_close(&down[0]);
	fd_close(&up[1]);
	fd_close(&words[1]);
	ready.fd = nursery_fd(nursery);
	NEED(poll(&ready, 1, WITHIN_MS) == 1);
	NEED(nursery_next(nursery, &birth) == 1);
	ready.fd = birth.pid_fd;
	NEED(poll(&ready, 1, WITHIN_MS) == 1);
	NEED(reap_look(birth.pid_fd, &death) == REAP_DEAD);
	reap_bury(birth.pid_fd);
	fd_close(&birth.pid_fd);
	fd_close(&down[1]);
	fd_close(&up[0]);
	nursery_close(nursery);
	NEED(apart_is_childless());
	if (gone_fd != NULL)
		*gone_fd = words[0];
	else
		fd_close(&words[0]);
	return death.signalled ? -death.number : death.number;
}

/* Gives whether all who could write there are gone. */
static bool
comes_to_its_end(int fd)
{
	struct pollfd words = {.fd = fd, .events = POLLIN};
	char bytes[64];

	while (poll(&words, 1, WITHIN_MS) == 1) {
		const ssize_t got = read(fd, bytes, sizeof(bytes));

		if (got <= 0)
			return got == 0;
		dprintf(STDERR_FILENO, "%.*s", (int)got, bytes);
	}
	return false;
}

/* One more process, of a session of its own and its parent gone. */
static void
start_daemon(void)
{
	pid_t pid = fork();

	NEED(pid != -1);
	if (pid != 0) {
		NEED(waitpid(pid, NULL, 0) == pid);
		return;
	}
	setsid();
	if (fork() == 0)
		for (;;)
			pause();
	_exit(0);
}

/* Does the kernel let this user do it? Another program is asked. */
static bool
allowed(void)
{
	return system("unshare -pf true 2>/dev/null") == 0 ||
	       system("unshare -Upf true 2>/dev/null") == 0;
}

static void
as_root(void *arg)
{
	void (*test)(void) = *(void (**)(void))arg;

	if (allowed())
		test();
}

static void
as_nobody(void *arg)
{
	NEED(setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
	as_root(arg);
}

static void
run_as_both(void (*test)(void))
{
	assert_int_equal(apart_run(as_root, &test), 0);
	if (geteuid() == 0)
		assert_int_equal(apart_run(as_nobody, &test), 0);
}

/* ---- who it is ---- */

struct self {
	uid_t uid;
	gid_t gid;
	int dumpable;
	char file[64]; /* that only this user may read */
};

/* Gives which fact does not hold, 0 when all do. */
static int
look_at_itself(const struct spawn_child *child, void *arg)
{
	const struct self *self = arg;

	(void)child;
	if (getpid() != 1 || getpgrp() != 1)
		return 1;
	if (getuid() != self->uid || geteuid() != self->uid)
		return 2;
	if (getgid() != self->gid || getegid() != self->gid)
		return 3;
	if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != self->dumpable)
		return 4;
	return open(self->file, O_RDONLY | O_CLOEXEC) == -1 ? 5 : 0;
}

static void
itself(int dumpable)
{
	struct self self = {
	    .uid = geteuid(),
	    .gid = getegid(),
	    .dumpable = dumpable,
	    .file = "/tmp/test_isolate.XXXXXX",
	};
	int fd = mkstemp(self.file);

	NEED(fd != -1);
	NEED(prctl(PR_SET_DUMPABLE, dumpable, 0, 0, 0) == 0);
	NEED(live_once(look_at_itself, &self, NULL) == 0);
	NEED(unlink(self.file) == 0);
	fd_close(&fd);
}

static void
itself_plain(void)
{
	itself(1);
}

static void
itself_with_a_secret(void)
{
	itself(0);
}

static void
isolated_worker_is_process_one_and_still_the_user(void **state)
{
	(void)state;
	run_as_both(itself_plain);
}

static void
isolated_worker_keeps_its_secrets(void **state)
{
	(void)state;
	run_as_both(itself_with_a_secret);
}

/* ---- what it leaves ---- */

static int
leave_family(const struct spawn_child *child, void *arg)
{
	(void)child;
	(void)arg;
	for (int i = 0; i < FAMILY; i++)
		start_daemon();
	return 7;
}

static void
family(void)
{
	int gone_fd;

	NEED(live_once(leave_family, NULL, &gone_fd) == 7);
	NEED(comes_to_its_end(gone_fd));
	fd_close(&gone_fd);
}

static void
isolated_worker_takes_all_along_that_it_started(void **state)
{
	(void)state;
	run_as_both(family);
}

static int
sweep_family(const struct spawn_child *child, void *arg)
{
	size_t killed = 0;

	(void)child;
	(void)arg;
	for (int i = 0; i < FAMILY; i++)
		start_daemon();
	if (!reap_sweep(NULL, NULL, WITHIN_MS, &killed))
		return 1;
	if (killed != FAMILY)
		return 2;
	return kill(-1, 0) == -1 ? 0 : 3; /* nobody else is there */
}

static void
swept(void)
{
	NEED(live_once(sweep_family, NULL, NULL) == 0);
}

static void
isolated_worker_sweeps_even_what_is_not_its_child(void **state)
{
	(void)state;
	run_as_both(swept);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(isolated_worker_is_process_one_and_still_the_user),
	    cmocka_unit_test(isolated_worker_keeps_its_secrets),
	    cmocka_unit_test(isolated_worker_takes_all_along_that_it_started),
	    cmocka_unit_test(isolated_worker_sweeps_even_what_is_not_its_child),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
