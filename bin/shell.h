/* SPDX-License-Identifier: ISC */
#ifndef SHELL_H
#define SHELL_H

#include <stdio.h>

/*
 * Scripts by which shells complete what is typed, made from the commands and
 * the table of options, so that they never know less than the program.
 */
struct shell {
	const char *name; /* NULL ends the list */
	void (*print)(FILE *out);
};

extern const struct shell shells[];

void shell_print_bash(FILE *out);
void shell_print_zsh(FILE *out);
void shell_print_fish(FILE *out);

/* What an option's value can be completed to. */
enum shell_kind {
	SHELL_NOTHING = 0, /* takes none */
	SHELL_CHOICE = 1,  /* opt->choices */
	SHELL_FILE = 2,
	SHELL_DIRECTORY = 3,
	SHELL_TEXT = 4, /* anything */
};

struct opt;
enum shell_kind shell_kind(const struct opt *opt);

/* Print all names of a choice, with a separator between. */
void shell_print_choices(FILE *out, const struct opt *opt, const char *between);

#endif
