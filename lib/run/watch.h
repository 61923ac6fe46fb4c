/* SPDX-License-Identifier: ISC */
#ifndef WATCH_H
#define WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "run/loop.h"

struct bulletin;
struct err;
struct export;
struct metrics;
struct reporter;
struct progress;
struct stats;
struct stop;

/*
 * Those who look on: the progress line and the output in prompt order. They
 * sit behind the commit, so what a person sees as done is durable.
 */
struct watch {
	struct progress *progress; /* or NULL */
	struct export *output;	   /* or NULL */
	struct bulletin *bulletin; /* or NULL */
	struct metrics *metrics;   /* or NULL */
	struct reporter *reporter; /* or NULL */
	const uint8_t *states;	   /* enum store_state per prompt, durable */
	struct stats *stats;
	struct loop *loop;
	struct loop_watch writable;
	bool output_due;  /* there may be something to write */
	bool output_ends; /* all of the rest may be written */
	bool output_closed;
};

void watch_init(struct watch *watch, struct loop *loop);

/* Something became durable. */
void watch_tell(struct watch *watch);

/* Nothing more will become durable: the output may be written to its end. */
void watch_finish(struct watch *watch);

/* Is there output that its reader has not taken yet, or that was not tried? */
bool watch_has_more(const struct watch *watch);

/* Draw and write what is due. note is what the run waits for, or NULL.
 * Gives 0; -1 with err when the output broke, once. */
int watch_turn(
    struct watch *watch, const char *note, int64_t now_ns, struct err *err);

int64_t watch_due_ns(const struct watch *watch);

void watch_end(struct watch *watch);

#endif
