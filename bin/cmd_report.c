/* SPDX-License-Identifier: ISC */
/*
 * llmill report: the library does the work; here it is settled of which
 * databases, and where to.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "llmill_db.h"
#include "paths.h"
#include "say.h"

/* Without a name it has that of the first database: answers.html. */
static int
name_page(struct opts *opts, struct llmill_err *err)
{
	const char *db = opts->inputs.items[0];
	size_t size = strlen(db);
	char *text;

	if (size > 3 && strcmp(db + size - 3, ".db") == 0)
		size -= 3;
	if (asprintf(&text, "%.*s.html", (int)size, db) < 0)
		text = NULL;
	opts->conf.output = opts_own(opts, text, err);
	return opts->conf.output ? 0 : -1;
}

static int
check(struct opts *opts, struct llmill_err *err)
{
	if (!opts->conf.output && name_page(opts, err) < 0)
		return -1;
	if (strcmp(opts->conf.output, "-") == 0)
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
	int status = llmill_report(&conf, err);

	if (status == LLMILL_EXIT_OK && !opts_given(opts, "output"))
		printf("%s\n", conf.path);
	return status;
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
