/* SPDX-License-Identifier: ISC */
/*
 * For zsh: a row of _arguments for each command. In it a colon ends a part and
 * a bracket a help text.
 */
#include <string.h>

#include "cmd.h"
#include "shell.h"

/* Within single quotes. */
static void
put_text(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (strchr(":[]\\", *text))
			putc('\\', out);
		if (*text == '\'')
			fputs("'\\''", out);
		else
			putc(*text, out);
	}
}

static void
put_value(FILE *out, const struct opt *opt)
{
	enum shell_kind kind = shell_kind(opt);

	if (kind == SHELL_NOTHING)
		return;
	fputs(opt->may_lack ? "::" : ":", out);
	put_text(out, opt->arg);
	fputs(":", out);
	if (kind == SHELL_CHOICE) {
		fputs("(", out);
		shell_print_choices(out, opt, " ");
		fputs(")", out);
	} else if (kind == SHELL_FILE) {
		fputs("_files", out);
	} else if (kind == SHELL_DIRECTORY) {
		fputs("_files -/", out);
	}
}

static void
put_spec(FILE *out, const char *dashes, const char *label, bool many,
    const struct opt *opt)
{
	fprintf(out, "\t\t'%s%s%s%s[", many ? "*" : "", dashes, label,
	    !opt->arg		? ""
	    : dashes[1] != '\0' ? "="
				: "+");
	put_text(out, opt->help);
	fputs("]", out);
	put_value(out, opt);
	fputs("' \\\n", out);
}

static void
put_command(FILE *out, enum opts_command command)
{
	fprintf(out, "\t%s)\n\t\t_arguments -s -S : \\\n",
	    opts_command_name(command));
	for (size_t i = 0; opts_at(i); i++) {
		const struct opt *opt = opts_at(i);
		const char letter[] = {opt->letter, '\0'};
		bool many = opt->kind == OPTS_LIST;

		if (!opts_has(command, opt))
			continue;
		if (opt->name)
			put_spec(out, "--", opt->name, many, opt);
		if (opt->letter)
			put_spec(out, "-", letter, many, opt);
	}
	fprintf(out, "\t\t'*:%s:_files'\n\t\t;;\n", opts_word_name(command));
}

void
shell_print_zsh(FILE *out)
{
	fputs("#compdef llmill\n"
	      "_llmill()\n"
	      "{\n"
	      "\tlocal -a commands=(\n",
	    out);
	for (const struct cmd *cmd = cmds; cmd->name; cmd++) {
		fprintf(out, "\t\t'%s:", cmd->name);
		put_text(out, cmd->summary);
		fputs("'\n", out);
	}
	fputs("\t)\n"
	      "\tif ((CURRENT == 2)); then\n"
	      "\t\t_describe command commands\n"
	      "\t\treturn\n"
	      "\tfi\n"
	      "\tlocal word=$words[2]\n"
	      "\tshift words\n"
	      "\t((CURRENT--))\n"
	      "\tlocal behind=$words[(i)--]\n"
	      "\tif ((behind < CURRENT)); then # a command of the user's own\n"
	      "\t\tshift $behind words\n"
	      "\t\t((CURRENT -= behind))\n"
	      "\t\t_normal\n"
	      "\t\treturn\n"
	      "\tfi\n"
	      "\tcase $word in\n",
	    out);
	for (int command = 0; command < OPTS_COMMAND_COUNT; command++)
		put_command(out, (enum opts_command)command);
	fputs("\thelp) _describe command commands ;;\n\tcompletion) _values "
	      "shell",
	    out);
	for (const struct shell *shell = shells; shell->name; shell++)
		fprintf(out, " %s", shell->name);
	fputs(" ;;\n"
	      "\tesac\n"
	      "}\n"
	      "_llmill \"$@\"\n",
	    out);
}
