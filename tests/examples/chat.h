/* SPDX-License-Identifier: ISC */
#ifndef CHAT_EXAMPLE_H
#define CHAT_EXAMPLE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Stands in for a call of a model. */
static inline char *
chat(void *arg, const char *prompt, char **error)
{
	size_t size = strlen(prompt) + sizeof("You said: .");
	char *text = malloc(size);

	(void)arg;
	(void)error;
	if (text != NULL)
		snprintf(text, size, "You said: %s.", prompt);
	return text;
}

#endif
