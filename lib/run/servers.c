/* SPDX-License-Identifier: ISC */
/*
 * What becomes of the servers of a run, and of the prompts that one of them
 * blamed the run for: they are held while it may be right, and go to the others
 * once it is set aside.
 */
#include <stdio.h>

#include "base/log.h"
#include "base/text.h"
#include "run/coord_impl.h"
#include "view/stats.h"

static const char *
name_of(const struct coord *coord, uint32_t end)
{
	return coord->route.ends[end].conf.name;
}

/* With several of them a reason says whose it is. Gives it, in scratch or as it
 * was. */
struct span
coord_sign_reason(
    struct coord *coord, uint32_t end, struct span reason, struct buf *scratch)
{
	if (coord->route.count == 1)
		return reason;
	buf_clear(scratch);
	buf_printf(scratch, "%s: ", name_of(coord, end));
	buf_add(scratch, reason.data, reason.size);
	return scratch->failed ? reason : buf_span(scratch);
}

static void
say_change(
    const struct coord *coord, uint32_t end, bool is_down, const char *why)
{
	if (coord->route.count > 1 && is_down)
		log_say(LOG_NOTE, "no prompts for a while: %s", why);
	else if (coord->route.count > 1)
		log_say(LOG_NOTE, "%s gets prompts again", name_of(coord, end));
	else if (is_down)
		log_say(LOG_NOTE, "waiting for the server: %s", why);
	else
		log_say(LOG_NOTE, "the server is back");
}

void
coord_tell_servers(struct coord *coord, const struct pool_report *report,
    int64_t retry_after_ns, const char *why)
{
	enum outcome outcome = report->reply.outcome;
	uint32_t end = report->endpoint;
	bool was_down = route_is_down(&coord->route, end);

	route_report(&coord->route, end, report->index, outcome, retry_after_ns,
	    report->started_ns, coord->now_ns);
	route_take_quota(
	    &coord->route, end, report->serial, &report->reply, coord->now_ns);
	if (outcome_trait(outcome)->blames_server ||
	    (!was_down && route_is_down(&coord->route, end)))
		snprintf(coord->server_error, sizeof(coord->server_error), "%s",
		    why);
	if (was_down == route_is_down(&coord->route, end))
		return;
	say_change(coord, end, !was_down, why);
	if (coord->route.count > 1 && route_all_down(&coord->route))
		log_say(LOG_NOTE, "%s", coord_say_wait(coord));
}

/* Prompts that only this server blamed go to the others. */
static void
release_held(struct coord *coord, uint32_t end)
{
	struct held *held;

	while ((held = held_pop(&coord->held, end)) != NULL) {
		sched_release(coord->sched, held->index);
		held_free(held);
	}
}

static void
set_aside(struct coord *coord, uint32_t end, const char *why)
{
	log_say(LOG_WARN, "no more prompts for one server; %s", why);
	route_set_aside(&coord->route, end);
	release_held(coord, end);
}

static bool
has_others(const struct coord *coord, uint32_t end)
{
	return coord->route.ends[end].aside || coord->route.left > 1;
}

bool
coord_blames_server(const struct coord *coord, const struct pool_report *report)
{
	return outcome_trait(report->reply.outcome)->blames_run &&
	       has_others(coord, report->endpoint);
}

void
coord_judge_server(struct coord *coord, uint32_t end, const char *why)
{
	if (coord->route.ends[end].aside)
		release_held(coord, end);
	else if (has_others(coord, end) &&
		 coord->route.ends[end].blames >= STOP_BLAMES_IN_A_ROW)
		set_aside(coord, end, why);
}

bool
coord_can_do_without(struct coord *coord, uint32_t end, const char *why)
{
	if (!has_others(coord, end))
		return false;
	if (!coord->route.ends[end].aside)
		set_aside(coord, end, why);
	return true;
}

void
coord_move_held(struct coord *coord)
{
	char why[COORD_WHY_BYTES];

	while (coord->held != NULL && coord->route.left > 1) {
		snprintf(why, sizeof(why), "%.*s", (int)coord->held->why.size,
		    coord->held->why.data);
		set_aside(coord, coord->held->endpoint, why);
	}
}

const char *
coord_say_wait(struct coord *coord)
{
	const struct route *route = &coord->route;
	int64_t due_ns = route_due_ns(route);
	char left[32];

	if (route->count == 1)
		return route_all_down(route) ? "waiting for the server"
					     : "waiting for the rate limit";
	if (due_ns == CLOCK_NEVER || due_ns <= coord->now_ns)
		snprintf(coord->note, sizeof(coord->note),
		    "waiting for %u servers", (unsigned)route->left);
	else
		snprintf(coord->note, sizeof(coord->note),
		    "waiting for %u servers, the first is tried in %s",
		    (unsigned)route->left,
		    text_duration(due_ns - coord->now_ns, left, sizeof(left)));
	return coord->note;
}
