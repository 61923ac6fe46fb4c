/* SPDX-License-Identifier: ISC */
#include "view/panel.h"

#include "base/clock.h"
#include "base/json.h"
#include "view/stats.h"
#include "view/summary.h"

static void
put_rate(struct buf *out, const char *key, double per_second)
{
	summary_put_thousandths(out, key, (int64_t)(per_second * 1000 + 0.5));
}

static void
put_counts(struct buf *out, const struct panel *panel, int64_t now_ns)
{
	const struct stats *stats = panel->stats;
	int64_t eta_ns = stats_eta_ns(stats, now_ns);

	json_put_integer(out, "total", (int64_t)stats->total);
	json_put_integer(out, "asked", (int64_t)stats->asked);
	json_put_integer(out, "answered", (int64_t)stats->answered);
	json_put_integer(out, "failed", (int64_t)stats->failed);
	json_put_integer(out, "before",
	    (int64_t)(stats->before_answered + stats->before_failed));
	json_put_integer(out, "open", (int64_t)panel->open);
	json_put_integer(out, "in_flight", stats->in_flight);
	json_put_integer(out, "waiting", stats->waiting);
	json_put_integer(out, "retries", (int64_t)stats->retries);
	json_put_integer(out, "deaths", (int64_t)stats->deaths);
	json_put_integer(out, "killed", (int64_t)stats->killed);
	json_put_integer(out, "input_tokens", (int64_t)stats->input_tokens);
	json_put_integer(out, "output_tokens", (int64_t)stats->output_tokens);
	summary_put_cost(out, stats->price.input + stats->price.output > 0,
	    price_of(&stats->price, &stats->paid));
	summary_put_latency(out, &stats->latency);
	put_rate(out, "rate", stats_rate(stats, now_ns));
	put_rate(out, "token_rate", stats_token_rate(stats, now_ns));
	json_put_integer(out, "eta_ms", eta_ns < 0 ? -1 : eta_ns / CLOCK_MS);
	json_put_integer(
	    out, "age_ms", (now_ns - stats->started_ns) / CLOCK_MS);
}

static void
put_history(struct buf *out, const struct stats *stats, int64_t now_ns)
{
	uint32_t counts[STATS_HISTORY];
	unsigned count = stats_history(stats, now_ns, counts);

	json_put_integer(out, "history_ms", STATS_HISTORY_NS / CLOCK_MS);
	json_put_key(out, "history");
	buf_add_byte(out, '[');
	for (unsigned i = 0; i < count; i++)
		buf_printf(out, "%s%u", i > 0 ? "," : "", (unsigned)counts[i]);
	buf_add_byte(out, ']');
}

static void
put_workers(struct buf *out, const struct panel *panel)
{
	json_put_key(out, "workers");
	buf_add_byte(out, '{');
	json_put_integer(out, "wanted", panel->workers);
	json_put_integer(out, "most", panel->workers_most);
	json_put_integer(out, "starting", panel->starting);
	json_put_integer(out, "idle", panel->idle);
	json_put_integer(out, "busy", panel->busy);
	json_put_integer(out, "late", panel->late);
	if (panel->oldest_id > 0) {
		json_put_integer(out, "oldest_worker", panel->oldest_slot);
		json_put_integer(out, "oldest_id", panel->oldest_id);
		json_put_integer(out, "oldest_ms", panel->oldest_ms);
	}
	buf_add_byte(out, '}');
}

static void
put_servers(struct buf *out, const struct panel *panel)
{
	json_put_key(out, "servers");
	buf_add_byte(out, '[');
	for (uint32_t i = 0; i < panel->server_count; i++) {
		const struct panel_server *server = &panel->servers[i];
		const struct stats_server *count = &panel->stats->servers[i];

		buf_add_text(out, i > 0 ? ",{" : "{");
		json_put_text(out, "name", span_of(server->name));
		json_put_text(out, "state",
		    span_of(server->is_aside	   ? "aside"
			    : server->is_down	   ? "away"
			    : server->pause_ms > 0 ? "cooling"
						   : "there"));
		json_put_integer(out, "pause_ms", server->pause_ms);
		json_put_integer(out, "out", server->out);
		json_put_integer(out, "answers", (int64_t)count->answers);
		json_put_integer(out, "failures", (int64_t)count->failures);
		buf_add_byte(out, '}');
	}
	buf_add_byte(out, ']');
}

static void
put_errors(struct buf *out, const struct panel *panel)
{
	char when[32];

	json_put_key(out, "errors");
	buf_add_byte(out, '[');
	for (unsigned i = 0; i < panel->error_count; i++) {
		const struct panel_error *error = &panel->errors[i];

		clock_wall_text_of(
		    error->wall_ms, "%H:%M:%S", when, sizeof(when));
		buf_add_text(out, i > 0 ? ",{" : "{");
		json_put_text(out, "at", span_of(when));
		json_put_integer(out, "id", error->id);
		json_put_text(out, "outcome",
		    span_of(outcome_trait(error->outcome)->name));
		json_put_text(out, "text", span_of(error->text));
		buf_add_byte(out, '}');
	}
	buf_add_byte(out, ']');
}

void
panel_put_json(const struct panel *panel, int64_t now_ns, struct buf *out)
{
	json_put_text(out, "phase", span_of(panel->phase));
	json_put_text(out, "note", span_of(panel->note));
	put_counts(out, panel, now_ns);
	put_history(out, panel->stats, now_ns);
	put_workers(out, panel);
	put_servers(out, panel);
	put_errors(out, panel);
}
