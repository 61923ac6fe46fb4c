/* SPDX-License-Identifier: ISC */
/*
 * llmill version: one line for people and bug reports.
 */
#include <stdio.h>

#include "cmd.h"
#include "say.h"

int
cmd_version(const char *const *words)
{
	char text[256];

	if (words[1] && words[2]) {
		say_error("version takes no arguments");
		return LLMILL_EXIT_USAGE;
	}
	puts(llmill_version_text(text, sizeof(text)));
	return LLMILL_EXIT_OK;
}
