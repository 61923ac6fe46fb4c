/* SPDX-License-Identifier: ISC */
#ifndef TWINS_H
#define TWINS_H

#include <stdbool.h>
#include <stdint.h>

struct err;
struct prompts;

/*
 * Prompts that are the same request: one of them is sent, and its answer is
 * that of all.
 */
struct twins {
	uint32_t *first; /* per prompt: the one that is sent for it, its number
			    + 1; 0: it is sent itself */
	uint32_t *next;	 /* per prompt: the next one that its answer is for,
			    number + 1; 0: no more */
	uint32_t count;	 /* of those that are not sent */
};

/*
 * Find them among those that are asked for (1 per prompt); one that has an
 * answer (states, enum store_state) leads before one that is to be sent.
 * Fails ERR_MEMORY. Wants twins_free always.
 */
int twins_find(struct twins *twins, const struct prompts *prompts,
    const uint8_t *states, const uint8_t *asked, struct err *err);
void twins_free(struct twins *twins);

#endif
