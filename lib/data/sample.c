/* SPDX-License-Identifier: ISC */
/*
 * Each number has a lot, which the seed decides; those with the smallest are
 * in. No two lots are the same: the mixing can be undone.
 */
#include "data/sample.h"

#include <stdlib.h>

static uint64_t
lot(uint64_t seed, uint32_t number)
{
	uint64_t value = seed * UINT64_C(0x9e3779b97f4a7c15) + number;

	value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
	return value ^ (value >> 31);
}

static int
compare(const void *left, const void *right)
{
	const uint64_t a = *(const uint64_t *)left;
	const uint64_t b = *(const uint64_t *)right;

	return (a > b) - (a < b);
}

int
sample_draw(struct sample *sample, uint64_t seed, uint32_t from, uint32_t to,
    uint32_t count)
{
	uint64_t *lots;

	*sample = (struct sample){.seed = seed, .limit = UINT64_MAX};
	if (from >= to || count == 0 || count >= to - from)
		return 0;
	lots = calloc(to - from, sizeof(*lots));
	if (lots == NULL)
		return -1;
	for (uint32_t i = from; i < to; i++)
		lots[i - from] = lot(seed, i);
	qsort(lots, to - from, sizeof(*lots), compare);
	sample->limit = lots[count - 1];
	free(lots);
	return 0;
}

bool
sample_has(const struct sample *sample, uint32_t number)
{
	return lot(sample->seed, number) <= sample->limit;
}
