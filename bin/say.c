/* SPDX-License-Identifier: ISC */
/*
 * What the program itself says on stderr, and the sentences it will say. A
 * line is built whole and written at once: lines of several processes do not
 * mix. Escaping happens here and nowhere else in bin/.
 */
#include "say.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 4096 /* of a message on the screen, escapes included */

static void
say_line(const char *label, const char *text)
{
	char safe[LINE_MAX_BYTES];
	char line[LINE_MAX_BYTES + 32];

	llmill_escape(text, safe, sizeof(safe));
	snprintf(line, sizeof(line), "llmill: %s%s\n", label, safe);
	/* Where stderr is gone there is nobody left to tell. */
	if (write(STDERR_FILENO, line, strlen(line)) < 0)
		return;
}

void
say_error(const char *text)
{
	say_line("", text);
}

void
say_warning(const char *format, ...)
{
	char text[LINE_MAX_BYTES];
	va_list list;

	va_start(list, format);
	vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	say_line("warning: ", text);
}

int
say_refuse(struct llmill_err *err, const char *format, ...)
{
	va_list list;

	err->status = LLMILL_EXIT_USAGE;
	va_start(list, format);
	vsnprintf(err->text, sizeof(err->text), format, list);
	va_end(list);
	return -1;
}

int
say_no_memory(struct llmill_err *err)
{
	err->status = LLMILL_EXIT_SYSTEM;
	snprintf(err->text, sizeof(err->text), "out of memory");
	return -1;
}

/* Why did a write fail that nobody looked at? One more, to what is not whole
 * anyway, tells. */
static const char *
ask_again(void)
{
	clearerr(stdout);
	if (fputc('\n', stdout) != EOF && fflush(stdout) == 0)
		return "a part of it is missing";
	return strerror(errno);
}

int
say_end(int status)
{
	char text[256];
	bool failed_before = ferror(stdout);
	const char *why = NULL;

	if (fflush(stdout) != 0)
		why = strerror(errno);
	else if (failed_before)
		why = ask_again();
	if (!why)
		return status;
	snprintf(
	    text, sizeof(text), "cannot write to standard output: %s", why);
	say_error(text);
	if (status == LLMILL_EXIT_OK || status == LLMILL_EXIT_FAILED)
		return LLMILL_EXIT_NOT_SAVED;
	return status;
}
