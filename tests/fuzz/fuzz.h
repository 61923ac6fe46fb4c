/* SPDX-License-Identifier: ISC */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"

/* What a target has to have; libFuzzer calls it, or replay.c. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Must hold for every input. */
#define HOLDS(claim)                                                           \
	do {                                                                   \
		if (!(claim)) {                                                \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__,       \
			    __LINE__, #claim);                                 \
			abort();                                               \
		}                                                              \
	} while (0)

/* How bytes are cut into pieces, all of which must come to the same. */
enum fuzz_cut {
	FUZZ_WHOLE = 0,
	FUZZ_BYTES = 1, /* one by one */
	FUZZ_SOME = 2,	/* as the bytes themselves say */
	FUZZ_CUTS = 3,
};

/* Gives the size of the next piece of what is left, at least 1. */
static inline size_t
fuzz_piece(enum fuzz_cut cut, struct span left)
{
	size_t size = 1 + (unsigned char)left.data[0] % 7;

	if (cut == FUZZ_WHOLE || (cut == FUZZ_SOME && size > left.size))
		return left.size;
	return cut == FUZZ_BYTES ? 1 : size;
}

#endif
