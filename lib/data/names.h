/* SPDX-License-Identifier: ISC */
#ifndef NAMES_H
#define NAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

struct prompts;

/* Which custom_ids are taken: a table of numbers of prompts that have one. */
struct names {
	uint32_t *places; /* number + 1; 0: free */
	size_t room;	  /* a power of two */
	size_t count;
};

/* Has a prompt this name? Then its number is in *holder. */
bool names_find(const struct names *names, const struct prompts *prompts,
    struct span name, uint32_t *holder);

/* Remember a prompt that was added under a name that nobody had. Gives 0, or
 * -1 without memory. */
int names_add(
    struct names *names, const struct prompts *prompts, uint32_t number);

void names_free(struct names *names);

#endif
