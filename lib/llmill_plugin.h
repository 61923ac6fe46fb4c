/* SPDX-License-Identifier: ISC */
#ifndef LLMILL_PLUGIN_H
#define LLMILL_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#include "llmill_abi.h"

LLMILL_BEGIN

/*
 * A chat backend in C, for llmill run --plugin ./mine.so.
 *
 * A plugin is a shared object with one symbol, llmill_plugin. It is loaded in
 * each worker process and nowhere else, so it may crash, hang, leak and start
 * threads as it likes; only one call at a time is made in a process. A whole
 * one, built by cc -shared -fPIC -o shout.so shout.c:
 *
 *	#include <ctype.h>
 *	#include <llmill_plugin.h>
 *	#include <stdlib.h>
 *
 *	static void
 *	call(void *self, const struct llmill_plugin_request *request,
 *	    struct llmill_plugin_reply *reply)
 *	{
 *		char *text = malloc(request->prompt_size + 1);
 *
 *		(void)self;
 *		if (text == NULL) {
 *			reply->error = "no memory";
 *			return;
 *		}
 *		for (size_t i = 0; i < request->prompt_size; i++)
 *			text[i] = (char)toupper((unsigned char)
 *			    request->prompt[i]);
 *		reply->text = text;
 *		reply->text_size = request->prompt_size;
 *	}
 *
 *	static void
 *	done(void *self, struct llmill_plugin_reply *reply)
 *	{
 *		(void)self;
 *		free((char *)reply->text);
 *	}
 *
 *	const struct llmill_plugin llmill_plugin = {
 *	    .abi = LLMILL_PLUGIN_ABI,
 *	    .call = call,
 *	    .free = done,
 *	};
 */
#define LLMILL_PLUGIN_ABI 1

/* What is asked; lent until call returns. Texts end with a NUL that their size
 * does not count; they may hold others. */
struct llmill_plugin_request {
	uint64_t id;	  /* of the prompt, from 1 */
	uint32_t attempt; /* from 1 */
	uint32_t worker;  /* from 0 */
	const char *prompt;
	size_t prompt_size;
	const char *system; /* NULL: none */
	const char *record; /* JSON object with what the record says beside:
			       messages, system, model, params; NULL: nothing */
	size_t record_size;
	int64_t allowed_ms; /* then the process is killed */
};

/* What came of it; filled with nothing said. Memory is the plugin's until
 * free. */
struct llmill_plugin_reply {
	const char *text;	   /* the answer */
	size_t text_size;	   /* bytes */
	const char *error;	   /* NULL: text is an answer; else why there is
				      none, a sentence */
	int final;		   /* of an error: no other try can help */
	int64_t retry_after_ms;	   /* of an error: a rate limit, come back then;
				      -1: it was none */
	int64_t input_tokens;	   /* -1: unknown */
	int64_t output_tokens;	   /* -1: unknown */
	const char *model;	   /* NULL: not said */
	const char *finish_reason; /* NULL: not said */
};

struct llmill_plugin {
	uint32_t abi; /* LLMILL_PLUGIN_ABI */

	/* Once per process, before the first call. Gives what the others get as
	 * self, or, with *error set to a sentence, nothing: the worker cannot
	 * work. NULL: nothing to do. */
	void *(*init)(uint32_t worker, const char **error);

	/* One call. */
	void (*call)(void *self, const struct llmill_plugin_request *request,
	    struct llmill_plugin_reply *reply);

	/* The reply was used. NULL: nothing to do. */
	void (*free)(void *self, struct llmill_plugin_reply *reply);

	/* The process ends in peace. NULL: nothing to do. */
	void (*close)(void *self);
};

/* The one that a plugin has. */
extern const struct llmill_plugin llmill_plugin;

LLMILL_END

#endif
