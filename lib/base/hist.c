/* SPDX-License-Identifier: ISC */
/*
 * The first 64 buckets are one microsecond wide, and every further 64 halve a
 * power of two as finely: a bucket is at most 1/64 of its value wide, and its
 * middle at most 0.8 % off. The last one begins at 38 hours and takes the rest.
 */
#include "base/hist.h"

#include <stddef.h>

#define HIST_STEPS 64	  /* linear steps in a power of two */
#define HIST_STEPS_BITS 6 /* its logarithm */
#define HIST_US_NS 1000

static size_t
bucket_of(uint64_t us)
{
	size_t doublings;
	size_t bucket;

	if (us < HIST_STEPS)
		return (size_t)us;
	doublings = 63 - (size_t)__builtin_clzll(us) - HIST_STEPS_BITS;
	bucket = doublings * HIST_STEPS + (size_t)(us >> doublings);
	return bucket < HIST_BUCKETS ? bucket : HIST_BUCKETS - 1;
}

static int64_t
middle_ns(size_t bucket)
{
	uint64_t width;
	uint64_t first;

	if (bucket < HIST_STEPS)
		return (int64_t)bucket * HIST_US_NS;
	width = UINT64_C(1) << (bucket / HIST_STEPS - 1);
	first = (HIST_STEPS + bucket % HIST_STEPS) * width;
	return (int64_t)(first * HIST_US_NS + width * HIST_US_NS / 2);
}

void
hist_add(struct hist *hist, int64_t duration_ns)
{
	if (duration_ns < 0)
		duration_ns = 0;
	hist->buckets[bucket_of((uint64_t)duration_ns / HIST_US_NS)]++;
	hist->count++;
	hist->sum_us += (uint64_t)duration_ns / HIST_US_NS;
}

uint64_t
hist_upto(const struct hist *hist, int64_t duration_ns)
{
	uint64_t count = 0;

	for (size_t i = 0; i < HIST_BUCKETS && middle_ns(i) <= duration_ns; i++)
		count += hist->buckets[i];
	return count;
}

int64_t
hist_share_ns(const struct hist *hist, double share)
{
	double wanted = share * (double)hist->count;
	uint64_t seen = 0;

	if (hist->count == 0)
		return 0;
	for (size_t i = 0; i < HIST_BUCKETS; i++) {
		seen += hist->buckets[i];
		if (seen > 0 && (double)seen >= wanted)
			return middle_ns(i);
	}
	return middle_ns(HIST_BUCKETS - 1);
}
