/* SPDX-License-Identifier: ISC */
#ifndef SURVEY_H
#define SURVEY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hist.h"
#include "data/lock.h"
#include "data/share.h"
#include "wire/outcome.h"

struct err;

/*
 * What there is in a database, as numbers: plain data for whoever shows it.
 */
#define SURVEY_EXAMPLE_BYTES 240     /* of one reason */
#define SURVEY_UNKNOWN OUTCOME_COUNT /* a cause that no attempt tells */
#define SURVEY_CAUSES (OUTCOME_COUNT + 1)

/* Failed prompts of one cause, and the first of them. */
struct survey_cause {
	uint64_t count;
	int64_t id;
	char reason[SURVEY_EXAMPLE_BYTES]; /* one line; foreign text */
};

/* The last run. Texts are foreign, "" unknown. */
struct survey_run {
	int64_t id; /* 0: there was none */
	char status[24];
	char started_at[24]; /* UTC */
	char ended_at[24];
	char version[24];
	char host[256];
	int64_t pid;
	uint64_t done;	 /* prompts it answered or failed */
	int64_t took_ms; /* of one that ended from its start to its end, else
			    from the first hand-out to the last outcome, or to
			    now while it goes on; -1 unknown */
};

struct survey {
	const char *name; /* lent */
	bool is_seed;	  /* made by the seed, never worked on by us */
	char shard[SHARE_TEXT_BYTES]; /* "3/16"; "": of no list */
	bool has_price;		      /* of some run */
	uint64_t cost;		      /* as price_of has it */
	uint64_t total;		      /* prompts */
	uint64_t answered;
	uint64_t failed;
	uint64_t open;
	uint64_t cut_short; /* answering attempts with outcome length */
	struct survey_cause causes[SURVEY_CAUSES];
	uint64_t attempts;
	uint64_t attempts_by[SURVEY_CAUSES];
	uint64_t input_tokens; /* of all attempts, where known */
	uint64_t output_tokens;
	struct hist latency; /* of attempts that answered */
	uint64_t runs;
	struct survey_run last;
	bool is_running; /* a coordinator works on it */
	bool is_lost;	 /* the last run ended without a word */
	struct lock_holder holder;
	char *spill; /* the file in which answers wait; NULL none */
};

/*
 * Read it all, in one snapshot.
 * Takes path, lent to survey as its name; survey_free in any case. Fails as
 * peek_open.
 * Cost: one pass over results and attempts, constant memory.
 */
int survey_read(struct survey *survey, const char *path, struct err *err);

void survey_free(struct survey *survey);

#endif
