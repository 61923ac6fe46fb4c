/* SPDX-License-Identifier: ISC */
#ifndef FAKE_WORKER_H
#define FAKE_WORKER_H

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/fd.h"
#include "wire/msg.h"
#include "wire/spawn.h"

/*
 * A worker that misbehaves on order: how it is born is said by its heritage,
 * what it does with a job by the job's index.
 */
enum fake_birth {
	FAKE_READY = 0,
	FAKE_DIE_EARLY = 1, /* before HELLO, with last words */
	FAKE_REFUSE = 2,    /* HELLO says why it cannot work */
	FAKE_REFUSE_AND_STAY = 3,
	FAKE_GARBAGE_FIRST = 4,
	FAKE_DONE_FIRST = 5,
	FAKE_SILENT = 6,	/* never says HELLO */
	FAKE_READY_AND_DIE = 7, /* HELLO, and gone */
	FAKE_HELLO_TWICE = 8,
};

enum fake_deed {
	FAKE_ANSWER = 0,
	FAKE_EXIT = 1,	/* exit(0) without an answer */
	FAKE_WORDS = 2, /* exit(3) with last words */
	FAKE_LOUD = 3,	/* 40,000 bytes of them */
	FAKE_ABORT = 4,
	FAKE_DEAF = 5,
	FAKE_LATE = 6,	  /* answers after STOP */
	FAKE_GIVE_UP = 7, /* says interrupted after STOP */
	FAKE_INTERRUPTED = 8,
	FAKE_WRONG_TICKET = 9,
	FAKE_DUPLICATE = 10,
	FAKE_HALF_FRAME = 11, /* and exit(0) */
	FAKE_HALF_FRAME_AND_STAY = 12,
	FAKE_FLOOD = 13,    /* garbage without end */
	FAKE_OVER_CAP = 14, /* a frame that would be too long */
	FAKE_CLOSE_AND_STAY = 15,
	FAKE_STOP_ITSELF = 16,
	FAKE_ANSWER_AND_DIE = 17,
	FAKE_ANSWER_AND_STOP = 18,
	FAKE_BEATS = 19, /* many, then an answer, and a log line */
	FAKE_WRONG_BEAT = 20,
	FAKE_HELLO_AGAIN = 21,
	FAKE_UNKNOWN_KIND = 22,
	FAKE_WRONG_VERSION = 23,
	FAKE_LEFTOVER = 24, /* a byte too much in a DONE */
	FAKE_HOLDER = 25,   /* exit(3), a child of its own holds the pipes */
	FAKE_RUNAWAY = 26,  /* the same in a session of its own */
	FAKE_AUTH = 27,
	FAKE_RATE = 28,		 /* rate limited, 10 ms */
	FAKE_RATE_HOURS = 29,	 /* rate limited, two hours */
	FAKE_NO_SERVER = 30,	 /* and asks for 5 s */
	FAKE_SLOW_ANSWER = 31,	 /* STOP or not, after 100 ms */
	FAKE_TERMINATED = 32,	 /* its command died of a TERM after 300 ms */
	FAKE_BEAT_AND_HANG = 33, /* 12 kB came, then nothing more */
};
#define FAKE_DEEDS 34

struct fake {
	enum fake_birth birth;
	/* NULL: the index is the deed. */
	enum fake_deed (*choose)(uint32_t index, uint32_t attempt);
};

static inline void
fake_send(const struct spawn_child *child, struct buf *out)
{
	if (fd_write_all(child->up_fd, out->data, out->size) == -1)
		_exit(9);
	buf_clear(out);
}

static inline void
fake_hello(const struct spawn_child *child, struct buf *out,
    enum outcome outcome, const char *text)
{
	const struct msg_hello hello = {
	    .outcome = outcome, .text = span_of(text)};

	msg_put_hello(out, &hello);
	fake_send(child, out);
}

static inline void
fake_put_done(
    struct buf *out, uint64_t ticket, enum outcome outcome, const char *text)
{
	struct msg_done done = {.ticket = ticket};

	reply_init(&done.reply);
	done.reply.outcome = outcome;
	done.reply.duration_ms = 1;
	if (outcome == OUTCOME_OK)
		done.reply.text = span_of(text);
	else
		done.reply.error = span_of(text);
	msg_put_done(out, &done);
}

static inline void
fake_done(const struct spawn_child *child, struct buf *out, uint64_t ticket,
    enum outcome outcome, const char *text)
{
	fake_put_done(out, ticket, outcome, text);
	fake_send(child, out);
}

static inline void
fake_ask_for_pause(const struct spawn_child *child, struct buf *out,
    uint64_t ticket, enum outcome outcome, const char *text, int64_t pause_ms)
{
	struct msg_done done = {.ticket = ticket};

	reply_init(&done.reply);
	done.reply.outcome = outcome;
	done.reply.error = span_of(text);
	done.reply.duration_ms = 1;
	done.reply.retry_after_ms = pause_ms;
	msg_put_done(out, &done);
	fake_send(child, out);
}

static inline void
fake_terminated(
    const struct spawn_child *child, struct buf *out, uint64_t ticket)
{
	struct msg_done done = {.ticket = ticket};

	usleep(300000);
	reply_init(&done.reply);
	done.reply.outcome = OUTCOME_EXIT_STATUS;
	done.reply.terminated = true;
	done.reply.error = span_of("exit status 143");
	msg_put_done(out, &done);
	fake_send(child, out);
}

static inline _Noreturn void
fake_stay(void)
{
	for (;;)
		pause();
}

/* Read one order: JOB gives true, STOP and the end of the pipe false. */
static inline bool
fake_order(const struct spawn_child *child, struct msg_job *job)
{
	char bytes[MSG_JOB_MAX_BYTES];
	struct frame frame;
	size_t size = 0;
	size_t taken;

	/* Byte by byte: what follows is the next order. */
	while (
	    size < sizeof(bytes) && read(child->down_fd, bytes + size, 1) == 1)
		if (frame_cut((struct span){bytes, ++size}, sizeof(bytes),
			&frame, &taken) == FRAME_WHOLE)
			return msg_get_job(&frame, job);
	return false;
}

static inline void
fake_raw(const struct spawn_child *child, const char *bytes, size_t size)
{
	if (fd_write_all(child->up_fd, bytes, size) == -1)
		_exit(9);
}

static inline _Noreturn void
fake_leave_child(bool session)
{
	if (fork() == 0) {
		if (session)
			setsid();
		fake_stay();
	}
	_exit(3);
}

#define FAKE_LOUD_BYTES 40019

/* All at once: most of it is still in the pipe at death. */
static inline void
fake_loud(void)
{
	static char words[FAKE_LOUD_BYTES];
	static const char last[] = "the very last word\n";

	memset(words, '.', sizeof(words));
	memcpy(words + sizeof(words) - 19, last, 19);
	fd_write_all(STDERR_FILENO, words, sizeof(words));
}

static inline void
fake_beats(const struct spawn_child *child, struct buf *out, uint64_t ticket)
{
	const struct msg_word word = {.level = 2, .text = span_of("a line")};

	for (uint64_t i = 0; i < 5000; i++) {
		const struct msg_beat beat = {.ticket = ticket, .bytes = i};

		msg_put_beat(out, &beat);
		if (i % 100 == 0)
			fake_send(child, out);
	}
	msg_put_word(out, &word);
	fake_done(child, out, ticket, OUTCOME_OK, "fine");
}

static inline void
fake_half_frame(
    const struct spawn_child *child, struct buf *out, uint64_t ticket)
{
	fake_put_done(out, ticket, OUTCOME_OK, "a broken-off answer");
	fake_raw(child, out->data, out->size / 2);
}

/* A good DONE with one byte changed or added. */
static inline void
fake_spoilt(const struct spawn_child *child, struct buf *out, uint64_t ticket,
    enum fake_deed deed)
{
	fake_put_done(out, ticket, OUTCOME_OK, "fine");
	if (deed == FAKE_UNKNOWN_KIND)
		out->data[4] = 99;
	else if (deed == FAKE_WRONG_VERSION)
		out->data[6]++;
	else if (deed == FAKE_LEFTOVER) {
		out->data[0]++;
		buf_add_byte(out, 0);
	}
	fake_send(child, out);
}

/* What ends the process, or the conversation. */
static inline void
fake_do_bad(const struct spawn_child *child, struct buf *out,
    const struct msg_job *job, enum fake_deed deed)
{
	static const char over_cap[] = {0, 0, 0, 127, MSG_DONE, 0, 1, 0};
	const struct msg_beat beat = {.ticket = job->ticket + 1};

	switch (deed) {
	case FAKE_EXIT:
		_exit(0);
	case FAKE_WORDS:
		dprintf(STDERR_FILENO, "cannot find\nthe thing\n");
		_exit(3);
	case FAKE_LOUD:
		fake_loud();
		_exit(3);
	case FAKE_ABORT:
		abort();
	case FAKE_HALF_FRAME:
		fake_half_frame(child, out, job->ticket);
		_exit(0);
	case FAKE_HALF_FRAME_AND_STAY:
		fake_half_frame(child, out, job->ticket);
		close(child->up_fd);
		fake_stay();
	case FAKE_FLOOD:
		for (;;)
			fake_raw(child, "garbage garbage garbage ", 24);
	case FAKE_OVER_CAP:
		fake_raw(child, over_cap, sizeof(over_cap));
		fake_stay();
	case FAKE_CLOSE_AND_STAY:
		close(child->up_fd);
		fake_stay();
	case FAKE_STOP_ITSELF:
		raise(SIGSTOP);
		break;
	case FAKE_BEAT_AND_HANG:
		msg_put_beat(out,
		    &(struct msg_beat){.ticket = job->ticket, .bytes = 12345});
		fake_send(child, out);
		fake_stay();
	case FAKE_WRONG_BEAT:
		msg_put_beat(out, &beat);
		fake_send(child, out);
		fake_stay();
	case FAKE_HELLO_AGAIN:
		fake_hello(child, out, OUTCOME_OK, NULL);
		break;
	case FAKE_HOLDER:
	case FAKE_RUNAWAY:
		fake_leave_child(deed == FAKE_RUNAWAY);
	case FAKE_UNKNOWN_KIND:
	case FAKE_WRONG_VERSION:
	case FAKE_LEFTOVER:
		fake_spoilt(child, out, job->ticket, deed);
		break;
	default:
		fake_stay(); /* FAKE_DEAF */
	}
}

static inline void
fake_do(const struct spawn_child *child, struct buf *out,
    const struct msg_job *job, enum fake_deed deed)
{
	struct msg_job next;

	switch (deed) {
	case FAKE_LATE:
		fake_order(child, &next);
		fake_done(child, out, job->ticket, OUTCOME_OK, "fine");
		_exit(0);
	case FAKE_GIVE_UP:
		fake_order(child, &next);
		fake_done(child, out, job->ticket, OUTCOME_INTERRUPTED, "so");
		_exit(0);
	case FAKE_INTERRUPTED:
		fake_done(child, out, job->ticket, OUTCOME_INTERRUPTED, "so");
		break;
	case FAKE_WRONG_TICKET:
		fake_done(child, out, job->ticket + 1, OUTCOME_OK, "fine");
		break;
	case FAKE_DUPLICATE:
		fake_put_done(out, job->ticket, OUTCOME_OK, "fine");
		fake_done(child, out, job->ticket, OUTCOME_OK, "fine");
		break;
	case FAKE_SLOW_ANSWER:
		usleep(100000); /* a call takes its time */
		fake_done(child, out, job->ticket, OUTCOME_OK, "fine");
		break;
	case FAKE_ANSWER:
	case FAKE_ANSWER_AND_DIE:
	case FAKE_ANSWER_AND_STOP:
		fake_done(child, out, job->ticket, OUTCOME_OK, "fine");
		if (deed == FAKE_ANSWER_AND_DIE)
			_exit(4);
		if (deed == FAKE_ANSWER_AND_STOP)
			raise(SIGSTOP);
		break;
	case FAKE_BEATS:
		fake_beats(child, out, job->ticket);
		break;
	case FAKE_TERMINATED:
		fake_terminated(child, out, job->ticket);
		break;
	case FAKE_AUTH:
		fake_done(child, out, job->ticket, OUTCOME_AUTH, "bad key");
		break;
	case FAKE_NO_SERVER:
		fake_ask_for_pause(child, out, job->ticket, OUTCOME_NO_SERVER,
		    "refused", 5000);
		break;
	case FAKE_RATE:
	case FAKE_RATE_HOURS:
		fake_ask_for_pause(child, out, job->ticket,
		    OUTCOME_RATE_LIMITED, "slow down",
		    deed == FAKE_RATE ? 10 : 7200000);
		break;
	default:
		fake_do_bad(child, out, job, deed);
	}
}

static inline void
fake_be_born(
    const struct spawn_child *child, struct buf *out, enum fake_birth birth)
{
	switch (birth) {
	case FAKE_DIE_EARLY:
		dprintf(STDERR_FILENO, "no such library\n");
		_exit(7);
	case FAKE_REFUSE:
	case FAKE_REFUSE_AND_STAY:
		fake_hello(child, out, OUTCOME_NO_COMMAND, "no such plugin");
		if (birth == FAKE_REFUSE)
			_exit(1);
		fake_stay();
	case FAKE_GARBAGE_FIRST:
		fake_raw(child, "\377\377\377\377garbage", 11);
		fake_stay();
	case FAKE_DONE_FIRST:
		fake_done(child, out, 1, OUTCOME_OK, "fine");
		fake_stay();
	case FAKE_SILENT:
		fake_stay();
	case FAKE_HELLO_TWICE:
		fake_hello(child, out, OUTCOME_OK, NULL);
		break;
	case FAKE_READY:
	case FAKE_READY_AND_DIE:
		break;
	}
	fake_hello(child, out, OUTCOME_OK, NULL);
	if (birth == FAKE_READY_AND_DIE)
		_exit(5);
}

/* The live function of a heritage; arg is a const struct fake. */
static inline int
fake_live(const struct spawn_child *child, void *arg)
{
	const struct rlimit none = {0, 0};
	const struct fake *fake = arg;
	struct msg_job job;
	struct buf out;

	setrlimit(RLIMIT_CORE, &none);
	signal(SIGABRT, SIG_DFL); /* cmocka catches it */
	buf_init(&out, 1 << 20);
	fake_be_born(child, &out, fake->birth);
	while (fake_order(child, &job))
		fake_do(child, &out, &job,
		    fake->choose != NULL ? fake->choose(job.index, job.attempt)
					 : (enum fake_deed)job.index);
	buf_free(&out);
	return 0;
}

#endif
