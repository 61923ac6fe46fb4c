/* SPDX-License-Identifier: ISC */
#ifndef HELD_H
#define HELD_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "wire/outcome.h"

/*
 * Prompts whose attempt blames the run itself (wrong key, no such model),
 * kept aside until we know whose fault it was: an answer to another prompt
 * makes it theirs, a run that stops leaves them open.
 */
struct held {
	uint32_t index;
	uint32_t endpoint; /* whose word it is */
	enum outcome outcome;
	struct buf why;
	struct held *next;
};

#define HELD_ANY UINT32_MAX

/* Push a copy on the list: of all but why. Gives 0, -1 without memory. */
int held_push(struct held **list, const struct held *what, struct span why);

/* Take the first of that endpoint off the list; the caller frees it with
 * held_free. NULL when there is none. */
struct held *held_pop(struct held **list, uint32_t endpoint);

void held_free(struct held *held);

#endif
