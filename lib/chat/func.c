/* SPDX-License-Identifier: ISC */
/*
 * A function of the program that links this library.
 */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "chat/chat.h"
#include "chat/kinds.h"

struct func {
	const struct chat_conf *conf;
	char *prompt; /* with a NUL behind */
	char *text;   /* what it gave last */
	char *error;
};

static int
func_check(const struct chat_conf *conf, struct err *err)
{
	if (conf->chat_fn != NULL)
		return 0;
	return err_set(err, ERR_USAGE, "chat_fn: there is no function");
}

static void
forget(struct func *func)
{
	free(func->prompt);
	free(func->text);
	free(func->error);
	func->prompt = NULL;
	func->text = NULL;
	func->error = NULL;
}

static void
func_close(void *arg)
{
	forget(arg);
	free(arg);
}

static void *
func_open(const struct chat_conf *conf, uint32_t worker, struct reply *reply)
{
	struct func *func = calloc(1, sizeof(*func));

	(void)worker;
	if (func == NULL) {
		reply->outcome = OUTCOME_OUT_OF_MEMORY;
		reply->error = span_of("no memory for a worker");
		return NULL;
	}
	func->conf = conf;
	return func;
}

static void
func_call(void *arg, const struct chat_request *request, struct reply *reply)
{
	struct func *func = arg;
	struct span text = request->record.text;

	forget(func);
	func->prompt = strndup(text.data, text.size);
	if (func->prompt == NULL) {
		reply->outcome = OUTCOME_OUT_OF_MEMORY;
		reply->error = span_of("no memory for the prompt");
		return;
	}
	func->text = func->conf->chat_fn(
	    func->conf->chat_arg, func->prompt, &func->error);
	if (func->text != NULL) {
		reply->outcome = OUTCOME_OK;
		reply->text = span_of(func->text);
		return;
	}
	reply->outcome = OUTCOME_EXIT_STATUS;
	reply->error = span_of(func->error != NULL && func->error[0] != '\0'
				   ? func->error
				   : "the function failed without a word");
}

const struct chat chat_func = {
    .name = "func",
    .leaves_processes = true,
    .text_only = true,
    .check = func_check,
    .open = func_open,
    .call = func_call,
    .close = func_close,
};
