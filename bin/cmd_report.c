/* SPDX-License-Identifier: ISC */
/*
 * llmill report: the library does the work; here it is settled of which
 * databases, and where to.
 */
#include <string.h>

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
		    "report wants a name for the page: llmill report -o "
		    "FILE.html DB ...");
	if (strcmp(path, "-") == 0)
		return say_refuse(err,
		    "-o -: a page is made in a file, not on standard output");
	return paths_check(opts, err);
}

static int
report(const struct opts *opts, struct llmill_err *err)
{
	const struct llmill_report_conf conf = {
	    .path = opts->conf.output,
	    .databases = opts->inputs.items,
	    .take_signals = true,
	};

	return llmill_report(&conf, err);
}

int
cmd_report(const char *const *words)
{
	struct opts opts;
	int status = LLMILL_EXIT_USAGE;

	if (cmd_begin_look(&opts, OPTS_REPORT, words, &status))
		status = cmd_work(&opts, check, report);
	opts_free(&opts);
	return status;
}
