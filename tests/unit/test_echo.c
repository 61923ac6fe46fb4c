/* SPDX-License-Identifier: ISC */
/*
 * The null backend: its script, its chance, its misbehaviour. What crashes or
 * hangs does so in a process apart.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "chat/chat.h"
#include "chat/echo.h"
#include "chat/kinds.h"
#include "wire/spawn.h"

#include "apart.h"

static void
refused(const char *text, const char *because)
{
	struct echo_script script;
	struct err err = {0};

	assert_int_equal(echo_read_script(text, &script, &err), -1);
	assert_int_equal(err.class, ERR_USAGE);
	if (strstr(err.text, because) == NULL)
		fail_msg("\"%s\": \"%s\" does not say \"%s\"", text, err.text,
		    because);
}

static bool
nearly(double a, double b)
{
	return a - b < 1e-12 && b - a < 1e-12;
}

static void
script_without_words_is_all_defaults(void **state)
{
	struct echo_script script;
	const struct echo_script blank = {0};

	(void)state;
	memset(&script, 0xff, sizeof(script));
	assert_int_equal(echo_read_script(NULL, &script, NULL), 0);
	assert_memory_equal(&script, &blank, sizeof(blank));
	assert_int_equal(echo_read_script("", &script, NULL), 0);
	assert_memory_equal(&script, &blank, sizeof(blank));
}

static void
script_reads_every_key(void **state)
{
	struct echo_script script;

	(void)state;
	assert_int_equal(
	    echo_read_script("ms=50-200,fail=1%,refuse=2%,empty=3%,hang=0.5%,"
			     "crash=0.25%,exit=.125%,garbage=7.%,bytes=9,"
			     "tries=2,seed=12345678901",
		&script, NULL),
	    0);
	assert_int_equal(script.ms_least, 50);
	assert_int_equal(script.ms_most, 200);
	assert_true(nearly(script.share[ECHO_FAIL], 0.01));
	assert_true(nearly(script.share[ECHO_REFUSE], 0.02));
	assert_true(nearly(script.share[ECHO_EMPTY], 0.03));
	assert_true(nearly(script.share[ECHO_HANG], 0.005));
	assert_true(nearly(script.share[ECHO_CRASH], 0.0025));
	assert_true(nearly(script.share[ECHO_EXIT], 0.00125));
	assert_true(nearly(script.share[ECHO_GARBAGE], 0.07));
	assert_int_equal(script.bytes, 9);
	assert_int_equal(script.tries, 2);
	assert_int_equal(script.seed, 12345678901);
	assert_int_equal(echo_read_script("ms=5", &script, NULL), 0);
	assert_int_equal(script.ms_least, 5);
	assert_int_equal(script.ms_most, 5);
}

static void
script_refuses_what_it_does_not_mean(void **state)
{
	char longest[600];

	(void)state;
	refused("wait=5", "garbage, bytes, tries, seed");
	refused("ms", "no KEY=VALUE");
	refused("ms=5,", "no KEY=VALUE");
	refused("ms=", "milliseconds");
	refused("ms=-5", "milliseconds");
	refused("ms=5-", "milliseconds");
	refused("ms=9-5", "milliseconds");
	refused("ms=5s", "milliseconds");
	refused("ms= 5", "milliseconds");
	refused("ms=999999999999999999999", "milliseconds");
	refused("fail=5", "from 0% to 100%");
	refused("fail=%", "from 0% to 100%");
	refused("fail=.%", "from 0% to 100%");
	refused("fail=-1%", "from 0% to 100%");
	refused("fail=101%", "from 0% to 100%");
	refused("fail=1e1%", "from 0% to 100%");
	refused("fail=nan%", "from 0% to 100%");
	refused("fail=1%%", "from 0% to 100%");
	refused("fail=1.2.3%", "from 0% to 100%");
	refused("bytes=0", "from 1");
	refused("bytes=0x10", "from 1");
	refused("tries=4294967296", "to 4294967295");
	refused("seed=-1", "from 0");
	refused("fail=60%,hang=60%", "add up to 120%");
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	refused(longest, "at most");
}

static void
choice_meets_its_shares(void **state)
{
	struct echo_script script;
	unsigned count[ECHO_NONE + 1] = {0};

	(void)state;
	assert_int_equal(
	    echo_read_script("fail=10%,crash=20%", &script, NULL), 0);
	for (uint32_t i = 0; i < 100000; i++)
		count[echo_choose(&script, i, 1)]++;
	/* Four standard deviations: no luck, and no bias. */
	assert_in_range(count[ECHO_FAIL], 9620, 10380);
	assert_in_range(count[ECHO_CRASH], 19494, 20506);
	assert_int_equal(
	    count[ECHO_FAIL] + count[ECHO_CRASH] + count[ECHO_NONE], 100000);
}

static void
choice_depends_on_seed_prompt_and_attempt_alone(void **state)
{
	struct echo_script script;
	unsigned moved_by_seed = 0;
	unsigned moved_by_attempt = 0;

	(void)state;
	assert_int_equal(echo_read_script("fail=50%,seed=1", &script, NULL), 0);
	for (uint32_t i = 0; i < 1000; i++) {
		struct echo_script other = script;
		enum echo_fault fault = echo_choose(&script, i, 1);

		other.ms_most = 7;
		assert_int_equal(echo_choose(&other, i, 1), fault);
		other.seed = 2;
		moved_by_seed += echo_choose(&other, i, 1) != fault;
		moved_by_attempt += echo_choose(&script, i, 2) != fault;
	}
	assert_in_range(moved_by_seed, 400, 600);
	assert_in_range(moved_by_attempt, 400, 600);
}

static void
faults_of_all_or_no_attempts_are_certain(void **state)
{
	struct echo_script script;

	(void)state;
	assert_int_equal(
	    echo_read_script("crash=100%,tries=2", &script, NULL), 0);
	for (uint32_t i = 0; i < 1000; i++) {
		assert_int_equal(echo_choose(&script, i, 1), ECHO_CRASH);
		assert_int_equal(echo_choose(&script, i, 2), ECHO_CRASH);
		assert_int_equal(echo_choose(&script, i, 3), ECHO_NONE);
	}
	assert_int_equal(echo_read_script("crash=0%", &script, NULL), 0);
	for (uint32_t i = 0; i < 1000; i++)
		assert_int_equal(echo_choose(&script, i, 1), ECHO_NONE);
}

/* ---- calls ---- */

struct talk {
	const char *script;
	struct chat_request request;
	struct reply reply;
	char text[64]; /* of the answer, cut */
};

static struct talk
talk_of(const char *script)
{
	return (struct talk){
	    .script = script,
	    .request = {.attempt = 1,
		.allowed_ns = CLOCK_NEVER,
		.stop_fd = -1,
		.record.text = span_of("prompt")},
	};
}

static void
call(void *arg)
{
	struct talk *talk = arg;
	const struct chat_conf conf = {.script = talk->script};
	void *echo;

	reply_init(&talk->reply);
	NEED(chat_echo.check(&conf, NULL) == 0);
	echo = chat_echo.open(&conf, 0, &talk->reply);
	NEED(echo != NULL);
	talk->request.started_ns = clock_now_ns();
	chat_echo.call(echo, &talk->request, &talk->reply);
	if (talk->reply.text.data != NULL)
		snprintf(talk->text, sizeof(talk->text), "%.*s",
		    (int)talk->reply.text.size, talk->reply.text.data);
	chat_echo.close(echo);
}

static void
echo_answers_with_the_prompt(void **state)
{
	struct talk talk = talk_of(NULL);

	(void)state;
	call(&talk);
	assert_int_equal(talk.reply.outcome, OUTCOME_OK);
	assert_string_equal(talk.text, "prompt");
}

static void
echo_answers_with_so_many_bytes(void **state)
{
	struct talk talk = talk_of("bytes=28");

	(void)state;
	call(&talk);
	assert_int_equal(talk.reply.outcome, OUTCOME_OK);
	assert_string_equal(talk.text, "abcdefghijklmnopqrstuvwxyzab");
}

static void
echo_takes_its_time(void **state)
{
	struct talk talk = talk_of("ms=30-40");

	(void)state;
	call(&talk);
	assert_int_equal(talk.reply.outcome, OUTCOME_OK);
	assert_true(clock_now_ns() - talk.request.started_ns >= 30 * CLOCK_MS);
}

static void
echo_fails_refuses_and_falls_silent_by_script(void **state)
{
	struct talk talk = talk_of("fail=100%");

	(void)state;
	call(&talk);
	assert_int_equal(talk.reply.outcome, OUTCOME_SERVER_ERROR);
	assert_non_null(talk.reply.error.data);
	talk = talk_of("refuse=100%");
	call(&talk);
	assert_int_equal(talk.reply.outcome, OUTCOME_REFUSED);
	talk = talk_of("empty=100%");
	call(&talk);
	assert_int_equal(talk.reply.outcome, OUTCOME_OK);
	assert_int_equal(talk.reply.text.size, 0);
}

static void
echo_stops_when_told_to(void **state)
{
	struct talk talk = talk_of("ms=60000");
	int down_fd;

	(void)state;
	assert_int_equal(fd_pipe(&talk.request.stop_fd, &down_fd, NULL), 0);
	fd_close(&down_fd);
	call(&talk);
	assert_int_equal(talk.reply.outcome, OUTCOME_INTERRUPTED);
	fd_close(&talk.request.stop_fd);
}

static void
echo_honours_the_time_allowed(void **state)
{
	struct talk talk = talk_of("ms=60000");

	(void)state;
	talk.request.allowed_ns = 20 * CLOCK_MS;
	call(&talk);
	assert_int_equal(talk.reply.outcome, OUTCOME_TIMEOUT_TOTAL);
	assert_non_null(talk.reply.error.data);
}

static void
call_with_cores(void *arg)
{
	struct rlimit limit;

	NEED(getrlimit(RLIMIT_CORE, &limit) == 0);
	limit.rlim_cur = limit.rlim_max;
	NEED(setrlimit(RLIMIT_CORE, &limit) == 0);
	NEED(chdir("/tmp") == 0);
	call(arg);
}

static void
echo_crashes_by_script_without_a_core(void **state)
{
	struct talk talk = talk_of("crash=100%");
	int status = apart_run(call_with_cores, &talk);

	(void)state;
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSEGV);
	assert_false(WCOREDUMP(status));
}

static void
call_and_return(void *arg)
{
	call(arg);
	_exit(9);
}

static void
echo_exits_by_script(void **state)
{
	struct talk talk = talk_of("exit=100%");
	int status = apart_run(call_and_return, &talk);

	(void)state;
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* Start a call in a child whose up pipe is ours; it must have to be killed. */
static void
hang(void *arg)
{
	struct talk *talk = arg;
	const bool garbage = strstr(talk->script, "garbage") != NULL;
	unsigned char byte;
	int up[2];
	int status;
	pid_t pid;

	NEED(fd_pipe(&up[0], &up[1], NULL) == 0);
	pid = fork();
	if (pid == 0) {
		NEED(dup2(up[1], SPAWN_UP_FD) == SPAWN_UP_FD);
		call(talk);
		_exit(9);
	}
	fd_close(&up[1]);
	if (garbage) {
		NEED(read(up[0], &byte, 1) == 1);
		NEED(byte == 0xff);
	}
	/* A hang shows by all signals being blocked in the end. */
	for (;;) {
		char path[64];
		char line[128];
		bool deaf = false;
		FILE *file;

		snprintf(path, sizeof(path), "/proc/%d/status", pid);
		file = fopen(path, "re");
		NEED(file != NULL);
		while (fgets(line, sizeof(line), file) != NULL)
			if (strncmp(line, "SigBlk:\tfffffff", 15) == 0)
				deaf = true;
		fclose(file);
		if (deaf)
			break;
	}
	NEED(kill(pid, SIGTERM) == 0);
	NEED(kill(pid, SIGSEGV) == 0);
	NEED(waitpid(pid, &status, WNOHANG) == 0);
	NEED(kill(pid, SIGKILL) == 0);
	NEED(waitpid(pid, &status, 0) == pid);
	NEED(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	fd_close(&up[0]);
}

static void
echo_hangs_by_script_until_killed(void **state)
{
	struct talk talk = talk_of("hang=100%");

	(void)state;
	assert_int_equal(apart_run(hang, &talk), 0);
}

static void
echo_writes_garbage_by_script(void **state)
{
	struct talk talk = talk_of("garbage=100%");

	(void)state;
	assert_int_equal(apart_run(hang, &talk), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(script_without_words_is_all_defaults),
	    cmocka_unit_test(script_reads_every_key),
	    cmocka_unit_test(script_refuses_what_it_does_not_mean),
	    cmocka_unit_test(choice_meets_its_shares),
	    cmocka_unit_test(choice_depends_on_seed_prompt_and_attempt_alone),
	    cmocka_unit_test(faults_of_all_or_no_attempts_are_certain),
	    cmocka_unit_test(echo_answers_with_the_prompt),
	    cmocka_unit_test(echo_answers_with_so_many_bytes),
	    cmocka_unit_test(echo_takes_its_time),
	    cmocka_unit_test(echo_fails_refuses_and_falls_silent_by_script),
	    cmocka_unit_test(echo_stops_when_told_to),
	    cmocka_unit_test(echo_honours_the_time_allowed),
	    cmocka_unit_test(echo_crashes_by_script_without_a_core),
	    cmocka_unit_test(echo_exits_by_script),
	    cmocka_unit_test(echo_hangs_by_script_until_killed),
	    cmocka_unit_test(echo_writes_garbage_by_script),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
