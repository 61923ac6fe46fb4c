/* SPDX-License-Identifier: ISC */
/*
 * A worker's life is one loop: wait for an order, carry it out, report. It
 * blocks wherever it can; whoever wants it gone writes STOP or closes the
 * pipe, and a call in progress notices by the same descriptor.
 */
#include "chat/worker.h"

#include <bsd/unistd.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/must.h"
#include "chat/chat.h"
#include "wire/msg.h"
#include "wire/spawn.h"

#define CPU_GRACE_S 2	      /* for a process that takes SIGXCPU, to SIGKILL */
#define BEAT_EVERY_NS CLOCK_S /* people look at it, nobody decides by it */
#define DOWN_CAP_BYTES ((size_t)2 * MSG_JOB_MAX_BYTES)
/* A JOB and nothing more, in one read: what follows it stays in the pipe, where
 * a call notices it. */
#define STEP_BYTES ((size_t)MSG_JOB_BYTES)

struct worker {
	const struct spawn_child *child;
	const struct chat_conf *conf;
	void *backend;
	struct buf in;	 /* orders, whole or not yet */
	struct buf out;	 /* the frame being sent */
	uint64_t ticket; /* of the job in hand */
	int64_t beat_ns; /* the last BEAT, or the job's begin */
};

enum order {
	ORDER_JOB = 0,
	ORDER_LEAVE = 1, /* STOP, or the end of the pipe */
	ORDER_GARBAGE = 2,
};

static void
show_idle(const struct worker *worker)
{
	if (worker->child->titled)
		setproctitle("-llmill: worker %u: idle", worker->child->slot);
}

static void
show_busy(const struct worker *worker, const struct msg_job *job)
{
	if (worker->child->titled)
		setproctitle("-llmill: worker %u: prompt %ju, attempt %u",
		    worker->child->slot,
		    (uintmax_t)prompts_id(worker->conf->prompts, job->index),
		    job->attempt);
}

/* ---- up ---- */

/* Gives 0, or -1 when nobody listens any more. */
static int
send_out(struct worker *worker)
{
	MUST(!worker->out.failed);
	return fd_write_all(
	    worker->child->up_fd, worker->out.data, worker->out.size);
}

/* A HELLO that cannot even be built says nothing: the death that follows
 * does. */
static int
send_hello(struct worker *worker, const struct reply *reply)
{
	const struct msg_hello hello = {
	    .outcome = reply->outcome, .text = reply->error};

	buf_clear(&worker->out);
	msg_put_hello(&worker->out, &hello);
	return worker->out.failed ? -1 : send_out(worker);
}

static void
send_beat(void *arg, uint64_t bytes)
{
	struct worker *worker = arg;
	const struct msg_beat beat = {.ticket = worker->ticket, .bytes = bytes};
	const int64_t now_ns = clock_now_ns();

	if (now_ns - worker->beat_ns < BEAT_EVERY_NS)
		return;
	worker->beat_ns = now_ns;
	buf_clear(&worker->out);
	msg_put_beat(&worker->out, &beat);
	if (!worker->out.failed)
		send_out(worker);
}

static int
send_done(struct worker *worker, const struct reply *reply)
{
	struct msg_done done = {.ticket = worker->ticket, .reply = *reply};

	buf_clear(&worker->out);
	msg_put_done(&worker->out, &done);
	if (worker->out.failed) {
		reply_init(&done.reply);
		done.reply.outcome = OUTCOME_OUT_OF_MEMORY;
		done.reply.error = span_of("no memory for the answer");
		done.reply.duration_ms = reply->duration_ms;
		buf_clear(&worker->out);
		msg_put_done(&worker->out, &done);
	}
	return worker->out.failed ? -1 : send_out(worker);
}

/* ---- down ---- */

static enum order
read_order(
    const struct worker *worker, const struct frame *frame, struct msg_job *job)
{
	/* Where there is no URL there is one endpoint all the same. */
	uint32_t endpoints = worker->conf->endpoint_count;

	if (msg_get_stop(frame))
		return ORDER_LEAVE;
	if (msg_get_job(frame, job) &&
	    job->endpoint < (endpoints > 0 ? endpoints : 1) &&
	    job->index < prompts_count(worker->conf->prompts))
		return ORDER_JOB;
	return ORDER_GARBAGE;
}

static enum order
next_order(struct worker *worker, struct msg_job *job)
{
	const int down_fd = worker->child->down_fd;
	struct frame frame;
	size_t taken;

	for (;;) {
		enum order order;

		switch (frame_cut(
		    buf_span(&worker->in), MSG_JOB_MAX_BYTES, &frame, &taken)) {
		case FRAME_WHOLE:
			order = read_order(worker, &frame, job);
			buf_drop(&worker->in, taken);
			return order;
		case FRAME_GARBAGE:
			return ORDER_GARBAGE;
		case FRAME_MORE:
			break;
		}
		if (fd_read(down_fd, &worker->in, STEP_BYTES) <= 0)
			return ORDER_LEAVE;
	}
}

/* ---- a job ---- */

static void
settle_length(const struct chat_conf *conf, struct reply *reply)
{
	struct span *text = &reply->text;

	if (outcome_trait(reply->outcome)->answers &&
	    text->size > conf->answer_cap_bytes)
		reply->outcome = OUTCOME_TOO_LONG;
	if (reply->outcome != OUTCOME_TOO_LONG)
		return;
	if (reply->error.data == NULL)
		reply->error =
		    span_of("the answer is longer than --max-answer-bytes");
	if (text->size <= WORKER_CUT_BYTES)
		return;
	text->size = WORKER_CUT_BYTES;
	while (text->size > WORKER_CUT_BYTES - 3 &&
	       (text->data[text->size] & 0xc0) == 0x80)
		text->size--;
}

void
worker_settle(const struct chat_conf *conf, struct reply *reply)
{
	settle_length(conf, reply);
	if (reply->outcome == OUTCOME_OK && reply->text.size == 0 &&
	    !conf->allow_empty) {
		reply->outcome = OUTCOME_EMPTY;
		reply->error =
		    span_of("the answer is empty (--allow-empty takes it)");
	}
	if (outcome_trait(reply->outcome)->answers) {
		reply->error = span_of(NULL);
		if (reply->text.data == NULL)
			reply->text = span_of("");
	} else if (reply->outcome != OUTCOME_TOO_LONG) {
		reply->text = span_of(NULL);
	}
}

static int
serve(struct worker *worker, const struct msg_job *job)
{
	const struct chat_conf *conf = worker->conf;
	const int64_t now_ns = clock_now_ns();
	const struct chat_request request = {
	    .index = job->index,
	    .id = prompts_id(conf->prompts, job->index),
	    .attempt = job->attempt,
	    .worker = worker->child->slot,
	    .endpoint = job->endpoint,
	    .record = prompts_at(conf->prompts, job->index),
	    .started_ns = now_ns,
	    .allowed_ns = job->allowed_ms * CLOCK_MS,
	    .stop_fd = worker->child->down_fd,
	    .beat = send_beat,
	    .beat_arg = worker,
	};
	struct reply reply;

	worker->ticket = job->ticket;
	worker->beat_ns = now_ns;
	show_busy(worker, job);
	reply_init(&reply);
	conf->kind->call(worker->backend, &request, &reply);
	reply.duration_ms = (clock_now_ns() - now_ns) / CLOCK_MS;
	worker_settle(conf, &reply);
	show_idle(worker);
	return send_done(worker, &reply);
}

/* Open the backend and say so, or say why not. Gives 0, or -1. */
static int
begin(struct worker *worker)
{
	struct reply reply;

	reply_init(&reply);
	worker->backend =
	    worker->conf->kind->open(worker->conf, worker->child->slot, &reply);
	MUST((worker->backend != NULL) == (reply.outcome == OUTCOME_OK));
	show_idle(worker);
	if (send_hello(worker, &reply) == -1 || worker->backend == NULL)
		return -1;
	return 0;
}

/* What it starts has the same limit, each process for itself. */
static void
limit_cpu(const struct chat_conf *conf)
{
	const struct rlimit limit = {
	    .rlim_cur = conf->cpu_max_s,
	    .rlim_max = conf->cpu_max_s + CPU_GRACE_S,
	};

	if (conf->cpu_max_s > 0)
		setrlimit(RLIMIT_CPU, &limit);
}

int
worker_live(const struct spawn_child *child, void *conf)
{
	struct worker worker = {.child = child, .conf = conf};
	struct msg_job job;
	int status = 1;

	buf_init(&worker.in, DOWN_CAP_BYTES);
	buf_init(&worker.out, FRAME_CAP_BYTES + FRAME_HEAD_BYTES);
	limit_cpu(worker.conf);
	if (begin(&worker) == 0) {
		enum order order;

		while ((order = next_order(&worker, &job)) == ORDER_JOB &&
		       serve(&worker, &job) == 0)
			continue;
		status = order == ORDER_GARBAGE;
	}
	if (worker.backend != NULL)
		worker.conf->kind->close(worker.backend);
	buf_free(&worker.in);
	buf_free(&worker.out);
	return status;
}

int
worker_prepare(void *conf, struct err *err)
{
	const struct chat_conf *settings = conf;

	if (settings->kind->prepare == NULL)
		return 0;
	return settings->kind->prepare(settings, err);
}
