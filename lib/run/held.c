/* SPDX-License-Identifier: ISC */
/*
 * A short list: three in a row stop the run, so it holds a few entries at
 * most beside what was in flight then.
 */
#include "run/held.h"

#include <stdlib.h>

#define HELD_WHY_BYTES 8192

/* The start of a long reason, ending with a whole character. */
static struct span
cut(struct span why)
{
	if (why.size <= HELD_WHY_BYTES)
		return why;
	why.size = HELD_WHY_BYTES;
	while (why.size > 0 && (why.data[why.size] & 0xc0) == 0x80)
		why.size--;
	return why;
}

int
held_push(struct held **list, const struct held *what, struct span why)
{
	struct held *held = calloc(1, sizeof(*held));

	if (held == NULL)
		return -1;
	held->index = what->index;
	held->endpoint = what->endpoint;
	held->outcome = what->outcome;
	buf_init(&held->why, HELD_WHY_BYTES);
	why = cut(why);
	if (why.size > 0 && buf_add(&held->why, why.data, why.size) == -1) {
		held_free(held);
		return -1;
	}
	held->next = *list;
	*list = held;
	return 0;
}

struct held *
held_pop(struct held **list, uint32_t endpoint)
{
	struct held *held;

	while ((held = *list) != NULL && endpoint != HELD_ANY &&
	       held->endpoint != endpoint)
		list = &held->next;
	if (held != NULL)
		*list = held->next;
	return held;
}

void
held_free(struct held *held)
{
	if (held == NULL)
		return;
	buf_free(&held->why);
	free(held);
}
