/* SPDX-License-Identifier: ISC */
/*
 * A command that is started once per worker and then talks, a line for a line.
 * It is trusted no more than any other: whatever it does that was not agreed
 * on costs the prompt at hand, and the next one gets a fresh process.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/signals.h"
#include "chat/chat.h"
#include "chat/child.h"
#include "chat/coproc_line.h"
#include "chat/errand.h"
#include "chat/kinds.h"
#include "chat/verdict.h"

#define ESCAPE_MAX 6 /* bytes that JSON takes for one, "\u001f" */
#define LINE_ROOM_BYTES ((size_t)1 << 20) /* for what is beside the answer */
#define LEAVE_WITHIN_MS 500 /* at the end of its stdin, before it is ended */
#define KEEP_ROOM_BYTES ((size_t)1 << 20) /* between two calls */

struct coproc {
	const struct chat_conf *conf;
	struct child child; /* pid -1: not started */
	uint32_t worker;
	bool spoke;	    /* this process has said a line */
	bool never_readies; /* one before answered without saying ready */
	int number;	    /* errno of the last start that failed, 0 none */
	bool in_exec;
	struct buf request;
	struct buf out; /* what it said; lines are taken off the front */
	size_t taken;	/* of out: the last answer's line */
	struct buf error;
	struct json *root; /* of the last answer */
	struct signals sleep;
};

static const int sleep_signals[] = {SIGTSTP, 0};

static int
coproc_check(const struct chat_conf *conf, struct err *err)
{
	if (conf->command == NULL || conf->command[0] == NULL ||
	    conf->command[0][0] == '\0')
		return err_set(err, ERR_USAGE,
		    "--per-worker needs a command: put it after --");
	return 0;
}

/* ---- its process ---- */

/* Gives 0, or -1 with number and in_exec. */
static int
start(struct coproc *self)
{
	char worker[48];
	const char *const extra[] = {CHILD_MARK "=", worker, NULL};
	char *path = child_find(self->conf->command[0]);

	self->spoke = false;
	self->in_exec = true;
	self->number = errno;
	buf_clear(&self->out);
	if (path == NULL)
		return -1;
	snprintf(worker, sizeof(worker), "LLMILL_WORKER=%u", self->worker);
	if (child_start(&self->child, path, self->conf->command, extra,
		&self->number, &self->in_exec) == 0)
		self->number = 0;
	free(path);
	return self->number == 0 ? 0 : -1;
}

static void
finish(struct coproc *self)
{
	if (self->child.pid != -1)
		child_bury(&self->child);
}

/* Is it alive, and silent as it should be between two prompts? What it prints
 * now belongs to nobody's answer. */
static bool
is_fit(struct coproc *self)
{
	struct pollfd fds[] = {
	    {.fd = self->child.pid_fd, .events = POLLIN},
	    {.fd = self->spoke ? self->child.stdout_fd : -1, .events = POLLIN},
	};

	if (self->child.pid == -1 || self->child.stdin_fd == -1)
		return false;
	if (self->spoke && self->out.size > 0)
		return false;
	return poll(fds, 2, 0) == 0;
}

/* At the end of its stdin a command leaves; one that does not is ended. */
static void
dismiss(struct coproc *self)
{
	struct death death;

	if (self->child.pid == -1)
		return;
	fd_close(&self->child.stdin_fd);
	if (!child_wait(&self->child, LEAVE_WITHIN_MS, &death))
		child_signal(&self->child, SIGTERM);
	finish(self);
}

static void
coproc_close(void *arg)
{
	struct coproc *self = arg;

	dismiss(self);
	signals_close(&self->sleep);
	json_free(self->root);
	buf_free(&self->request);
	buf_free(&self->out);
	buf_free(&self->error);
	free(self);
}

/* It is started before the first prompt comes: what it loads takes nobody's
 * time. If that fails the first prompt says why. */
static void *
coproc_open(const struct chat_conf *conf, uint32_t worker, struct reply *reply)
{
	struct coproc *self = calloc(1, sizeof(*self));

	if (self == NULL) {
		reply->outcome = OUTCOME_OUT_OF_MEMORY;
		reply->error = span_of("no memory for a command");
		return NULL;
	}
	self->conf = conf;
	self->worker = worker;
	self->child = (struct child){-1, -1, -1, -1, -1};
	signals_open(&self->sleep, sleep_signals, NULL);
	buf_init(&self->request, SIZE_MAX / 4);
	buf_init(
	    &self->out, conf->answer_cap_bytes * ESCAPE_MAX + LINE_ROOM_BYTES);
	buf_init(&self->error, VERDICT_MAX_BYTES);
	start(self);
	return self;
}

/* ---- a call ---- */

static enum outcome
judge_start(struct coproc *self)
{
	return verdict_of_start(
	    &self->error, self->conf->command[0], self->number, self->in_exec);
}

/* Is its time to start over? One that never says ready has none from its
 * second process on. */
static bool
has_started(const struct coproc *self)
{
	return self->spoke || self->never_readies;
}

/* How long may it take now? */
static int64_t
patience_ns(const struct coproc *self, const struct chat_request *request)
{
	const int64_t start_ns = self->conf->start_timeout_ns;

	return has_started(self) || start_ns < request->allowed_ns
		   ? request->allowed_ns
		   : start_ns;
}

/* It ended before its answer was whole, or was ended. */
static enum outcome
judge_end(struct coproc *self, const struct chat_request *request,
    const struct errand *errand)
{
	enum outcome outcome;
	char how[128];
	bool cannot;

	if (verdict_of_ending(&self->error, errand,
		has_started(self) ? "answer" : "word",
		patience_ns(self, request), &outcome))
		return outcome;
	reap_describe(&errand->death, how, sizeof(how));
	/* A shell says so, and llmill_chat.py. */
	cannot = !self->spoke && verdict_cannot_run(&errand->death);
	buf_printf(&self->error, "%s: %s",
	    cannot ? "the command cannot be run" : "command died", how);
	verdict_put_words(&self->error, &errand->tail);
	return cannot ? OUTCOME_NO_COMMAND : OUTCOME_CRASH;
}

/* One line of it. Gives OUTCOME_OK with line, without its end, or what became
 * of the command. */
static enum outcome
hear(struct coproc *self, const struct chat_request *request,
    struct errand *errand, struct span *line)
{
	const char *end;

	errand_run(errand, &self->child);
	if (errand->ending != ERRAND_LINE)
		return judge_end(self, request, errand);
	end = memchr(self->out.data, '\n', self->out.size);
	line->data = self->out.data;
	line->size = (size_t)(end - self->out.data);
	self->taken = line->size + 1;
	if (line->size > 0 && line->data[line->size - 1] == '\r')
		line->size--;
	return OUTCOME_OK;
}

/* Send the request and hear until there is an answer. */
static void
talk(struct coproc *self, const struct chat_request *request,
    struct reply *reply)
{
	struct errand errand = {
	    .input = buf_span(&self->request),
	    .out = &self->out,
	    .talks = true,
	    .deadline_ns =
		clock_add(request->started_ns, patience_ns(self, request)),
	    .grace_ns = self->conf->grace_ns,
	    .stop_fd = request->stop_fd,
	    .sleep = &self->sleep,
	    .beat = request->beat,
	    .beat_arg = request->beat_arg,
	};
	struct span line;
	enum coproc_said said;

	while ((reply->outcome = hear(self, request, &errand, &line)) ==
	       OUTCOME_OK) {
		json_free(self->root);
		self->root = NULL;
		said = coproc_read(line, (uint64_t)request->id, &self->root,
		    &self->error, reply);
		if (said == COPROC_READY && !self->spoke) {
			self->spoke = true;
			buf_drop(&self->out, self->taken);
			self->taken = 0;
			errand.deadline_ns =
			    clock_add(clock_now_ns(), request->allowed_ns);
			continue;
		}
		if (said != COPROC_ANSWER) {
			if (said == COPROC_READY)
				buf_add_text(&self->error,
				    "it says ready in the middle");
			reply->outcome = OUTCOME_GARBAGE;
		}
		self->never_readies |= !self->spoke;
		self->spoke = true;
		break;
	}
	if (errand.first_byte_ns != -1 && self->taken > 0)
		reply->first_byte_ms =
		    (errand.first_byte_ns - request->started_ns) / CLOCK_MS;
}

/* Is the process behind such an outcome still to be talked to? */
static bool
keeps(const struct coproc *self, enum outcome outcome)
{
	return self->child.pid != -1 && self->taken > 0 &&
	       outcome != OUTCOME_GARBAGE;
}

static void
coproc_call(void *arg, const struct chat_request *request, struct reply *reply)
{
	struct coproc *self = arg;

	if (self->request.room > KEEP_ROOM_BYTES)
		buf_free(&self->request);
	buf_clear(&self->request);
	buf_clear(&self->error);
	buf_drop(&self->out, self->taken);
	self->taken = 0;
	coproc_put_request(&self->request, (uint64_t)request->id,
	    &request->record, self->conf->system);
	if (self->request.failed) {
		reply->outcome = OUTCOME_OUT_OF_MEMORY;
		reply->error = span_of("no memory for the prompt");
		return;
	}
	if (!is_fit(self)) {
		finish(self);
		if (start(self) == -1) {
			reply->outcome = judge_start(self);
			reply->error = buf_span(&self->error);
			return;
		}
	}
	talk(self, request, reply);
	if (!keeps(self, reply->outcome))
		finish(self);
	if (reply->outcome == OUTCOME_TOO_LONG)
		reply->text = buf_span(&self->out);
	else if (reply->outcome != OUTCOME_OK)
		reply->error = buf_span(&self->error);
}

const struct chat chat_coproc = {
    .name = "coproc",
    .owns_processes = true,
    .check = coproc_check,
    .open = coproc_open,
    .call = coproc_call,
    .close = coproc_close,
};
