/* SPDX-License-Identifier: ISC */
/*
 * A command per prompt: its text in on stdin or as an argument, the answer
 * out on stdout. Here is what goes in and what is made of what came; how a
 * command is watched and ended is the errand's.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/signals.h"
#include "chat/chat.h"
#include "chat/child.h"
#include "chat/errand.h"
#include "chat/kinds.h"
#include "chat/verdict.h"

#define PLACEHOLDER "{}"
/* What execve takes as one argument, with the NUL (Linux MAX_ARG_STRLEN). */
#define ARGUMENT_MAX_BYTES ((size_t)131072)

/* Statuses with a meaning of their own: sysexits.h, POSIX shells. */
#define STATUS_TRY_LATER 75
#define STATUS_SIGNALLED 128 /* and the signal's number */

struct exec {
	const struct chat_conf *conf;
	char *path;	   /* of the command; NULL: not found so far */
	bool in_argument;  /* the prompt replaces {}; stdin is empty */
	const char **argv; /* conf's, with the prompt in place of {} */
	struct buf in;	   /* the prompt as the command gets it */
	struct buf out;
	struct buf error;
	struct signals sleep; /* for its errands */
};

static const int sleep_signals[] = {SIGTSTP, 0};

/* ---- the settings ---- */

static int
exec_check(const struct chat_conf *conf, struct err *err)
{
	const char *const *command = conf->command;

	if (command == NULL || command[0] == NULL || command[0][0] == '\0')
		return err_set(err, ERR_USAGE,
		    "backend exec needs a command: put it after --");
	if (strcmp(command[0], PLACEHOLDER) == 0)
		return err_set(err, ERR_USAGE,
		    "the command itself cannot be the prompt (" PLACEHOLDER
		    "): put the command's name before it");
	return 0;
}

static void
exec_close(void *arg)
{
	struct exec *self = arg;

	signals_close(&self->sleep);
	buf_free(&self->in);
	buf_free(&self->out);
	buf_free(&self->error);
	free(self->path);
	free(self->argv);
	free(self);
}

static void *
exec_open(const struct chat_conf *conf, uint32_t worker, struct reply *reply)
{
	struct exec *self = calloc(1, sizeof(*self));
	size_t count = 0;

	(void)worker;
	while (conf->command[count] != NULL)
		count++;
	if (self != NULL)
		self->argv = calloc(count + 1, sizeof(*self->argv));
	if (self == NULL || self->argv == NULL) {
		free(self);
		reply->outcome = OUTCOME_OUT_OF_MEMORY;
		reply->error = span_of("no memory for a command");
		return NULL;
	}
	self->conf = conf;
	/* Without it a command does not sleep with us: it is still one. */
	signals_open(&self->sleep, sleep_signals, NULL);
	self->path = child_find(conf->command[0]);
	for (size_t i = 0; i < count; i++) {
		self->argv[i] = conf->command[i];
		if (i > 0 && strcmp(conf->command[i], PLACEHOLDER) == 0)
			self->in_argument = true;
	}
	buf_init(&self->in, SIZE_MAX / 4);
	/* The newline that may follow the answer, and one byte to know that
	 * there is more. */
	buf_init(&self->out, conf->answer_cap_bytes + 2);
	buf_init(&self->error, VERDICT_MAX_BYTES);
	return self;
}

/* ---- what goes in ---- */

/* Can a record be one text? Messages can when there is but one, of the user;
 * then it is what the record's text says. */
static bool
is_one_text(struct span body)
{
	struct json *root;
	struct json *messages;
	struct json *only;
	bool one = true;

	if (body.data == NULL)
		return true;
	root = json_parse(body, NULL);
	messages = json_get(root, "messages");
	if (messages != NULL) {
		only = json_at(messages, 0);
		one = json_count(messages) == 1 &&
		      span_equals(json_string(json_get(only, "role")),
			  span_of("user")) &&
		      json_is_string(json_get(only, "content"));
	}
	json_free(root);
	return one;
}

/* Say why a prompt cannot go to this command; NULL when it can. */
static const char *
refuse(const struct exec *self, const struct record *record)
{
	const struct span text = record->text;

	if (!is_one_text(record->body))
		return "records with several messages need the http backend";
	if (self->in_argument && text.size >= ARGUMENT_MAX_BYTES)
		return "a prompt of 131,072 bytes or more cannot be an "
		       "argument: use stdin (leave out {})";
	if (self->in_argument && memchr(text.data, '\0', text.size) != NULL)
		return "a prompt with a NUL byte cannot be an argument: use "
		       "stdin (leave out {})";
	return NULL;
}

/* Put the prompt where the command will find it. Gives 0, or -1 without
 * memory. */
static int
place_prompt(struct exec *self, struct span text)
{
	buf_clear(&self->in);
	buf_add(&self->in, text.data, text.size);
	if (!self->in_argument)
		buf_add_byte(&self->in, '\n');
	if (self->in.failed)
		return -1;
	for (size_t i = 1; self->conf->command[i] != NULL; i++)
		if (strcmp(self->conf->command[i], PLACEHOLDER) == 0)
			self->argv[i] =
			    self->in.data == NULL ? "" : self->in.data;
	return 0;
}

static enum outcome
judge_start(struct exec *self, int number, bool in_exec)
{
	enum outcome outcome =
	    verdict_of_start(&self->error, self->argv[0], number, in_exec);

	if (!in_exec || number != E2BIG || !self->in_argument)
		return outcome;
	buf_add_text(&self->error, ": use stdin (leave out {})");
	return OUTCOME_BAD_REQUEST;
}

/* Start the command. Gives OUTCOME_OK, or another with error filled. */
static enum outcome
start(
    struct exec *self, const struct chat_request *request, struct child *child)
{
	const char *refusal = refuse(self, &request->record);
	char id[48];
	char attempt[48];
	char worker[48];
	const char *const extra[] = {id, attempt, worker, NULL};
	bool in_exec;
	int number;

	if (refusal != NULL) {
		buf_add_text(&self->error, refusal);
		return OUTCOME_BAD_REQUEST;
	}
	if (place_prompt(self, request->record.text) == -1) {
		buf_add_text(&self->error, "no memory for the prompt");
		return OUTCOME_OUT_OF_MEMORY;
	}
	snprintf(id, sizeof(id), CHILD_MARK "=%ju", (uintmax_t)request->id);
	snprintf(
	    attempt, sizeof(attempt), "LLMILL_ATTEMPT=%u", request->attempt);
	snprintf(worker, sizeof(worker), "LLMILL_WORKER=%u", request->worker);
	/* Found once, and looked for again only where there was none. */
	if (self->path == NULL)
		self->path = child_find(self->argv[0]);
	if (self->path == NULL)
		return judge_start(self, errno, true);
	if (child_start(
		child, self->path, self->argv, extra, &number, &in_exec) == -1)
		return judge_start(self, number, in_exec);
	return OUTCOME_OK;
}

/* ---- what came of it ---- */

/* TERM, INT and HUP are sent to whole families. A shell says of a child that
 * died of one: 128 and its number. */
static bool
is_terminated(const struct death *death)
{
	const int number =
	    death->signalled ? death->number : death->number - STATUS_SIGNALLED;

	return number == SIGTERM || number == SIGINT || number == SIGHUP;
}

static enum outcome
judge_failure(struct exec *self, const struct errand *errand)
{
	enum outcome outcome = OUTCOME_EXIT_STATUS;
	const char *before = "";
	const char *advice = "";
	char how[128];

	reap_describe(&errand->death, how, sizeof(how));
	if (errand->death.signalled) {
		outcome = OUTCOME_CRASH;
		before = "command crashed: ";
	} else if (errand->death.number == STATUS_TRY_LATER) {
		outcome = OUTCOME_RATE_LIMITED;
		advice = " (try again later)";
	} else if (verdict_cannot_run(&errand->death)) {
		outcome = OUTCOME_NO_COMMAND;
	}
	buf_printf(&self->error, "%s%s%s", before, how, advice);
	verdict_put_words(&self->error, &errand->tail);
	return outcome;
}

/* The answer: stdout less one newline at its end. */
static struct span
answer_of(const struct exec *self)
{
	struct span text = {self->out.data, self->out.size};

	if (text.size > 0 && text.data[text.size - 1] == '\n')
		text.size--;
	return text.size > 0 ? text : span_of("");
}

static enum outcome
judge(struct exec *self, const struct chat_request *request,
    const struct errand *errand)
{
	enum outcome outcome;

	if (verdict_of_ending(
		&self->error, errand, "answer", request->allowed_ns, &outcome))
		return outcome;
	if (!errand->death.signalled && errand->death.number == 0)
		return OUTCOME_OK;
	return judge_failure(self, errand);
}

static void
exec_call(void *arg, const struct chat_request *request, struct reply *reply)
{
	struct exec *self = arg;
	struct child child;
	struct errand errand = {
	    .out = &self->out,
	    .deadline_ns = clock_add(request->started_ns, request->allowed_ns),
	    .grace_ns = self->conf->grace_ns,
	    .stop_fd = request->stop_fd,
	    .sleep = &self->sleep,
	    .beat = request->beat,
	    .beat_arg = request->beat_arg,
	};

	buf_clear(&self->out);
	buf_clear(&self->error);
	reply->outcome = start(self, request, &child);
	if (reply->outcome == OUTCOME_OK) {
		if (!self->in_argument)
			errand.input = buf_span(&self->in);
		errand_run(&errand, &child);
		reply->outcome = judge(self, request, &errand);
		reply->terminated = errand.ending == ERRAND_ITSELF &&
				    is_terminated(&errand.death);
		if (errand.first_byte_ns != -1)
			reply->first_byte_ms =
			    (errand.first_byte_ns - request->started_ns) /
			    CLOCK_MS;
	}
	if (reply->outcome == OUTCOME_OK || reply->outcome == OUTCOME_TOO_LONG)
		reply->text = answer_of(self);
	else
		reply->error = buf_span(&self->error);
}

const struct chat chat_exec = {
    .name = "exec",
    .owns_processes = true,
    .text_only = true,
    .check = exec_check,
    .open = exec_open,
    .call = exec_call,
    .close = exec_close,
};
