/* SPDX-License-Identifier: ISC */
/*
 * Results kept in a database under its usual name.
 *
 * Prints:
 *	2 results, 2 answered
 *	kept in llm_results_DATE_TIME.db
 */
#include <llmill.h>

#include <glob.h>

#include "chat.h"

int
main(void)
{
	const char *const prompts[] = {"one", "two"};
	struct llmill_conf conf = LLMILL_CONF_DEFAULT;
	struct llmill_results *results = NULL;
	struct llmill_err err;
	struct llmill *mill;
	size_t answered = 0;
	glob_t found;

	conf.chat_fn = chat;
	conf.save_to_db = true;
	mill = llmill_open(&conf, &err);
	if (mill != NULL)
		results = llmill_process_prompts(mill, prompts, 2, &err);
	if (results == NULL) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	for (size_t i = 0; i < 2; i++)
		answered += llmill_results_ok(results, i);
	printf("%zu results, %zu answered\n", llmill_results_count(results),
	    answered);
	if (glob("llm_results_[0-9]*_[0-9]*.db", 0, NULL, &found) == 0)
		printf("kept in llm_results_DATE_TIME.db\n");
	globfree(&found);
	llmill_results_free(results);
	llmill_close(mill);
	return 0;
}
