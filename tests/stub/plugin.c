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
 *	DEED		one of deeds.h
 *	first DEED	that, but only at the first attempt
 *	bytes		an answer with a NUL and bytes that are no UTF-8
 *	half		writes half a frame to the worker's pipe, then sleeps
 */
#include <ctype.h>

#include "deeds.h"
#include "llmill_plugin.h"

#ifndef ABI
#define ABI LLMILL_PLUGIN_ABI
#endif

static char *error_text;

/* Half a frame of the worker's own protocol, on its own pipe. */
static void
write_half(void)
{
	for (int fd = 3; fd < DEED_DESCRIPTORS; fd++)
		if ((fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY)
			write(fd, "\x80\0\0", 3);
	deed_hang(0);
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
	} else if (strcmp(prompt, "half") == 0) {
		write_half();
	} else if (strcmp(prompt, "nothing") != 0) {
		if (strncmp(prompt, "first ", 6) != 0)
			deed_do(prompt);
		else if (request->attempt == 1)
			deed_do(prompt + 6);
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
