/* SPDX-License-Identifier: ISC */
/*
 * llmill completion: a script for a shell, on stdout.
 */
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "say.h"
#include "shell.h"

int
cmd_completion(const char *const *words)
{
	const char *name = words[2] && !words[3] ? words[2] : "";

	for (const struct shell *shell = shells; shell->name; shell++) {
		if (strcmp(shell->name, name) != 0)
			continue;
		shell->print(stdout);
		return LLMILL_EXIT_OK;
	}
	say_error("completion wants a shell: bash, zsh or fish");
	return LLMILL_EXIT_USAGE;
}
