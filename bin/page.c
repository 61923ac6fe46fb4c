/* SPDX-License-Identifier: ISC */
/*
 * The layout of usage texts and reports. Words are never cut: one that is too
 * long for the line gets a line of its own.
 */
#include "page.h"

#include <stdio.h>
#include <string.h>

#define COLUMNS 80

/* Gives the columns of size bytes of UTF-8; what is printed here is narrow. */
static unsigned
columns(const char *text, size_t size)
{
	unsigned count = 0;

	for (size_t i = 0; i < size; i++)
		count += ((unsigned char)text[i] & 0xc0) != 0x80;
	return count;
}

void
page_entry(const char *label, unsigned indent, const char *text)
{
	unsigned at = 2 + columns(label, strlen(label));

	printf("  %s", label);
	/* Two blanks at least: tools tell labels from texts by them. */
	if (at + 2 > indent) {
		printf("\n");
		at = 0;
	}
	printf("%*s", (int)(indent - at), "");
	at = indent;
	text += strspn(text, " ");
	while (*text) {
		size_t size = strcspn(text, " ");
		unsigned width = columns(text, size);

		if (at > indent && at + 1 + width > COLUMNS) {
			printf("\n%*s", (int)indent, "");
			at = indent;
		} else if (at > indent) {
			putchar(' ');
			at++;
		}
		fwrite(text, 1, size, stdout);
		at += width;
		text += size;
		text += strspn(text, " ");
	}
	putchar('\n');
}
