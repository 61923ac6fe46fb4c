/* SPDX-License-Identifier: ISC */
#ifndef HASH_H
#define HASH_H

#include <stdint.h>

#include "base/buf.h"

/*
 * A hash of bytes for tables in memory: FNV-1a. Not for what anybody could
 * choose so as to slow us down by it: all inputs here are the user's own.
 */
#define HASH_START UINT64_C(0xcbf29ce484222325)

/* Go on from value with more bytes. */
static inline uint64_t
hash_add(uint64_t value, struct span bytes)
{
	for (size_t i = 0; i < bytes.size; i++) {
		value ^= (unsigned char)bytes.data[i];
		value *= UINT64_C(0x100000001b3);
	}
	/* What a table takes are the lower bits. */
	return value ^ value >> 32;
}

#endif
