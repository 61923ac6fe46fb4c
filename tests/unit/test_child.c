/* SPDX-License-Identifier: ISC */
/*
 * A user's command as a child: what it gets, how its start can fail, that
 * nothing of it is left. Every test is a process apart, as a worker is.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fd.h"
#include "chat/child.h"

#include "apart.h"

#define SHELL(script) ((const char *const[]){"/bin/sh", "-c", script, NULL})

static const char *const nothing[] = {NULL};

static void
start(struct child *child, const char *const *argv)
{
	bool in_exec;
	int number;

	NEED(
	    child_start(child, argv[0], argv, nothing, &number, &in_exec) == 0);
}

/* Run a script to its end; gives its stdout in text. */
static struct death
run(const char *script, const char *const *extra, char *text, size_t size)
{
	struct child child;
	struct death death;
	struct buf out;
	bool in_exec;
	int number;

	buf_init(&out, size - 1);
	NEED(child_start(&child, "/bin/sh", SHELL(script), extra, &number,
		 &in_exec) == 0);
	fd_close(&child.stdin_fd);
	NEED(fd_read_all(child.stdout_fd, &out) == 0);
	NEED(child_wait(&child, -1, &death));
	child_bury(&child);
	NEED(child.pid == -1 && child.pid_fd == -1);
	NEED(child.stdin_fd == -1 && child.stdout_fd == -1);
	NEED(child.stderr_fd == -1);
	memcpy(text, out.size > 0 ? out.data : "", out.size);
	text[out.size] = '\0';
	buf_free(&out);
	return death;
}

static void
environment(void *arg)
{
	const char *const extra[] = {"LLMILL_A=new", "LLMILL_B=two", NULL};
	char text[256];

	(void)arg;
	setenv("LLMILL_A", "old", 1);
	setenv("LLMILL_AB", "longer", 1);
	setenv("LLMILL_", "shorter", 1);
	run("echo $LLMILL_A $LLMILL_B $LLMILL_AB $LLMILL_; env | grep -c "
	    "^LLMILL_A=",
	    extra, text, sizeof(text));
	NEED(strcmp(text, "new two longer shorter\n1\n") == 0);
	NEED(strcmp(getenv("LLMILL_A"), "old") == 0);
}

static void
child_gets_the_environment_with_extra_in_place(void **state)
{
	(void)state;
	assert_int_equal(apart_run(environment, NULL), 0);
}

static void
descriptors(void *arg)
{
	char text[256];

	(void)arg;
	for (int number = 3; number < 10; number++)
		NEED(dup2(STDERR_FILENO, number) == number);
	/* ls itself has the directory open as 3. */
	run("exec ls /proc/self/fd", nothing, text, sizeof(text));
	NEED(strcmp(text, "0\n1\n2\n3\n") == 0);
}

static void
child_inherits_nothing_but_its_three_pipes(void **state)
{
	(void)state;
	assert_int_equal(apart_run(descriptors, NULL), 0);
}

static void
signals(void *arg)
{
	char text[256];
	sigset_t all;

	(void)arg;
	signal(SIGHUP, SIG_IGN);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	run("exec grep -E '^Sig(Blk|Ign)' /proc/self/status", nothing, text,
	    sizeof(text));
	NEED(strcmp(text, "SigBlk:\t0000000000000000\n"
			  "SigIgn:\t0000000000000000\n") == 0);
}

static void
child_starts_with_a_clear_mask_and_default_handlers(void **state)
{
	(void)state;
	assert_int_equal(apart_run(signals, NULL), 0);
}

static void
group(void *arg)
{
	struct child child;
	struct death death;

	(void)arg;
	start(&child, SHELL("sleep 60 & wait"));
	NEED(getpgid(child.pid) == child.pid);
	NEED(fcntl(child.stdin_fd, F_GETFL) & O_NONBLOCK);
	NEED(fcntl(child.stdout_fd, F_GETFL) & O_NONBLOCK);
	NEED(fcntl(child.stderr_fd, F_GETFL) & O_NONBLOCK);
	NEED(!child_wait(&child, 0, &death));
	child_signal(&child, SIGTERM);
	NEED(child_wait(&child, -1, &death));
	NEED(death.signalled && death.number == SIGTERM);
	child_bury(&child);
	NEED(apart_is_childless());
}

static void
child_leads_a_group_that_is_signalled_whole(void **state)
{
	(void)state;
	assert_int_equal(apart_run(group, NULL), 0);
}

static void
cannot_run(const char *path, int want)
{
	const char *const argv[] = {path, NULL};
	struct child child;
	bool in_exec = false;
	int number = 0;

	NEED(child_start(&child, argv[0], argv, nothing, &number, &in_exec) ==
	     -1);
	NEED(in_exec);
	NEED(number == want);
	NEED(child.pid == -1 && child.stdout_fd == -1);
	NEED(apart_is_childless());
}

static void
bad_commands(void *arg)
{
	char path[] = "/tmp/llmill-test-XXXXXX";
	int fd = mkstemp(path);

	(void)arg;
	NEED(fd != -1);
	fd_close(&fd);
	cannot_run("/no/such/command", ENOENT);
	cannot_run("no-such-command-anywhere", ENOENT);
	cannot_run(path, EACCES);
	cannot_run("/tmp", EACCES);
	NEED(unlink(path) == 0);
}

static void
child_start_gives_the_reason_of_a_failed_exec(void **state)
{
	(void)state;
	assert_int_equal(apart_run(bad_commands, NULL), 0);
}

/* Left behind: in the group, in a session of its own, twice removed. */
static void
leftovers(void *arg)
{
	struct child child;
	struct death death;
	char byte;

	(void)arg;
	start(&child, SHELL("trap '' TERM; sleep 60 & setsid sleep 61 & "
			    "setsid sh -c 'trap \"\" TERM HUP; (sleep 62 &); "
			    "echo x >&2; sleep 63' & read line"));
	NEED(fd_set_nonblocking(child.stderr_fd, false) == 0);
	NEED(read(child.stderr_fd, &byte, 1) == 1);
	fd_close(&child.stdin_fd); /* the leader ends */
	NEED(child_wait(&child, -1, &death));
	NEED(!apart_is_childless());
	child_bury(&child);
	NEED(apart_is_childless());
}

static void
child_bury_leaves_no_process(void **state)
{
	(void)state;
	assert_int_equal(apart_run(leftovers, NULL), 0);
}

static void
bury_alive(void *arg)
{
	struct child child;
	int64_t begin_ns;

	(void)arg;
	start(&child, SHELL("trap '' TERM; while :; do sleep 60; done"));
	begin_ns = clock_now_ns();
	child_bury(&child);
	NEED(clock_now_ns() - begin_ns < CLOCK_S);
	NEED(apart_is_childless());
	child_bury(&child); /* again: calm */
}

static void
child_bury_kills_at_once_what_still_lives(void **state)
{
	(void)state;
	assert_int_equal(apart_run(bury_alive, NULL), 0);
}

static void
parent_dies(void *arg)
{
	int ready[2];
	int status;
	pid_t command;
	pid_t pid;

	(void)arg;
	NEED(fd_pipe(&ready[0], &ready[1], NULL) == 0);
	pid = fork();
	if (pid == 0) {
		struct child child;

		start(&child, SHELL("trap '' TERM; exec sleep 60"));
		NEED(write(ready[1], &child.pid, sizeof(child.pid)) ==
		     sizeof(child.pid));
		for (;;)
			pause();
	}
	NEED(read(ready[0], &command, sizeof(command)) == sizeof(command));
	NEED(kill(pid, SIGKILL) == 0);
	NEED(waitpid(pid, &status, 0) == pid);
	NEED(waitpid(command, &status, 0) == command);
	NEED(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	fd_close(&ready[0]);
	fd_close(&ready[1]);
}

static void
child_dies_with_its_worker(void **state)
{
	(void)state;
	assert_int_equal(apart_run(parent_dies, NULL), 0);
}

/* What a host has started before is its own, however the question ends. */
static void
questions(void *arg)
{
	const char *const nobody[] = {"no-such-command", NULL};
	const char *const no_program[] = {"./empty", NULL};
	pid_t other = fork();
	struct buf answer;
	int64_t begin_ns;

	(void)arg;
	if (other == 0)
		for (;;)
			pause();
	buf_init(&answer, 100);
	NEED(
	    child_ask(SHELL("cat; echo one; echo two"), CLOCK_S, &answer) == 0);
	NEED(span_equals(buf_span(&answer), span_of("one\ntwo\n")));
	buf_clear(&answer);
	begin_ns = clock_now_ns();
	NEED(child_ask(
		 SHELL("echo half; exec sleep 60"), CLOCK_S / 4, &answer) == 0);
	NEED(span_equals(buf_span(&answer), span_of("half\n")));
	NEED(clock_now_ns() - begin_ns < 2 * CLOCK_S);
	buf_clear(&answer);
	NEED(child_ask(nobody, CLOCK_S, &answer) == -1);
	NEED(mkdir("questions", 0700) == 0 && chdir("questions") == 0);
	fd_close(&(int){open("empty", O_CREAT | O_WRONLY, 0700)});
	NEED(child_ask(no_program, CLOCK_S, &answer) == 0);
	NEED(answer.size == 0);
	NEED(unlink("empty") == 0 && rmdir("../questions") == 0);
	buf_free(&answer);
	NEED(waitpid(-1, NULL, WNOHANG) == 0); /* only the other, alive */
	NEED(kill(other, SIGKILL) == 0 && waitpid(other, NULL, 0) == other);
	NEED(apart_is_childless());
}

static void
child_ask_hears_in_time_and_touches_nobody_else(void **state)
{
	(void)state;
	assert_int_equal(apart_run(questions, NULL), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(child_gets_the_environment_with_extra_in_place),
	    cmocka_unit_test(child_inherits_nothing_but_its_three_pipes),
	    cmocka_unit_test(
		child_starts_with_a_clear_mask_and_default_handlers),
	    cmocka_unit_test(child_leads_a_group_that_is_signalled_whole),
	    cmocka_unit_test(child_start_gives_the_reason_of_a_failed_exec),
	    cmocka_unit_test(child_bury_leaves_no_process),
	    cmocka_unit_test(child_bury_kills_at_once_what_still_lives),
	    cmocka_unit_test(child_dies_with_its_worker),
	    cmocka_unit_test(child_ask_hears_in_time_and_touches_nobody_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
