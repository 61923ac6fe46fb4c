/* SPDX-License-Identifier: ISC */
/*
 * llmill help: everything it says about options is read from their table.
 */
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "page.h"
#include "say.h"

#define OPTION_INDENT 28
#define COMMAND_INDENT 13
#define TEXT_MAX 512 /* of one option: help, default, what it is for */

static const char *const headings[OPTS_GROUP_COUNT] = {
    [OPTS_INPUT] = "Input",
    [OPTS_BACKEND] = "Backend",
    [OPTS_RUNNING] = "Running",
    [OPTS_OUTPUT] = "Database and output",
    [OPTS_SEEING] = "Seeing",
};

static void
print_option(const struct opt *opt)
{
	char name[OPTS_LABEL_SIZE];
	char label[OPTS_LABEL_SIZE + 40];
	char text[TEXT_MAX];

	snprintf(label, sizeof(label), "%s%s%s%s", opt->letter ? "" : "    ",
	    opts_label(opt, name), opt->arg ? " " : "",
	    opt->arg ? opt->arg : "");
	snprintf(text, sizeof(text), "%s%s%s%s", opt->help,
	    opt->normal ? " [" : "", opt->normal ? opt->normal : "",
	    opt->normal ? "]" : "");
	page_entry(label, OPTION_INDENT, text);
}

static void
print_group(enum opts_command command, enum opts_group group)
{
	bool first = true;

	for (size_t i = 0; opts_at(i); i++) {
		const struct opt *opt = opts_at(i);

		if (opts_group(opt) != group || !opts_has(command, opt))
			continue;
		if (first)
			printf("\n%s\n", headings[group]);
		first = false;
		print_option(opt);
	}
}

static const char *const abouts[] = {
    [OPTS_RUN] =
	"Runs every prompt of INPUT (files, - for stdin; one list) through a "
	"model or\nCOMMAND and keeps the answers in a database. The same "
	"command again goes on.\n",
    [OPTS_CHECK] =
	"Sends one prompt and says what was used, what came, and what to do "
	"about it.\nNo file is made. It waits for 60 s, or as --timeout says."
	"\n",
    [OPTS_RESUME] =
	"Goes on with the prompts in DB that are still open, with what the "
	"last run on it\nwas told; options given here hold instead. Without "
	"DB it is the newest\nllm_results_*.db here. A command is never taken "
	"from a database: give it again.\n",
    [OPTS_STATUS] =
	"Says what is in each DB: prompts answered, failed (by cause) and "
	"open, the last\nrun, latency, tokens. Without DB it is the newest "
	"llm_results_*.db here. Nothing\nis changed, and a run that goes on "
	"is not disturbed.\n\nSQL says more (success in percent, the longest, "
	"the average, what remains):\n"
	"  SELECT 100.0 * SUM(result NOT LIKE 'Error:%') / COUNT(*) FROM "
	"llm_results;\n"
	"  SELECT id, LENGTH(result) FROM llm_results\n"
	"    WHERE result NOT LIKE 'Error:%' ORDER BY 2 DESC LIMIT 10;\n"
	"  SELECT AVG(LENGTH(result)) FROM llm_results WHERE result NOT LIKE "
	"'Error:%';\n"
	"  SELECT id FROM llm_results WHERE result IS NULL OR result LIKE "
	"'Error:%';\n",
    [OPTS_VERIFY] =
	"Checks each DB: that the file is sound, and that every answer is, by "
	"its sha256,\nwhat was received. Without DB it is the newest "
	"llm_results_*.db here. Nothing is\nchanged. Exit status 65 if "
	"anything was found.\n",
    [OPTS_EXPORT] =
	"Writes what is in DB in the order of its prompts: to FILE, which "
	"appears whole\nor not at all, or to standard output. Without DB it is "
	"the newest\nllm_results_*.db here. Nothing is changed, and a run that "
	"goes on is not\ndisturbed.\n",
    [OPTS_MERGE] =
	"Makes a new database OUT.db of several with the same prompts, or "
	"parts of them.\nAn answer is taken before a failure, a failure "
	"before an open prompt, of equals\nthat of the DB named first. "
	"Shards that are missing or not finished, plans\nand answers that "
	"differ are said and end it, unless --partial is given. Each\nDB is "
	"only read.\n",
    [OPTS_REPORT] =
	"Writes one page that shows each DB in a browser: throughput, latency, "
	"outcomes,\ntokens, workers and attempts as plots, totals, failures by "
	"cause, and a table of\nthe prompts with their answers. It needs no "
	"network and no other file. Without\n-o it has the name of the first "
	"DB; without DB it is about the newest\nllm_results_*.db here. Nothing "
	"is changed.\n",
    [OPTS_CTL] =
	"Tells the run that works on DB what to do, or asks it:\n"
	"  status          counts, rates, workers, servers, the last errors\n"
	"  pause, resume   calls that are out go on, no other begins\n"
	"  workers N       so many from now on\n"
	"  retry ID ...    failed prompts again, now; retry failed: all\n"
	"  cancel ID ...   not in this run; they stay open\n"
	"  kill WORKER     its prompt is tried again\n"
	"  drain           finish what is out, then end\n"
	"  log LEVEL       what the run's screen gets: error to debug\n",
    [OPTS_SLURM] =
	"Prints a batch script for Slurm that does what llmill run would do "
	"with these\noptions; with --shard auto/N as an array of N tasks, or "
	"as one job with N nodes.\nA job whose time ends is queued again and "
	"goes on; behind the last task one\ndatabase is made of all.\n",
};

void
cmd_usage(enum opts_command command)
{
	const struct cmd *cmd = cmd_find(opts_command_name(command));

	printf("usage: llmill %s\n\n%s", cmd->usage, abouts[command]);
	for (int group = 0; group < OPTS_GROUP_COUNT; group++)
		print_group(command, (enum opts_group)group);
	if (opts_only_looks(command))
		return;
	fputs("\nTIME is 500ms, 30s, 5m, 1h or plain seconds; SIZE is bytes, "
	      "64K, 2M or 1G;\ncounts may be 10k or 2M. [] holds the default."
	      "\n",
	    stdout);
}

/* One option a line, "short long arg group", for shells and tests. */
static void
list_options(void)
{
	for (size_t i = 0; opts_at(i); i++) {
		const struct opt *opt = opts_at(i);
		const char letter[] = {'-', opt->letter, '\0'};

		printf("%s %s%s %s %s\n", letter, opt->name ? "--" : "-",
		    opt->name ? opt->name : "", opt->arg ? opt->arg : "-",
		    opts_group_name(opts_group(opt)));
	}
}

static void
print_overview(void)
{
	fputs("usage: llmill COMMAND [options]\n\n"
	      "Maps a list of prompts through an LLM with isolated worker "
	      "processes.\n\n",
	    stdout);
	for (const struct cmd *cmd = cmds; cmd->name; cmd++)
		page_entry(cmd->name, COMMAND_INDENT, cmd->summary);
	putchar('\n');
	cmd_examples(stdout);
	fputs("\n\"llmill help run\" lists the options; man llmill has it all."
	      "\n",
	    stdout);
}

static int
help_about(const char *name)
{
	const struct cmd *cmd = cmd_find(name);

	if (!cmd)
		return cmd_refuse(name);
	for (int i = 0; i < OPTS_COMMAND_COUNT; i++)
		if (strcmp(name, opts_command_name((enum opts_command)i)) ==
		    0) {
			cmd_usage((enum opts_command)i);
			return LLMILL_EXIT_OK;
		}
	printf("usage: llmill %s\n\n  %s\n", cmd->usage, cmd->summary);
	return LLMILL_EXIT_OK;
}

int
cmd_help(const char *const *words)
{
	const char *about = words[1] ? words[2] : NULL;

	if (about && words[3]) {
		say_error("help takes one command");
		return LLMILL_EXIT_USAGE;
	}
	if (about && strcmp(about, "--list-options") == 0)
		list_options();
	else if (about)
		return help_about(about);
	else
		print_overview();
	return LLMILL_EXIT_OK;
}
