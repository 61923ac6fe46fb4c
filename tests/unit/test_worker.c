/* SPDX-License-Identifier: ISC */
/*
 * A worker's life, seen through its pipes. The coordinator of each test is a
 * process apart, with a real nursery.
 */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bsd/unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "chat/chat.h"
#include "chat/kinds.h"
#include "chat/worker.h"
#include "wire/msg.h"
#include "wire/reap.h"
#include "wire/spawn.h"

#include "apart.h"

#define SLOT 5
#define TICKET UINT64_C(0x0000000100000007)
#define CAP_BYTES ((size_t)100000)

/* A coordinator with one worker. */
struct office {
	struct chat_conf conf;
	struct nursery *nursery;
	struct birth birth;
	int down_fd;
	int up_fd;
	int stderr_fd;
	struct buf in;
	size_t taken; /* of in, by the last frame */
};

static struct prompts *
make_prompts(void)
{
	struct prompts *prompts = prompts_new(NULL);
	struct record record = {.text = span_of("first")};

	NEED(prompts != NULL);
	NEED(prompts_add(prompts, &record, NULL) == 0);
	record.text = span_of("second");
	NEED(prompts_add(prompts, &record, NULL) == 0);
	NEED(prompts_seal(prompts, NULL) == 0);
	return prompts;
}

static void
office_open(struct office *office, const struct chat *kind, const char *script,
    const char *const *command)
{
	struct heritage heritage = {.live = worker_live,
	    .prepare = worker_prepare,
	    .arg = &office->conf,
	    .reaps = kind->owns_processes,
	    .titled = true};
	struct pollfd ready = {.events = POLLIN};
	struct err err;
	int down_fd;
	int up_fd;
	int stderr_fd;

	memset(office, 0, sizeof(*office));
	office->conf.kind = kind;
	office->conf.prompts = make_prompts();
	office->conf.answer_cap_bytes = CAP_BYTES;
	office->conf.grace_ns = 10 * CLOCK_S;
	office->conf.script = script;
	office->conf.command = command;
	buf_init(&office->in, FRAME_CAP_BYTES);
	office->nursery = nursery_open(&heritage, &err);
	NEED(office->nursery != NULL);
	NEED(fd_pipe(&down_fd, &office->down_fd, NULL) == 0);
	NEED(fd_pipe(&office->up_fd, &up_fd, NULL) == 0);
	NEED(fd_pipe(&office->stderr_fd, &stderr_fd, NULL) == 0);
	NEED(nursery_ask(office->nursery, SLOT, 1, down_fd, up_fd, stderr_fd) ==
	     0);
	fd_close(&down_fd);
	fd_close(&up_fd);
	fd_close(&stderr_fd);
	ready.fd = nursery_fd(office->nursery);
	NEED(poll(&ready, 1, -1) == 1);
	NEED(nursery_next(office->nursery, &office->birth) == 1);
}

/* Wait for its death. Nothing more may have come from it. */
static void
office_close(struct office *office, int status)
{
	struct pollfd process = {.fd = office->birth.pid_fd, .events = POLLIN};
	struct death death;

	buf_drop(&office->in, office->taken);
	while (fd_read(office->up_fd, &office->in, 4096) > 0)
		continue;
	NEED(office->in.size == 0);
	NEED(poll(&process, 1, -1) == 1);
	NEED(reap_look(office->birth.pid_fd, &death) == REAP_DEAD);
	NEED(!death.signalled);
	NEED(death.number == status);
	reap_bury(office->birth.pid_fd);
	fd_close(&office->birth.pid_fd);
	nursery_close(office->nursery);
	NEED(apart_is_childless());
	fd_close(&office->down_fd);
	fd_close(&office->up_fd);
	fd_close(&office->stderr_fd);
	prompts_free((struct prompts *)office->conf.prompts);
	buf_free(&office->in);
}

/* The next frame from the worker; it lives until the next call. */
static struct frame
hear(struct office *office)
{
	struct frame frame;

	buf_drop(&office->in, office->taken);
	office->taken = 0;
	while (frame_cut(buf_span(&office->in), FRAME_CAP_BYTES, &frame,
		   &office->taken) == FRAME_MORE)
		NEED(fd_read(office->up_fd, &office->in, 4096) > 0);
	NEED(office->taken > 0);
	return frame;
}

static struct msg_hello
hear_hello(struct office *office)
{
	struct frame frame = hear(office);
	struct msg_hello hello;

	NEED(msg_get_hello(&frame, &hello));
	return hello;
}

static struct reply
hear_done(struct office *office)
{
	struct frame frame = hear(office);
	struct msg_done done;

	NEED(msg_get_done(&frame, &done));
	NEED(done.ticket == TICKET);
	NEED(done.reply.duration_ms >= 0);
	return done.reply;
}

static void
send_down(struct office *office, struct buf *out)
{
	NEED(!out->failed);
	NEED(fd_write_all(office->down_fd, out->data, out->size) == 0);
	buf_free(out);
}

static void
send_job(struct office *office, uint32_t index, int64_t allowed_ms,
    uint32_t endpoint)
{
	const struct msg_job job = {.ticket = TICKET,
	    .index = index,
	    .attempt = 2,
	    .allowed_ms = allowed_ms,
	    .endpoint = endpoint};
	struct buf out;

	buf_init(&out, MSG_JOB_MAX_BYTES);
	msg_put_job(&out, &job);
	send_down(office, &out);
}

static void
send_stop(struct office *office)
{
	struct buf out;

	buf_init(&out, MSG_JOB_MAX_BYTES);
	msg_put_stop(&out);
	send_down(office, &out);
}

static bool
is(struct span span, const char *text)
{
	return span_equals(span, span_of(text));
}

#define WORKER_TEST(name, body)                                                \
	static void name##_apart(void *arg)                                    \
	{                                                                      \
		struct office office;                                          \
                                                                               \
		(void)arg;                                                     \
		body(&office);                                                 \
	}                                                                      \
	static void name(void **state)                                         \
	{                                                                      \
		(void)state;                                                   \
		assert_int_equal(apart_run(name##_apart, NULL), 0);            \
	}

/* ---- orders ---- */

static void
two_jobs(struct office *office)
{
	office_open(office, &chat_echo, NULL, NULL);
	NEED(hear_hello(office).outcome == OUTCOME_OK);
	for (uint32_t index = 0; index < 2; index++) {
		struct reply reply;

		send_job(office, index, 10000, 0);
		reply = hear_done(office);
		NEED(reply.outcome == OUTCOME_OK);
		NEED(is(reply.text, index == 0 ? "first" : "second"));
	}
	send_stop(office);
	office_close(office, 0);
}
WORKER_TEST(worker_serves_one_job_after_another_until_stop, two_jobs)

static void
pipe_end(struct office *office)
{
	office_open(office, &chat_echo, NULL, NULL);
	hear_hello(office);
	fd_close(&office->down_fd);
	office_close(office, 0);
}
WORKER_TEST(worker_leaves_at_the_end_of_its_pipe, pipe_end)

static void
split_frame(struct office *office)
{
	const struct msg_job job = {
	    .ticket = TICKET, .attempt = 1, .allowed_ms = 10000};
	struct buf out;

	office_open(office, &chat_echo, NULL, NULL);
	hear_hello(office);
	buf_init(&out, MSG_JOB_MAX_BYTES);
	msg_put_job(&out, &job);
	msg_put_stop(&out);
	for (size_t i = 0; i < out.size; i++)
		NEED(fd_write_all(office->down_fd, out.data + i, 1) == 0);
	buf_free(&out);
	NEED(is(hear_done(office).text, "first"));
	office_close(office, 0);
}
WORKER_TEST(worker_takes_frames_in_any_pieces, split_frame)

static void
rubbish(struct office *office)
{
	char bytes[16];

	memset(bytes, 0xff, sizeof(bytes));
	office_open(office, &chat_echo, NULL, NULL);
	hear_hello(office);
	NEED(fd_write_all(office->down_fd, bytes, sizeof(bytes)) == 0);
	office_close(office, 1);
}
WORKER_TEST(worker_leaves_with_1_at_garbage, rubbish)

static void
strange_prompt(struct office *office)
{
	office_open(office, &chat_echo, NULL, NULL);
	hear_hello(office);
	send_job(office, 2, 10000, 0);
	office_close(office, 1);
}
WORKER_TEST(worker_takes_a_prompt_that_is_not_there_for_garbage, strange_prompt)

static void
strange_endpoint(struct office *office)
{
	office_open(office, &chat_echo, NULL, NULL);
	hear_hello(office);
	send_job(office, 0, 10000, 1);
	office_close(office, 1);
}
WORKER_TEST(
    worker_takes_an_endpoint_that_is_not_there_for_garbage, strange_endpoint)

static void
stop_in_call(struct office *office)
{
	office_open(office, &chat_echo, "ms=60000", NULL);
	hear_hello(office);
	/* Both are there before the worker looks: it must not read ahead. */
	NEED(reap_signal(office->birth.pid_fd, SIGSTOP) == 0);
	send_job(office, 0, 100000, 0);
	send_stop(office);
	NEED(reap_signal(office->birth.pid_fd, SIGCONT) == 0);
	NEED(hear_done(office).outcome == OUTCOME_INTERRUPTED);
	office_close(office, 0);
}
WORKER_TEST(worker_told_to_stop_reports_the_call_and_leaves, stop_in_call)

static void
end_in_call(struct office *office)
{
	office_open(office, &chat_echo, "ms=60000", NULL);
	hear_hello(office);
	send_job(office, 0, 100000, 0);
	fd_close(&office->down_fd);
	NEED(hear_done(office).outcome == OUTCOME_INTERRUPTED);
	office_close(office, 0);
}
WORKER_TEST(worker_without_coordinator_gives_up_its_call, end_in_call)

static void
late_call(struct office *office)
{
	office_open(office, &chat_echo, "ms=60000", NULL);
	hear_hello(office);
	send_job(office, 0, 30, 0);
	NEED(hear_done(office).outcome == OUTCOME_TIMEOUT_TOTAL);
	send_stop(office);
	office_close(office, 0);
}
WORKER_TEST(worker_holds_its_call_to_the_time_allowed, late_call)

/* ---- what people see ---- */

static bool
is_titled(pid_t pid, const char *want)
{
	char path[64];
	char title[128] = "";
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	NEED(fd != -1);
	got = read(fd, title, sizeof(title) - 1);
	NEED(got > 0);
	fd_close(&fd);
	return strcmp(title, want) == 0;
}

static void
titles(struct office *office)
{
	office_open(
	    office, &chat_exec, NULL, (const char *const[]){"cat", NULL});
	NEED(hear_hello(office).outcome == OUTCOME_OK);
	NEED(is_titled(nursery_pid(office->nursery), "llmill: nursery"));
	NEED(is_titled(office->birth.pid, "llmill: worker 5: idle"));
	send_job(office, 1, 10000, 0);
	hear_done(office);
	NEED(is_titled(office->birth.pid, "llmill: worker 5: idle"));
	send_stop(office);
	office_close(office, 0);
}
WORKER_TEST(worker_shows_that_it_is_idle, titles)

static void
busy_title(struct office *office)
{
	char byte;

	office_open(office, &chat_exec, NULL,
	    (const char *const[]){
		"sh", "-c", "echo ready >&2; sleep 60", NULL});
	hear_hello(office);
	send_job(office, 1, 10000, 0);
	NEED(read(office->stderr_fd, &byte, 1) == 1);
	NEED(is_titled(
	    office->birth.pid, "llmill: worker 5: prompt 2, attempt 2"));
	send_stop(office);
	NEED(hear_done(office).outcome == OUTCOME_INTERRUPTED);
	office_close(office, 0);
}
WORKER_TEST(worker_shows_its_prompt_and_attempt, busy_title)

/* ---- backends that exist only here ---- */

static void *
cannot_open(const struct chat_conf *conf, uint32_t worker, struct reply *reply)
{
	(void)conf;
	(void)worker;
	reply->outcome = OUTCOME_TLS;
	reply->error = span_of("no such CA file");
	return NULL;
}

static void *
open_nothing(const struct chat_conf *conf, uint32_t worker, struct reply *reply)
{
	(void)reply;
	return worker == SLOT ? (void *)conf : NULL;
}

static void
close_nothing(void *self)
{
	(void)self;
}

static void
cannot_begin(struct office *office)
{
	const struct chat kind = {.open = cannot_open};
	struct msg_hello hello;

	office_open(office, &kind, NULL, NULL);
	hello = hear_hello(office);
	NEED(hello.outcome == OUTCOME_TLS);
	NEED(is(hello.text, "no such CA file"));
	office_close(office, 1);
}
WORKER_TEST(worker_that_cannot_begin_says_why, cannot_begin)

static int64_t test_now_ns;

static int64_t
tell_test_time(void)
{
	return test_now_ns;
}

/* 10 bytes every 0.4 s, for 4 s. */
static void
drip(void *self, const struct chat_request *request, struct reply *reply)
{
	(void)self;
	test_now_ns = request->started_ns;
	clock_set_test(tell_test_time);
	for (uint64_t i = 1; i <= 10; i++) {
		test_now_ns += 400 * CLOCK_MS;
		request->beat(request->beat_arg, i * 10);
	}
	reply->text = span_of("dripped");
}

static void
beats(struct office *office)
{
	const struct chat kind = {
	    .open = open_nothing, .call = drip, .close = close_nothing};
	/* At 1.2, 2.4 and 3.6 s. */
	const uint64_t want[] = {30, 60, 90};

	office_open(office, &kind, NULL, NULL);
	hear_hello(office);
	send_job(office, 0, 10000, 0);
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		struct frame frame = hear(office);
		struct msg_beat beat;

		NEED(msg_get_beat(&frame, &beat));
		NEED(beat.ticket == TICKET);
		NEED(beat.bytes == want[i]);
	}
	NEED(hear_done(office).duration_ms == 4000);
	send_stop(office);
	office_close(office, 0);
}
WORKER_TEST(worker_beats_once_a_second, beats)

/* More than a pipe holds, more than a frame holds. */
static void
answer_much(void *self, const struct chat_request *request, struct reply *reply)
{
	const struct chat_conf *conf = self;
	const size_t size =
	    request->index == 0 ? conf->answer_cap_bytes : FRAME_CAP_BYTES;
	char *data = calloc(1, size);

	NEED(data != NULL);
	reply->text = (struct span){data, conf->answer_cap_bytes};
	reply->raw = (struct span){data, size};
}

static void
big_answers(struct office *office)
{
	const struct chat kind = {
	    .open = open_nothing, .call = answer_much, .close = close_nothing};
	struct reply reply;

	office_open(office, &kind, NULL, NULL);
	hear_hello(office);
	send_job(office, 0, 10000, 0);
	reply = hear_done(office);
	NEED(reply.outcome == OUTCOME_OK && reply.text.size == CAP_BYTES);
	send_job(office, 1, 10000, 0);
	reply = hear_done(office);
	NEED(reply.outcome == OUTCOME_OUT_OF_MEMORY);
	NEED(is(reply.error, "no memory for the answer"));
	send_stop(office);
	office_close(office, 0);
}
WORKER_TEST(worker_sends_what_fits_and_says_what_does_not, big_answers)

/* ---- what holds for all backends ---- */

static struct reply
settle(enum outcome outcome, struct span text, size_t cap, bool allow_empty)
{
	const struct chat_conf conf = {
	    .answer_cap_bytes = cap, .allow_empty = allow_empty};
	struct reply reply;

	reply_init(&reply);
	reply.outcome = outcome;
	reply.text = text;
	worker_settle(&conf, &reply);
	return reply;
}

static void
settle_leaves_a_plain_answer_alone(void **state)
{
	struct reply reply = settle(OUTCOME_OK, span_of("four"), 4, false);

	(void)state;
	assert_int_equal(reply.outcome, OUTCOME_OK);
	assert_true(is(reply.text, "four"));
	assert_null(reply.error.data);
}

static void
settle_makes_an_empty_answer_a_failure(void **state)
{
	struct reply reply = settle(OUTCOME_OK, span_of(""), 4, false);

	(void)state;
	assert_int_equal(reply.outcome, OUTCOME_EMPTY);
	assert_null(reply.text.data);
	assert_non_null(reply.error.data);
	reply = settle(OUTCOME_OK, span_of(NULL), 4, false);
	assert_int_equal(reply.outcome, OUTCOME_EMPTY);
}

static void
settle_allows_an_empty_answer_when_told(void **state)
{
	struct reply reply = settle(OUTCOME_OK, span_of(NULL), 4, true);

	(void)state;
	assert_int_equal(reply.outcome, OUTCOME_OK);
	assert_non_null(reply.text.data);
	assert_int_equal(reply.text.size, 0);
	assert_null(reply.error.data);
}

static void
settle_cuts_an_answer_too_long_at_a_character(void **state)
{
	char text[WORKER_CUT_BYTES + 10];
	struct reply reply;

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text + WORKER_CUT_BYTES - 2, "\u20ac", 3);
	reply = settle(OUTCOME_OK, (struct span){text, sizeof(text)},
	    sizeof(text) - 1, false);
	assert_int_equal(reply.outcome, OUTCOME_TOO_LONG);
	assert_int_equal(reply.text.size, WORKER_CUT_BYTES - 2);
	assert_non_null(reply.error.data);
	text[WORKER_CUT_BYTES] = 'x';
	reply = settle(OUTCOME_TOO_LONG, (struct span){text, sizeof(text)},
	    sizeof(text), false);
	assert_int_equal(reply.outcome, OUTCOME_TOO_LONG);
	assert_int_equal(reply.text.size, WORKER_CUT_BYTES);
	reply = settle(OUTCOME_LENGTH, span_of("12345"), 4, false);
	assert_int_equal(reply.outcome, OUTCOME_TOO_LONG);
	assert_true(is(reply.text, "12345"));
}

static void
settle_keeps_a_backends_own_reason(void **state)
{
	const struct chat_conf conf = {.answer_cap_bytes = 4};
	struct reply reply;

	(void)state;
	reply_init(&reply);
	reply.outcome = OUTCOME_TOO_LONG;
	reply.error = span_of("context is 8192 tokens");
	worker_settle(&conf, &reply);
	assert_true(is(reply.error, "context is 8192 tokens"));
	assert_null(reply.text.data);
}

static void
settle_lets_no_failure_carry_an_answer(void **state)
{
	struct reply reply =
	    settle(OUTCOME_SERVER_ERROR, span_of("part"), 4, false);

	(void)state;
	assert_int_equal(reply.outcome, OUTCOME_SERVER_ERROR);
	assert_null(reply.text.data);
}

/* ---- nobody outlives the coordinator ---- */

/* The command and a grandchild in a session of its own, both deaf. */
#define STUBBORN                                                               \
	"trap '' TERM HUP INT; "                                               \
	"setsid sh -c \"trap '' TERM HUP; (sleep 61 &) ; sleep 62\" & "        \
	"(setsid sleep 63 &) ; echo ready >&2; while :; do sleep 60; done"

static _Noreturn void
be_coordinator(int ready_fd)
{
	struct office office;
	char byte;

	office_open(&office, &chat_exec, NULL,
	    (const char *const[]){"sh", "-c", STUBBORN, NULL});
	hear_hello(&office);
	send_job(&office, 0, 100000, 0);
	NEED(read(office.stderr_fd, &byte, 1) == 1);
	NEED(write(ready_fd, "", 1) == 1);
	for (;;)
		pause();
}

static void
killed_coordinator(void *arg)
{
	int64_t killed_ns;
	int ready[2];
	char byte;
	pid_t pid;

	(void)arg;
	NEED(fd_pipe(&ready[0], &ready[1], NULL) == 0);
	pid = fork();
	if (pid == 0)
		be_coordinator(ready[1]);
	fd_close(&ready[1]);
	NEED(read(ready[0], &byte, 1) == 1);
	NEED(!apart_is_childless());
	killed_ns = clock_now_ns();
	NEED(kill(pid, SIGKILL) == 0);
	/* Whoever is left behind becomes our child: wait for them all. */
	while (waitpid(-1, NULL, 0) > 1)
		continue;
	NEED(errno == ECHILD);
	NEED(clock_now_ns() - killed_ns < CLOCK_S);
	fd_close(&ready[0]);
}

static void
nothing_of_a_command_outlives_the_coordinator_for_a_second(void **state)
{
	(void)state;
	assert_int_equal(apart_run(killed_coordinator, NULL), 0);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(worker_serves_one_job_after_another_until_stop),
	    cmocka_unit_test(worker_leaves_at_the_end_of_its_pipe),
	    cmocka_unit_test(worker_takes_frames_in_any_pieces),
	    cmocka_unit_test(worker_leaves_with_1_at_garbage),
	    cmocka_unit_test(
		worker_takes_a_prompt_that_is_not_there_for_garbage),
	    cmocka_unit_test(
		worker_takes_an_endpoint_that_is_not_there_for_garbage),
	    cmocka_unit_test(worker_told_to_stop_reports_the_call_and_leaves),
	    cmocka_unit_test(worker_without_coordinator_gives_up_its_call),
	    cmocka_unit_test(worker_holds_its_call_to_the_time_allowed),
	    cmocka_unit_test(worker_shows_that_it_is_idle),
	    cmocka_unit_test(worker_shows_its_prompt_and_attempt),
	    cmocka_unit_test(worker_that_cannot_begin_says_why),
	    cmocka_unit_test(worker_beats_once_a_second),
	    cmocka_unit_test(worker_sends_what_fits_and_says_what_does_not),
	    cmocka_unit_test(settle_leaves_a_plain_answer_alone),
	    cmocka_unit_test(settle_makes_an_empty_answer_a_failure),
	    cmocka_unit_test(settle_allows_an_empty_answer_when_told),
	    cmocka_unit_test(settle_cuts_an_answer_too_long_at_a_character),
	    cmocka_unit_test(settle_keeps_a_backends_own_reason),
	    cmocka_unit_test(settle_lets_no_failure_carry_an_answer),
	    cmocka_unit_test(
		nothing_of_a_command_outlives_the_coordinator_for_a_second),
	};

	setproctitle_init(argc, argv, environ);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
