/* SPDX-License-Identifier: ISC */
/*
 * What ends a run before its list does: a limit, a deadline, servers that are
 * given up, a signal. Each asks stop; whatever phase that makes is acted on
 * once.
 */
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "data/scratch.h"
#include "run/coord_impl.h"
#include "run/deadline.h"
#include "view/stats.h"

#define OBEY_KILL_GRACE (500 * CLOCK_MS) /* after a second Ctrl-C */
#define OBEY_LOOK_NS (100 * CLOCK_MS)	 /* between looks at latencies */

/* Nothing more may be asked for, but something is left to ask. */
static void
obey_limits(struct coord *coord)
{
	uint32_t out = sched_out(coord->sched);
	char text[LIMIT_TEXT_BYTES];

	if (sched_left(coord->sched) > out &&
	    limit_is_reached(&coord->limit, out, text))
		stop_ask(coord->conf.stop, STOP_EXIT_LIMIT, text);
}

/* How long does a call take? It need not be asked of every answer. */
static int64_t
call_ns(struct coord *coord, int64_t left_ns)
{
	if (coord->now_ns >= coord->call_known_ns) {
		coord->call_ns = deadline_call_ns(&coord->conf.stats->latency,
		    coord->conf.timeout_ns, left_ns);
		coord->call_known_ns = clock_add(coord->now_ns, OBEY_LOOK_NS);
	}
	return coord->call_ns;
}

/* The wall clock counts, and it may be set. */
static void
obey_deadline(struct coord *coord)
{
	int64_t left_ns =
	    (coord->conf.deadline_wall_ms - clock_wall_ms()) * CLOCK_MS -
	    scratch_takes_ns(coord->conf.scratch);
	bool begins = sched_left(coord->sched) > sched_out(coord->sched);
	char reason[128];
	char at[32];

	coord->conf.stop->deadline_ns = coord->now_ns + left_ns;
	coord->too_late_ns = coord->conf.stop->deadline_ns;
	if (begins)
		coord->too_late_ns -= call_ns(coord, left_ns);
	if (coord->phase != STOP_NONE || coord->now_ns < coord->too_late_ns)
		return;
	clock_wall_text_of(
	    coord->conf.deadline_wall_ms, "%H:%M:%S", at, sizeof(at));
	snprintf(reason, sizeof(reason), "the deadline at %s %s", at,
	    begins && left_ns > 0
		? "is near: another call would not end before it"
		: "has come");
	stop_ask(coord->conf.stop, STOP_EXIT_EARLY, reason);
}

/* Act on a phase once, when it begins. */
void
coord_obey(struct coord *coord)
{
	struct stop *stop = coord->conf.stop;
	enum stop_phase phase;

	if (coord->phase == STOP_NONE)
		obey_limits(coord);
	if (coord->conf.deadline_wall_ms > 0)
		obey_deadline(coord);
	if (route_gives_up_ns(&coord->route) <= coord->now_ns)
		stop_ask(stop,
		    route_answered(&coord->route) ? STOP_EXIT_EARLY
						  : STOP_EXIT_BACKEND,
		    coord->server_error);
	phase = stop_tick(stop, coord->now_ns);
	if (phase == coord->phase)
		return;
	coord->phase = phase;
	if (phase == STOP_DRAIN && pool_busy(coord->pool) > 0)
		log_say(
		    LOG_NOTE, "%s: %s", stop->reason, coord_say_note(coord));
	if (phase == STOP_KILL)
		pool_give_up(coord->pool, OBEY_KILL_GRACE, coord->now_ns);
}
