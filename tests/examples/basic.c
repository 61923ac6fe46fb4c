/* SPDX-License-Identifier: ISC */
/*
 * Basic use: a list of prompts, a list of answers, in the same order.
 *
 * Prints:
 *	You said: What is C?.
 *	You said: What is a mill?.
 *	You said: Bye.
 *	spread over two lines.
 */
#include <llmill.h>

#include "chat.h"

int
main(void)
{
	const char *const prompts[] = {
	    "What is C?", "What is a mill?", "Bye.\nspread over two lines"};
	struct llmill_conf conf = LLMILL_CONF_DEFAULT;
	struct llmill_results *results = NULL;
	struct llmill_err err;
	struct llmill *mill;

	conf.chat_fn = chat;
	mill = llmill_open(&conf, &err);
	if (mill != NULL)
		results = llmill_process_prompts(mill, prompts, 3, &err);
	if (results == NULL) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	for (size_t i = 0; i < llmill_results_count(results); i++)
		puts(llmill_results_text(results, i, NULL));
	llmill_results_free(results);
	llmill_close(mill);
	return 0;
}
