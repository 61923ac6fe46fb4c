/* SPDX-License-Identifier: ISC */
#include "shell.h"

#include <string.h>

#include "opts.h"

const struct shell shells[] = {
    {"bash", shell_print_bash},
    {"zsh", shell_print_zsh},
    {"fish", shell_print_fish},
    {NULL, NULL},
};

enum shell_kind
shell_kind(const struct opt *opt)
{
	if (!opt->arg)
		return SHELL_NOTHING;
	if (opt->kind == OPTS_CHOICE)
		return SHELL_CHOICE;
	if (strstr(opt->arg, "FILE"))
		return SHELL_FILE;
	return strstr(opt->arg, "DIR") ? SHELL_DIRECTORY : SHELL_TEXT;
}

void
shell_print_choices(FILE *out, const struct opt *opt, const char *between)
{
	for (const struct opts_choice *at = opt->choices; at->name; at++)
		fprintf(
		    out, "%s%s", at == opt->choices ? "" : between, at->name);
}
