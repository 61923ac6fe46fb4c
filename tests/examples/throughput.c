/* SPDX-License-Identifier: ISC */
/*
 * High throughput: many workers, for calls that mostly wait.
 *
 * Prints:
 *	1000 of 1000 answered by 64 workers
 */
#include <llmill.h>

#include <time.h>

#include "chat.h"

#define COUNT 1000

static char *
slow_chat(void *arg, const char *prompt, char **error)
{
	const struct timespec pause = {.tv_nsec = 5000000};

	nanosleep(&pause, NULL);
	return chat(arg, prompt, error);
}

int
main(void)
{
	static char texts[COUNT][24];
	const char *prompts[COUNT];
	struct llmill_conf conf = LLMILL_CONF_DEFAULT;
	struct llmill_results *results = NULL;
	struct llmill_err err;
	struct llmill *mill;
	int answered = 0;

	for (int i = 0; i < COUNT; i++) {
		snprintf(texts[i], sizeof(texts[i]), "number %d", i);
		prompts[i] = texts[i];
	}
	conf.chat_fn = slow_chat;
	conf.num_workers = 64;
	mill = llmill_open(&conf, &err);
	if (mill != NULL)
		results = llmill_process_prompts(mill, prompts, COUNT, &err);
	if (results == NULL) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	for (size_t i = 0; i < COUNT; i++)
		answered += llmill_results_ok(results, i);
	printf("%d of %d answered by %d workers\n", answered, COUNT,
	    conf.num_workers);
	llmill_results_free(results);
	llmill_close(mill);
	return 0;
}
