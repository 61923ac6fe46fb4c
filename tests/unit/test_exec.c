/* SPDX-License-Identifier: ISC */
/*
 * The promises of backend exec, one by one. Every test is a process apart,
 * as a worker is.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "chat/chat.h"
#include "chat/kinds.h"

#include "apart.h"

#define BASH(script) ((const char *const[]){"bash", "-c", script, NULL})

/* A worker's place without a worker. */
struct desk {
	struct chat_conf conf;
	struct chat_request request;
	struct reply reply;
	void *exec;
	int down_fd;	   /* the coordinator's end of request.stop_fd */
	bool stops_itself; /* its stderr is that: whatever it says means STOP */
};

static void
desk_open(struct desk *desk, const char *const *command)
{
	memset(desk, 0, sizeof(*desk));
	desk->conf.command = command;
	desk->conf.answer_cap_bytes = 100000;
	desk->conf.grace_ns = 10 * CLOCK_S;
	desk->request.index = 811;
	desk->request.id = 812;
	desk->request.attempt = 2;
	desk->request.worker = 3;
	desk->request.allowed_ns = 20 * CLOCK_S;
	desk->request.record.text = span_of("the prompt");
	NEED(fd_pipe(&desk->request.stop_fd, &desk->down_fd, NULL) == 0);
	NEED(chat_exec.check(&desk->conf, NULL) == 0);
	desk->exec = chat_exec.open(&desk->conf, 3, &desk->reply);
	NEED(desk->exec != NULL);
}

static void
desk_close(struct desk *desk)
{
	chat_exec.close(desk->exec);
	fd_close(&desk->request.stop_fd);
	fd_close(&desk->down_fd);
}

/* One call; what the command says on stderr is not for who reads the tests. */
static void
desk_call(struct desk *desk)
{
	int null_fd = open("/dev/null", O_WRONLY);
	int screen_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);

	NEED(dup2(desk->stops_itself ? desk->down_fd : null_fd,
		 STDERR_FILENO) != -1);
	desk->request.started_ns = clock_now_ns();
	reply_init(&desk->reply);
	chat_exec.call(desk->exec, &desk->request, &desk->reply);
	NEED(dup2(screen_fd, STDERR_FILENO) != -1);
	fd_close(&null_fd);
	fd_close(&screen_fd);
	NEED(apart_is_childless());
}

static bool
is(struct span span, const char *text)
{
	if (span_equals(span, span_of(text)))
		return true;
	dprintf(STDERR_FILENO, "got \"%.*s\"\nnot \"%s\"\n", (int)span.size,
	    span.data, text);
	return false;
}

static void
need_answer(struct desk *desk, const char *text)
{
	desk_call(desk);
	if (desk->reply.outcome != OUTCOME_OK)
		is(desk->reply.error, "(none)");
	NEED(desk->reply.outcome == OUTCOME_OK);
	NEED(is(desk->reply.text, text));
	NEED(desk->reply.error.data == NULL);
}

static void
need_failure(struct desk *desk, enum outcome outcome, const char *error)
{
	desk_call(desk);
	NEED(is(desk->reply.error, error));
	NEED(desk->reply.outcome == outcome);
	NEED(desk->reply.text.data == NULL);
}

/* A test of one command, in a process apart; body sees desk. */
#define EXEC_TEST(name, command_line, body)                                    \
	static void name##_apart(void *arg)                                    \
	{                                                                      \
		struct desk here;                                              \
		struct desk *desk = &here;                                     \
                                                                               \
		(void)arg;                                                     \
		desk_open(desk, command_line);                                 \
		body;                                                          \
		desk_close(desk);                                              \
	}                                                                      \
	static void name(void **state)                                         \
	{                                                                      \
		(void)state;                                                   \
		assert_int_equal(apart_run(name##_apart, NULL), 0);            \
	}

/* ---- in ---- */

EXEC_TEST(exec_gives_prompt_and_newline_on_stdin, BASH("od -An -c"),
    need_answer(desk, "   t   h   e       p   r   o   m   p   t  \\n"))

EXEC_TEST(exec_puts_the_prompt_in_place_of_braces,
    ((const char *const[]){
	"bash", "-c", "echo \"$0|$1|$2\"; cat", "{}", "a{}b", "{}", NULL}),
    need_answer(desk, "the prompt|a{}b|the prompt"))

EXEC_TEST(exec_needs_no_shell_for_odd_prompts,
    ((const char *const[]){"printf", "%s", "{}", NULL}), {
	    desk->request.record.text = span_of("$(id) `id` ; 'x' \"*\"");
	    need_answer(desk, "$(id) `id` ; 'x' \"*\"");
    })

EXEC_TEST(exec_says_which_prompt_attempt_and_worker,
    BASH("echo $LLMILL_PROMPT_ID $LLMILL_ATTEMPT $LLMILL_WORKER"), {
	    need_answer(desk, "812 2 3");
	    desk->request.id = UINT32_MAX;
	    need_answer(desk, "4294967295 2 3");
    })

static void
refuse_long_argument(struct desk *desk)
{
	char *text = malloc(131072);

	memset(text, 'x', 131072);
	desk->request.record.text = (struct span){text, 131072};
	need_failure(desk, OUTCOME_BAD_REQUEST,
	    "a prompt of 131,072 bytes or more cannot be an argument: use "
	    "stdin (leave out {})");
	desk->request.record.text.size--;
	need_answer(desk, "131071");
	free(text);
}
EXEC_TEST(exec_refuses_a_prompt_too_long_for_an_argument,
    ((const char *const[]){"bash", "-c", "echo ${#0}", "{}", NULL}),
    refuse_long_argument(desk))

static void
refuse_messages(struct desk *desk)
{
	desk->request.record.body =
	    span_of("{\"messages\":[{\"role\":\"system\",\"content\":\"s\"},"
		    "{\"role\":\"user\",\"content\":\"the prompt\"}]}");
	need_failure(desk, OUTCOME_BAD_REQUEST,
	    "records with several messages need the http backend");
	desk->request.record.body =
	    span_of("{\"messages\":[{\"role\":\"user\",\"content\":[{}]}]}");
	need_failure(desk, OUTCOME_BAD_REQUEST,
	    "records with several messages need the http backend");
	desk->request.record.body = span_of("{\"messages\":[{\"role\":"
					    "\"user\",\"content\":\"x\"}]}");
	need_answer(desk, "the prompt");
	desk->request.record.body = span_of("{\"model\":\"m\"}");
	need_answer(desk, "the prompt");
}
EXEC_TEST(exec_takes_messages_only_when_they_are_one_text, BASH("cat"),
    refuse_messages(desk))

static void
need_terminated(struct desk *desk, const char *end, bool terminated)
{
	desk->request.record.text = span_of(end);
	desk_call(desk);
	if (desk->reply.terminated != terminated)
		dprintf(STDERR_FILENO, "%s\n", end);
	NEED(desk->reply.terminated == terminated);
}
EXEC_TEST(exec_says_who_ended_like_one_hit_by_a_term, BASH("eval \"$(cat)\""), {
	need_terminated(desk, "kill -TERM $$", true);
	need_terminated(desk, "kill -INT $$", true);
	need_terminated(desk, "kill -HUP $$", true);
	need_terminated(desk, "exit 143", true);
	need_terminated(desk, "exit 130", true);
	need_terminated(desk, "exit 129", true);
	need_terminated(desk, "kill -KILL $$", false);
	need_terminated(desk, "exit 137", false);
	need_terminated(desk, "exit 15", false);
	need_terminated(desk, "echo fine", false);
})

/* ---- out ---- */

EXEC_TEST(exec_drops_one_newline_and_no_more, BASH("printf ' a\\n\\n\\n'"),
    need_answer(desk, " a\n\n"))

EXEC_TEST(exec_keeps_every_byte, BASH("printf 'a\\0b\\377'"), {
	desk_call(desk);
	NEED(desk->reply.outcome == OUTCOME_OK);
	NEED(desk->reply.text.size == 4);
	NEED(memcmp(desk->reply.text.data, "a\0b\377", 4) == 0);
})

EXEC_TEST(
    exec_gives_an_empty_answer_as_such, BASH("echo"), need_answer(desk, ""))

EXEC_TEST(exec_forgets_the_call_before,
    BASH("if [ $LLMILL_ATTEMPT = 2 ]; then echo long answer; echo words >&2; "
	 "else exit 3; fi"),
    {
	    need_answer(desk, "long answer");
	    desk->request.attempt = 3;
	    need_failure(desk, OUTCOME_EXIT_STATUS, "exit status 3");
    })

static void
answer_at_cap(struct desk *desk)
{
	desk_call(desk);
	NEED(desk->reply.outcome == OUTCOME_OK);
	NEED(desk->reply.text.size == desk->conf.answer_cap_bytes);
}
EXEC_TEST(exec_takes_an_answer_of_just_the_cap,
    BASH("head -c 100000 /dev/zero; echo"), answer_at_cap(desk))

static void
answer_over_cap(struct desk *desk)
{
	desk_call(desk);
	NEED(desk->reply.outcome == OUTCOME_TOO_LONG);
	NEED(desk->reply.text.size > 65536);
}
EXEC_TEST(exec_ends_an_answer_over_the_cap,
    BASH("trap '' TERM PIPE; cat /dev/zero"), answer_over_cap(desk))

/* ---- ways to fail ---- */

EXEC_TEST(exec_gives_status_and_last_words_as_the_reason,
    BASH("echo partial; printf 'bad  \\n thing\\033[1m\\n' >&2; exit 3"),
    need_failure(desk, OUTCOME_EXIT_STATUS, "exit status 3: bad thing\\x1B[1m"))

EXEC_TEST(exec_takes_75_for_try_again_later, BASH("exit 75"),
    need_failure(
	desk, OUTCOME_RATE_LIMITED, "exit status 75 (try again later)"))

EXEC_TEST(exec_blames_the_command_for_127, BASH("echo no such >&2; exit 127"),
    need_failure(desk, OUTCOME_NO_COMMAND, "exit status 127: no such"))

EXEC_TEST(exec_blames_the_command_for_126, BASH("exit 126"),
    need_failure(desk, OUTCOME_NO_COMMAND, "exit status 126"))

EXEC_TEST(exec_calls_a_signal_a_crash, BASH("kill -USR1 $$"),
    need_failure(desk, OUTCOME_CRASH,
	"command crashed: signal 10 (User defined signal 1)"))

EXEC_TEST(exec_says_which_command_cannot_run_and_why,
    ((const char *const[]){"/etc/passwd", NULL}),
    need_failure(
	desk, OUTCOME_NO_COMMAND, "cannot run /etc/passwd: Permission denied"))

EXEC_TEST(exec_says_when_there_is_no_such_command,
    ((const char *const[]){"no-such-command", NULL}),
    need_failure(desk, OUTCOME_NO_COMMAND,
	"cannot run no-such-command: No such file or directory"))

static void
keep_1024(struct desk *desk)
{
	desk_call(desk);
	NEED(desk->reply.outcome == OUTCOME_EXIT_STATUS);
	/* The last 1,024 bytes begin inside a character of two. */
	NEED(desk->reply.error.size == strlen("exit status 1: ") + 1023);
	NEED(memcmp(desk->reply.error.data, "exit status 1: \u00e9", 17) == 0);
}
EXEC_TEST(exec_cuts_last_words_at_a_character,
    BASH("for i in {1..600}; do printf \u00e9; done >&2; printf . >&2; exit 1"),
    keep_1024(desk))

static void
run_out_of_time(struct desk *desk)
{
	desk->request.allowed_ns = 250 * CLOCK_MS;
	need_failure(desk, OUTCOME_TIMEOUT_TOTAL, "no answer within 0.25 s");
}
EXEC_TEST(
    exec_ends_a_command_that_is_late, BASH("sleep 60"), run_out_of_time(desk))

EXEC_TEST(exec_counts_success_after_the_timeout_as_late,
    BASH("exec 2>/dev/null; trap 'echo half; exit 0' TERM; while :; do sleep "
	 "0.01; done"),
    run_out_of_time(desk))

/* ---- giving up ---- */

static void
give_up(struct desk *desk)
{
	NEED(write(desk->down_fd, "stop", 4) == 4);
	need_failure(desk, OUTCOME_INTERRUPTED, "interrupted");
}
EXEC_TEST(exec_gives_up_when_told_to, BASH("sleep 60"), give_up(desk))

/* Tell it to stop as soon as there is output. */
static void
stop_at_beat(void *arg, uint64_t bytes)
{
	struct desk *desk = arg;

	(void)bytes;
	fd_close(&desk->down_fd);
}

static void
finish_in_grace(struct desk *desk)
{
	desk->request.beat = stop_at_beat;
	desk->request.beat_arg = desk;
	need_failure(desk, OUTCOME_INTERRUPTED, "interrupted");
}
EXEC_TEST(exec_success_after_the_word_to_stop_proves_nothing,
    BASH("trap 'go=1' TERM; echo begun; until [ \"$go\" ]; do sleep 0.01; "
	 "done; echo done"),
    finish_in_grace(desk))

static void
succeed_silently(struct desk *desk)
{
	desk->stops_itself = true;
	need_failure(desk, OUTCOME_INTERRUPTED, "interrupted");
}
EXEC_TEST(exec_given_up_without_output_is_no_empty_answer,
    BASH("trap 'exit 0' TERM; echo stop >&2; while :; do sleep 0.01; done"),
    succeed_silently(desk))

/* ---- settings ---- */

static void
check_wants_a_command_that_is_no_prompt(void **state)
{
	struct chat_conf conf = {0};
	struct err err;

	(void)state;
	assert_int_equal(chat_exec.check(&conf, &err), -1);
	assert_int_equal(err.class, ERR_USAGE);
	conf.command = (const char *const[]){NULL};
	assert_int_equal(chat_exec.check(&conf, &err), -1);
	conf.command = (const char *const[]){"{}", "x", NULL};
	assert_int_equal(chat_exec.check(&conf, &err), -1);
	conf.command = (const char *const[]){"x", "{}", NULL};
	assert_int_equal(chat_exec.check(&conf, &err), 0);
	assert_true(chat_exec.owns_processes);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(exec_gives_prompt_and_newline_on_stdin),
	    cmocka_unit_test(exec_puts_the_prompt_in_place_of_braces),
	    cmocka_unit_test(exec_needs_no_shell_for_odd_prompts),
	    cmocka_unit_test(exec_says_which_prompt_attempt_and_worker),
	    cmocka_unit_test(exec_refuses_a_prompt_too_long_for_an_argument),
	    cmocka_unit_test(exec_takes_messages_only_when_they_are_one_text),
	    cmocka_unit_test(exec_says_who_ended_like_one_hit_by_a_term),
	    cmocka_unit_test(exec_drops_one_newline_and_no_more),
	    cmocka_unit_test(exec_keeps_every_byte),
	    cmocka_unit_test(exec_gives_an_empty_answer_as_such),
	    cmocka_unit_test(exec_forgets_the_call_before),
	    cmocka_unit_test(exec_takes_an_answer_of_just_the_cap),
	    cmocka_unit_test(exec_ends_an_answer_over_the_cap),
	    cmocka_unit_test(exec_gives_status_and_last_words_as_the_reason),
	    cmocka_unit_test(exec_takes_75_for_try_again_later),
	    cmocka_unit_test(exec_blames_the_command_for_127),
	    cmocka_unit_test(exec_blames_the_command_for_126),
	    cmocka_unit_test(exec_calls_a_signal_a_crash),
	    cmocka_unit_test(exec_says_which_command_cannot_run_and_why),
	    cmocka_unit_test(exec_says_when_there_is_no_such_command),
	    cmocka_unit_test(exec_cuts_last_words_at_a_character),
	    cmocka_unit_test(exec_ends_a_command_that_is_late),
	    cmocka_unit_test(exec_counts_success_after_the_timeout_as_late),
	    cmocka_unit_test(exec_gives_up_when_told_to),
	    cmocka_unit_test(
		exec_success_after_the_word_to_stop_proves_nothing),
	    cmocka_unit_test(exec_given_up_without_output_is_no_empty_answer),
	    cmocka_unit_test(check_wants_a_command_that_is_no_prompt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
