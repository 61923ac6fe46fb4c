/* SPDX-License-Identifier: ISC */
/*
 * High reliability: a function that fails, crashes and hangs, and is tried
 * again.
 *
 * Prints:
 *	30 of 30 answered
 */
#include <llmill.h>

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "chat.h"

/* Is this the first time that any worker asks? They share no memory, but the
 * directory. */
static bool
is_first(const char *name)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_EXCL, 0600);

	if (fd != -1)
		close(fd);
	return fd != -1;
}

static char *
flaky_chat(void *arg, const char *prompt, char **error)
{
	if (prompt[0] == 'a' && is_first("failed")) {
		*error = strdup("not today");
		return NULL;
	}
	if (prompt[0] == 'b' && is_first("crashed"))
		raise(SIGSEGV);
	if (prompt[0] == 'c' && is_first("hung"))
		for (;;)
			pause();
	return chat(arg, prompt, error);
}

int
main(void)
{
	const char *prompts[30];
	struct llmill_conf conf = LLMILL_CONF_DEFAULT;
	struct llmill_results *results = NULL;
	struct llmill_err err;
	struct llmill *mill;
	int answered = 0;

	for (int i = 0; i < 30; i++)
		prompts[i] = i % 3 == 0 ? "a" : i % 3 == 1 ? "b" : "c";
	conf.chat_fn = flaky_chat;
	conf.num_workers = 3;
	conf.retry_attempts = 5;
	conf.retry_delay = 0.01;
	conf.timeout = 0.3;
	mill = llmill_open(&conf, &err);
	if (mill != NULL)
		results = llmill_process_prompts(mill, prompts, 30, &err);
	if (results == NULL) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	for (size_t i = 0; i < 30; i++)
		answered += llmill_results_ok(results, i);
	printf("%d of 30 answered\n", answered);
	llmill_results_free(results);
	llmill_close(mill);
	return 0;
}
