/* SPDX-License-Identifier: ISC */
/*
 * For bash, without the help of the bash-completion package: it takes "=" for
 * the end of a word, and is told so.
 */
#include "cmd.h"
#include "shell.h"

static void
print_labels(FILE *out, const struct opt *opt, const char *between)
{
	if (opt->name)
		fprintf(out, "--%s", opt->name);
	if (opt->letter)
		fprintf(out, "%s-%c", opt->name ? between : "", opt->letter);
}

/* What follows an option that takes a value. */
static void
print_values(FILE *out)
{
	for (size_t i = 0; opts_at(i); i++) {
		const struct opt *opt = opts_at(i);
		enum shell_kind kind = shell_kind(opt);

		if (kind == SHELL_NOTHING)
			continue;
		fputs("\t", out);
		print_labels(out, opt, "|");
		fputs(")\n\t\t", out);
		if (kind == SHELL_CHOICE) {
			fputs("COMPREPLY=($(compgen -W '", out);
			shell_print_choices(out, opt, " ");
			fputs("' -- \"$cur\"))\n\t\t", out);
		} else if (kind == SHELL_FILE) {
			fputs("_llmill_files -f\n\t\t", out);
		} else if (kind == SHELL_DIRECTORY) {
			fputs("_llmill_files -d\n\t\t", out);
		}
		fputs("return ;;\n", out);
	}
}

static void
print_options(FILE *out)
{
	for (int command = 0; command < OPTS_COMMAND_COUNT; command++) {
		fprintf(out, "\t%s) options='",
		    opts_command_name((enum opts_command)command));
		for (size_t i = 0; opts_at(i); i++) {
			if (!opts_has((enum opts_command)command, opts_at(i)))
				continue;
			print_labels(out, opts_at(i), " ");
			fputs(" ", out);
		}
		fputs("' ;;\n", out);
	}
}

void
shell_print_bash(FILE *out)
{
	fputs("# bash completion for llmill\n"
	      "_llmill_files()\n"
	      "{\n"
	      "\tcompopt -o filenames 2>/dev/null\n"
	      "\tlocal IFS=$'\\n'\n"
	      "\tCOMPREPLY=($(compgen \"$1\" -- \"$cur\"))\n"
	      "}\n\n"
	      "_llmill()\n"
	      "{\n"
	      "\tlocal cur=${COMP_WORDS[COMP_CWORD]} options=\n"
	      "\tlocal prev=${COMP_WORDS[COMP_CWORD-1]} i\n"
	      "\tCOMPREPLY=()\n"
	      "\tif [ \"$COMP_CWORD\" = 1 ]; then\n"
	      "\t\tCOMPREPLY=($(compgen -W '",
	    out);
	for (const struct cmd *cmd = cmds; cmd->name; cmd++)
		fprintf(out, "%s ", cmd->name);
	fputs("' -- \"$cur\"))\n"
	      "\t\treturn\n"
	      "\tfi\n"
	      "\t# Behind -- a command of the user's own.\n"
	      "\tfor ((i = 2; i < COMP_CWORD; i++)); do\n"
	      "\t\tif [ \"${COMP_WORDS[i]}\" = -- ]; then\n"
	      "\t\t\tif [ \"$i\" = \"$((COMP_CWORD-1))\" ]; then\n"
	      "\t\t\t\t_llmill_files -c\n"
	      "\t\t\telse\n"
	      "\t\t\t\t_llmill_files -f\n"
	      "\t\t\tfi\n"
	      "\t\t\treturn\n"
	      "\t\tfi\n"
	      "\tdone\n"
	      "\tif [ \"$cur\" = = ]; then\n"
	      "\t\tcur=\n"
	      "\telif [ \"$prev\" = = ]; then\n"
	      "\t\tprev=${COMP_WORDS[COMP_CWORD-2]}\n"
	      "\tfi\n"
	      "\tcase $prev in\n",
	    out);
	print_values(out);
	fputs("\thelp)\n\t\tCOMPREPLY=($(compgen -W '", out);
	for (const struct cmd *cmd = cmds; cmd->name; cmd++)
		fprintf(out, "%s ", cmd->name);
	fputs("' -- \"$cur\"))\n\t\treturn ;;\n"
	      "\tcompletion)\n\t\tCOMPREPLY=($(compgen -W '",
	    out);
	for (const struct shell *shell = shells; shell->name; shell++)
		fprintf(out, "%s ", shell->name);
	fputs("' -- \"$cur\"))\n\t\treturn ;;\n\tesac\n"
	      "\tcase ${COMP_WORDS[1]} in\n",
	    out);
	print_options(out);
	fputs("\tesac\n"
	      "\tcase $cur in\n"
	      "\t-*) COMPREPLY=($(compgen -W \"$options\" -- \"$cur\")) ;;\n"
	      "\t*) _llmill_files -f ;;\n"
	      "\tesac\n"
	      "}\n"
	      "complete -F _llmill llmill\n",
	    out);
}
