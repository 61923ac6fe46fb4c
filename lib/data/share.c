/* SPDX-License-Identifier: ISC */
/*
 * A part of a list as a text, which is how a database keeps it.
 */
#include "data/share.h"

#include <stdio.h>
#include <string.h>

void
share_put(struct share share, char text[SHARE_TEXT_BYTES])
{
	text[0] = '\0';
	if (share.count > 1)
		snprintf(text, SHARE_TEXT_BYTES, "%u/%u",
		    (unsigned)share.number, (unsigned)share.count);
}

bool
share_read(const char *text, struct share *share)
{
	unsigned number;
	unsigned count;
	char back[SHARE_TEXT_BYTES];

	*share = SHARE_WHOLE;
	if (text == NULL || *text == '\0')
		return true;
	if (sscanf(text, "%9u/%9u", &number, &count) != 2 || count < 2 ||
	    number >= count)
		return false;
	*share = (struct share){number, count};
	share_put(*share, back);
	return strcmp(back, text) == 0;
}
