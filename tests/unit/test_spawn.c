/* SPDX-License-Identifier: ISC */
/*
 * How workers come into the world: what they are born with, that they can do
 * what processes do, and that nobody outlives the coordinator. The
 * coordinator of each test is a process apart.
 */
#include <dirent.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "wire/reap.h"
#include "wire/spawn.h"

#include "apart.h"

/* A worker with the coordinator's ends of its pipes. */
struct born {
	struct birth birth;
	int down_fd;
	int up_fd;
	int stderr_fd;
};

static struct nursery *
open_nursery(
    int (*live)(const struct spawn_child *, void *), void *arg, bool reaps)
{
	const struct heritage heritage = {
	    .live = live, .arg = arg, .reaps = reaps};
	struct err err = {0};
	struct nursery *nursery = nursery_open(&heritage, &err);

	if (nursery == NULL)
		dprintf(STDERR_FILENO, "%s\n", err.text);
	NEED(nursery != NULL);
	return nursery;
}

static void
ask(struct nursery *nursery, struct born *born, uint32_t slot)
{
	int down_fd;
	int up_fd;
	int stderr_fd;

	NEED(fd_pipe(&down_fd, &born->down_fd, NULL) == 0);
	NEED(fd_pipe(&born->up_fd, &up_fd, NULL) == 0);
	NEED(fd_pipe(&born->stderr_fd, &stderr_fd, NULL) == 0);
	NEED(nursery_ask(nursery, slot, 1, down_fd, up_fd, stderr_fd) == 0);
	fd_close(&down_fd);
	fd_close(&up_fd);
	fd_close(&stderr_fd);
}

/* Wait for the next birth. Gives what nursery_next gives. */
static int
take(struct nursery *nursery, struct birth *birth)
{
	struct pollfd ready = {.fd = nursery_fd(nursery), .events = POLLIN};

	NEED(poll(&ready, 1, 10000) == 1);
	return nursery_next(nursery, birth);
}

static void
bear(struct nursery *nursery, struct born *born)
{
	ask(nursery, born, 5);
	NEED(take(nursery, &born->birth) == 1);
	NEED(born->birth.pid > 1 && born->birth.pid_fd != -1);
	NEED(born->birth.number == 0);
}

/* Wait for its death, bury it, close all. */
static struct death
bury(struct born *born)
{
	struct pollfd process = {.fd = born->birth.pid_fd, .events = POLLIN};
	struct death death;

	NEED(poll(&process, 1, 10000) == 1);
	NEED(reap_look(born->birth.pid_fd, &death) == REAP_DEAD);
	reap_bury(born->birth.pid_fd);
	fd_close(&born->birth.pid_fd);
	fd_close(&born->down_fd);
	fd_close(&born->up_fd);
	fd_close(&born->stderr_fd);
	return death;
}

/* Let one worker live; gives its death. */
static struct death
live_once(int (*live)(const struct spawn_child *, void *), void *arg)
{
	struct nursery *nursery = open_nursery(live, arg, true);
	struct death death;
	struct born born;

	bear(nursery, &born);
	death = bury(&born);
	nursery_close(nursery);
	NEED(apart_is_childless());
	return death;
}

/* ---- what a worker is born with ---- */

/* Gives which fact does not hold, 0 when all do. */
static int
look_at_birthright(const struct spawn_child *child, void *arg)
{
	struct stat null;
	size_t open_count = 0;
	DIR *dir = opendir("/proc/self/fd");

	while (readdir(dir) != NULL)
		open_count++;
	closedir(dir);
	fstat(STDIN_FILENO, &null);
	if (getppid() != *(pid_t *)arg)
		return 1;
	if (getpgrp() != getpid())
		return 2;
	if (child->slot != 5 || child->generation != 1 || child->titled)
		return 3;
	if (child->down_fd != 3 || child->up_fd != 4)
		return 4;
	if (open_count != 8) /* 0 … 4, the directory, "." and ".." */
		return 5;
	if (fcntl(3, F_GETFD) != FD_CLOEXEC || fcntl(4, F_GETFD) != FD_CLOEXEC)
		return 6;
	if (!S_ISCHR(null.st_mode) || null.st_rdev != makedev(1, 3))
		return 7;
	return 0;
}

static void
birthright(void *arg)
{
	pid_t self = getpid();
	struct death death;

	(void)arg;
	/* Things to lose, at numbers that are in the way. */
	for (int number = 3; number < 12; number++)
		NEED(dup2(STDERR_FILENO, number) == number);
	death = live_once(look_at_birthright, &self);
	NEED(!death.signalled);
	NEED(death.number == 0);
}

static void
worker_has_its_pipes_and_nothing_else(void **state)
{
	(void)state;
	assert_int_equal(apart_run(birthright, NULL), 0);
}

static int
look_at_signals(const struct spawn_child *child, void *arg)
{
	static const int blocked[] = {
	    SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2};
	sigset_t want;

	(void)child;
	(void)arg;
	sigemptyset(&want);
	for (size_t i = 0; i < sizeof(blocked) / sizeof(blocked[0]); i++)
		sigaddset(&want, blocked[i]);
	for (int number = 1; number <= SIGRTMAX; number++) {
		struct sigaction now;
		sigset_t mask;

		sigprocmask(SIG_SETMASK, NULL, &mask);
		if (sigismember(&mask, number) != sigismember(&want, number))
			return number;
		if (sigaction(number, NULL, &now) == 0 &&
		    now.sa_handler != (number == SIGPIPE ? SIG_IGN : SIG_DFL))
			return number;
	}
	return 0;
}

static void
take_no_notice(int signal_number)
{
	(void)signal_number;
}

static void
handle(int signal_number)
{
	const struct sigaction action = {.sa_handler = take_no_notice};

	NEED(sigaction(signal_number, &action, NULL) == 0);
}

static void
signals(void *arg)
{
	struct death death;
	sigset_t odd;

	(void)arg;
	handle(SIGALRM);
	signal(SIGTSTP, SIG_IGN);
	handle(SIGTERM);
	sigemptyset(&odd);
	sigaddset(&odd, SIGQUIT);
	sigprocmask(SIG_SETMASK, &odd, NULL);
	death = live_once(look_at_signals, NULL);
	NEED(!death.signalled);
	NEED(death.number == 0);
	/* The coordinator's own are as they were. */
	NEED(sigprocmask(SIG_SETMASK, NULL, &odd) == 0);
	NEED(sigismember(&odd, SIGQUIT) == 1);
	NEED(sigismember(&odd, SIGTERM) == 0);
}

static void
worker_obeys_only_its_coordinator(void **state)
{
	(void)state;
	assert_int_equal(apart_run(signals, NULL), 0);
}

static int
talk(const struct spawn_child *child, void *arg)
{
	char byte;

	(void)arg;
	log_say(LOG_ERROR, "this goes nowhere");
	dprintf(STDERR_FILENO, "words");
	if (read(child->down_fd, &byte, 1) != 1)
		return 1;
	return write(child->up_fd, &byte, 1) == 1 ? 42 : 1;
}

static void
pipes(void *arg)
{
	struct nursery *nursery;
	struct death death;
	struct born born;
	char text[16] = "";

	(void)arg;
	/* The log's number is about to become the worker's up pipe. */
	NEED(dup2(STDERR_FILENO, SPAWN_UP_FD) == SPAWN_UP_FD);
	log_set_file(SPAWN_UP_FD);
	nursery = open_nursery(talk, NULL, true);
	bear(nursery, &born);
	NEED(write(born.down_fd, "x", 1) == 1);
	NEED(read(born.up_fd, text, sizeof(text)) == 1 && text[0] == 'x');
	NEED(read(born.up_fd, text, sizeof(text)) == 0);
	NEED(read(born.stderr_fd, text, sizeof(text)) == 5);
	NEED(memcmp(text, "words", 5) == 0);
	NEED(read(born.stderr_fd, text, sizeof(text)) == 0);
	death = bury(&born);
	NEED(!death.signalled && death.number == 42);
	nursery_close(nursery);
}

static void
worker_talks_by_its_pipes_and_leaves_with_its_status(void **state)
{
	(void)state;
	assert_int_equal(apart_run(pipes, NULL), 0);
}

static int
tell_leader(const struct spawn_child *child, void *arg)
{
	const char byte = getpgrp() == getpid() ? 'y' : 'n';

	(void)arg;
	return write(child->up_fd, &byte, 1) == 1 ? 0 : 1;
}

static void
untold_birth(void *arg)
{
	struct nursery *nursery = open_nursery(tell_leader, NULL, true);
	struct born born;
	char byte;

	(void)arg;
	ask(nursery, &born, 5);
	NEED(read(born.up_fd, &byte, 1) == 1);
	NEED(byte == 'y');
	NEED(take(nursery, &born.birth) == 1);
	NEED(bury(&born).number == 0);
	nursery_close(nursery);
}

static void
worker_leads_its_group_before_anybody_knows_it(void **state)
{
	(void)state;
	assert_int_equal(apart_run(untold_birth, NULL), 0);
}

/* ---- that it is a whole process ---- */

static void *
answer(void *arg)
{
	return arg;
}

static int
use_threads(void)
{
	pthread_t threads[4];
	char args[4];

	for (size_t i = 0; i < 4; i++)
		if (pthread_create(&threads[i], NULL, answer, &args[i]) != 0)
			return 1;
	for (size_t i = 0; i < 4; i++) {
		void *result;

		if (pthread_join(threads[i], &result) != 0 ||
		    result != &args[i])
			return 1;
	}
	return 0;
}

static void *
resolve(void *arg)
{
	struct addrinfo *found = NULL;

	if (getaddrinfo("localhost", "80", NULL, &found) == 0)
		freeaddrinfo(found);
	return found == NULL ? NULL : arg;
}

/* As libcurl does: a name is looked up in a thread of its own. */
static int
use_resolver(void)
{
	pthread_t thread;
	void *result = NULL;
	char arg;

	if (pthread_create(&thread, NULL, resolve, &arg) != 0 ||
	    pthread_join(thread, &result) != 0)
		return 1;
	return result == &arg ? 0 : 1;
}

static int
use_recursive_mutex(void)
{
	pthread_mutex_t mutex = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

	if (pthread_mutex_lock(&mutex) != 0 || pthread_mutex_lock(&mutex) != 0)
		return 1;
	if (pthread_mutex_unlock(&mutex) != 0 ||
	    pthread_mutex_unlock(&mutex) != 0)
		return 1;
	return pthread_mutex_unlock(&mutex) == EPERM ? 0 : 1;
}

static int
use_fork(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (raise(SIGUSR1) != 0) /* blocked: stays pending */
			_exit(1);
		_exit(getpid() != getppid() ? 7 : 1);
	}
	if (waitpid(pid, &status, 0) != pid)
		return 1;
	return WIFEXITED(status) && WEXITSTATUS(status) == 7 ? 0 : 1;
}

static int
use_popen(void)
{
	char line[32] = "";
	FILE *pipe = popen("echo hello; exit 3", "r");

	if (pipe == NULL || fgets(line, sizeof(line), pipe) == NULL)
		return 1;
	return WEXITSTATUS(pclose(pipe)) == 3 && strcmp(line, "hello\n") == 0
		   ? 0
		   : 1;
}

static int
use_stdio(void)
{
	FILE *file = tmpfile();
	char text[64] = "";

	if (file == NULL)
		return 1;
	flockfile(file);
	fprintf(file, "%d %s", 42, "bytes");
	funlockfile(file);
	rewind(file);
	if (fgets(text, sizeof(text), file) == NULL)
		return 1;
	fclose(file);
	return strcmp(text, "42 bytes") == 0 ? 0 : 1;
}

static int
do_what_processes_do(const struct spawn_child *child, void *arg)
{
	char *memory = malloc(1 << 20);

	(void)child;
	if (memory == NULL || strcmp(arg, "inherited") != 0)
		return 1;
	memset(memory, 1, 1 << 20);
	free(memory);
	if (use_threads() != 0)
		return 2;
	if (use_recursive_mutex() != 0)
		return 3;
	if (use_fork() != 0)
		return 4;
	if (use_popen() != 0)
		return 5;
	if (use_stdio() != 0)
		return 6;
	if (use_resolver() != 0)
		return 7;
	return 0;
}

static void
whole_process(void *arg)
{
	char inherited[] = "inherited";
	struct death death = live_once(do_what_processes_do, inherited);

	(void)arg;
	NEED(!death.signalled);
	NEED(death.number == 0);
}

static void
worker_can_use_threads_fork_popen_and_stdio(void **state)
{
	(void)state;
	assert_int_equal(apart_run(whole_process, NULL), 0);
}

static int
raise_it(const struct spawn_child *child, void *arg)
{
	const struct rlimit none = {0, 0};

	(void)child;
	setrlimit(RLIMIT_CORE, &none);
	if (*(int *)arg == SIGABRT)
		abort();
	raise(*(int *)arg);
	return 0;
}

static void
signalled(void *arg)
{
	struct death death = live_once(raise_it, arg);

	NEED(death.signalled);
	NEED(death.number == *(int *)arg);
}

static void
worker_can_abort_and_raise(void **state)
{
	int number = SIGABRT;

	(void)state;
	assert_int_equal(apart_run(signalled, &number), 0);
	number = SIGALRM;
	assert_int_equal(apart_run(signalled, &number), 0);
}

/* ---- the nursery ---- */

static int
wait_for_end(const struct spawn_child *child, void *arg)
{
	char byte;

	(void)arg;
	return (int)read(child->down_fd, &byte, 1);
}

#define MANY 200

static void
many_births(void *arg)
{
	static struct born born[MANY];
	struct nursery *nursery = open_nursery(wait_for_end, NULL, false);
	bool seen[MANY] = {false};
	uint32_t asked = 0;

	(void)arg;
	for (uint32_t done = 0; done < MANY; done++) {
		struct birth birth;

		while (asked < MANY && asked - done < 64)
			ask(nursery, &born[asked], asked), asked++;
		NEED(take(nursery, &birth) == 1);
		NEED(birth.slot < MANY && !seen[birth.slot]);
		seen[birth.slot] = true;
		born[birth.slot].birth = birth;
		/* It leads a group from the first moment. */
		NEED(reap_signal_group(birth.pid, 0) == 0);
	}
	for (uint32_t i = 0; i < MANY; i++) {
		fd_close(&born[i].down_fd);
		NEED(bury(&born[i]).number == 0);
	}
	NEED(nursery_next(nursery, &born[0].birth) == 0);
	nursery_close(nursery);
	NEED(apart_is_childless());
}

static void
nursery_answers_every_order_once(void **state)
{
	(void)state;
	assert_int_equal(apart_run(many_births, NULL), 0);
}

static void
too_many_orders(void *arg)
{
	static struct born born[65];
	struct nursery *nursery = open_nursery(wait_for_end, NULL, false);
	struct birth birth;
	int count = 0;

	(void)arg;
	NEED(kill(nursery_pid(nursery), SIGSTOP) == 0);
	for (; count < 64; count++)
		ask(nursery, &born[count], 5);
	NEED(nursery_ask(nursery, 5, 1, 0, 1, 2) == -1);
	NEED(errno == EAGAIN);
	NEED(kill(nursery_pid(nursery), SIGCONT) == 0);
	NEED(take(nursery, &born[0].birth) == 1);
	ask(nursery, &born[count++], 5);
	while (--count > 0)
		NEED(take(nursery, &birth) == 1);
	nursery_close(nursery);
}

static void
nursery_takes_only_so_many_orders_at_a_time(void **state)
{
	(void)state;
	assert_int_equal(apart_run(too_many_orders, NULL), 0);
}

static void
nursery_death(void *arg)
{
	struct nursery *nursery = open_nursery(wait_for_end, NULL, false);
	struct born born;
	struct err err;

	(void)arg;
	NEED(kill(nursery_pid(nursery), SIGKILL) == 0);
	NEED(take(nursery, &born.birth) == -1);
	NEED(nursery_ask(nursery, 5, 1, 0, 1, 2) == -1);
	NEED(errno == EPIPE);
	NEED(nursery_reopen(nursery, &err) == 0);
	bear(nursery, &born);
	fd_close(&born.down_fd);
	NEED(bury(&born).number == 0);
	nursery_close(nursery);
	NEED(apart_is_childless());
}

static void
nursery_that_died_is_noticed_and_replaced(void **state)
{
	(void)state;
	assert_int_equal(apart_run(nursery_death, NULL), 0);
}

static void
stopped_nursery(void *arg)
{
	struct nursery *nursery = open_nursery(wait_for_end, NULL, false);

	(void)arg;
	NEED(kill(nursery_pid(nursery), SIGSTOP) == 0);
	nursery_close(nursery);
	NEED(apart_is_childless());
	nursery_close(NULL);
}

static void
nursery_close_does_not_wait_for_ever(void **state)
{
	(void)state;
	assert_int_equal(apart_run(stopped_nursery, NULL), 0);
}

static int
cannot_prepare(void *arg, struct err *err)
{
	return err_set(err, ERR_BACKEND, "no %s here", (const char *)arg);
}

static void
bad_preparation(void *arg)
{
	char what[] = "library";
	const struct heritage heritage = {
	    .live = wait_for_end, .prepare = cannot_prepare, .arg = what};
	struct err err = {0};

	(void)arg;
	NEED(nursery_open(&heritage, &err) == NULL);
	NEED(err.class == ERR_BACKEND);
	NEED(strcmp(err.text, "no library here") == 0);
	NEED(nursery_open(&heritage, NULL) == NULL);
	NEED(apart_is_childless());
}

static void
nursery_open_says_why_it_cannot(void **state)
{
	(void)state;
	assert_int_equal(apart_run(bad_preparation, NULL), 0);
}

static void
no_descriptors(void *arg)
{
	struct nursery *nursery = open_nursery(wait_for_end, NULL, true);
	struct pollfd ready = {.fd = nursery_fd(nursery), .events = POLLIN};
	struct rlimit limit;
	struct rlimit none;
	struct born born;

	(void)arg;
	ask(nursery, &born, 5);
	NEED(poll(&ready, 1, 10000) == 1);
	NEED(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	none = limit;
	none.rlim_cur = 0;
	NEED(setrlimit(RLIMIT_NOFILE, &none) == 0);
	NEED(nursery_next(nursery, &born.birth) == 1);
	NEED(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	NEED(born.birth.pid == -1 && born.birth.pid_fd == -1);
	NEED(born.birth.number == EMFILE);
	nursery_close(nursery);
	NEED(apart_is_childless());
}

static void
worker_that_cannot_be_held_is_not_left_alive(void **state)
{
	(void)state;
	assert_int_equal(apart_run(no_descriptors, NULL), 0);
}

/* ---- nobody outlives the coordinator ---- */

static int
say_and_hang(const struct spawn_child *child, void *arg)
{
	(void)arg;
	if (write(child->up_fd, "", 1) != 1)
		return 1;
	for (;;)
		pause();
}

static _Noreturn void
be_coordinator(int ready_fd)
{
	struct nursery *nursery = open_nursery(say_and_hang, NULL, false);
	struct born born[3];
	char byte;

	for (int i = 0; i < 3; i++) {
		bear(nursery, &born[i]);
		NEED(read(born[i].up_fd, &byte, 1) == 1);
	}
	NEED(write(ready_fd, "", 1) == 1);
	for (;;)
		pause();
}

static void
killed_coordinator(void *arg)
{
	int ready[2];
	int killed = 0;
	char byte;
	pid_t pid;

	(void)arg;
	NEED(fd_pipe(&ready[0], &ready[1], NULL) == 0);
	pid = fork();
	if (pid == 0)
		be_coordinator(ready[1]);
	fd_close(&ready[1]);
	NEED(read(ready[0], &byte, 1) == 1);
	NEED(kill(pid, SIGKILL) == 0);
	/* Nursery and workers become our children and must be dying. */
	alarm(1);
	for (int i = 0; i < 5; i++) {
		int status;

		NEED(waitpid(-1, &status, 0) > 1);
		killed += WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
	}
	/* The nursery may have seen the end of its socket first. */
	NEED(killed >= 4);
	NEED(apart_is_childless());
	fd_close(&ready[0]);
}

static void
nobody_outlives_a_killed_coordinator_for_a_second(void **state)
{
	(void)state;
	assert_int_equal(apart_run(killed_coordinator, NULL), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(worker_has_its_pipes_and_nothing_else),
	    cmocka_unit_test(worker_obeys_only_its_coordinator),
	    cmocka_unit_test(
		worker_talks_by_its_pipes_and_leaves_with_its_status),
	    cmocka_unit_test(worker_leads_its_group_before_anybody_knows_it),
	    cmocka_unit_test(worker_can_use_threads_fork_popen_and_stdio),
	    cmocka_unit_test(worker_can_abort_and_raise),
	    cmocka_unit_test(nursery_answers_every_order_once),
	    cmocka_unit_test(nursery_takes_only_so_many_orders_at_a_time),
	    cmocka_unit_test(nursery_that_died_is_noticed_and_replaced),
	    cmocka_unit_test(nursery_close_does_not_wait_for_ever),
	    cmocka_unit_test(nursery_open_says_why_it_cannot),
	    cmocka_unit_test(worker_that_cannot_be_held_is_not_left_alive),
	    cmocka_unit_test(nobody_outlives_a_killed_coordinator_for_a_second),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
