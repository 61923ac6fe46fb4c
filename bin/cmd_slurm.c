/* SPDX-License-Identifier: ISC */
/*
 * llmill slurm-script: the words of a run become a batch script. They are
 * judged as far as that goes here: which shard it is, only a node knows.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "llmill_db.h"
#include "say.h"
#include "shard.h"

static int
check_shards(const struct opts *opts, uint32_t count, struct llmill_err *err)
{
	const char *db = opts->conf.db;

	if (count > 0 && db && !strstr(db, SHARD_MARK))
		return say_refuse(err,
		    "--db %s: each shard wants one of its own, such as "
		    "answers." SHARD_MARK ".db",
		    db);
	if (count > 0 && opts->conf.output &&
	    !strstr(opts->conf.output, SHARD_MARK))
		return say_refuse(err,
		    "-o %s: each shard wants one of its own, such as "
		    "answers." SHARD_MARK ".jsonl",
		    opts->conf.output);
	if (count == 0 && (opts->at_once > 0 || opts->one_job))
		return say_refuse(err,
		    "--%s is for several shards; give --shard auto/N",
		    opts->one_job ? "one-job" : "at-once");
	if (opts->at_once > 0 && opts->one_job)
		return say_refuse(err,
		    "--at-once and --one-job exclude each other: all nodes of "
		    "one job run at once");
	return 0;
}

/* A job has no standard input worth the name. */
static int
check_inputs(const struct opts *opts, struct llmill_err *err)
{
	if (opts->inputs.count + opts->prompts.count == 0)
		return say_refuse(err,
		    "slurm-script wants a file of prompts: a job has nothing "
		    "on its standard input");
	for (size_t i = 0; i < opts->inputs.count; i++)
		if (strcmp(opts->inputs.items[i], "-") == 0)
			return say_refuse(err,
			    "-: a job has nothing on its standard input; give "
			    "a file of prompts");
	return 0;
}

/* A path that was typed is another one where the script runs. */
static const char *
find_program(const char *name, char *real)
{
	if (!strchr(name, '/') || !realpath(name, real))
		return name;
	return real;
}

static int
print(struct opts *opts, const char *program, struct llmill_err *err)
{
	static const char *const nothing[] = {NULL};
	char real[PATH_MAX];
	struct llmill_slurm_conf conf = {
	    .program = find_program(program, real),
	    .words = opts->rest.items ? opts->rest.items : nothing,
	    .at_once = opts->at_once,
	    .one_job = opts->one_job,
	    .db = opts->conf.db,
	};
	struct llmill_text text;
	int status;

	if (check_inputs(opts, err) < 0 ||
	    shard_read_auto(opts->shard, &conf.shards, err) < 0 ||
	    check_shards(opts, conf.shards, err) < 0)
		return err->status;
	status = llmill_slurm_script(&conf, &text, err);
	if (text.data)
		fputs(text.data, stdout);
	llmill_text_free(&text);
	return status;
}

int
cmd_slurm(const char *const *words)
{
	struct llmill_err err = {0};
	struct opts opts;
	int status = LLMILL_EXIT_USAGE;

	if (cmd_begin_words(&opts, OPTS_SLURM, words, &status)) {
		status = print(&opts, words[0], &err);
		if (err.text[0])
			say_error(err.text);
	}
	opts_free(&opts);
	return status;
}
