/* SPDX-License-Identifier: ISC */
#ifndef COORD_BENCH_H
#define COORD_BENCH_H

#include <sys/wait.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/signals.h"
#include "chat/chat.h"
#include "chat/worker.h"
#include "data/prompts.h"
#include "data/store.h"
#include "run/coord.h"
#include "run/stop.h"
#include "view/export.h"
#include "view/stats.h"
#include "wire/frame.h"

#include "apart.h"
#include "fake_worker.h"

/*
 * A whole run around a coordinator: prompts, a nursery, a private database.
 * Its workers are fake, or real ones with the echo backend. Only for processes
 * apart: it uses NEED.
 */
struct stage {
	uint32_t count;
	struct prompts *prompts;
	struct chat_conf chat;
	struct plan plan;
	struct nursery *nursery;
	struct store *store;
	struct coord *coord;
	struct coord_conf conf;
	struct stats stats;
	struct stop stop;
	struct signals signals;
	bool take_signals;
	uint8_t *states;
	uint8_t *asked;
	/* Called with each attempt; may be NULL. */
	void (*seen)(struct stage *stage, const struct pool_report *report);
	uint64_t seen_count;
};

static inline void
stage_durable(void *arg, const struct store_durable *what)
{
	struct stage *stage = arg;

	coord_durable(stage->coord, what);
}

static inline void
stage_seen(void *arg, const struct pool_report *report)
{
	struct stage *stage = arg;

	stage->seen_count++;
	if (stage->seen != NULL)
		stage->seen(stage, report);
}

static inline void
stage_make_prompts(struct stage *stage)
{
	struct err err;

	stage->prompts = prompts_new(&err);
	NEED(stage->prompts != NULL);
	for (uint32_t i = 0; i < stage->count; i++) {
		char text[32];
		struct record record = {.text = {text, 0}};

		record.text.size = (size_t)snprintf(
		    text, sizeof(text), "prompt %u", (unsigned)i);
		NEED(prompts_add(stage->prompts, &record, &err) == 0);
	}
	NEED(prompts_seal(stage->prompts, &err) == 0);
	stage->plan =
	    (struct plan){.prompts = stage->prompts, .backend = "echo"};
}

static inline void
stage_open_nursery(struct stage *stage, const struct fake *fake)
{
	struct heritage heritage = {
	    .live = worker_live,
	    .arg = &stage->chat,
	};
	struct err err;

	if (fake != NULL) {
		heritage.live = fake_live;
		heritage.arg = (void *)(uintptr_t)fake;
	}
	stage->nursery = nursery_open(&heritage, &err);
	NEED(stage->nursery != NULL);
}

static inline void
stage_open_store(struct stage *stage)
{
	const struct store_conf conf = {.durable = stage_durable, .arg = stage};
	const struct store_run run = {.version = "test"};
	struct store_counts counts;
	struct err err;

	stage->store = store_open(&conf, &err);
	NEED(stage->store != NULL);
	stage->states = calloc(stage->count, 1);
	stage->asked = calloc(stage->count, 1);
	NEED(stage->states != NULL && stage->asked != NULL);
	NEED(store_load(stage->store, &stage->plan, stage->states, &counts,
		 &err) == 0);
	NEED(store_begin_run(stage->store, &stage->plan, &run, &err) == 0);
}

/* Fake workers, or, with NULL, echo by script. */
static inline void
stage_open(struct stage *stage, uint32_t count, const struct fake *fake,
    const char *script)
{
	*stage = (struct stage){.count = count};
	stage->chat = (struct chat_conf){
	    .kind = chat_by_name("echo"),
	    .answer_cap_bytes = 8 << 20,
	    .grace_ns = 100 * CLOCK_MS,
	    .script = script,
	};
	stage_make_prompts(stage);
	stage->chat.prompts = stage->prompts;
	stage_open_nursery(stage, fake);
	stage_open_store(stage);
	stage->conf = (struct coord_conf){
	    .count = count,
	    .states = stage->states,
	    .asked = stage->asked,
	    .store = stage->store,
	    .nursery = stage->nursery,
	    .stats = &stage->stats,
	    .stop = &stage->stop,
	    .policy =
		{
		    .tries_max = 3,
		    .delay_ns = 5 * CLOCK_MS,
		    .delay_max_ns = 60 * CLOCK_S,
		    .poison = 2,
		    .wait_max_ns = 3600 * CLOCK_S,
		    .random_seed = 1,
		},
	    .pool =
		{
		    .slots = 4,
		    .late_after_ns = 50 * CLOCK_MS,
		    .grace_ns = 100 * CLOCK_MS,
		    .frame_cap_bytes = FRAME_CAP_BYTES,
		},
	    .workers = 4,
	    .timeout_ns = CLOCK_S,
	    .stop_fd = -1,
	    .wait_server_first_ns = 30 * CLOCK_S,
	    .wait_server_later_ns = 900 * CLOCK_S,
	    .attempted = stage_seen,
	    .attempted_arg = stage,
	};
	stop_init(&stage->stop, false, 4);
}

/* Ask for all that is open, run. Gives the exit status so far. */
static inline int
stage_run(struct stage *stage)
{
	struct err err = {0};
	int result;

	stage->stats = (struct stats){.total = stage->count};
	for (uint32_t i = 0; i < stage->count; i++) {
		stage->asked[i] = stage->states[i] == STORE_OPEN;
		stage->stats.asked += stage->asked[i];
	}
	if (stage->take_signals) {
		NEED(signals_open(&stage->signals, coord_signals, &err) == 0);
		stage->conf.signals = &stage->signals;
	}
	stage->coord = coord_new(&stage->conf, &err);
	NEED(stage->coord != NULL);
	result = coord_run(stage->coord, &err);
	if (result == -1)
		dprintf(STDERR_FILENO, "%s\n", err.text);
	NEED(result == 0);
	coord_free(stage->coord);
	stage->coord = NULL;
	if (stage->take_signals)
		signals_close(&stage->signals);
	return stage->stop.exit_status;
}

static inline uint32_t
stage_count(const struct stage *stage, enum store_state state)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < stage->count; i++)
		count += stage->states[i] == state;
	return count;
}

/* What holds of the numbers of every run. */
static inline void
stage_check_stats(const struct stage *stage)
{
	const struct stats *stats = &stage->stats;
	uint64_t attempts = 0;
	uint64_t failed = 0;

	for (int i = 0; i < OUTCOME_COUNT; i++) {
		attempts += stats->attempts_by[i];
		failed += stats->failed_by[i];
	}
	NEED(attempts == stats->attempts);
	NEED(failed == stats->failed);
	NEED(stats->latency.count == stats->answered);
	NEED(stats->answered == stage_count(stage, STORE_ANSWERED));
	NEED(stats->failed == stage_count(stage, STORE_FAILED));
	NEED(stats_left(stats) == stage_count(stage, STORE_OPEN));
	NEED(stats->in_flight == 0);
	NEED(stats->ended_ns >= stats->started_ns);
}

static inline void
stage_close(struct stage *stage)
{
	NEED(store_close(stage->store, "finished", 1000) == STORE_HEALTHY);
	nursery_close(stage->nursery);
	prompts_free(stage->prompts);
	free(stage->states);
	free(stage->asked);
	NEED(apart_is_childless());
}

#endif
