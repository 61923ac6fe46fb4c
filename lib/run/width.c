/* SPDX-License-Identifier: ISC */
/*
 * Two widths, the smaller one holds: what time has opened, and what the server
 * has shown to bear.
 */
#include "run/width.h"

#include "base/clock.h"
#include "base/must.h"

void
width_init(
    struct width *width, uint32_t least, uint32_t most, bool opens, bool adapts)
{
	MUST(least >= 1 && least <= most);
	*width = (struct width){
	    .least = least,
	    .most = most,
	    .opens = opens && most > WIDTH_FIRST,
	    .adapts = adapts,
	    .slow_start = true,
	    .now = least,
	    .begun_ns = -1,
	    .cut_ns = -1,
	};
}

void
width_set(struct width *width, uint32_t most)
{
	width->most = most;
	if (!width->adapts || width->least > most)
		width->least = most;
	if (!width->adapts || width->now > most)
		width->now = most;
}

/* How often has it doubled? */
static int64_t
doublings(const struct width *width, int64_t now_ns)
{
	int64_t passed_ns = now_ns - width->begun_ns - WIDTH_WAITS_NS;

	if (width->begun_ns == -1 || passed_ns < 0)
		return 0;
	return 1 + passed_ns / WIDTH_DOUBLES_NS;
}

uint32_t
width_at(const struct width *width, int64_t now_ns)
{
	uint64_t open = width->most;

	if (width->opens) {
		open = WIDTH_FIRST;
		for (int64_t i = doublings(width, now_ns);
		     i > 0 && open < width->most; i--)
			open *= 2;
	}
	if (width->adapts && width->now < (double)open)
		open = (uint64_t)width->now;
	return open < width->most ? (uint32_t)open : width->most;
}

int64_t
width_grows_ns(const struct width *width, int64_t now_ns)
{
	if (!width->opens || width->begun_ns == -1 ||
	    doublings(width, now_ns) >= 32)
		return CLOCK_NEVER;
	return width->begun_ns + WIDTH_WAITS_NS +
	       doublings(width, now_ns) * WIDTH_DOUBLES_NS;
}

void
width_sent(struct width *width, int64_t now_ns)
{
	if (width->begun_ns == -1)
		width->begun_ns = now_ns;
}

static void
cut(struct width *width, int64_t now_ns)
{
	width->cut_ns = now_ns;
	width->slow_start = false;
	width->now /= 2;
	if (width->now < width->least)
		width->now = width->least;
}

void
width_report(struct width *width, enum outcome outcome, uint32_t out,
    int64_t started_ns, int64_t now_ns)
{
	if (!width->adapts)
		return;
	if (outcome == OUTCOME_RATE_LIMITED || outcome == OUTCOME_OVERLOADED) {
		/* What was sent before the cut tells nothing of it. */
		if (started_ns > width->cut_ns)
			cut(width, now_ns);
		return;
	}
	/* One that is not used up shows nothing either. */
	if (!outcome_trait(outcome)->answers || out + 1 < width->now / 2)
		return;
	width->now += width->slow_start ? 1 : 1 / width->now;
	if (width->now > width->most)
		width->now = width->most;
}
