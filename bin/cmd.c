/* SPDX-License-Identifier: ISC */
/*
 * What the commands have in common: their list, and the way from words to
 * settings that can be run.
 */
#include "cmd.h"

#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf.h"
#include "guess.h"
#include "llmill_db.h"
#include "say.h"

const struct cmd cmds[] = {
    {"run", "run [options] [INPUT ...] [-- COMMAND [ARG ...]]",
	"run a list of prompts; on an existing database, go on", cmd_run},
    {"resume", "resume [options] [DB] [-- COMMAND [ARG ...]]",
	"go on from a database alone, without its input", cmd_resume},
    {"check", "check [options] [-- COMMAND [ARG ...]]",
	"send one prompt; say what came, or what is wrong", cmd_check},
    {"status", "status [--watch] [--json] [DB ...]",
	"what databases hold: counts, rates, failures by cause", cmd_status},
    {"ctl", "ctl [--json] DB ORDER [ARG ...]",
	"tell a run that goes on: pause, workers N, retry ID, drain, …",
	cmd_ctl},
    {"export", "export [-f FORMAT] [-o FILE] [DB]",
	"write the answers in a database, in the order of the prompts",
	cmd_export},
    {"report", "report [-o FILE.html] [DB ...]",
	"make a page with plots and all prompts, for any browser", cmd_report},
    {"verify", "verify [DB ...]",
	"check databases: the file, and the sha256 of every answer",
	cmd_verify},
    {"merge", "merge -o OUT.db [--partial] [--json] DB ...",
	"make one database of several with the same prompts", cmd_merge},
    {"slurm-script", "slurm-script [options] [INPUT ...] [-- COMMAND ...]",
	"print a batch script for Slurm that does such a run", cmd_slurm},
    {"completion", "completion bash|zsh|fish",
	"print a script by which a shell completes what is typed",
	cmd_completion},
    {"version", "version", "print the versions of program and libraries",
	cmd_version},
    {"help", "help [COMMAND]", "print this, or a command's options", cmd_help},
    {NULL, NULL, NULL, NULL},
};

const struct cmd *
cmd_find(const char *name)
{
	for (const struct cmd *cmd = cmds; cmd->name; cmd++)
		if (strcmp(cmd->name, name) == 0)
			return cmd;
	return NULL;
}

static const struct cmd *
nearest(const char *name)
{
	const struct cmd *best = NULL;
	unsigned reach = guess_reach(name);

	for (const struct cmd *cmd = cmds; cmd->name; cmd++) {
		unsigned distance = guess_distance(name, cmd->name);

		if (distance > reach || (best && distance == reach))
			continue;
		best = cmd;
		reach = distance;
	}
	return best;
}

/* Gives the bytes of an option without its value, which may be a key. */
static int
option_size(const char *word)
{
	if (strncmp(word, "--", 2) != 0)
		return 2;
	return (int)strcspn(word, "=");
}

int
cmd_refuse(const char *name)
{
	struct llmill_err err;
	const struct cmd *near = nearest(name);
	struct stat st;

	if (near)
		say_refuse(&err, "unknown command %.60s; did you mean %s?",
		    name, near->name);
	else if (name[0] == '-')
		say_refuse(&err,
		    "%.*s stands where a command should; did you mean: "
		    "llmill run %.*s …?",
		    option_size(name), name, option_size(name), name);
	else if (stat(name, &st) == 0)
		say_refuse(&err,
		    "%.300s is a file, no command; did you mean: llmill run "
		    "%.300s?",
		    name, name);
	else
		say_refuse(&err,
		    "unknown command %.60s; \"llmill help\" lists all", name);
	say_error(err.text);
	return err.status;
}

/* Read the options; show the help that was asked for. Gives true to go on,
 * else *status, with err empty when help was all. */
static bool
begin(struct opts *opts, enum opts_command command, const char *const *words,
    const struct llmill_run_conf *base, int *status, struct llmill_err *err)
{
	if (opts_read(opts, command, words + 2, base, err) != 0)
		return false;
	if (!opts->help)
		return true;
	cmd_usage(command);
	*status = LLMILL_EXIT_OK;
	err->text[0] = '\0';
	return false;
}

static bool
refuse(const struct llmill_err *err, int *status)
{
	if (err->text[0] == '\0')
		return false;
	say_error(err->text);
	*status = err->status;
	return false;
}

bool
cmd_begin(struct opts *opts, enum opts_command command,
    const char *const *words, const struct llmill_run_conf *base, int *status)
{
	static const char *const no_words[] = {NULL};
	struct llmill_err err = {0};

	if (!begin(opts, command, words, base, status, &err) ||
	    conf_complete(opts, &err) != 0)
		return refuse(&err, status);
	opts->conf.argv = words;
	if (opts->range.first || opts->range.last || opts->conf.first ||
	    opts->conf.sample)
		opts->conf.rest_argv =
		    opts->rest.items ? opts->rest.items : no_words;
	if (!opts_given(opts, "deadline"))
		opts->conf.deadline_ms = LLMILL_DEADLINE_JOB;
	opts->conf.take_signals = true;
	opts->conf.set_titles = true;
	opts->conf.own_process = true;
	opts->conf.screen_fd = STDERR_FILENO;
	opts->conf.result_fd = STDOUT_FILENO;
	return true;
}

bool
cmd_begin_words(struct opts *opts, enum opts_command command,
    const char *const *words, int *status)
{
	struct llmill_err err = {0};

	if (begin(opts, command, words, NULL, status, &err))
		return true;
	return refuse(&err, status);
}

int
cmd_work_off(const struct opts *opts)
{
	struct llmill_err err = {0};
	int status = llmill_run(&opts->conf, &err);

	if (err.text[0])
		say_error(err.text);
	return status == LLMILL_EXIT_EARLY ? (int)opts->drain_exit : status;
}

/* Name the newest database here where none was named. */
static int
choose_db(struct opts *opts, struct llmill_err *err)
{
	char path[PATH_MAX];
	const char *name;

	if (opts->inputs.count > 0)
		return 0;
	if (llmill_newest(path, sizeof(path), err) != LLMILL_EXIT_OK)
		return -1;
	name = opts_own(opts, strdup(path), err);
	if (!name)
		return -1;
	return list_add(&opts->inputs, name) < 0 ? say_no_memory(err) : 0;
}

bool
cmd_begin_look(struct opts *opts, enum opts_command command,
    const char *const *words, int *status)
{
	struct llmill_err err = {0};

	if (!begin(opts, command, words, NULL, status, &err) ||
	    choose_db(opts, &err) != 0)
		return refuse(&err, status);
	return true;
}

bool
cmd_begin_named(struct opts *opts, enum opts_command command,
    const char *const *words, int *status)
{
	struct llmill_err err = {0};

	return begin(opts, command, words, NULL, status, &err) ||
	       refuse(&err, status);
}

int
cmd_work(struct opts *opts,
    int (*check)(struct opts *opts, struct llmill_err *err),
    int (*work)(const struct opts *opts, struct llmill_err *err))
{
	struct llmill_err err = {0};
	int status = check(opts, &err) == 0 ? work(opts, &err) : err.status;

	if (err.text[0])
		say_error(err.text);
	return status;
}

void
cmd_examples(FILE *out)
{
	fputs("examples:\n"
	      "  llmill run prompts.txt -m gpt-4o-mini        "
	      "OpenAI, key in $OPENAI_API_KEY\n"
	      "  llmill run prompts.txt -u localhost:8000     "
	      "vLLM, llama.cpp, any such server\n"
	      "  llmill run prompts.txt -j 8 -- ./chat.sh     "
	      "a command: prompt in, answer out\n",
	    out);
}
