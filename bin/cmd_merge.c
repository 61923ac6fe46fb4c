/* SPDX-License-Identifier: ISC */
/*
 * llmill merge: the library does the work; here it is settled that there is
 * something to merge, and where to.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "llmill_db.h"
#include "paths.h"
#include "say.h"

static int
check(struct opts *opts, struct llmill_err *err)
{
	const char *path = opts->conf.output;

	if (!path)
		return say_refuse(err,
		    "merge wants a name for the new database: llmill merge -o "
		    "OUT.db DB ...");
	if (strcmp(path, "-") == 0)
		return say_refuse(err,
		    "-o -: a database is made in a file, not on standard "
		    "output");
	if (opts->inputs.count == 0)
		return say_refuse(err,
		    "merge wants databases: llmill merge -o %s DB ...", path);
	return paths_check(opts, err);
}

static int
merge(const struct opts *opts, struct llmill_err *err)
{
	const struct llmill_merge_conf conf = {
	    .path = opts->conf.output,
	    .shards = opts->inputs.items,
	    .screen_fd = STDERR_FILENO,
	    .result_fd = STDOUT_FILENO,
	    .json = opts->conf.json,
	    .partial = opts->partial,
	    .take_signals = true,
	};
	struct llmill_text text;
	int status = llmill_merge(&conf, &text, err);

	if (text.data)
		fputs(text.data, stdout);
	llmill_text_free(&text);
	return status;
}

int
cmd_merge(const char *const *words)
{
	struct opts opts;
	int status = LLMILL_EXIT_USAGE;

	if (cmd_begin_named(&opts, OPTS_MERGE, words, &status))
		status = cmd_work(&opts, check, merge);
	opts_free(&opts);
	return status;
}
