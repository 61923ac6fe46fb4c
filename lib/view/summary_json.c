/* SPDX-License-Identifier: ISC */
/*
 * What a script is told at the end: all numbers as one JSON object, in which
 * nothing is left out.
 */
#include "view/summary.h"

#include "base/clock.h"
#include "base/json.h"
#include "view/line.h"
#include "view/stats.h"

static void
put_count(struct buf *out, const char *key, uint64_t count)
{
	json_put_integer(
	    out, key, count > INT64_MAX ? INT64_MAX : (int64_t)count);
}

/* By integers: a host's locale must not put a comma into the number. */
void
summary_put_thousandths(struct buf *out, const char *key, int64_t thousandths)
{
	json_put_key(out, key);
	buf_printf(out, "%jd.%03d", (intmax_t)(thousandths / 1000),
	    (int)(thousandths % 1000));
}

static void
put_seconds(struct buf *out, const char *key, int64_t duration_ns)
{
	summary_put_thousandths(
	    out, key, duration_ns > 0 ? duration_ns / CLOCK_MS : 0);
}

static void
put_rate(struct buf *out, const char *key, uint64_t count, int64_t took_ns)
{
	summary_put_thousandths(
	    out, key, (int64_t)(stats_per_second(count, took_ns) * 1000 + 0.5));
}

static void
put_by_outcome(struct buf *out, const char *key, const uint64_t *counts)
{
	json_put_key(out, key);
	buf_add_byte(out, '{');
	for (unsigned i = 0; i < OUTCOME_COUNT; i++)
		if (counts[i] > 0)
			put_count(out, outcome_trait((enum outcome)i)->name,
			    counts[i]);
	buf_add_byte(out, '}');
}

void
summary_put_latency(struct buf *out, const struct hist *latency)
{
	static const struct {
		const char *key;
		double share;
	} shares[] = {{"p50", 0.50}, {"p95", 0.95}, {"p99", 0.99}};

	json_put_key(out, "latency_ms");
	if (latency->count == 0) {
		buf_add_text(out, "null");
		return;
	}
	buf_add_byte(out, '{');
	for (size_t i = 0; i < sizeof(shares) / sizeof(*shares); i++)
		summary_put_thousandths(out, shares[i].key,
		    hist_share_ns(latency, shares[i].share) / 1000);
	buf_add_byte(out, '}');
}

void
summary_put_cost(struct buf *out, bool known, uint64_t cost)
{
	char text[32];

	json_put_key(out, "cost");
	buf_add_text(
	    out, known ? price_text(cost, text, sizeof(text)) : "null");
}

static void
put_examples(struct buf *out, const struct summary_facts *facts)
{
	json_put_key(out, "failed_first");
	buf_add_byte(out, '{');
	for (unsigned i = 0; i < OUTCOME_COUNT && facts->examples != NULL;
	     i++) {
		if (facts->stats->failed_by[i] == 0 ||
		    facts->examples[i].reason.data == NULL)
			continue;
		json_put_key(out, outcome_trait((enum outcome)i)->name);
		buf_add_byte(out, '{');
		json_put_integer(out, "id", facts->examples[i].id);
		json_put_text(out, "reason", facts->examples[i].reason);
		buf_add_byte(out, '}');
	}
	buf_add_byte(out, '}');
}

/* Of several servers, what each did. */
static void
put_servers(struct buf *out, const struct stats *stats)
{
	if (stats->server_count == 0)
		return;
	json_put_key(out, "servers");
	buf_add_byte(out, '[');
	for (uint32_t i = 0; i < stats->server_count; i++) {
		buf_add_text(out, i > 0 ? ",{" : "{");
		json_put_text(out, "name", span_of(stats->servers[i].name));
		put_count(out, "answers", stats->servers[i].answers);
		put_count(out, "failures", stats->servers[i].failures);
		buf_add_byte(out, '}');
	}
	buf_add_byte(out, ']');
}

static void
put_json_counts(struct buf *out, const struct summary_facts *facts)
{
	const struct stats *stats = facts->stats;

	put_count(out, "total", stats->total);
	put_count(out, "asked", stats->asked);
	put_count(out, "answered", stats->answered);
	put_count(out, "failed", stats->failed);
	put_count(out, "open", facts->left);
	put_count(out, "before_answered", stats->before_answered);
	put_count(out, "before_failed", stats->before_failed);
	put_count(out, "empty_lines", stats->empty_lines);
	put_count(out, "bad_records", stats->bad_records);
	put_by_outcome(out, "failed_by", stats->failed_by);
	put_examples(out, facts);
	put_count(out, "cut_short", stats->cut_short);
	put_count(out, "attempts", stats->attempts);
	put_by_outcome(out, "attempts_by", stats->attempts_by);
	put_count(out, "retries", stats->retries);
	put_count(out, "workers", stats->workers);
	put_count(out, "births", stats->births);
	put_count(out, "crashes", stats->crashes);
	put_count(out, "deaths", stats->deaths);
	put_count(out, "killed", stats->killed);
	put_count(out, "hangs", stats_hangs(stats));
	put_count(out, "late_answers", stats->late_answers);
	summary_put_latency(out, &stats->latency);
	put_count(out, "input_tokens", stats->input_tokens);
	put_count(out, "output_tokens", stats->output_tokens);
	summary_put_cost(out, stats->price.input + stats->price.output > 0,
	    price_of(&stats->price, &stats->paid));
	put_servers(out, stats);
}

void
summary_render_json(const struct summary_facts *facts, struct buf *out)
{
	const struct stats *stats = facts->stats;
	int64_t took_ns = stats_took_ns(stats);
	char bottleneck[128];

	buf_add_byte(out, '{');
	json_put_integer(out, "exit_status", facts->exit_status);
	put_json_counts(out, facts);
	put_seconds(out, "seconds", took_ns);
	put_rate(out, "rate", stats->answered + stats->failed, took_ns);
	put_rate(out, "output_token_rate", stats->output_tokens, took_ns);
	put_seconds(out, "all_busy_seconds", stats->all_busy_ns);
	put_seconds(out, "server_wait_seconds", stats->server_wait_ns);
	put_seconds(out, "rate_wait_seconds", stats->rate_wait_ns);
	put_seconds(out, "commit_seconds", stats->commit_ns);
	json_put_text(out, "database", span_of(facts->db_path));
	json_put_text(out, "spill", span_of(facts->spill_path));
	json_put_text(out, "report", span_of(facts->report_path));
	json_put_text(out, "output", span_of(facts->output_path));
	json_put_text(out, "output_part", span_of(facts->output_part));
	json_put_text(out, "stop_reason", span_of(facts->stop_reason));
	json_put_text(out, "advice", span_of(facts->advice));
	json_put_text(out, "next", span_of(facts->next_command));
	json_put_text(out, "bottleneck",
	    span_of(summary_bottleneck(stats, bottleneck, sizeof(bottleneck))));
	buf_add_text(out, "}\n");
}
