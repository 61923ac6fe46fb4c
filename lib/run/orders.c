/* SPDX-License-Identifier: ISC */
/*
 * What people tell a run while it goes on. An order is done at once or refused
 * with a sentence; none of them can make it wait.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/log.h"
#include "data/store.h"
#include "run/control.h"
#include "run/coord_impl.h"
#include "view/panel.h"
#include "view/stats.h"

#define ORDERS_IDS_MAX 100000	   /* in one order */
#define ORDERS_FDS_PER_WORKER 4	   /* down, up, stderr, pidfd */
#define ORDERS_FDS_BESIDE 64	   /* all else */
#define ORDERS_GRACE (2 * CLOCK_S) /* for a call that is cancelled */

/* An order at hand. */
struct order {
	struct coord *coord;
	struct json *words;
	struct buf *out;
	char text[256]; /* what to say; a failure is one */
};

static bool say(struct order *order, bool done, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool
say(struct order *order, bool done, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(order->text, sizeof(order->text), format, args);
	va_end(args);
	return done;
}

/* ---- looking ---- */

static const char *
phase_of(const struct coord *coord)
{
	switch (coord->phase) {
	case STOP_DRAIN:
		return "draining";
	case STOP_KILL:
		return "stopping";
	default:
		return coord->is_paused ? "paused" : "running";
	}
}

static void
look_at_workers(const struct coord *coord, struct panel *panel)
{
	struct pool_census census;

	pool_count(coord->pool, &census);
	panel->workers = coord->workers;
	panel->workers_most = coord->conf.pool.slots;
	panel->starting = census.starting;
	panel->idle = census.idle;
	panel->busy = census.busy;
	panel->late = census.late;
	if (census.oldest_slot == UINT32_MAX)
		return;
	panel->oldest_slot = census.oldest_slot;
	panel->oldest_id = store_id(coord->conf.store, census.oldest_index);
	panel->oldest_ms = (coord->now_ns - census.oldest_ns) / CLOCK_MS;
}

static void
look_at_servers(const struct coord *coord, struct panel *panel)
{
	panel->server_count = coord->route.count;
	for (uint32_t i = 0; i < coord->route.count; i++) {
		const struct route_end *end = &coord->route.ends[i];
		int64_t due_ns = pace_due_ns(&end->pace);

		panel->servers[i] = (struct panel_server){
		    .name = end->conf.name,
		    .out = end->out,
		    .is_aside = end->aside,
		    .is_down = route_is_down(&coord->route, i),
		};
		if (pace_waits(&end->pace, coord->now_ns) &&
		    due_ns != CLOCK_NEVER && due_ns > coord->now_ns)
			panel->servers[i].pause_ms =
			    (due_ns - coord->now_ns) / CLOCK_MS;
	}
}

static bool
do_status(struct order *order)
{
	struct coord *coord = order->coord;
	const struct stats *stats = coord->conf.stats;
	struct panel_error errors[PANEL_ERRORS];
	struct panel panel = {
	    .stats = stats,
	    .open = stats->total - stats->before_answered -
		    stats->before_failed - stats->answered - stats->failed,
	    .phase = phase_of(coord),
	    .note = coord_say_note(coord),
	    .errors = errors,
	};

	/* A ring, told from its oldest on. */
	for (unsigned i = 0; i < PANEL_ERRORS; i++) {
		const struct panel_error *error =
		    &coord->errors[(coord->error_count + i) % PANEL_ERRORS];

		if (error->wall_ms > 0)
			errors[panel.error_count++] = *error;
	}
	look_at_workers(coord, &panel);
	look_at_servers(coord, &panel);
	panel_put_json(&panel, coord->now_ns, order->out);
	return true;
}

/* ---- all of it ---- */

static bool
do_pause(struct order *order)
{
	if (order->coord->phase != STOP_NONE)
		return say(order, false, "the run is ending");
	if (order->coord->is_paused)
		return say(order, true, "it is paused already");
	order->coord->is_paused = true;
	return say(order, true,
	    "paused: calls that are out (%u) go on, no other begins",
	    (unsigned)pool_busy(order->coord->pool));
}

static bool
do_resume(struct order *order)
{
	if (!order->coord->is_paused)
		return say(order, true, "it is not paused");
	order->coord->is_paused = false;
	return say(order, true, "goes on");
}

static bool
do_drain(struct order *order)
{
	stop_ask(
	    order->coord->conf.stop, STOP_EXIT_EARLY, "told to by llmill ctl");
	return say(order, true, "calls that are out (%u) are finished",
	    (unsigned)pool_busy(order->coord->pool));
}

static bool
do_workers(struct order *order)
{
	struct coord *coord = order->coord;
	int64_t wanted = json_integer(json_get(order->words, "count"), 0);
	struct err err = {0};

	if (wanted < 1 || wanted > coord->conf.pool.slots)
		return say(order, false, "workers: from 1 to %u in this run",
		    (unsigned)coord->conf.pool.slots);
	if (fd_raise_limit(
		(size_t)wanted * ORDERS_FDS_PER_WORKER + ORDERS_FDS_BESIDE,
		&err) == -1)
		return say(order, false, "%.200s", err.text);
	coord->workers = (uint32_t)wanted;
	pool_use(coord->pool, coord->workers);
	coord->conf.stats->workers = (uint32_t)wanted;
	width_set(&coord->width, (uint32_t)wanted);
	return say(order, true, "%u workers", (unsigned)wanted);
}

static bool
do_kill(struct order *order)
{
	int64_t slot = json_integer(json_get(order->words, "worker"), -1);

	if (slot < 0 || slot >= order->coord->conf.pool.slots ||
	    !pool_kill(
		order->coord->pool, (uint32_t)slot, order->coord->now_ns))
		return say(order, false, "there is no worker %" PRId64, slot);
	return say(order, true,
	    "worker %" PRId64 " is killed; its prompt is tried again", slot);
}

static bool
do_log(struct order *order)
{
	struct span name = json_string(json_get(order->words, "level"));
	enum log_level level;

	if (!log_level_by_name(name, &level))
		return say(
		    order, false, "log: error, warn, note, info or debug");
	log_set_level(level);
	return say(
	    order, true, "the screen gets %.*s", (int)name.size, name.data);
}

/* ---- single prompts ---- */

static bool
retry_one(struct order *order, uint32_t index, int64_t id)
{
	struct coord *coord = order->coord;
	enum outcome outcome;
	struct err err = {0};

	if (coord->conf.states[index] != STORE_FAILED ||
	    sched_state(coord->sched, index) != SCHED_IS_CLOSED)
		return say(
		    order, false, "prompt %" PRId64 " has not failed", id);
	if (store_retry(coord->conf.store, index, &outcome, &err) == -1)
		return say(order, false, "%.200s", err.text);
	coord->conf.states[index] = STORE_OPEN;
	stats_uncount_failure(
	    coord->conf.stats, outcome, coord->conf.asked[index] == 1);
	coord->conf.asked[index] = 1;
	limit_unfail(&coord->limit);
	sched_reopen(coord->sched, index);
	return true;
}

/* All of them; "failed" stands for their ids. */
static bool
retry_failed(struct order *order)
{
	struct coord *coord = order->coord;
	unsigned count = 0;

	for (uint32_t i = 0; i < coord->conf.count; i++) {
		if (coord->conf.states[i] != STORE_FAILED ||
		    sched_state(coord->sched, i) != SCHED_IS_CLOSED)
			continue;
		if (!retry_one(order, i, store_id(coord->conf.store, i)))
			return false;
		count++;
	}
	return say(order, true,
	    count == 0 ? "none has failed" : "%u %s tried again", count,
	    count == 1 ? "prompt is" : "prompts are");
}

static bool
cancel_one(struct order *order, uint32_t index, int64_t id)
{
	struct coord *coord = order->coord;

	switch (sched_state(coord->sched, index)) {
	case SCHED_IS_HERE:
		sched_cancel(coord->sched, index);
		coord_uncount(coord, index);
		return true;
	case SCHED_IS_OUT:
		sched_cancel(coord->sched, index);
		(void)pool_give_up_one(
		    coord->pool, index, ORDERS_GRACE, coord->now_ns);
		return true;
	default:
		return say(order, false,
		    "prompt %" PRId64 " is not to do in this run", id);
	}
}

/* Do something with each of the ids; the first that cannot be ends it. */
static bool
with_ids(struct order *order,
    bool (*one)(struct order *order, uint32_t index, int64_t id),
    const char *what)
{
	struct json *ids = json_get(order->words, "ids");
	size_t count = json_count(ids);

	if (one == retry_one &&
	    span_equals(json_string(ids), span_of("failed")))
		return retry_failed(order);
	if (!json_is_array(ids) || count == 0 || count > ORDERS_IDS_MAX)
		return say(order, false, "%s wants ids of prompts", what);
	if (order->coord->conf.twins != NULL)
		return say(order, false, "%s: not with --dedup", what);
	for (size_t i = 0; i < count; i++) {
		int64_t id = json_integer(json_at(ids, i), -1);
		uint32_t index;

		if (!store_has_id(order->coord->conf.store, id, &index))
			return say(
			    order, false, "there is no prompt %" PRId64, id);
		if (!one(order, index, id))
			return false;
	}
	return say(order, true, "%zu %s %s", count,
	    count == 1 ? "prompt" : "prompts", what);
}

static bool
do_retry(struct order *order)
{
	if (order->coord->phase != STOP_NONE)
		return say(order, false, "the run is ending");
	return with_ids(order, retry_one, "tried again");
}

static bool
do_cancel(struct order *order)
{
	return with_ids(order, cancel_one, "cancelled");
}

/* ---- all orders ---- */

static const struct {
	const char *name;
	bool (*run)(struct order *order);
} orders[] = {
    {"status", do_status},
    {"pause", do_pause},
    {"resume", do_resume},
    {"workers", do_workers},
    {"retry", do_retry},
    {"cancel", do_cancel},
    {"kill", do_kill},
    {"drain", do_drain},
    {"log", do_log},
};

void
coord_take_order(void *arg, struct json *words, struct buf *out)
{
	struct span name = json_string(json_get(words, "order"));
	struct order order = {.coord = arg, .words = words, .out = out};
	bool done = false;

	say(&order, false, "no such order");
	buf_add_byte(out, '{');
	for (size_t i = 0; i < sizeof(orders) / sizeof(*orders); i++) {
		if (!span_equals(name, span_of(orders[i].name)))
			continue;
		order.text[0] = '\0';
		done = orders[i].run(&order);
		if (orders[i].run != do_status)
			log_say(LOG_INFO, "order %s: %s", orders[i].name,
			    order.text);
		break;
	}
	json_put_bool(out, "ok", done);
	if (order.text[0] != '\0')
		json_put_text(out, "text", span_of(order.text));
	buf_add_byte(out, '}');
}
