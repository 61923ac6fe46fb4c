/* SPDX-License-Identifier: ISC */
#ifndef COORD_IMPL_H
#define COORD_IMPL_H

#include "base/clock.h"
#include "run/coord.h"
#include "run/held.h"
#include "run/pace.h"
#include "run/stop.h"
#include "run/watch.h"
#include "run/width.h"

/*
 * What coord.c (the loop), attempts.c (to whom an attempt matters) and hear.c
 * (signals) share.
 */
#define COORD_WHY_BYTES 512 /* of an attempt's reason, in messages */

struct coord {
	struct coord_conf conf;
	struct loop *loop;
	struct pool *pool;
	struct sched *sched;
	struct pace pace;
	struct limit limit;
	struct width width;
	struct watch watch;
	struct loop_watch signals_watch;
	struct held *held;
	struct held *unproven; /* failed before the first answer */
	struct clock_nap nap;
	bool continued;	       /* SIGCONT came */
	enum stop_phase phase; /* that we have acted on */
	int64_t now_ns;
	bool no_memory;
	char server_error[COORD_WHY_BYTES]; /* the last that blames it */
	char note[COORD_WHY_BYTES + 64];
};

/* Take the signals that came by now; without any nothing happens. */
void coord_hear_signals(struct coord *coord);
int coord_watch_signals(struct coord *coord, struct err *err);

/* How many tokens may a prompt cost? */
uint64_t coord_estimate(const struct coord *coord, uint32_t index);

/* At the begin of a turn: were we stopped from outside? */
void coord_forgive_sleep(struct coord *coord);

/* A worker's report came: tell everybody to whom it matters. */
void coord_take_report(struct coord *coord, struct pool_report *report);

/* The run is over: whose fault were the prompts that were held? */
void coord_judge_held(struct coord *coord);

#endif
