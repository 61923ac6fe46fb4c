/* SPDX-License-Identifier: ISC */
#ifndef HIST_H
#define HIST_H

#include <stdint.h>

/*
 * A logarithmic histogram of durations: percentiles within 1 % in constant
 * memory. Buckets: 64 linear steps within each power of two of microseconds.
 */
#define HIST_BUCKETS 2048

struct hist {
	uint64_t count;
	uint64_t sum_us; /* of all */
	uint64_t buckets[HIST_BUCKETS];
};

/* Count one duration (ns, ≥ 0; negative counts as 0). */
void hist_add(struct hist *hist, int64_t duration_ns);

/* Gives the duration in ns below or at which share (0 … 1) of all lie;
 * 0 when empty. */
int64_t hist_share_ns(const struct hist *hist, double share);

/* How many lie at or below that, to the same 1 %? */
uint64_t hist_upto(const struct hist *hist, int64_t duration_ns);

#endif
