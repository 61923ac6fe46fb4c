/* SPDX-License-Identifier: ISC */
#ifndef CMD_H
#define CMD_H

#include <stdio.h>

#include "opts.h"

/*
 * The commands. Each takes all words as typed, NULL-terminated, the program's
 * name and the command's first, and gives the exit status.
 */
struct cmd {
	const char *name;
	const char *usage;
	const char *summary;
	int (*run)(const char *const *words);
};

extern const struct cmd cmds[]; /* ends with a NULL name */

int cmd_run(const char *const *words);
int cmd_slurm(const char *const *words);
int cmd_resume(const char *const *words);
int cmd_check(const char *const *words);
int cmd_status(const char *const *words);
int cmd_verify(const char *const *words);
int cmd_ctl(const char *const *words);
int cmd_report(const char *const *words);
int cmd_merge(const char *const *words);
int cmd_export(const char *const *words);
int cmd_completion(const char *const *words);
int cmd_version(const char *const *words);
int cmd_help(const char *const *words);

/* Gives the command so named, or NULL. */
const struct cmd *cmd_find(const char *name);

/* Say on stderr that there is no such command, and the nearest one. */
int cmd_refuse(const char *name);

/*
 * Read the words behind a command into opts, over base (NULL: the usual
 * settings), and complete its conf.
 * Gives true when there is something to do; false with *status when not: help
 * was asked for and printed, or an error said. opts wants opts_free always.
 */
bool cmd_begin(struct opts *opts, enum opts_command command,
    const char *const *words, const struct llmill_run_conf *base, int *status);

/* Only read them, for a command that hands them on. */
bool cmd_begin_words(struct opts *opts, enum opts_command command,
    const char *const *words, int *status);

/* Run what they ask for, say what went wrong. Gives the exit status. */
int cmd_work_off(const struct opts *opts);

/*
 * Only read them, for a command whose words name databases: opts->inputs holds
 * them then, where none was named the newest one here.
 */
bool cmd_begin_look(struct opts *opts, enum opts_command command,
    const char *const *words, int *status);

/* The same where they have to be named: opts->inputs may be empty. */
bool cmd_begin_named(struct opts *opts, enum opts_command command,
    const char *const *words, int *status);

/* Check what was read, do the work, say what is wrong with either. Gives the
 * exit status. */
int cmd_work(struct opts *opts,
    int (*check)(struct opts *opts, struct llmill_err *err),
    int (*work)(const struct opts *opts, struct llmill_err *err));

/* Print what could be typed. */
void cmd_examples(FILE *out);

/* Print the usage text of a command with options on stdout. */
void cmd_usage(enum opts_command command);

#endif
