/* SPDX-License-Identifier: ISC */
/*
 * Options for what people see.
 */
#include "opts_row.h"

static const struct opts_choice progress_modes[] = {
    {"auto", LLMILL_PROGRESS_AUTO},
    {"bar", LLMILL_PROGRESS_BAR},
    {"plain", LLMILL_PROGRESS_PLAIN},
    {"none", LLMILL_PROGRESS_NONE},
    {NULL, 0},
};

static const struct opt rows[] = {
    {.name = "dry-run",
	.kind = OPTS_FLAG,
	AT(bool, conf.dry_run),
	.synonyms = "--dryrun --simulate --just-print --noop",
	.help = "show the first request and what there is to do; send "
		"nothing, make no file"},
    {.letter = 'q',
	.kind = OPTS_QUIET,
	AT(int, conf.verbosity),
	.synonyms = "--quiet --silent",
	.help = "errors only"},
    {.letter = 'v',
	.commands = OF_CALLS,
	.kind = OPTS_VERBOSE,
	AT(int, conf.verbosity),
	.synonyms = "--verbose --debug",
	.help = "say more; -vv says all"},
    {.name = "log",
	.arg = "FILE",
	.commands = OF_CALLS,
	.kind = OPTS_TEXT,
	AT(const char *, conf.log_path),
	.synonyms = "--log-file --logfile --log-path",
	.help = "append all there is to say to FILE"},
    {.name = "metrics",
	.arg = "FILE",
	.kind = OPTS_TEXT,
	AT(const char *, conf.metrics),
	.synonyms = "--prometheus --metrics-file --prom --textfile",
	.help = "numbers for Prometheus, written to FILE every 5 s"},
    {.name = "progress",
	.arg = "auto|bar|plain|none",
	.kind = OPTS_CHOICE,
	AT(enum llmill_progress, conf.progress),
	.choices = progress_modes,
	.normal = "auto",
	.synonyms = "--bar --progress-bar --show-progress",
	.help = "how a run that goes on is shown"},
    {.name = "json",
	.commands = OF_RUN | OF_RESUME | OF_STATUS | OF_MERGE | OF_CTL,
	.kind = OPTS_FLAG,
	AT(bool, conf.json),
	.synonyms = "--summary-json --json-summary",
	.help = "the summary (status: each database) as one JSON object on "
		"stdout"},
    {.name = "watch",
	.commands = OF_STATUS,
	.kind = OPTS_FLAG,
	AT(bool, watch),
	.synonyms = "-w --follow --live --refresh --monitor",
	.help = "draw it anew every second until no run goes on"},
    {.letter = 'h',
	.name = "help",
	.commands = OF_CALLS | OF_STATUS | OF_VERIFY | OF_MERGE | OF_EXPORT |
		    OF_CTL | OF_REPORT,
	.kind = OPTS_FLAG,
	AT(bool, help),
	.synonyms = "-? --usage",
	.help = "show this"},
};

const struct opts_section opts_seeing = {rows, OPTS_ROWS(rows)};
