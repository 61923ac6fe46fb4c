/* SPDX-License-Identifier: ISC */
#ifndef SAMPLE_H
#define SAMPLE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Some of a row of numbers, chosen by lot: the same seed chooses the same, in
 * whatever run.
 */
struct sample {
	uint64_t seed;
	uint64_t limit; /* of the lot; UINT64_MAX: all are in */
};

/* Choose count of the numbers from … to - 1. Gives 0, or -1 without memory. */
int sample_draw(struct sample *sample, uint64_t seed, uint32_t from,
    uint32_t to, uint32_t count);

bool sample_has(const struct sample *sample, uint32_t number);

#endif
