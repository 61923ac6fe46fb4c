/* SPDX-License-Identifier: ISC */
/*
 * The loop: sleep until somebody's next moment, take what came, refill idle
 * workers, commit, let observers look. Policy lives in sched, pace and stop;
 * formats in view; SQL in store. Here things are only carried.
 */
#include "run/coord_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/text.h"
#include "data/scratch.h"
#include "data/store.h"
#include "data/twins.h"
#include "run/control.h"
#include "run/loop.h"
#include "view/stats.h"

#define COORD_LOOK_NS (500 * CLOCK_MS)	 /* to notice that we were stopped */
#define COORD_LEAVE_WITHIN (1 * CLOCK_S) /* for idle workers at the end */
#define COORD_SAVE_WITHIN (2 * CLOCK_S)	 /* trouble is spilled after 1 s */

static int
open_route(struct coord *coord)
{
	const struct coord_conf *conf = &coord->conf;
	const struct route_conf nameless = {.name = "", .weight = 1};
	struct pace pace;

	pace_init(
	    &pace, conf->wait_server_first_ns, conf->wait_server_later_ns);
	pace.learns = conf->is_server;
	for (uint32_t i = 0; i < conf->server_count && conf->server_count > 1;
	     i++)
		conf->stats->servers[conf->stats->server_count++].name =
		    conf->servers[i].name;
	return route_init(&coord->route,
	    conf->server_count > 0 ? conf->servers : &nameless,
	    conf->server_count > 0 ? conf->server_count : 1, conf->count,
	    &pace);
}

struct coord *
coord_new(const struct coord_conf *conf, struct err *err)
{
	struct coord *coord = calloc(1, sizeof(*coord));

	if (coord == NULL) {
		err_set_memory(err, "coordinator");
		return NULL;
	}
	coord->conf = *conf;
	buf_init(&coord->signed_reason, SIZE_MAX / 4);
	limit_init(&coord->limit, &conf->limits, conf->used_requests,
	    conf->used_tokens, conf->used_failures);
	width_init(&coord->width,
	    conf->workers_least > 0 ? conf->workers_least : conf->workers,
	    conf->workers, conf->is_server, conf->workers_least > 0);
	coord->workers = conf->workers;
	coord->sched = sched_new(conf->count, &conf->policy);
	if (coord->sched == NULL || open_route(coord) == -1) {
		err_set_memory(err, "scheduler");
		coord_free(coord);
		return NULL;
	}
	coord->too_late_ns = CLOCK_NEVER;
	coord->signals_watch.fd = -1;
	coord->stop_watch.fd = -1;
	coord->watch.progress = conf->progress;
	coord->watch.output = conf->output;
	coord->watch.bulletin = conf->bulletin;
	coord->watch.metrics = conf->metrics;
	coord->watch.reporter = conf->reporter;
	coord->watch.states = conf->states;
	coord->watch.stats = conf->stats;
	for (uint32_t i = 0; i < conf->count; i++)
		if (conf->asked[i] &&
		    (conf->twins == NULL || conf->twins->first[i] == 0))
			sched_open(coord->sched, i);
	return coord;
}

void
coord_free(struct coord *coord)
{
	struct held *held;

	if (coord == NULL)
		return;
	while ((held = held_pop(&coord->held, HELD_ANY)) != NULL)
		held_free(held);
	while ((held = held_pop(&coord->unproven, HELD_ANY)) != NULL)
		held_free(held);
	route_free(&coord->route);
	buf_free(&coord->signed_reason);
	control_close(coord->control);
	pool_free(coord->pool);
	watch_end(&coord->watch);
	sched_free(coord->sched);
	loop_free(coord->loop);
	free(coord);
}

/* ---- one turn ---- */

static int64_t
earlier(int64_t one_ns, int64_t other_ns)
{
	return one_ns < other_ns ? one_ns : other_ns;
}

static int64_t
later(int64_t one_ns, int64_t other_ns)
{
	return one_ns > other_ns ? one_ns : other_ns;
}

struct tokens
coord_estimate(const struct coord *coord, uint32_t index)
{
	if (coord->conf.estimate == NULL)
		return (struct tokens){0};
	return coord->conf.estimate(coord->conf.estimate_arg, index);
}

/* When may the next one go out? CLOCK_NEVER: not before something comes back.
 */
static int64_t
hand_out_due_ns(struct coord *coord)
{
	int64_t due_ns = sched_due_ns(coord->sched);

	if (coord->is_paused)
		return CLOCK_NEVER;
	/* With nobody idle a due prompt changes nothing. */
	if (!pool_has_idle(coord->pool) || !limit_has_room(&coord->limit))
		return CLOCK_NEVER;
	if (sched_out(coord->sched) >= width_at(&coord->width, coord->now_ns))
		return width_grows_ns(&coord->width, coord->now_ns);
	due_ns = later(due_ns, route_due_ns(&coord->route));
	return later(due_ns, limit_due_ns(&coord->limit));
}

static void
hand_out(struct coord *coord)
{
	struct pool_job job = {.allowed_ns = coord->conf.timeout_ns};

	while (
	    hand_out_due_ns(coord) <= coord->now_ns &&
	    sched_next(coord->sched, coord->now_ns, &job.index, &job.attempt)) {
		job.endpoint =
		    route_pick(&coord->route, job.index, coord->now_ns);
		job.serial = coord->route.ends[job.endpoint].pace.sent + 1;
		if (!pool_give(coord->pool, &job, coord->now_ns)) {
			sched_return(coord->sched, job.index);
			continue;
		}
		route_sent(
		    &coord->route, job.endpoint, job.index, coord->now_ns);
		width_sent(&coord->width, coord->now_ns);
		limit_sent(&coord->limit, coord_estimate(coord, job.index),
		    coord->now_ns);
	}
}

/* No more workers than prompts; none are replaced in a drain. */
static void
set_wanted(struct coord *coord)
{
	uint32_t left = sched_left(coord->sched);
	uint32_t most = coord->workers;

	if (coord->phase != STOP_NONE)
		left = 0;
	pool_want(coord->pool, left < most ? left : most);
}

/* Could more be handed out, but for a rate? */
static bool
is_held(struct coord *coord)
{
	return limit_holds(&coord->limit, coord->now_ns) != NULL &&
	       pool_has_idle(coord->pool) &&
	       sched_due_ns(coord->sched) <= coord->now_ns;
}

const char *
coord_say_note(struct coord *coord)
{
	int64_t latest_ns;
	char at_most[32];
	uint32_t busy = pool_busy(coord->pool);

	if (coord->phase == STOP_DRAIN && busy > 0) {
		latest_ns = pool_latest_ns(coord->pool);
		if (stop_due_ns(coord->conf.stop) < latest_ns)
			latest_ns = stop_due_ns(coord->conf.stop);
		text_duration(
		    latest_ns > coord->now_ns ? latest_ns - coord->now_ns : 0,
		    at_most, sizeof(at_most));
		snprintf(coord->note, sizeof(coord->note),
		    "finishing %u %s, at most %s%s", (unsigned)busy,
		    busy == 1 ? "call" : "calls", at_most,
		    coord->conf.stop->terminal ? "; Ctrl-C again leaves" : "");
		return coord->note;
	}
	if (route_waits(&coord->route, coord->now_ns))
		return coord_say_wait(coord);
	if (is_held(coord)) {
		snprintf(coord->note, sizeof(coord->note), "held by %s",
		    limit_holds(&coord->limit, coord->now_ns));
		return coord->note;
	}
	if (coord->watch.output_ends)
		return "waiting for whoever reads the output";
	return NULL;
}

static void
observe(struct coord *coord)
{
	struct err err = {0};

	if (watch_turn(
		&coord->watch, coord_say_note(coord), coord->now_ns, &err) == 0)
		return;
	if (coord->conf.private_store)
		stop_ask(coord->conf.stop, STOP_EXIT_EARLY, err.text);
	else
		log_say(err.number == EPIPE ? LOG_NOTE : LOG_ERROR,
		    "%s; answers go on into %s", err.text,
		    store_path(coord->conf.store) != NULL
			? store_path(coord->conf.store)
			: "the spill file");
}

static void
count_time(struct coord *coord, int64_t passed_ns)
{
	struct stats *stats = coord->conf.stats;
	uint32_t busy = pool_busy(coord->pool);

	if (busy >= coord->workers && sched_ready(coord->sched) > 0)
		stats->all_busy_ns += passed_ns;
	else if (route_waits(&coord->route, coord->now_ns) && busy <= 1)
		stats->server_wait_ns += passed_ns;
	else if (is_held(coord))
		stats->rate_wait_ns += passed_ns;
	stats->in_flight = busy;
	stats->waiting = sched_waiting(coord->sched);
	stats->births = pool_births(coord->pool);
	stats->commit_ns = store_commit_time_ns(coord->conf.store);
}

static int64_t
next_moment(struct coord *coord)
{
	int64_t then_ns = pool_due_ns(coord->pool);

	then_ns = earlier(then_ns, store_due_ns(coord->conf.store));
	then_ns = earlier(then_ns, stop_due_ns(coord->conf.stop));
	then_ns = earlier(then_ns, watch_due_ns(&coord->watch));
	then_ns = earlier(then_ns, scratch_due_ns(coord->conf.scratch));
	if (coord->phase != STOP_NONE)
		return then_ns;
	then_ns = earlier(then_ns, route_gives_up_ns(&coord->route));
	then_ns = earlier(then_ns, coord->too_late_ns);
	return earlier(then_ns, hand_out_due_ns(coord));
}

static int
turn(struct coord *coord, struct err *err)
{
	struct pool_report report;
	int64_t before_ns = coord->now_ns;

	/* The last turn took its time, a commit perhaps. */
	if (loop_turn(coord->loop, clock_now_ns(),
		clock_nap_next_ns(&coord->nap, next_moment(coord)), err) == -1)
		return -1;
	coord->now_ns = clock_now_ns();
	coord_forgive_sleep(coord);
	do {
		pool_tick(coord->pool, coord->now_ns);
		while (pool_next(coord->pool, &report, coord->now_ns))
			coord_take_report(coord, &report);
		coord_obey(coord);
		if (coord->phase == STOP_NONE)
			hand_out(coord);
	} while (pool_due_ns(coord->pool) <= coord->now_ns);
	set_wanted(coord);
	store_commit(coord->conf.store, coord->now_ns, false);
	scratch_tick(coord->conf.scratch, coord->now_ns);
	count_time(coord, coord->now_ns - before_ns);
	observe(coord);
	if (coord->no_memory)
		return err_set_memory(err, "an answer");
	return 0;
}

static bool
is_finished(struct coord *coord)
{
	if (sched_out(coord->sched) > 0)
		return false;
	if (coord->phase == STOP_NONE && sched_left(coord->sched) == 0)
		coord_move_held(coord);
	return coord->phase != STOP_NONE || sched_left(coord->sched) == 0;
}

/* ---- begin and end ---- */

/* A run that cannot be told anything is still a run. */
static void
open_control(struct coord *coord)
{
	const char *path = coord->conf.control_path;
	struct err err = {0};

	if (path == NULL)
		return;
	coord->control =
	    control_open(path, coord->loop, coord_take_order, coord, &err);
	if (coord->control == NULL) {
		log_say(LOG_INFO, "%s; llmill ctl cannot reach it", err.text);
		return;
	}
	store_show_socket(coord->conf.store, path);
	scratch_show_socket(coord->conf.scratch, path);
}

static int
begin(struct coord *coord, struct err *err)
{
	coord->loop = loop_new(err);
	if (coord->loop == NULL)
		return -1;
	watch_init(&coord->watch, coord->loop);
	if (coord_watch_signals(coord, err) == -1)
		return -1;
	open_control(coord);
	coord->pool =
	    pool_new(&coord->conf.pool, coord->loop, coord->conf.nursery, err);
	if (coord->pool == NULL)
		return -1;
	pool_use(coord->pool, coord->workers);
	coord->now_ns = clock_now_ns();
	clock_nap_begin(&coord->nap, coord->now_ns, 4 * COORD_LOOK_NS);
	stats_start(coord->conf.stats, coord->now_ns);
	/* Told to stop before it began: nobody is started. */
	coord_hear_signals(coord);
	coord_obey(coord);
	set_wanted(coord);
	pool_tick(coord->pool, coord->now_ns);
	return 0;
}

static void
dismiss_workers(struct coord *coord)
{
	int64_t until_ns = clock_now_ns() + COORD_LEAVE_WITHIN;
	struct pool_report report;
	struct err err = {0};

	pool_want(coord->pool, 0);
	pool_tick(coord->pool, clock_now_ns());
	while (pool_alive(coord->pool) > 0 && clock_now_ns() < until_ns) {
		int64_t due_ns = pool_due_ns(coord->pool);

		if (loop_turn(coord->loop, clock_now_ns(),
			earlier(due_ns, until_ns), &err) == -1)
			break;
		while (pool_next(coord->pool, &report, clock_now_ns()))
			; /* no prompt is out any more */
		pool_tick(coord->pool, clock_now_ns());
	}
}

/* The output shows what is saved: trouble of the last second goes first, into
 * the database or into the spill file. */
static int
save_for_output(struct coord *coord, struct err *err)
{
	int64_t until_ns = clock_add(clock_now_ns(), COORD_SAVE_WITHIN);
	int result = 0;

	while (result == 0 && coord->phase == STOP_NONE &&
	       coord->watch.output != NULL &&
	       store_waiting(coord->conf.store) > 0 && coord->now_ns < until_ns)
		result = turn(coord, err);
	return result;
}

/* However slow its reader is: until it has all, or a signal ends the wait. */
static int
finish_output(struct coord *coord, struct err *err)
{
	int result = save_for_output(coord, err);

	watch_finish(&coord->watch);
	while (result == 0 && coord->phase == STOP_NONE &&
	       watch_has_more(&coord->watch))
		result = turn(coord, err);
	return result;
}

int
coord_run(struct coord *coord, struct err *err)
{
	int result = begin(coord, err);

	if (result == 0)
		result = coord_copy_answered(coord, err);
	while (result == 0 && !is_finished(coord))
		result = turn(coord, err);
	if (result == 0)
		coord_judge_held(coord);
	/* The last answers are safe before anybody is waited for. */
	coord->now_ns = clock_now_ns();
	store_commit(coord->conf.store, coord->now_ns, true);
	coord->conf.stats->ended_ns = coord->now_ns;
	coord->conf.stats->in_flight = 0;
	if (coord->pool != NULL)
		dismiss_workers(coord);
	return result == 0 ? finish_output(coord, err) : -1;
}

void
coord_durable(struct coord *coord, const struct store_durable *what)
{
	struct stats *stats = coord->conf.stats;

	if (what->state == STORE_OPEN)
		return;
	coord->conf.states[what->index] = (uint8_t)what->state;
	if (what->state == STORE_ANSWERED)
		stats_count_answer(stats, what->outcome, what->duration_ms,
		    what->input_tokens, what->output_tokens, coord->now_ns);
	else
		stats_count_failure(stats, what->outcome, coord->now_ns);
	watch_tell(&coord->watch);
}
