/* SPDX-License-Identifier: ISC */
/*
 * An episode begins with a refusal of something that was sent after the last
 * one began; all others belong to the episode at hand and teach nothing new.
 */
#include "run/learn.h"

#include "base/clock.h"

#define SLACK_NS (10 * CLOCK_MS) /* catch-up for late turns of the loop */
#define UNDER 0.02		 /* below the rate that was learned, at once */
#define FLAT_LEAST_S 1.0
#define FLAT_MOST_S 30.0
#define FLAT_SHARE 2.0 /* of how long the last rate held */
#define DOUBLE_S 1.0   /* a guess doubles in this time */
#define CUT 0.85       /* no episode takes more off than down to this share */
#define RATE_LEAST 0.1 /* per second */
#define SECONDS(ns) ((double)(ns) / CLOCK_S)

void
learn_init(struct learn *learn)
{
	*learn = (struct learn){
	    .begun_ns = -1,
	    .since_ns = -1,
	    .guess_from_ns = CLOCK_NEVER,
	    .flat_s = FLAT_LEAST_S,
	};
	bucket_init(&learn->bucket, 0, SLACK_NS);
}

int64_t
learn_due_ns(const struct learn *learn)
{
	int64_t due_ns = bucket_due_ns(&learn->bucket);

	return learn->rate > 0 && due_ns > 0 ? due_ns : 0;
}

/* The rate as it is now. */
static double
rate_at(const struct learn *learn, int64_t now_ns)
{
	double passed_s = SECONDS(now_ns - learn->grows_ns);
	double rate = learn->rate;
	double x;

	if (learn->guessed) {
		for (; passed_s >= DOUBLE_S && rate < 1e6; passed_s -= DOUBLE_S)
			rate *= 2;
		return rate;
	}
	x = passed_s / learn->flat_s - 1;
	return rate * (1 + UNDER * x * x * x);
}

/* The first refusal says only that it was too much. What had been taken until
 * the pause was over, by the time, is a start. */
static void
guess(struct learn *learn, int64_t now_ns)
{
	double passed_s = SECONDS(now_ns - learn->begun_ns);
	double taken = (double)(learn->sent - learn->refused);

	if (passed_s < 1)
		passed_s = 1;
	learn->rate = taken / passed_s;
	if (learn->rate < 1)
		learn->rate = 1;
	learn->guessed = true;
	learn->guess_from_ns = CLOCK_NEVER;
	/* It begins to grow from here; what is counted began before. */
	learn->since_ns = now_ns;
	learn->grows_ns = now_ns;
	learn->sent = 0;
	learn->refused = 0;
}

void
learn_sent(struct learn *learn, int64_t now_ns)
{
	if (learn->begun_ns == -1)
		learn->begun_ns = now_ns;
	if (now_ns >= learn->guess_from_ns)
		guess(learn, now_ns);
	learn->sent++;
	if (learn->rate <= 0)
		return;
	bucket_set_rate(&learn->bucket, 60 * rate_at(learn, now_ns));
	bucket_take(&learn->bucket, 1, now_ns);
}

/* What did the episode that ends here teach? With the pause at its begin the
 * rate comes out exact for a server that saves up meanwhile, and too low for
 * one that does not, the more so the shorter it was: hence the least. And a
 * rate that held for long is trusted for longer. */
static void
settle(struct learn *learn, int64_t now_ns)
{
	double passed_s = SECONDS(now_ns - learn->since_ns);
	double held_s = SECONDS(now_ns - learn->grows_ns);
	double taken = (double)learn->sent - (double)learn->refused;
	double before = rate_at(learn, now_ns);
	double rate = before * CUT;

	if (passed_s > 0 && taken / passed_s > rate)
		rate = taken / passed_s;
	if (rate > before)
		rate = before;
	learn->rate = rate > RATE_LEAST ? rate : RATE_LEAST;
	learn->flat_s = held_s * FLAT_SHARE;
	if (learn->flat_s > FLAT_MOST_S)
		learn->flat_s = FLAT_MOST_S;
	if (learn->flat_s < FLAT_LEAST_S)
		learn->flat_s = FLAT_LEAST_S;
	learn->guessed = false;
}

void
learn_refused(
    struct learn *learn, int64_t started_ns, int64_t until_ns, int64_t now_ns)
{
	learn->refused++;
	if (learn->since_ns != -1 && started_ns < learn->since_ns) {
		learn->refused--; /* it was counted with the last episode */
		return;
	}
	if (learn->guess_from_ns != CLOCK_NEVER) {
		/* Still the first burst. */
		if (until_ns > learn->guess_from_ns)
			learn->guess_from_ns = until_ns;
		return;
	}
	if (learn->since_ns == -1) {
		learn->guess_from_ns =
		    until_ns > now_ns ? until_ns : now_ns + SLACK_NS;
		return;
	}
	settle(learn, now_ns);
	/* What was saved up is gone, there as here. */
	learn->bucket.empty_ns = until_ns + SLACK_NS;
	learn->since_ns = now_ns;
	learn->grows_ns = until_ns;
	learn->sent = 0;
	learn->refused = 0;
}
