/* SPDX-License-Identifier: ISC */
/*
 * Sentences about what the world did to us. All of them end in the caller's
 * own struct err: no memory is needed to say that there is no memory.
 */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

/* A sentence that was cut ends at a whole character. */
static void
cut_at_character(char *text, int wanted)
{
	size_t bad;

	if (wanted < ERR_TEXT_MAX)
		return;
	if (!text_is_utf8(span_of(text), &bad) && bad + 4 > strlen(text))
		text[bad] = '\0';
}

static void __attribute__((format(printf, 4, 0))) fill(struct err *err,
    enum err_class class, int number, const char *format, va_list args)
{
	err->class = class;
	err->number = number;
	cut_at_character(
	    err->text, vsnprintf(err->text, ERR_TEXT_MAX, format, args));
}

int
err_set(struct err *err, enum err_class class, const char *format, ...)
{
	va_list args;

	if (err == NULL)
		return -1;
	va_start(args, format);
	fill(err, class, 0, format, args);
	va_end(args);
	return -1;
}

int
err_set_errno(struct err *err, const char *format, ...)
{
	int number = errno;
	size_t used;
	va_list args;

	if (err == NULL)
		return -1;
	va_start(args, format);
	fill(err, number == ENOMEM ? ERR_MEMORY : ERR_SYSTEM, number, format,
	    args);
	va_end(args);
	used = strlen(err->text);
	cut_at_character(err->text,
	    (int)used + snprintf(err->text + used, ERR_TEXT_MAX - used, ": %s",
			    strerror(number)));
	errno = number;
	return -1;
}

int
err_set_memory(struct err *err, const char *what)
{
	err_set(err, ERR_MEMORY, "out of memory (%s)", what);
	if (err != NULL)
		err->number = ENOMEM;
	return -1;
}

int
err_add(struct err *err, const char *format, ...)
{
	char old[ERR_TEXT_MAX];
	size_t used;
	va_list args;

	if (err == NULL)
		return -1;
	memcpy(old, err->text, sizeof(old));
	va_start(args, format);
	fill(err, err->class, err->number, format, args);
	va_end(args);
	used = strlen(err->text);
	cut_at_character(err->text,
	    (int)used +
		snprintf(err->text + used, ERR_TEXT_MAX - used, ": %s", old));
	return -1;
}
