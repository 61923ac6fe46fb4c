/* SPDX-License-Identifier: ISC */
#ifndef SHARE_H
#define SHARE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * A shard of a list: every count-th of its prompts, from the number-th on, both
 * from 0. The ids stay those of the whole list. {0, 1} is all of it.
 */
struct share {
	uint32_t number;
	uint32_t count; /* ≥ 1 */
};

#define SHARE_WHOLE ((struct share){0, 1})
#define SHARE_TEXT_BYTES 24

/* Gives the id of the index-th prompt of the part. */
static inline int64_t
share_id(struct share share, uint32_t index)
{
	return (int64_t)index * share.count + share.number + 1;
}

/* Gives how many of its prompts stand in the first so many of the list. */
static inline uint32_t
share_within(struct share share, uint64_t first)
{
	return first <= share.number
		   ? 0
		   : (uint32_t)((first - share.number - 1) / share.count + 1);
}

/* Write "3/16"; nothing for all of a list. */
void share_put(struct share share, char text[SHARE_TEXT_BYTES]);

/* Read that. NULL or "" is all of a list. False for anything else. */
bool share_read(const char *text, struct share *share);

#endif
