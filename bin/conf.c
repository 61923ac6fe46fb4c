/* SPDX-License-Identifier: ISC */
/*
 * What no single option can know: how they stand to each other, and what the
 * files they name hold. Nothing is sent and nothing is created here.
 */
#include "conf.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "body.h"
#include "file.h"
#include "headers.h"
#include "paths.h"
#include "say.h"
#include "shard.h"

#define TEXT_MAX_BYTES ((size_t)16 << 20) /* as long as a prompt may be */

/* Long names that mean nothing beside each other. */
static const struct clash {
	const char *one;
	const char *other;
	const char *why;
} clashes[] = {
    {"db", "no-db", "a database is kept or it is not"},
    {"require-db", "no-db", "a database is kept or it is not"},
    {"new", "no-db", "without a database every run is a new one"},
    {"new", "db", "give --db a name that is not taken"},
    {"redo", "no-db", "without a database nothing was done before"},
    {"retry-errors", "no-db", "without a database nothing was done before"},
    {"redo", "new", "in a new database nothing was done before"},
    {"retry-errors", "new", "in a new database nothing was done before"},
    {"first", "range", "--range 1:N is the first N"},
    {"key-file", "key-env", "there is one key"},
};

static int
check_clashes(const struct opts *opts, struct llmill_err *err)
{
	for (size_t i = 0; i < sizeof(clashes) / sizeof(clashes[0]); i++)
		if (opts_given(opts, clashes[i].one) &&
		    opts_given(opts, clashes[i].other))
			return say_refuse(err,
			    "--%s and --%s exclude each other: %s",
			    clashes[i].one, clashes[i].other, clashes[i].why);
	return 0;
}

static int
check_width(const struct opts *opts, struct llmill_err *err)
{
	const struct llmill_run_conf *conf = &opts->conf;

	if (opts_given(opts, "min-workers") && !conf->adaptive)
		return say_refuse(err,
		    "--min-workers means nothing without --adaptive; leave "
		    "it out, or give both");
	if (conf->adaptive && conf->min_workers > conf->workers)
		return say_refuse(err, "--min-workers %u is more than -j %u",
		    (unsigned)conf->min_workers, (unsigned)conf->workers);
	return 0;
}

static int
check_report(const struct opts *opts, struct llmill_err *err)
{
	if (!opts->conf.report || !opts->conf.no_db)
		return 0;
	return say_refuse(err,
	    "--report wants a database to be read from; leave out --no-db");
}

static int
check_price(const struct opts *opts, struct llmill_err *err)
{
	const struct llmill_run_conf *conf = &opts->conf;

	if (conf->max_cost == 0 || conf->price_in > 0 || conf->price_out > 0)
		return 0;
	return say_refuse(err,
	    "--max-cost wants to know what tokens cost; give --price-in, "
	    "--price-out");
}

static bool
is_dash(const char *text)
{
	return text && strcmp(text, "-") == 0;
}

/* Better now than after the answers were paid for. */
static int
check_stdout(const struct llmill_run_conf *conf, struct llmill_err *err)
{
	int flags = fcntl(STDOUT_FILENO, F_GETFL);

	if (!is_dash(conf->output) && !conf->json && !conf->dry_run)
		return 0;
	if (flags != -1 && (flags & O_ACCMODE) != O_RDONLY)
		return 0;
	return say_refuse(err, "standard output is closed, but %s writes to it",
	    is_dash(conf->output) ? "-o -"
	    : conf->json	  ? "--json"
				  : "--dry-run");
}

/* How -o is written matters where it is. */
static int
check_answers(const struct opts *opts, struct llmill_err *err)
{
	static const char *const names[] = {
	    "format", "only", "fields", "csv-safe"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (opts_given(opts, names[i]) && !opts->conf.output)
			return say_refuse(err,
			    "%s--%s says how -o is written; give -o FILE or "
			    "-o -",
			    i == 0 ? "-f, " : "", names[i]);
	return 0;
}

static int
check_streams(const struct opts *opts, struct llmill_err *err)
{
	const struct llmill_run_conf *conf = &opts->conf;
	size_t dashes = 0;

	if (is_dash(conf->db))
		return say_refuse(err, "--db: a database wants a file");
	if (is_dash(conf->log_path))
		return say_refuse(
		    err, "--log wants a file; -v and -vv show it on stderr");
	if (check_answers(opts, err) < 0)
		return -1;
	if (is_dash(conf->output) && conf->json)
		return say_refuse(err,
		    "-o - and --json both write to standard output; give -o "
		    "FILE");
	for (size_t i = 0; i < opts->inputs.count; i++)
		dashes += is_dash(opts->inputs.items[i]);
	if (dashes > 1)
		return say_refuse(
		    err, "standard input (-) can be read only once");
	return check_stdout(conf, err);
}

/* An environment variable has a name; a key put there by mistake mostly is
 * none. It is not shown. */
static int
check_key_env(const struct opts *opts, struct llmill_err *err)
{
	const char *name = opts->conf.key_env;

	if (!name || (strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "abcdefghijklmnopqrstuvwxyz"
				   "0123456789_") == strlen(name) &&
			 (name[0] < '0' || name[0] > '9')))
		return 0;
	return say_refuse(err,
	    "--key-env wants the name of an environment variable, such as "
	    "OPENAI_API_KEY, not the key itself");
}

/* A text, or with @ in front that of a file, which loses one newline. */
static int
fill_text(struct opts *opts, const char *option, const char *given,
    const char **filled, struct llmill_err *err)
{
	size_t size;
	char *text;

	if (given)
		*filled = given;
	if (!given || given[0] != '@')
		return 0;
	text = file_read_text(option, given + 1, TEXT_MAX_BYTES, NULL, err);
	if (!text)
		return -1;
	size = strlen(text);
	if (size > 0 && text[size - 1] == '\n')
		text[size - 1] = '\0';
	*filled = opts_own(opts, text, err);
	if (!*filled)
		return -1;
	if (text[0] == '\0')
		return say_refuse(err, "%s: %s is empty", option, given + 1);
	return 0;
}

static int
fill_texts(struct opts *opts, struct llmill_err *err)
{
	struct llmill_run_conf *conf = &opts->conf;

	if (fill_text(opts, "-t, --template", opts->template,
		&conf->prompt_template, err) < 0)
		return -1;
	return fill_text(
	    opts, "-s, --system", opts->system, &conf->system, err);
}

/* "{}" is replaced only where it is a whole argument. */
static void
warn_of_braces(const struct opts *opts)
{
	const char *const *word = opts->child;

	for (; word && *word; word++) {
		if (strcmp(*word, "{}") == 0 || !strstr(*word, "{}"))
			continue;
		say_warning("the {} inside \"%.80s\" stays as it is; only an "
			    "argument that is {} alone becomes the prompt",
		    *word);
		return;
	}
}

/* --retry-errors is a word of --redo. */
static int
fill_redo(struct opts *opts, struct llmill_err *err)
{
	struct llmill_run_conf *conf = &opts->conf;
	char *both;

	if (!opts->retry_errors)
		return 0;
	if (!conf->redo) {
		conf->redo = "failed";
		return 0;
	}
	if (asprintf(&both, "failed,%s", conf->redo) < 0)
		both = NULL;
	conf->redo = opts_own(opts, both, err);
	return conf->redo ? 0 : -1;
}

int
conf_complete(struct opts *opts, struct llmill_err *err)
{
	struct llmill_run_conf *conf = &opts->conf;

	if (check_clashes(opts, err) < 0 || check_price(opts, err) < 0 ||
	    check_report(opts, err) < 0 || check_width(opts, err) < 0 ||
	    shard_settle(opts, err) < 0 || check_streams(opts, err) < 0 ||
	    check_key_env(opts, err) < 0 || paths_check(opts, err) < 0 ||
	    body_fill(opts, err) < 0 || fill_texts(opts, err) < 0 ||
	    fill_redo(opts, err) < 0 || headers_fill(opts, err) < 0)
		return -1;
	if (conf->verbosity >= 0)
		warn_of_braces(opts);
	conf->max_failures = opts->max_failures.count;
	conf->max_failures_percent = opts->max_failures.percent;
	conf->range_first = opts->range.first;
	conf->range_last = opts->range.last;
	conf->sample = opts->sample.count;
	conf->sample_seed = opts->sample.seed;
	if (!conf->resume)
		conf->inputs = opts->inputs.items;
	conf->prompts = opts->prompts.items;
	conf->params = opts->body.items;
	conf->headers = opts->lines.items;
	if (opts->urls.count > 0)
		conf->urls = opts->urls.items;
	conf->command = opts->child;
	return 0;
}
