/* SPDX-License-Identifier: ISC */
/*
 * llmill export: the library does the work; here it is settled which database
 * and where to.
 */
#include <signal.h>
#include <string.h>

#include "cmd.h"
#include "llmill_db.h"
#include "paths.h"
#include "say.h"

static int
check(struct opts *opts, struct llmill_err *err)
{
	if (opts->inputs.count > 1)
		return say_refuse(err,
		    "export writes one database; llmill merge -o OUT.db makes "
		    "one of several");
	return paths_check(opts, err);
}

static int
write_answers(const struct opts *opts, struct llmill_err *err)
{
	const struct llmill_export_conf conf = {
	    .path = opts->inputs.items[0],
	    .output = opts->conf.output ? opts->conf.output : "-",
	    .answers = opts->conf.answers,
	};

	signal(SIGPIPE, SIG_IGN);
	return llmill_export(&conf, err);
}

int
cmd_export(const char *const *words)
{
	struct opts opts;
	int status = LLMILL_EXIT_USAGE;

	if (cmd_begin_look(&opts, OPTS_EXPORT, words, &status))
		status = cmd_work(&opts, check, write_answers);
	opts_free(&opts);
	return status;
}
