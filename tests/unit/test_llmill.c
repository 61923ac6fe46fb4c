/* SPDX-License-Identifier: ISC */
/*
 * The library in a host that has a life of its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "llmill.h"

static const char *const three[] = {"a", "b", "c"};

static char *
shout(void *arg, const char *prompt, char **error)
{
	char *text = strdup(prompt);

	(void)arg;
	(void)error;
	for (char *at = text; at != NULL && *at != '\0'; at++)
		if (*at >= 'a' && *at <= 'z')
			*at = (char)(*at - 'a' + 'A');
	return text;
}

static char *
troubled(void *arg, const char *prompt, char **error)
{
	if (strcmp(prompt, "crash") == 0)
		raise(SIGSEGV);
	if (strcmp(prompt, "exit") == 0)
		_exit(0);
	if (strcmp(prompt, "hang") == 0)
		for (;;)
			pause();
	if (strcmp(prompt, "null") == 0)
		return NULL;
	return shout(arg, prompt, error);
}

static struct llmill_conf
options(llmill_chat_fn *chat_fn)
{
	struct llmill_conf conf = LLMILL_CONF_DEFAULT;

	conf.chat_fn = chat_fn;
	conf.retry_delay = 0.01;
	return conf;
}

static size_t
count_in(const char *path)
{
	DIR *directory = opendir(path);
	size_t count = 0;

	assert_non_null(directory);
	while (readdir(directory) != NULL)
		count++;
	closedir(directory);
	return count;
}

static void
assert_shouted(struct llmill *mill)
{
	struct llmill_err err;
	struct llmill_results *results =
	    llmill_process_prompts(mill, three, 3, &err);

	if (results == NULL)
		fail_msg("%s", err.text);
	assert_int_equal(llmill_results_count(results), 3);
	for (size_t i = 0; i < 3; i++) {
		const char want[] = {(char)('A' + i), '\0'};
		size_t size;

		assert_true(llmill_results_ok(results, i));
		assert_string_equal(
		    llmill_results_text(results, i, &size), want);
		assert_int_equal(size, 1);
	}
	assert_null(llmill_results_trouble(results));
	llmill_results_free(results);
}

/* ---- arguments ---- */

static void
arguments_are_checked_in_their_order(void **state)
{
	static const struct {
		struct llmill_conf conf;
		const char *field;
	} rows[] = {
	    {{NULL, NULL, 0, -1, -1, 0, false, " ", NULL, NULL, false, false},
		"chat_fn"},
	    {{shout, NULL, 0, -1, -1, 0, false, " ", NULL, NULL, false, false},
		"num_workers"},
	    {{shout, NULL, 9000, 0, 0, 1, false, NULL, NULL, NULL, false,
		 false},
		"num_workers"},
	    {{shout, NULL, 1, -1, -1, 0, false, " ", NULL, NULL, false, false},
		"retry_attempts"},
	    {{shout, NULL, 1, 0, -1, 0, false, " ", NULL, NULL, false, false},
		"retry_delay"},
	    {{shout, NULL, 1, 0, NAN, 0, false, " ", NULL, NULL, false, false},
		"retry_delay"},
	    {{shout, NULL, 1, 0, INFINITY, 1, false, NULL, NULL, NULL, false,
		 false},
		"retry_delay"},
	    {{shout, NULL, 1, 0, 0, 0, false, " ", NULL, NULL, false, false},
		"timeout"},
	    {{shout, NULL, 1, 0, 0, NAN, false, " ", NULL, NULL, false, false},
		"timeout"},
	    {{shout, NULL, 1, 0, 0, 1, false, " \t", NULL, NULL, false, false},
		"db_filename"},
	    {{shout, NULL, 1, 0, 0, 1, false, "", NULL, NULL, false, false},
		"db_filename"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct llmill_err err = {0};

		assert_null(llmill_open(&rows[i].conf, &err));
		assert_int_equal(err.status, 2);
		if (strncmp(err.text, rows[i].field, strlen(rows[i].field)) !=
		    0)
			fail_msg("row %zu: %s", i, err.text);
	}
}

static void
a_prompt_that_is_none_is_named(void **state)
{
	const char *const prompts[] = {"a", NULL};
	const char *const bytes[] = {"a", "\xff"};
	struct llmill_conf conf = options(shout);
	struct llmill_err err;
	struct llmill *mill = llmill_open(&conf, &err);

	(void)state;
	assert_null(llmill_process_prompts(mill, prompts, 2, &err));
	assert_string_equal(err.text, "prompts[1] is NULL");
	assert_null(llmill_process_prompts(mill, bytes, 2, &err));
	assert_string_equal(err.text, "prompts[1] is not UTF-8 at byte 1");
	llmill_close(mill);
	llmill_close(NULL);
	llmill_results_free(NULL);
}

static void
no_prompts_are_no_results_and_no_file(void **state)
{
	struct llmill_conf conf = options(shout);
	struct llmill_results *results;
	struct llmill_err err;
	struct llmill *mill;
	size_t before = count_in(".");

	(void)state;
	conf.save_to_db = true;
	mill = llmill_open(&conf, &err);
	results = llmill_process_prompts(mill, NULL, 0, &err);
	assert_non_null(results);
	assert_int_equal(llmill_results_count(results), 0);
	assert_int_equal(count_in("."), before);
	llmill_results_free(results);
	llmill_close(mill);
}

/* ---- a function that misbehaves ---- */

static void
whatever_the_function_does_costs_its_own_prompt(void **state)
{
	static const char *const prompts[] = {
	    "a", "crash", "exit", "hang", "null", "b"};
	static const char *const reasons[] = {NULL, "signal 11",
	    "exit status 0", "no answer within", "failed without a word", NULL};
	struct llmill_conf conf = options(troubled);
	struct llmill_results *results;
	struct llmill_err err;
	struct llmill *mill;

	(void)state;
	conf.retry_attempts = 1;
	conf.timeout = 0.3;
	mill = llmill_open(&conf, &err);
	results = llmill_process_prompts(mill, prompts, 6, &err);
	assert_non_null(results);
	for (size_t i = 0; i < 6; i++) {
		const char *text = llmill_results_text(results, i, NULL);

		assert_int_equal(llmill_results_state(results, i),
		    reasons[i] == NULL ? LLMILL_ANSWERED : LLMILL_FAILED);
		if (reasons[i] == NULL)
			continue;
		assert_memory_equal(text, "Error: Failed after 1 attempts: ",
		    strlen("Error: Failed after 1 attempts: "));
		if (strstr(text, reasons[i]) == NULL)
			fail_msg("%s", text);
	}
	llmill_results_free(results);
	llmill_close(mill);
}

/* It leaves a daemon that has the fifo open, as long as it lives. */
static char *
haunted(void *arg, const char *prompt, char **error)
{
	int ready[2];
	char byte;

	if (pipe(ready) == -1)
		return NULL;
	if (fork() == 0) {
		setsid();
		if (fork() == 0 && open(arg, O_WRONLY) != -1 &&
		    write(ready[1], "", 1) == 1)
			for (;;)
				pause();
		_exit(0);
	}
	wait(NULL);
	return read(ready[0], &byte, 1) == 1 ? shout(NULL, prompt, error)
					     : NULL;
}

static void
isolated_function_leaves_no_daemon(void **state)
{
	char place[] = "/tmp/test_llmill.XXXXXX";
	char fifo[64];
	struct llmill_conf conf = options(haunted);
	struct pollfd end = {.events = POLLIN};
	struct llmill *mill;
	struct llmill_err err;

	(void)state;
	if (system("unshare -pf true 2>/dev/null") != 0 &&
	    system("unshare -Upf true 2>/dev/null") != 0)
		skip();
	assert_non_null(mkdtemp(place));
	snprintf(fifo, sizeof(fifo), "%s/fifo", place);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	end.fd = open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	conf.chat_arg = fifo;
	conf.isolate = true;
	mill = llmill_open(&conf, &err);
	assert_shouted(mill);
	assert_int_equal(poll(&end, 1, 10000), 1);
	assert_int_equal(end.revents, POLLHUP); /* nobody has it open */
	close(end.fd);
	unlink(fifo);
	rmdir(place);
	llmill_close(mill);
}

/* ---- the host ---- */

static void
nothing_is_left_of_many_runs(void **state)
{
	struct llmill_conf conf = options(shout);
	struct llmill_err err;
	size_t before = 0;
	siginfo_t info;

	(void)state;
	for (int i = 0; i < 6; i++) {
		struct llmill *mill = llmill_open(&conf, &err);

		assert_non_null(mill);
		assert_shouted(mill);
		assert_shouted(mill); /* twice with one */
		llmill_close(mill);
		if (i == 0)
			before = count_in("/proc/self/fd");
	}
	assert_int_equal(count_in("/proc/self/fd"), before);
	assert_int_equal(waitid(P_ALL, 0, &info, WEXITED | WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static volatile sig_atomic_t reaped;

static void
reap_all(int number)
{
	int saved = errno;

	(void)number;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		reaped++;
	errno = saved;
}

static void
a_host_that_buries_all_children_is_no_harm(void **state)
{
	struct sigaction action = {.sa_handler = reap_all};
	struct llmill_conf conf = options(shout);
	struct llmill_err err;
	struct llmill *mill = llmill_open(&conf, &err);

	(void)state;
	sigaction(SIGCHLD, &action, NULL);
	for (int i = 0; i < 5; i++)
		assert_shouted(mill);
	signal(SIGCHLD, SIG_IGN);
	for (int i = 0; i < 5; i++)
		assert_shouted(mill);
	signal(SIGCHLD, SIG_DFL);
	llmill_close(mill);
}

static void
children_of_the_host_are_its_own(void **state)
{
	struct llmill_conf conf = options(shout);
	struct llmill_err err;
	struct llmill *mill = llmill_open(&conf, &err);
	int status;
	pid_t dead = fork();
	pid_t alive;

	(void)state;
	if (dead == 0)
		_exit(7);
	alive = fork();
	if (alive == 0)
		for (;;)
			pause();
	assert_shouted(mill);
	llmill_close(mill);
	assert_int_equal(waitpid(dead, &status, 0), dead);
	assert_int_equal(WEXITSTATUS(status), 7);
	assert_int_equal(waitpid(alive, &status, WNOHANG), 0);
	kill(alive, SIGKILL);
	assert_int_equal(waitpid(alive, &status, 0), alive);
}

static void
signals_are_as_they_were(void **state)
{
	struct llmill_conf conf = options(shout);
	struct llmill_err err;
	struct llmill *mill = llmill_open(&conf, &err);
	sigset_t before;
	sigset_t after;
	struct sigaction actions[32];

	(void)state;
	signal(SIGPIPE, SIG_DFL);
	for (int number = 1; number < 32; number++)
		sigaction(number, NULL, &actions[number]);
	memset(&before, 0, sizeof(before)); /* they have room for more */
	memset(&after, 0, sizeof(after));
	sigprocmask(SIG_BLOCK, NULL, &before);
	assert_shouted(mill);
	sigprocmask(SIG_BLOCK, NULL, &after);
	assert_memory_equal(&before, &after, sizeof(before));
	for (int number = 1; number < 32; number++) {
		struct sigaction now;

		sigaction(number, NULL, &now);
		assert_true(now.sa_handler == actions[number].sa_handler);
	}
	llmill_close(mill);
}

static void *
wait_for_word(void *arg)
{
	char byte;

	(void)!read(*(int *)arg, &byte, 1);
	return NULL;
}

static void
a_host_with_threads_has_to_say_that_it_is_safe(void **state)
{
	struct llmill_conf conf = options(shout);
	struct llmill_err err;
	struct llmill *mill = llmill_open(&conf, &err);
	pthread_t thread;
	int word[2];

	(void)state;
	assert_int_equal(pipe(word), 0);
	assert_int_equal(
	    pthread_create(&thread, NULL, wait_for_word, &word[0]), 0);
	assert_null(llmill_process_prompts(mill, three, 3, &err));
	assert_non_null(strstr(err.text, "this process has 2 threads"));
	assert_non_null(strstr(err.text, "with_threads"));
	llmill_close(mill);
	conf.with_threads = true;
	mill = llmill_open(&conf, &err);
	assert_shouted(mill);
	llmill_close(mill);
	assert_int_equal(write(word[1], "x", 1), 1);
	pthread_join(thread, NULL);
	close(word[0]);
	close(word[1]);
}

/* ---- stopping, and going on ---- */

static struct llmill *stopped;
static size_t told;

static void
stop_soon(void *arg, size_t answered, size_t failed, size_t total)
{
	(void)arg;
	assert_int_equal(failed, 0);
	assert_int_equal(total, 200);
	assert_true(answered > told);
	told = answered;
	if (told < 20 || access("go", F_OK) == 0)
		return;
	llmill_stop(stopped);
	close(creat("go", 0600));
}

/* Answers what is gated when the run has been told to stop. */
static char *
gated(void *arg, const char *prompt, char **error)
{
	while (strcmp(prompt, "gated") == 0 && access("go", F_OK) == -1)
		usleep(1000);
	return shout(arg, prompt, error);
}

static void
a_stopped_run_goes_on_with_what_is_open(void **state)
{
	const char *prompts[200];
	struct llmill_conf conf = options(gated);
	struct llmill_results *results;
	struct llmill_err err;
	size_t open = 0;

	(void)state;
	for (size_t i = 0; i < 200; i++)
		prompts[i] = i < 30 ? three[i % 3] : "gated";
	conf.num_workers = 1;
	conf.save_to_db = true;
	conf.db_filename = "stopped.db";
	conf.progress = stop_soon;
	told = 0;
	stopped = llmill_open(&conf, &err);
	results = llmill_process_prompts(stopped, prompts, 200, &err);
	assert_non_null(results);
	for (size_t i = 0; i < 200; i++) {
		open += llmill_results_state(results, i) == LLMILL_OPEN;
		if (llmill_results_state(results, i) == LLMILL_OPEN)
			assert_string_equal(
			    llmill_results_text(results, i, NULL), "");
	}
	/* One was in the worker's hands. */
	assert_in_range(open, 169, 180);
	llmill_results_free(results);

	results = llmill_recover(stopped, "stopped.db", &err);
	assert_non_null(results);
	assert_int_equal(llmill_results_count(results), 200);
	for (size_t i = 0; i < 200; i++)
		open -= llmill_results_state(results, i) == LLMILL_OPEN;
	assert_int_equal(open, 0);
	llmill_results_free(results);
	llmill_close(stopped);

	conf.progress = NULL;
	stopped = llmill_open(&conf, &err);
	results = llmill_process_prompts(stopped, prompts, 200, &err);
	assert_non_null(results);
	for (size_t i = 0; i < 200; i++)
		assert_true(llmill_results_ok(results, i));
	llmill_results_free(results);
	llmill_close(stopped);
	unlink("stopped.db");
	unlink("go");
}

static void
what_is_no_database_cannot_be_recovered(void **state)
{
	struct llmill_conf conf = options(shout);
	struct llmill_err err;
	struct llmill *mill = llmill_open(&conf, &err);

	(void)state;
	assert_null(llmill_recover(mill, "/no/such.db", &err));
	assert_non_null(strstr(err.text, "/no/such.db"));
	assert_int_equal(err.status, 65);
	assert_null(llmill_recover(mill, "/", &err));
	llmill_close(mill);
}

static void
another_list_in_the_database_does_not_stop_the_work(void **state)
{
	const char *const others[] = {"x", "y"};
	struct llmill_conf conf = options(shout);
	struct llmill_results *results;
	struct llmill_err err;
	struct llmill *mill;

	(void)state;
	conf.save_to_db = true;
	conf.db_filename = "taken.db";
	mill = llmill_open(&conf, &err);
	assert_shouted(mill);
	results = llmill_process_prompts(mill, others, 2, &err);
	assert_non_null(results);
	assert_string_equal(llmill_results_text(results, 1, NULL), "Y");
	assert_non_null(llmill_results_trouble(results));
	assert_non_null(strstr(llmill_results_trouble(results), "taken.db"));
	llmill_results_free(results);
	llmill_close(mill);
	unlink("taken.db");
}

static int
go_to_own_directory(void **state)
{
	const char *base = getenv("TMPDIR");
	char place[256];

	(void)state;
	snprintf(place, sizeof(place), "%s/llmill.XXXXXX",
	    base != NULL ? base : "/tmp");
	return mkdtemp(place) != NULL ? chdir(place) : -1;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(arguments_are_checked_in_their_order),
	    cmocka_unit_test(a_prompt_that_is_none_is_named),
	    cmocka_unit_test(no_prompts_are_no_results_and_no_file),
	    cmocka_unit_test(whatever_the_function_does_costs_its_own_prompt),
	    cmocka_unit_test(isolated_function_leaves_no_daemon),
	    cmocka_unit_test(nothing_is_left_of_many_runs),
	    cmocka_unit_test(a_host_that_buries_all_children_is_no_harm),
	    cmocka_unit_test(children_of_the_host_are_its_own),
	    cmocka_unit_test(signals_are_as_they_were),
	    cmocka_unit_test(a_host_with_threads_has_to_say_that_it_is_safe),
	    cmocka_unit_test(a_stopped_run_goes_on_with_what_is_open),
	    cmocka_unit_test(what_is_no_database_cannot_be_recovered),
	    cmocka_unit_test(
		another_list_in_the_database_does_not_stop_the_work),
	};

	return cmocka_run_group_tests(tests, go_to_own_directory, NULL);
}
