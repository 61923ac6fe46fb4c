/* SPDX-License-Identifier: ISC */
/*
 * llmill verify: one block per database; one that cannot be read does not
 * keep the others from being checked.
 */
#include <stdio.h>

#include "cmd.h"
#include "llmill_db.h"
#include "say.h"

static int
verify_one(const char *path)
{
	struct llmill_text text;
	struct llmill_err err;
	int status = llmill_verify(path, &text, &err);

	if (text.data) {
		fputs(text.data, stdout);
		fflush(stdout); /* in order with what is said on stderr */
	} else {
		say_error(err.text);
	}
	llmill_text_free(&text);
	return status;
}

int
cmd_verify(const char *const *words)
{
	struct opts opts;
	int status = LLMILL_EXIT_USAGE;

	if (cmd_begin_look(&opts, OPTS_VERIFY, words, &status)) {
		status = LLMILL_EXIT_OK;
		for (size_t i = 0; i < opts.inputs.count; i++) {
			int one = verify_one(opts.inputs.items[i]);

			if (status == LLMILL_EXIT_OK)
				status = one;
		}
	}
	opts_free(&opts);
	return status;
}
