/* SPDX-License-Identifier: ISC */
/*
 * A large batch, with a word now and then on how far it is.
 *
 * Prints:
 *	all of 20000 told of
 *	the last one: You said: prompt 19999.
 */
#include <llmill.h>

#include "chat.h"

#define COUNT 20000

static void
progress(void *arg, size_t answered, size_t failed, size_t total)
{
	if (answered + failed == total)
		*(size_t *)arg = total;
}

int
main(void)
{
	static char texts[COUNT][24];
	static const char *prompts[COUNT];
	struct llmill_conf conf = LLMILL_CONF_DEFAULT;
	struct llmill_results *results = NULL;
	struct llmill_err err;
	struct llmill *mill;
	size_t told = 0;

	for (int i = 0; i < COUNT; i++) {
		snprintf(texts[i], sizeof(texts[i]), "prompt %d", i);
		prompts[i] = texts[i];
	}
	conf.chat_fn = chat;
	conf.save_to_db = true;
	conf.db_filename = "batch.db";
	conf.progress = progress;
	conf.progress_arg = &told;
	mill = llmill_open(&conf, &err);
	if (mill != NULL)
		results = llmill_process_prompts(mill, prompts, COUNT, &err);
	if (results == NULL) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	printf("all of %zu told of\n", told);
	printf("the last one: %s\n",
	    llmill_results_text(results, COUNT - 1, NULL));
	llmill_results_free(results);
	llmill_close(mill);
	return 0;
}
