/* SPDX-License-Identifier: ISC */
/*
 * Who gets the next prompt. Shares follow from what is in flight: a server
 * that is slow holds more for longer, and gets less; no rate has to be known.
 */
#include "run/route.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/must.h"

int
route_init(struct route *route, const struct route_conf *ends, uint32_t count,
    uint32_t prompts, const struct pace *pace)
{
	MUST(count >= 1 && count <= ROUTE_ENDS_MAX);
	*route = (struct route){.count = count, .left = count};
	route->ends = calloc(count, sizeof(*route->ends));
	if (count > 1)
		route->failed = calloc(prompts > 0 ? prompts : 1, 1);
	if (route->ends == NULL || (count > 1 && route->failed == NULL)) {
		route_free(route);
		return -1;
	}
	for (uint32_t i = 0; i < count; i++) {
		route->ends[i].conf = ends[i];
		route->ends[i].pace = *pace;
		route->ends[i].pace.has_others = count > 1;
	}
	return 0;
}

void
route_free(struct route *route)
{
	free(route->ends);
	free(route->failed);
	*route = (struct route){.ends = NULL};
}

static bool
has_room(const struct route_end *end)
{
	return !end->aside &&
	       (end->conf.out_max == 0 || end->out < end->conf.out_max);
}

int64_t
route_due_ns(const struct route *route)
{
	int64_t due_ns = CLOCK_NEVER;

	for (uint32_t i = 0; i < route->count; i++) {
		const struct route_end *end = &route->ends[i];
		int64_t own_ns =
		    has_room(end) ? pace_due_ns(&end->pace) : CLOCK_NEVER;

		if (own_ns < due_ns)
			due_ns = own_ns;
	}
	return due_ns;
}

/* Is one less burdened than the other, or, with the same burden, had it less
 * so far? */
static bool
is_freer(const struct route_end *one, const struct route_end *other)
{
	uint64_t weight = one->conf.weight;
	uint64_t other_weight = other->conf.weight;
	uint64_t load = one->out * other_weight;
	uint64_t other_load = other->out * weight;

	if (load != other_load)
		return load < other_load;
	return one->pace.sent * other_weight < other->pace.sent * weight;
}

uint32_t
route_pick(const struct route *route, uint32_t index, int64_t now_ns)
{
	uint32_t failed = ROUTE_NONE;
	uint32_t best = ROUTE_NONE;

	if (route->failed != NULL && route->failed[index] > 0)
		failed = route->failed[index] - 1U;
	for (uint32_t i = 0; i < route->count; i++) {
		const struct route_end *end = &route->ends[i];

		if (!has_room(end) || !pace_may_send(&end->pace, now_ns))
			continue;
		if (best == ROUTE_NONE || best == failed ||
		    (i != failed && is_freer(end, &route->ends[best])))
			best = i;
	}
	return best;
}

void
route_sent(struct route *route, uint32_t end, uint32_t index, int64_t now_ns)
{
	route->ends[end].out++;
	pace_sent(&route->ends[end].pace, index, now_ns);
}

/* An answer anywhere is proof that the run itself is sound. */
static void
count_answer(struct route *route, uint32_t end)
{
	route->ends[end].blames = 0;
	for (uint32_t i = 0; i < route->count; i++)
		route->ends[i].pace.answered = true;
}

void
route_report(struct route *route, uint32_t number, uint32_t index,
    enum outcome outcome, int64_t retry_after_ns, int64_t started_ns,
    int64_t now_ns)
{
	const struct outcome_trait *trait = outcome_trait(outcome);
	struct route_end *end = &route->ends[number];

	MUST(end->out > 0);
	end->out--;
	if (route->failed != NULL)
		route->failed[index] =
		    (uint8_t)(trait->answers ? 0 : number + 1);
	pace_report(
	    &end->pace, index, outcome, retry_after_ns, started_ns, now_ns);
	if (trait->answers)
		count_answer(route, number);
	else if (trait->blames_run)
		end->blames++;
}

void
route_take_quota(struct route *route, uint32_t end, uint64_t serial,
    const struct reply *reply, int64_t now_ns)
{
	pace_take_quota(&route->ends[end].pace, serial, reply, now_ns);
}

void
route_set_aside(struct route *route, uint32_t end)
{
	MUST(!route->ends[end].aside && route->left > 1);
	route->ends[end].aside = true;
	route->left--;
}

bool
route_is_down(const struct route *route, uint32_t end)
{
	return route->ends[end].pace.down_since_ns != -1;
}

bool
route_all_down(const struct route *route)
{
	for (uint32_t i = 0; i < route->count; i++)
		if (!route->ends[i].aside && !route_is_down(route, i))
			return false;
	return true;
}

bool
route_waits(const struct route *route, int64_t now_ns)
{
	for (uint32_t i = 0; i < route->count; i++)
		if (!route->ends[i].aside &&
		    !pace_waits(&route->ends[i].pace, now_ns))
			return false;
	return true;
}

int64_t
route_pause_ns(const struct route *route, int64_t now_ns)
{
	int64_t least_ns = CLOCK_NEVER;

	for (uint32_t i = 0; i < route->count; i++) {
		const struct route_end *end = &route->ends[i];
		int64_t left_ns = end->pace.cool_until_ns - now_ns;

		if (!end->aside && left_ns < least_ns)
			least_ns = left_ns;
	}
	return least_ns > 0 ? least_ns : 0;
}

bool
route_answered(const struct route *route)
{
	return route->ends[0].pace.answered; /* all know of it */
}

int64_t
route_gives_up_ns(const struct route *route)
{
	int64_t latest_ns = 0;

	for (uint32_t i = 0; i < route->count; i++) {
		const struct route_end *end = &route->ends[i];
		int64_t own_ns = pace_gives_up_ns(&end->pace);

		if (!end->aside && own_ns > latest_ns)
			latest_ns = own_ns;
	}
	return latest_ns;
}

void
route_shift(struct route *route, int64_t slept_ns)
{
	for (uint32_t i = 0; i < route->count; i++)
		pace_shift(&route->ends[i].pace, slept_ns);
}
