/* SPDX-License-Identifier: ISC */
#ifndef BUCKET_H
#define BUCKET_H

#include <stdbool.h>
#include <stdint.h>

/*
 * A rate: so much per minute, spread evenly. A leaky bucket by the time at
 * which it will be empty (GCRA, ITU-T I.371): no timer, no drift. Pure.
 */
struct bucket {
	double unit_ns;	  /* time that one unit takes; 0: no limit */
	int64_t slack_ns; /* how much of it may be ahead of time */
	int64_t empty_ns; /* when all that was taken has run off */
};

/* Takes the rate, 0: no limit; slack_ns ≥ 0. Nothing was taken yet. */
void bucket_init(struct bucket *bucket, double per_minute, int64_t slack_ns);

/* Another rate from now on; what was taken runs off as it would have. */
void bucket_set_rate(struct bucket *bucket, double per_minute);

/* From when on may something be taken, however much? */
int64_t bucket_due_ns(const struct bucket *bucket);

/* Take units ≥ 0. Whether that is due is the caller's affair. */
void bucket_take(struct bucket *bucket, double units, int64_t now_ns);

/* It was more (or less, below 0) than was taken. */
void bucket_correct(struct bucket *bucket, double units);

#endif
