/* SPDX-License-Identifier: ISC */
#ifndef METRICS_H
#define METRICS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

struct err;
struct stats;

/*
 * The numbers of a run for Prometheus: a file in its text format, as
 * node_exporter's textfile collector takes it, written anew every 5 s and
 * renamed into place; it stays when the run is over. Names are those of
 * OpenTelemetry's conventions for generative AI, and llmill_… for what these
 * do not know.
 * Source: https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics,
 * https://prometheus.io/docs/instrumenting/exposition_formats
 */
#define METRICS_EVERY_NS INT64_C(5000000000)

/* What all numbers are labelled with; lent for as long as metrics lives. */
struct metrics_labels {
	const char *provider; /* "openai", or a backend: "exec" */
	struct span model;    /* none: not said */
	const char *database; /* path; NULL: none. By it several runs that one
				 collector reads are told apart */
};

struct metrics;

/* Fails as place_open does; where the file cannot be, that is found now. */
struct metrics *metrics_new(
    const char *path, const struct metrics_labels *labels, struct err *err);

/* Write it, if it is due. Trouble is said, once. */
void metrics_tick(
    struct metrics *metrics, const struct stats *stats, int64_t now_ns);

/* When is it due? Takes NULL: never. */
int64_t metrics_due_ns(const struct metrics *metrics);

/* Write it a last time and free. Takes NULL calmly. */
void metrics_end(struct metrics *metrics, const struct stats *stats);

/* The pure half. running: the run goes on. */
void metrics_render(const struct stats *stats,
    const struct metrics_labels *labels, int64_t wall_ms, bool running,
    struct buf *out);

#endif
