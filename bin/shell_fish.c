/* SPDX-License-Identifier: ISC */
/*
 * For fish: a line for each option, with the commands that know it.
 */
#include "cmd.h"
#include "shell.h"

/* Within single quotes. */
static void
put_text(FILE *out, const char *text)
{
	putc('\'', out);
	for (; *text; text++) {
		if (*text == '\'' || *text == '\\')
			putc('\\', out);
		putc(*text, out);
	}
	putc('\'', out);
}

static void
put_condition(FILE *out, const struct opt *opt)
{
	fputs("complete -c llmill -n '__fish_seen_subcommand_from", out);
	for (int command = 0; command < OPTS_COMMAND_COUNT; command++)
		if (opts_has((enum opts_command)command, opt))
			fprintf(out, " %s",
			    opts_command_name((enum opts_command)command));
	putc('\'', out);
}

static void
put_option(FILE *out, const struct opt *opt)
{
	enum shell_kind kind = shell_kind(opt);

	put_condition(out, opt);
	if (opt->letter)
		fprintf(out, " -s %c", opt->letter);
	if (opt->name)
		fprintf(out, " -l %s", opt->name);
	if (kind == SHELL_CHOICE) {
		fputs(" -x -a '", out);
		shell_print_choices(out, opt, " ");
		putc('\'', out);
	} else if (kind == SHELL_FILE) {
		fputs(" -r -F", out);
	} else if (kind == SHELL_DIRECTORY) {
		fputs(" -x -a '(__fish_complete_directories)'", out);
	} else if (kind == SHELL_TEXT) {
		fputs(" -x", out);
	}
	fputs(" -d ", out);
	put_text(out, opt->help);
	putc('\n', out);
}

void
shell_print_fish(FILE *out)
{
	fputs("# fish completion for llmill\n", out);
	for (const struct cmd *cmd = cmds; cmd->name; cmd++) {
		fprintf(out,
		    "complete -c llmill -n __fish_use_subcommand -f -a %s -d ",
		    cmd->name);
		put_text(out, cmd->summary);
		putc('\n', out);
	}
	for (size_t i = 0; opts_at(i); i++)
		put_option(out, opts_at(i));
	fputs("complete -c llmill -n '__fish_seen_subcommand_from help' -f "
	      "-a '",
	    out);
	for (const struct cmd *cmd = cmds; cmd->name; cmd++)
		fprintf(out, "%s ", cmd->name);
	fputs("'\ncomplete -c llmill -n '__fish_seen_subcommand_from "
	      "completion' -f -a '",
	    out);
	for (const struct shell *shell = shells; shell->name; shell++)
		fprintf(out, "%s ", shell->name);
	fputs("'\n", out);
}
