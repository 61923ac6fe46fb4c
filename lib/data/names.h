/* SPDX-License-Identifier: ISC */
#ifndef NAMES_H
#define NAMES_H

#include <stdint.h>

#include "base/buf.h"

struct prompts;

/* Which custom_ids are taken: a table of numbers of prompts that have one. */
struct names {
	uint32_t *places; /* number + 1; 0: free */
	size_t room;	  /* a power of two */
	size_t count;
};

/*
 * Take a name for the prompt that will have this number.
 * Gives 1; 0 when a prompt has it already, with *holder; -1 without memory.
 */
int names_take(struct names *names, const struct prompts *prompts,
    struct span name, uint32_t number, uint32_t *holder);

void names_free(struct names *names);

#endif
