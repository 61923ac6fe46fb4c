/* SPDX-License-Identifier: ISC */
/*
 * A database that cannot be had does not stop the work; a prompt whose tries
 * all fail has the reason as its text.
 *
 * Prints:
 *	ok     You said: hello.
 *	failed Error: Failed after 2 attempts: no such word
 *	not all is in the database
 *	chat_fn: there is no function
 *	num_workers must be 1 to 8192, not 0
 */
#include <llmill.h>

#include "chat.h"

static char *
picky_chat(void *arg, const char *prompt, char **error)
{
	if (strcmp(prompt, "xyzzy") != 0)
		return chat(arg, prompt, error);
	*error = strdup("no such word");
	return NULL;
}

int
main(void)
{
	const char *const prompts[] = {"hello", "xyzzy"};
	struct llmill_conf conf = LLMILL_CONF_DEFAULT;
	struct llmill_results *results = NULL;
	struct llmill_err err;
	struct llmill *mill;

	conf.chat_fn = picky_chat;
	conf.retry_attempts = 2;
	conf.retry_delay = 0.01;
	conf.save_to_db = true;
	conf.db_filename = "/no/such/directory/x.db";
	mill = llmill_open(&conf, &err);
	if (mill != NULL)
		results = llmill_process_prompts(mill, prompts, 2, &err);
	if (results == NULL) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	for (size_t i = 0; i < 2; i++)
		printf("%-6s %s\n",
		    llmill_results_ok(results, i) ? "ok" : "failed",
		    llmill_results_text(results, i, NULL));
	if (llmill_results_trouble(results) != NULL)
		puts("not all is in the database");
	llmill_results_free(results);
	llmill_close(mill);

	conf.chat_fn = NULL;
	if (llmill_open(&conf, &err) == NULL)
		puts(err.text);
	conf.chat_fn = chat;
	conf.num_workers = 0;
	if (llmill_open(&conf, &err) == NULL)
		puts(err.text);
	return 0;
}
