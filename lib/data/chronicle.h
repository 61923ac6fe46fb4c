/* SPDX-License-Identifier: ISC */
#ifndef CHRONICLE_H
#define CHRONICLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/hist.h"
#include "wire/outcome.h"

struct err;
struct peek;

/*
 * What happened in a database over time, for plots: the attempts of all runs,
 * counted in a few hundred bins. Time is working time: runs stand one behind
 * the other, without what lay between them.
 */
#define CHRONICLE_BINS 240
#define CHRONICLE_BIN_MS_LEAST 250 /* what is shorter trembles */
#define CHRONICLE_LANES 64	   /* workers that are told of one by one */
#define CHRONICLE_EVENTS 2000
#define CHRONICLE_TRIES 10 /* so many of a prompt, and more */

struct chronicle_bin {
	uint32_t ended[OUTCOME_COUNT];
	double busy_ms; /* of all calls together */
	uint64_t input_tokens;
	uint64_t output_tokens;
	struct hist latency;		/* of answers */
	float lane_ms[CHRONICLE_LANES]; /* of each of the first workers */
};

enum chronicle_kind {
	CHRONICLE_START = 0,	/* a worker's first call in a run, or after a
				   death */
	CHRONICLE_DEATH = 1,	/* with a call in hand */
	CHRONICLE_REPLACED = 2, /* after --worker-jobs calls */
};

struct chronicle_event {
	uint32_t worker;
	enum chronicle_kind kind;
	int64_t at_ms;
};

struct chronicle {
	int64_t bin_ms;
	unsigned bin_count;
	struct chronicle_bin *bins;
	uint32_t workers; /* the highest number, and one */
	struct chronicle_event events[CHRONICLE_EVENTS];
	unsigned event_count;
	struct hist latency;
	uint64_t tries[CHRONICLE_TRIES]; /* prompts with 1, 2, … attempts */
};

/* Read it; chronicle_free in any case. Cost: a pass over the attempts. Fails as
 * peek_fail. */
int chronicle_read(
    struct chronicle *chronicle, const struct peek *peek, struct err *err);

void chronicle_free(struct chronicle *chronicle);

#endif
