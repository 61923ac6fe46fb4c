/* SPDX-License-Identifier: ISC */
/*
 * A plugin that does what the prompt says; any other prompt is its own answer
 * in capitals. Built with -DABI=7 it is of another time, with -DINIT_FAILS it
 * cannot begin.
 *
 *	facts		id, attempt, worker, system, record and time, as it saw
 *	error TEXT	fails; "final TEXT" for good, "later MS" as a rate limit
 *	nothing		neither text nor error
 *	counted		an answer with tokens, model and finish reason
 *	long N		an answer of N bytes
 *	segv abort exit hang stop deaf		what they say
 *	first DEED	that, but only at the first attempt
 *	bytes		an answer with a NUL and bytes that are no UTF-8
 *	daemon		leaves a process of a session of its own, then answers
 *	noise		a megabyte on stdout and stderr, then answers
 *	closes		closes all descriptors, then answers
 *	hoards N	takes N MB and keeps them, then sleeps
 *	burns		never stops computing
 *	scribbles	writes to all descriptors from 3 on, then answers
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "llmill_plugin.h"

#ifndef ABI
#define ABI LLMILL_PLUGIN_ABI
#endif

#define DESCRIPTORS 1024

static char *error_text;

static void
leave_daemon(void)
{
	if (fork() == 0) {
		setsid();
		if (fork() == 0)
			for (;;)
				pause();
		_exit(0);
	}
	wait(NULL);
}

static void
make_noise(void)
{
	static char line[1024];

	memset(line, 'n', sizeof(line));
	for (int i = 0; i < 1024; i++) {
		fwrite(line, 1, sizeof(line), stdout);
		fwrite(line, 1, sizeof(line), stderr);
	}
	fflush(stdout);
}

static void
hang(int deaf)
{
	if (deaf)
		signal(SIGTERM, SIG_IGN);
	for (;;)
		pause();
}

/* A full pipe must not hold it. */
static void
scribble(void)
{
	for (int fd = 3; fd < DESCRIPTORS; fd++) {
		int flags = fcntl(fd, F_GETFL);

		if (flags == -1)
			continue;
		fcntl(fd, F_SETFL, flags | O_NONBLOCK);
		if (write(fd, "scribble", 8) == -1 && errno == EPIPE)
			abort();
	}
}

static void
hoard(size_t megabytes)
{
	char *memory = malloc(megabytes << 20);

	if (memory == NULL)
		abort();
	memset(memory, 'h', megabytes << 20);
	for (;;)
		pause();
}

/* Deeds without an answer of their own. */
static void
act(const char *deed)
{
	if (strcmp(deed, "segv") == 0)
		raise(SIGSEGV);
	else if (strcmp(deed, "abort") == 0)
		abort();
	else if (strcmp(deed, "exit") == 0)
		exit(0);
	else if (strcmp(deed, "hang") == 0 || strcmp(deed, "deaf") == 0)
		hang(deed[0] == 'd');
	else if (strcmp(deed, "stop") == 0)
		raise(SIGSTOP);
	else if (strcmp(deed, "daemon") == 0)
		leave_daemon();
	else if (strcmp(deed, "noise") == 0)
		make_noise();
	else if (strcmp(deed, "closes") == 0)
		for (int fd = 0; fd < DESCRIPTORS; fd++)
			close(fd);
	else if (strncmp(deed, "hoards ", 7) == 0)
		hoard((size_t)atol(deed + 7));
	else if (strcmp(deed, "burns") == 0)
		for (volatile int i = 0;; i++)
			continue;
	else if (strcmp(deed, "scribbles") == 0)
		scribble();
}

static void
give(struct llmill_plugin_reply *reply, const char *text, size_t size)
{
	char *copy = malloc(size + 1);

	if (copy == NULL)
		abort();
	memcpy(copy, text, size);
	copy[size] = '\0';
	reply->text = copy;
	reply->text_size = size;
}

static void
give_facts(const struct llmill_plugin_request *request,
    struct llmill_plugin_reply *reply)
{
	char text[4096];
	int size = snprintf(text, sizeof(text), "%ju %u %u %s %s %jd",
	    (uintmax_t)request->id, (unsigned)request->attempt,
	    (unsigned)request->worker,
	    request->system != NULL ? request->system : "-",
	    request->record != NULL ? request->record : "-",
	    (intmax_t)request->allowed_ms);

	give(reply, text, (size_t)size);
}

static void
fail(struct llmill_plugin_reply *reply, const char *text)
{
	free(error_text);
	error_text = strdup(text);
	reply->error = error_text;
}

static void
answer(const struct llmill_plugin_request *request,
    struct llmill_plugin_reply *reply)
{
	give(reply, request->prompt, request->prompt_size);
	for (size_t i = 0; i < reply->text_size; i++)
		((char *)reply->text)[i] =
		    (char)toupper((unsigned char)reply->text[i]);
}

static void
call(void *self, const struct llmill_plugin_request *request,
    struct llmill_plugin_reply *reply)
{
	const char *prompt = request->prompt;
	char *text;

	if (self != &error_text || request->prompt[request->prompt_size] != 0)
		abort();
	if (strncmp(prompt, "error ", 6) == 0) {
		fail(reply, prompt + 6);
	} else if (strncmp(prompt, "final ", 6) == 0) {
		fail(reply, prompt + 6);
		reply->final = 1;
	} else if (strncmp(prompt, "later ", 6) == 0 && request->attempt == 1) {
		fail(reply, "slow down");
		reply->retry_after_ms = atoi(prompt + 6);
	} else if (strncmp(prompt, "long ", 5) == 0) {
		text = calloc(1, (size_t)atol(prompt + 5) + 1);
		memset(text, 'x', (size_t)atol(prompt + 5));
		give(reply, text, (size_t)atol(prompt + 5));
		free(text);
	} else if (strcmp(prompt, "facts") == 0) {
		give_facts(request, reply);
	} else if (strcmp(prompt, "bytes") == 0) {
		give(reply, "a\0\xff\xfe z", 6);
	} else if (strcmp(prompt, "nothing") != 0) {
		if (strncmp(prompt, "first ", 6) != 0)
			act(prompt);
		else if (request->attempt == 1)
			act(prompt + 6);
		answer(request, reply);
	}
	if (strcmp(prompt, "counted") == 0) {
		reply->input_tokens = 3;
		reply->output_tokens = 4;
		reply->model = "m";
		reply->finish_reason = "stop";
	}
}

static void
release(void *self, struct llmill_plugin_reply *reply)
{
	(void)self;
	free((char *)reply->text);
}

static void *
init(uint32_t worker, const char **error)
{
	(void)worker;
#ifdef INIT_FAILS
	*error = "no card is free";
#else
	(void)error;
#endif
	return &error_text;
}

static void
done(void *self)
{
	(void)self;
	free(error_text);
}

const struct llmill_plugin llmill_plugin = {
    .abi = ABI,
    .init = init,
    .call = call,
    .free = release,
    .close = done,
};
