/* SPDX-License-Identifier: ISC */
/*
 * llmill resume: the words are read twice, first for the database they name,
 * then over what its last run was told.
 */
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "say.h"

/* A command is never taken from a database: it could be anybody's. */
static int
check_command(const struct opts *opts, const struct llmill_run_conf *base,
    const struct llmill_recalled *recalled, struct llmill_err *err)
{
	const char *command = llmill_recalled_command(recalled);
	const char *how = "--";

	if (!command || opts->child || opts->python || opts->conf.plugin ||
	    opts_given(opts, "backend"))
		return 0;
	if (strncmp(command, PYTHON_COMMAND, strlen(PYTHON_COMMAND)) == 0) {
		how = "--python";
		command += strlen(PYTHON_COMMAND);
	}
	if (base->backend && strcmp(base->backend, "plugin") == 0)
		how = "--plugin";
	return say_refuse(err,
	    "the last run on %s went through a command, and no command is "
	    "taken from a database; if it is a good one: llmill resume %s %s "
	    "%.800s",
	    base->db, base->db, how, command);
}

/* Say what had to be left out. */
static void
warn_of_headers(const struct opts *opts, const struct llmill_recalled *recalled)
{
	const char *names = llmill_recalled_headers(recalled);

	if (names && opts->headers.count == 0 && opts->conf.verbosity >= 0)
		say_warning("the last run sent the headers %s, whose values "
			    "are not kept; give them again with -H",
		    names);
}

/* It ran a command as well. */
static bool
is_coproc(const char *backend)
{
	return backend && strcmp(backend, "coproc") == 0;
}

static bool
speaks_as_before(const struct opts *opts, const struct llmill_run_conf *base)
{
	const char *before = base->api ? base->api : "openai";

	return strcmp(opts->conf.api, before) == 0;
}

/* Fill base with what holds where no option says otherwise. */
static bool
recall(const struct opts *opts, struct llmill_run_conf *base,
    struct llmill_recalled **recalled, int *status)
{
	struct llmill_err err = {0};

	llmill_run_conf_init(base);
	if (opts->inputs.count > 1)
		say_refuse(&err,
		    "resume goes on with one database; %s is "
		    "another",
		    opts->inputs.items[1]);
	else if (llmill_recall(opts->inputs.items[0], base, recalled, &err) ==
		     LLMILL_EXIT_OK &&
		 check_command(opts, base, *recalled, &err) == 0)
		warn_of_headers(opts, *recalled);
	/* Another way to call a model takes the place of the old one. */
	if (opts_given(opts, "backend") ||
	    ((opts->child || opts->python) && !is_coproc(base->backend)) ||
	    opts->conf.plugin)
		base->backend = NULL;
	/* A URL is the old API's. */
	if (opts_given(opts, "api") && !speaks_as_before(opts, base))
		base->urls = NULL;
	if (opts_given(opts, "url") || !base->urls)
		base->urls_recalled = false;
	if (!err.text[0])
		return true;
	say_error(err.text);
	*status = err.status;
	return false;
}

int
cmd_resume(const char *const *words)
{
	struct llmill_recalled *recalled = NULL;
	struct llmill_run_conf base;
	struct opts opts = {0};
	struct opts named;
	int status = LLMILL_EXIT_USAGE;

	if (cmd_begin_look(&named, OPTS_RESUME, words, &status) &&
	    recall(&named, &base, &recalled, &status) &&
	    cmd_begin(&opts, OPTS_RESUME, words, &base, &status))
		status = cmd_work_off(&opts);
	opts_free(&opts);
	opts_free(&named);
	llmill_recalled_free(recalled);
	return status;
}
