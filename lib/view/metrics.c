/* SPDX-License-Identifier: ISC */
#include "view/metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/place.h"
#include "view/stats.h"

#define METRICS_MAX_BYTES ((size_t)1 << 18)

struct metrics {
	char *path;
	struct metrics_labels labels;
	int64_t due_ns;
	bool is_broken; /* and that was said */
};

/* In milliseconds; OpenTelemetry's advice for the duration of a call. */
static const int64_t durations_ms[] = {10, 20, 40, 80, 160, 320, 640, 1280,
    2560, 5120, 10240, 20480, 40960, 81920};

/* ---- the format ---- */

static void
put_head(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void
put_label_value(struct buf *out, struct span value)
{
	for (size_t i = 0; i < value.size; i++) {
		char c = value.data[i];

		if (c == '\n')
			buf_add_text(out, "\\n");
		else if (c == '"' || c == '\\')
			buf_printf(out, "\\%c", c);
		else
			buf_add_byte(out, c);
	}
}

/* Append name{…} and a blank; key NULL: no further label. */
static void
put_name(struct buf *out, const char *name, const struct metrics_labels *labels,
    const char *key, const char *value)
{
	buf_printf(out, "%s{gen_ai_operation_name=\"chat\"", name);
	buf_add_text(out, ",gen_ai_provider_name=\"");
	put_label_value(out, span_of(labels->provider));
	if (labels->model.size > 0) {
		buf_add_text(out, "\",gen_ai_request_model=\"");
		put_label_value(out, labels->model);
	}
	if (labels->database != NULL) {
		buf_add_text(out, "\",llmill_database=\"");
		put_label_value(out, span_of(labels->database));
	}
	buf_add_byte(out, '"');
	if (key != NULL)
		buf_printf(out, ",%s=\"%s\"", key, value);
	buf_add_text(out, "} ");
}

static void
put_count(struct buf *out, const char *name,
    const struct metrics_labels *labels, const char *key, const char *value,
    uint64_t count)
{
	put_name(out, name, labels, key, value);
	buf_printf(out, "%" PRIu64 "\n", count);
}

/* One number with its head. */
static void
put_one(struct buf *out, const char *name, const char *type, const char *help,
    const struct metrics_labels *labels, uint64_t count)
{
	put_head(out, name, type, help);
	put_count(out, name, labels, NULL, NULL, count);
}

static void
put_thousandths(struct buf *out, uint64_t thousandths)
{
	buf_printf(out, "%" PRIu64 ".%03u\n", thousandths / 1000,
	    (unsigned)(thousandths % 1000));
}

/* Seconds with their head. */
static void
put_seconds(struct buf *out, const char *name, const char *type,
    const char *help, const struct metrics_labels *labels, int64_t ms)
{
	put_head(out, name, type, help);
	put_name(out, name, labels, NULL, NULL);
	put_thousandths(out, ms > 0 ? (uint64_t)ms : 0);
}

/* ---- what there is ---- */

#define DURATION "gen_ai_client_operation_duration_seconds"
#define USAGE "gen_ai_client_token_usage"

static void
put_durations(struct buf *out, const struct stats *stats,
    const struct metrics_labels *labels)
{
	const struct hist *hist = &stats->latency;
	char bound[32];

	put_head(
	    out, DURATION, "histogram", "Duration of calls that answered.");
	for (size_t i = 0; i < sizeof(durations_ms) / sizeof(*durations_ms);
	     i++) {
		snprintf(bound, sizeof(bound), "%" PRId64 ".%02u",
		    durations_ms[i] / 1000,
		    (unsigned)(durations_ms[i] % 1000 / 10));
		put_count(out, DURATION "_bucket", labels, "le", bound,
		    hist_upto(hist, durations_ms[i] * CLOCK_MS));
	}
	put_count(out, DURATION "_bucket", labels, "le", "+Inf", hist->count);
	put_name(out, DURATION "_sum", labels, NULL, NULL);
	put_thousandths(out, hist->sum_us / 1000);
	put_count(out, DURATION "_count", labels, NULL, NULL, hist->count);
}

static void
put_usage_of(struct buf *out, const struct metrics_labels *labels,
    const char *type, const struct stats_sizes *sizes)
{
	uint64_t count = 0;
	uint64_t bound = 1;
	char le[96];

	for (unsigned i = 0; i < STATS_SIZES; i++) {
		count += sizes->counts[i];
		if (i + 1 < STATS_SIZES)
			snprintf(
			    le, sizeof(le), "%s\",le=\"%" PRIu64, type, bound);
		else
			snprintf(le, sizeof(le), "%s\",le=\"+Inf", type);
		bound *= 4;
		put_count(out, USAGE "_bucket", labels, "gen_ai_token_type", le,
		    count);
	}
	put_count(
	    out, USAGE "_sum", labels, "gen_ai_token_type", type, sizes->sum);
	put_count(
	    out, USAGE "_count", labels, "gen_ai_token_type", type, count);
}

static void
put_prompts(struct buf *out, const struct stats *stats,
    const struct metrics_labels *labels)
{
	static const char name[] = "llmill_prompts";
	uint64_t answered = stats->before_answered + stats->answered;
	uint64_t failed = stats->before_failed + stats->failed;

	put_head(out, name, "gauge", "Prompts of the list by state.");
	put_count(out, name, labels, "state", "answered", answered);
	put_count(out, name, labels, "state", "failed", failed);
	put_count(out, name, labels, "state", "open",
	    stats->total > answered + failed ? stats->total - answered - failed
					     : 0);
}

static void
put_attempts(struct buf *out, const struct stats *stats,
    const struct metrics_labels *labels)
{
	static const char name[] = "llmill_attempts_total";

	put_head(out, name, "counter", "Calls of this run by what came.");
	for (unsigned i = 0; i < OUTCOME_COUNT; i++)
		if (stats->attempts_by[i] > 0)
			put_count(out, name, labels, "outcome",
			    outcome_trait((enum outcome)i)->name,
			    stats->attempts_by[i]);
}

static void
put_workers(struct buf *out, const struct stats *stats,
    const struct metrics_labels *labels)
{
	put_one(out, "llmill_in_flight", "gauge", "Calls that are out.", labels,
	    stats->in_flight);
	put_one(out, "llmill_waiting", "gauge",
	    "Prompts that wait for their next try.", labels, stats->waiting);
	put_one(out, "llmill_retries_total", "counter",
	    "Attempts after the first of a prompt.", labels, stats->retries);
	put_one(out, "llmill_worker_births_total", "counter",
	    "Workers started.", labels, stats->births);
	put_one(out, "llmill_worker_deaths_total", "counter",
	    "Workers that died by themselves or others.", labels,
	    stats->deaths);
	put_one(out, "llmill_worker_kills_total", "counter",
	    "Workers killed: late or garbled.", labels, stats->killed);
}

static void
put_cost(struct buf *out, const struct stats *stats,
    const struct metrics_labels *labels)
{
	static const char name[] = "llmill_cost_total";
	char text[32];

	if (stats->price.input + stats->price.output == 0)
		return;
	put_head(out, name, "counter",
	    "What this run's tokens cost, in the currency of its prices.");
	put_name(out, name, labels, NULL, NULL);
	buf_add_text(out, price_text(price_of(&stats->price, &stats->paid),
			      text, sizeof(text)));
	buf_add_byte(out, '\n');
}

void
metrics_render(const struct stats *stats, const struct metrics_labels *labels,
    int64_t wall_ms, bool running, struct buf *out)
{
	put_durations(out, stats, labels);
	put_head(out, USAGE, "histogram", "Tokens of calls that answered.");
	put_usage_of(out, labels, "input", &stats->input_sizes);
	put_usage_of(out, labels, "output", &stats->output_sizes);
	put_prompts(out, stats, labels);
	put_attempts(out, stats, labels);
	put_workers(out, stats, labels);
	put_cost(out, stats, labels);
	put_seconds(out, "llmill_commit_seconds_total", "counter",
	    "Time spent in commits.", labels, stats->commit_ns / CLOCK_MS);
	put_one(out, "llmill_running", "gauge", "1 while the run goes on.",
	    labels, running);
	put_seconds(out, "llmill_updated_timestamp_seconds", "gauge",
	    "When this was written, in Unix time.", labels, wall_ms);
}

/* ---- the file ---- */

struct metrics *
metrics_new(
    const char *path, const struct metrics_labels *labels, struct err *err)
{
	struct metrics *metrics = calloc(1, sizeof(*metrics));
	struct place place;

	if (metrics == NULL || (metrics->path = strdup(path)) == NULL) {
		free(metrics);
		err_set_memory(err, "metrics");
		return NULL;
	}
	metrics->labels = *labels;
	if (place_open(&place, path, err) == -1) {
		free(metrics->path);
		free(metrics);
		return NULL;
	}
	place_discard(&place);
	return metrics;
}

static int
write_file(const struct metrics *metrics, const struct stats *stats,
    bool running, struct err *err)
{
	struct place place;
	struct buf text;
	int done = -1;

	buf_init(&text, METRICS_MAX_BYTES);
	metrics_render(
	    stats, &metrics->labels, clock_wall_ms(), running, &text);
	if (text.failed)
		err_set_memory(err, "metrics");
	else if (place_open(&place, metrics->path, err) == 0) {
		done = fd_write_all(place.fd, text.data, text.size);
		if (done == 0)
			done = place_show(&place);
		else
			place_discard(&place);
		if (done == -1)
			err_set_errno(err, "cannot write %s", metrics->path);
	}
	buf_free(&text);
	return done;
}

static void
update(struct metrics *metrics, const struct stats *stats, bool running)
{
	struct err err = {0};

	if (write_file(metrics, stats, running, &err) == 0) {
		metrics->is_broken = false;
		return;
	}
	if (!metrics->is_broken)
		log_say(LOG_WARN, "%s", err.text);
	metrics->is_broken = true;
}

void
metrics_tick(struct metrics *metrics, const struct stats *stats, int64_t now_ns)
{
	if (now_ns < metrics->due_ns)
		return;
	metrics->due_ns = now_ns + METRICS_EVERY_NS;
	update(metrics, stats, true);
}

int64_t
metrics_due_ns(const struct metrics *metrics)
{
	return metrics == NULL ? CLOCK_NEVER : metrics->due_ns;
}

void
metrics_end(struct metrics *metrics, const struct stats *stats)
{
	if (metrics == NULL)
		return;
	update(metrics, stats, false);
	free(metrics->path);
	free(metrics);
}
