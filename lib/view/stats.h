/* SPDX-License-Identifier: ISC */
#ifndef STATS_H
#define STATS_H

#include <stddef.h>
#include <stdint.h>

#include "base/hist.h"
#include "base/price.h"
#include "wire/msg.h"
#include "wire/outcome.h"

/*
 * The numbers of a run, as plain data: coord counts, progress and summary
 * read. "Done" numbers are counted after the commit only.
 */
#define STATS_RATE_SLOTS 10 /* seconds that the current rate looks back */

/* One of several, as long as the run lasts and its summary is told. */
struct stats_server {
	const char *name; /* lent */
	uint64_t answers;
	uint64_t failures; /* attempts without an answer */
};

/* How large something is, by powers of four: up to 1, 4, 16, … and more. */
#define STATS_SIZES 15

#define STATS_HISTORY 60		     /* slots, */
#define STATS_HISTORY_NS INT64_C(5000000000) /* each so long */

struct stats_sizes {
	uint64_t counts[STATS_SIZES];
	uint64_t sum;
};

struct stats {
	/* what there is to do */
	uint64_t total;		  /* prompts in the plan */
	uint64_t asked;		  /* of them, to be done by this run */
	uint64_t before_answered; /* when the run began */
	uint64_t before_failed;
	uint64_t empty_lines; /* skipped in the input */
	uint64_t bad_records; /* skipped in the input */

	/* durable */
	uint64_t answered; /* by this run */
	uint64_t failed;   /* by this run */
	uint64_t failed_by[OUTCOME_COUNT];
	uint64_t cut_short;    /* answers with outcome length */
	uint64_t input_tokens; /* where known */
	uint64_t output_tokens;
	struct stats_sizes input_sizes; /* of answers, where known */
	struct stats_sizes output_sizes;
	struct hist latency; /* of answers */

	/* as it happens */
	uint64_t attempts;
	struct tokens paid; /* of all attempts, where known */
	struct price price;
	uint64_t attempts_by[OUTCOME_COUNT];
	uint64_t retries;      /* attempts after the first of a prompt */
	uint64_t crashes;      /* calls that crashed while their worker lived */
	uint64_t deaths;       /* workers that died by themselves or others */
	uint64_t killed;       /* workers we killed: late or garbled */
	uint64_t births;       /* workers started */
	uint64_t late_answers; /* came after we had asked to give up */
	struct stats_server servers[MSG_ENDPOINTS_MAX];
	uint32_t server_count; /* 0: a single one */
	uint32_t in_flight;
	uint32_t waiting; /* prompts that wait for their next try */
	uint32_t workers; /* -j */

	/* time */
	int64_t started_ns;
	int64_t ended_ns;	/* 0 while running */
	int64_t all_busy_ns;	/* all workers busy with more to do */
	int64_t rate_wait_ns;	/* workers idle because of --rpm or --tpm */
	int64_t server_wait_ns; /* nobody was sent: server away or cool-down */
	int64_t commit_ns;	/* spent in commits */

	/* answers + failures per second, ring by second since start */
	uint64_t rate_second;
	uint32_t rate_done[STATS_RATE_SLOTS];
	uint32_t rate_tokens[STATS_RATE_SLOTS];

	/* the same over the last minutes, ring by STATS_HISTORY_NS */
	uint64_t history_slot;
	uint32_t history[STATS_HISTORY];
};

/* Write how many ended in each of the last STATS_HISTORY slots, the oldest
 * first; the last one is not over yet. Gives how many of them there were. */
unsigned stats_history(
    const struct stats *stats, int64_t now_ns, uint32_t *counts);

/* Start the clock. Takes stats zeroed; what there is to do may be filled in
 * before or after. */
void stats_start(struct stats *stats, int64_t now_ns);

/* Count one durable end of a prompt. duration_ms, input_tokens and
 * output_tokens -1: unknown. Bug if the outcome is no answer. */
void stats_count_answer(struct stats *stats, enum outcome outcome,
    int64_t duration_ms, int64_t input_tokens, int64_t output_tokens,
    int64_t now_ns);
void stats_count_failure(
    struct stats *stats, enum outcome outcome, int64_t now_ns);

/* One that failed is tried again. Takes ours: it failed in this run. */
void stats_uncount_failure(
    struct stats *stats, enum outcome outcome, bool ours);

/* Gives prompts done (output tokens) per second over the last 10 s (fewer
 * when younger); 0 when nothing was done in them. */
double stats_rate(const struct stats *stats, int64_t now_ns);
double stats_token_rate(const struct stats *stats, int64_t now_ns);

/* Gives count per second; 0 for no time. */
double stats_per_second(uint64_t count, int64_t duration_ns);

/* Write a rate for people: "1,234/s", "21.3/s", "4.0/min", "2.5/h".
 * Takes size ≥ 40 bytes at out. Gives out. */
const char *stats_rate_text(double per_second, char *out, size_t size);

/* Gives the time until the end at the current rate, or at that of the whole
 * run while the last 10 s saw too few ends to tell; -1 unknown. */
int64_t stats_eta_ns(const struct stats *stats, int64_t now_ns);

/* Gives asked − answered − failed. */
uint64_t stats_left(const struct stats *stats);

/* Gives how long the run took, 0 while it goes on. */
int64_t stats_took_ns(const struct stats *stats);

/* Gives the attempts that ended in a timeout. */
uint64_t stats_hangs(const struct stats *stats);

#endif
