/* SPDX-License-Identifier: ISC */
#ifndef SUMMARY_H
#define SUMMARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct hist;
struct line_example;
struct stats;

/*
 * What a person, or a script with --json, is told at the end.
 */
struct summary_facts {
	const struct stats *stats;
	int exit_status;
	/* Of each outcome that failed prompts; NULL: not known. */
	const struct line_example *examples;
	const char *stop_reason;  /* why it stopped early, or NULL */
	const char *advice;	  /* what to do about that, or NULL */
	const char *db_path;	  /* or NULL: none kept */
	const char *spill_path;	  /* or NULL */
	const char *output_path;  /* -o FILE, whole, or NULL */
	const char *output_part;  /* FILE.part of a run that stopped, or NULL */
	const char *report_path;  /* --report, whole, or NULL */
	const char *next_command; /* to go on or look, or NULL */
	unsigned columns;	  /* of the terminal; 0: none */
	uint64_t left;		  /* open prompts of the whole plan */
};

/* Append the summary: answered, failed by cause, retries, worker deaths,
 * latency percentiles, tokens, where things are, what held the run back, the
 * next command. Lines of at most 80 columns, or those of the terminal, where
 * words and paths allow. */
void summary_render(const struct summary_facts *facts, struct buf *out);

/* Append it as one JSON object and a newline. */
void summary_render_json(const struct summary_facts *facts, struct buf *out);

/* Append a member of a JSON object: thousandths as "1.234", percentiles in ms
 * (null for none). */
void summary_put_thousandths(
    struct buf *out, const char *key, int64_t thousandths);
void summary_put_latency(struct buf *out, const struct hist *latency);
/* "cost", as price_text has it, or null. */
void summary_put_cost(struct buf *out, bool known, uint64_t cost);

/* Gives what held the run back as one sentence, or NULL when nothing can be
 * said. Takes size bytes at out. */
const char *summary_bottleneck(
    const struct stats *stats, char *out, size_t size);

#endif
