/* SPDX-License-Identifier: ISC */
/*
 * What is taken is time: so many units take so long to run off, and the next
 * may be taken when the rest is no more than the slack.
 */
#include "run/bucket.h"

#include "base/clock.h"

#define MINUTE_NS (60.0 * CLOCK_S)

void
bucket_set_rate(struct bucket *bucket, double per_minute)
{
	bucket->unit_ns = per_minute > 0 ? MINUTE_NS / per_minute : 0;
}

void
bucket_init(struct bucket *bucket, double per_minute, int64_t slack_ns)
{
	*bucket = (struct bucket){.slack_ns = slack_ns};
	bucket_set_rate(bucket, per_minute);
}

int64_t
bucket_due_ns(const struct bucket *bucket)
{
	return bucket->empty_ns - bucket->slack_ns;
}

/* Gives the time that units take, held within what a clock can say. */
static int64_t
time_of(const struct bucket *bucket, double units)
{
	const double most = (double)CLOCK_NEVER / 4;
	double time_ns = units * bucket->unit_ns;

	if (time_ns > most)
		time_ns = most;
	return time_ns < -most ? (int64_t)-most : (int64_t)time_ns;
}

void
bucket_take(struct bucket *bucket, double units, int64_t now_ns)
{
	if (bucket->empty_ns < now_ns)
		bucket->empty_ns = now_ns;
	bucket->empty_ns = clock_add(bucket->empty_ns, time_of(bucket, units));
}

void
bucket_correct(struct bucket *bucket, double units)
{
	bucket->empty_ns = clock_add(bucket->empty_ns, time_of(bucket, units));
}
