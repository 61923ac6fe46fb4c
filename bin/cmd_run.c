/* SPDX-License-Identifier: ISC */
/*
 * llmill run: the library does the work; here it is settled where the prompts
 * come from when nobody says.
 */
#include <stdio.h>
#include <unistd.h>

#include "cmd.h"
#include "say.h"

/* No INPUT means stdin, but nobody types a prompt list by hand.
 * Gives false after a line that says what to do. */
static bool
choose_input(struct llmill_run_conf *conf)
{
	static const char *const standard_input[] = {"-", NULL};

	if (conf->inputs || conf->prompts)
		return true;
	if (isatty(STDIN_FILENO)) {
		say_error("no prompts: give a file, --prompt TEXT, or a list "
			  "on standard input");
		cmd_examples(stderr);
		return false;
	}
	conf->inputs = standard_input;
	return true;
}

int
cmd_run(const char *const *words)
{
	struct llmill_err err = {0};
	struct opts opts;
	int status = LLMILL_EXIT_USAGE;

	if (cmd_begin(&opts, OPTS_RUN, words, NULL, &status) &&
	    choose_input(&opts.conf)) {
		status = llmill_run(&opts.conf, &err);
		if (err.text[0])
			say_error(err.text);
	}
	opts_free(&opts);
	return status;
}
