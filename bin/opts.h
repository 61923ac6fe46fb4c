/* SPDX-License-Identifier: ISC */
#ifndef OPTS_H
#define OPTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "list.h"
#include "llmill_run.h"
#include "python.h"

/*
 * One const table says everything about every option. The parser, the usage
 * text, the guesses at what was meant, the listing for shells and the check of
 * the manual all read it: an option is added by adding a row.
 */
enum opts_group {
	OPTS_INPUT = 0,
	OPTS_BACKEND = 1,
	OPTS_RUNNING = 2,
	OPTS_OUTPUT = 3,
	OPTS_SEEING = 4,
};
#define OPTS_GROUP_COUNT 5

enum opts_command {
	OPTS_RUN = 0,
	OPTS_CHECK = 1,
	OPTS_STATUS = 2,
	OPTS_VERIFY = 3,
	OPTS_RESUME = 4,
	OPTS_MERGE = 5,
	OPTS_EXPORT = 6,
	OPTS_SLURM = 7, /* knows all that run knows */
	OPTS_CTL = 8,
	OPTS_REPORT = 9,
};
#define OPTS_COMMAND_COUNT 10

/* Backends, as bits. */
enum {
	OPTS_HTTP = 1,
	OPTS_EXEC = 2,
	OPTS_ECHO = 4,
	OPTS_COPROC = 8, /* a command per worker */
	OPTS_PLUGIN = 16,
};

/* APIs that http speaks, as bits. */
enum {
	OPTS_OPENAI = 1,
	OPTS_ANTHROPIC = 2,
};

#define OPTS_MOST 128 /* options there can be */

/* What an option takes, and the type of the field that keeps it. */
enum opts_kind {
	OPTS_FLAG = 0,	   /* bool */
	OPTS_TEXT = 1,	   /* const char * */
	OPTS_LIST = 2,	   /* struct list, repeatable */
	OPTS_COUNT = 3,	   /* uint32_t, least to most */
	OPTS_TOKENS = 4,   /* int64_t, least to most */
	OPTS_SIZE = 5,	   /* uint64_t, least to most */
	OPTS_DURATION = 6, /* int64_t ns, least to most */
	OPTS_NUMBER = 7,   /* const char *, a JSON number, least to most */
	OPTS_INTEGER = 8,  /* const char *, a JSON integer */
	OPTS_RANGE = 9,	   /* struct opts_range */
	OPTS_CHOICE = 10,  /* an enum: one of choices, the first if no arg */
	OPTS_QUIET = 11,   /* int verbosity */
	OPTS_VERBOSE = 12, /* int verbosity */
	OPTS_AMOUNT = 13,  /* uint64_t, least to most */
	OPTS_SHARE = 14,   /* struct opts_share: "N" or "P%" */
	OPTS_SAMPLE = 15,  /* struct opts_sample */
	OPTS_MOMENT = 16,  /* int64_t ms since 1970, 0: "none" */
	OPTS_MONEY = 17,   /* uint64_t, in millionths, least to most */
};

struct opts_sample {
	uint32_t count; /* 0: all */
	uint64_t seed;
};

struct opts_range {
	uint32_t first; /* from 1; 0: from the start */
	uint32_t last;	/* inclusive; 0: to the end */
};

struct opts_share {
	uint64_t count; /* 0: percent is meant */
	double percent;
};

struct opts_choice {
	const char *name; /* NULL ends the list */
	unsigned value;
};

struct opt {
	char letter;	   /* 0 none */
	const char *name;  /* without "--"; NULL none */
	const char *arg;   /* what stands for its value; NULL: takes none */
	bool may_lack;	   /* where another option follows, or nothing, the
			      value is "" */
	unsigned commands; /* that know it, 1 << enum opts_command each; 0:
			      run and resume */
	bool part;	   /* chooses a part of the list: not of a later run */
	unsigned backends; /* that know it; 0: all do */
	unsigned apis;	   /* of http that know it; 0: all do */
	enum opts_kind kind;
	size_t at; /* of the field in struct opts */
	int64_t least;
	int64_t most;
	const struct opts_choice *choices;
	const char *normal;   /* the default, for people; NULL none */
	const char *synonyms; /* what others call it: "-P --jobs"; NULL none */
	const char *help;
};

/* Rows that belong together. */
struct opts_section {
	const struct opt *rows;
	size_t count;
};

extern const struct opts_section opts_input;
extern const struct opts_section opts_backend;
extern const struct opts_section opts_running;
extern const struct opts_section opts_output;
extern const struct opts_section opts_seeing;

/* Gives the option at a place of the whole table, from 0; NULL behind the last.
 */
const struct opt *opts_at(size_t place);

/* The same backwards. Bug if it is of no table. */
size_t opts_place(const struct opt *opt);

enum opts_group opts_group(const struct opt *opt);

/* What a command line asks for. Strings are lent by argv, but for owned. */
struct opts {
	struct llmill_run_conf conf; /* fields that options fill directly */
	enum opts_command command;
	unsigned backend; /* one of the bits */
	unsigned api;	  /* likewise */
	bool help;	  /* -h: nothing behind it was read */
	bool watch;
	bool partial;
	bool one_job;
	uint32_t at_once; /* 0: all */
	bool per_worker;
	const char *python; /* "MODULE:FUNCTION" */
	const char *python_words[PYTHON_WORDS + 1];
	bool retry_errors;
	bool given[OPTS_MOST]; /* by their place in the table */
	struct opts_range range;
	const char *shard; /* "K/N", "auto/N" */
	struct opts_sample sample;
	uint32_t drain_exit; /* instead of 75 */
	struct opts_share max_failures;
	const char *template;
	const char *system;
	const char *temperature;
	const char *top_p;
	const char *seed;
	const char *const *child; /* COMMAND [ARG …], NULL none */
	struct list rest;   /* all words as typed, but those that choose a part;
			       of a batch script: those of the run */
	struct list inputs; /* of others than run: databases */
	struct list prompts;
	struct list params;
	struct list headers;
	struct list urls;
	struct list stops;
	struct list body;  /* "KEY=VALUE" of all that goes into the request */
	struct list lines; /* "Name: value" of all headers */
	struct list owned; /* strings made on the way */
};

/*
 * Read the words behind the command's name.
 * Takes words, NULL-terminated, lent for as long as opts lives; base, the
 * settings that hold where no option says otherwise, NULL: the usual ones.
 * Fails LLMILL_EXIT_USAGE with one sentence; opts wants opts_free in any case.
 */
int opts_read(struct opts *opts, enum opts_command command,
    const char *const *words, const struct llmill_run_conf *base,
    struct llmill_err *err);

void opts_free(struct opts *opts);

/* Was it given? Takes the long name. Bug if the table has no such option. */
bool opts_given(const struct opts *opts, const char *name);

/* Do the command's words name databases to look at, and nothing to run? */
bool opts_only_looks(enum opts_command command);

/* Gives what the command's words name: "database", "input". */
const char *opts_word_name(enum opts_command command);

/* Was this very option given? */
bool opts_has_given(const struct opts *opts, const struct opt *opt);

/* Keep a string made on the way (taken; NULL counts as no memory). Gives it,
 * or NULL with err. */
const char *opts_own(struct opts *opts, char *text, struct llmill_err *err);

/* Does the command know the option? */
bool opts_has(enum opts_command command, const struct opt *opt);

/* Gives "run", "input". */
const char *opts_command_name(enum opts_command command);
const char *opts_group_name(enum opts_group group);

/* Write "-j, --workers". Takes OPTS_LABEL_SIZE bytes. Gives out. */
#define OPTS_LABEL_SIZE 48
const char *opts_label(const struct opt *opt, char *out);

#endif
