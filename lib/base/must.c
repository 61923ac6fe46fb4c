/* SPDX-License-Identifier: ISC */
/*
 * The end of a process that found a bug in itself. The line is built and
 * written without stdio and without memory from the heap: either may be what
 * is broken.
 */
#include "base/must.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

_Noreturn void
must_fail(const char *claim, const char *file, int line, const char *function)
{
	char text[512];
	int size = snprintf(text, sizeof(text),
	    "llmill: bug: \"%s\" does not hold (%s:%d, %s)\n", claim, file,
	    line, function);

	if (size >= (int)sizeof(text)) {
		size = (int)sizeof(text) - 1;
		text[size - 1] = '\n';
	}
	if (size > 0 && write(STDERR_FILENO, text, (size_t)size) == -1) {
		/* Nobody listens; the abort says it all the same. */
	}
	abort();
}
