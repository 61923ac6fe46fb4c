/* SPDX-License-Identifier: ISC */
/*
 * What is said of a database that is looked at. Like the summary of a run, but
 * from what is stored, so that it can be said at any time and by anybody.
 */
#include "view/status.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"
#include "data/survey.h"
#include "data/verify.h"
#include "view/line.h"
#include "view/stats.h"
#include "view/summary.h"

static const char *
cause_words(unsigned cause)
{
	return cause < OUTCOME_COUNT ? outcome_trait((enum outcome)cause)->words
				     : "for unknown reasons";
}

static const char *
cause_name(unsigned cause)
{
	return cause < OUTCOME_COUNT ? outcome_trait((enum outcome)cause)->name
				     : "unknown";
}

/* Write what was collected, and begin anew. */
static void
flush(const struct line_page *page, const char *label, struct buf *list)
{
	line_put(page, label, buf_span(list), true);
	buf_clear(list);
}

/* Gives the cause with the most failures that was not told yet. */
static unsigned
next_cause(const struct survey *survey, const bool *told)
{
	unsigned most = SURVEY_CAUSES;

	for (unsigned i = 0; i < SURVEY_CAUSES; i++)
		if (!told[i] && survey->causes[i].count > 0 &&
		    (most == SURVEY_CAUSES ||
			survey->causes[i].count > survey->causes[most].count))
			most = i;
	return most;
}

/* A line per cause. */
static void
put_failures(const struct line_page *page, const struct survey *survey)
{
	bool told[SURVEY_CAUSES] = {false};
	const char *label = "failed:";
	unsigned cause;

	while ((cause = next_cause(survey, told)) != SURVEY_CAUSES) {
		const struct survey_cause *one = &survey->causes[cause];
		const struct line_example example = {
		    one->id, span_of(one->reason)};

		told[cause] = true;
		line_put_failure(
		    page, label, one->count, cause_words(cause), &example);
		label = "";
	}
}

static void
put_head(
    const struct line_page *page, const struct survey *survey, struct buf *list)
{
	char text[32];

	text_escape(page->out, span_of(survey->name), 0);
	buf_add_text(page->out, survey->is_seed ? " (of the seed)\n" : "\n");
	buf_printf(list, "%s: ", text_count(survey->total, text, sizeof(text)));
	buf_printf(list, "%s answered",
	    text_count(survey->answered, text, sizeof(text)));
	line_add(list, survey->failed, "failed", "failed");
	line_add(list, survey->open, "open", "open");
	if (survey->shard[0] != '\0')
		buf_printf(list, "; shard %s of a list", survey->shard);
	flush(page, "prompts:", list);
	line_add(list, survey->cut_short, "answer ended at its token limit",
	    "answers ended at their token limit");
	flush(page, "short:", list);
}

/* Who works on it. */
static void
put_holder(
    const struct line_page *page, const struct survey *survey, struct buf *line)
{
	const struct lock_holder *holder = &survey->holder;

	if (!survey->is_running)
		return;
	if (holder->pid == 0) {
		buf_add_text(line, "by an llmill that does not say which");
	} else {
		buf_printf(line, "pid %" PRId64 " on ", holder->pid);
		text_escape(line, span_of(holder->host), 0);
		if (holder->job[0] != '\0') {
			buf_add_text(line, ", job ");
			text_escape(line, span_of(holder->job), 0);
		}
	}
	flush(page, "running:", line);
}

/* "finished, from 2026-11-23 18:30:00 UTC, took 1 m 20 s, 12.5/s" */
static void
put_last_run(
    const struct line_page *page, const struct survey *survey, struct buf *list)
{
	const struct survey_run *run = &survey->last;
	char text[64];

	if (run->id == 0)
		return;
	if (survey->runs > 1)
		buf_printf(list, "the last of %s, ",
		    text_count(survey->runs, text, sizeof(text)));
	if (survey->is_lost)
		buf_add_text(list, "lost: it ended without a word");
	else
		text_escape(list, span_of(run->status), 0);
	buf_add_text(list, ", from ");
	text_escape(list, span_of(run->started_at), 0);
	buf_add_text(list, " UTC");
	if (run->took_ms >= 0)
		buf_printf(list, ", took %s",
		    text_duration(run->took_ms * CLOCK_MS, text, sizeof(text)));
	if (run->took_ms > 0 && run->done > 0)
		buf_printf(list, ", %s",
		    stats_rate_text(
			stats_per_second(run->done, run->took_ms * CLOCK_MS),
			text, sizeof(text)));
	flush(page, "run:", list);
}

/* "1,031: 1,000 answered, 20 timed out, 11 crashed" */
static void
put_tries(
    const struct line_page *page, const struct survey *survey, struct buf *list)
{
	uint64_t answered = 0;
	char text[32];

	if (survey->attempts == 0)
		return;
	for (unsigned i = 0; i < OUTCOME_COUNT; i++)
		if (outcome_trait((enum outcome)i)->answers)
			answered += survey->attempts_by[i];
	buf_printf(
	    list, "%s: ", text_count(survey->attempts, text, sizeof(text)));
	buf_printf(
	    list, "%s answered", text_count(answered, text, sizeof(text)));
	for (unsigned i = 0; i < SURVEY_CAUSES; i++)
		if (i == SURVEY_UNKNOWN ||
		    !outcome_trait((enum outcome)i)->answers)
			line_add(list, survey->attempts_by[i], cause_words(i),
			    cause_words(i));
	flush(page, "tries:", list);
}

void
status_render(const struct survey *survey, unsigned columns, struct buf *out)
{
	const struct line_page sheet = line_page(out, columns);
	const struct line_page *page = &sheet;
	struct buf list;
	char cost[32];

	buf_init(&list, LINE_LIST_CAP);
	put_head(page, survey, &list);
	put_failures(page, survey);
	put_holder(page, survey, &list);
	put_last_run(page, survey, &list);
	put_tries(page, survey, &list);
	line_add_latency(&list, &survey->latency);
	flush(page, "latency:", &list);
	line_add(&list, survey->input_tokens, "in", "in");
	line_add(&list, survey->output_tokens, "out", "out");
	flush(page, "tokens:", &list);
	if (survey->has_price)
		buf_add_text(
		    &list, price_text(survey->cost, cost, sizeof(cost)));
	flush(page, "cost:", &list);
	if (survey->spill != NULL) {
		text_escape(&list, span_of(survey->spill), 0);
		buf_add_text(&list, " has answers for the next run to take");
		line_put(page, "spilled:", buf_span(&list), false);
	}
	buf_free(&list);
}

/* ---- for scripts ---- */

static void
put_count(struct buf *out, const char *key, uint64_t count)
{
	json_put_integer(
	    out, key, count > INT64_MAX ? INT64_MAX : (int64_t)count);
}

static void
put_json_causes(struct buf *out, const struct survey *survey)
{
	json_put_key(out, "failed_by");
	buf_add_byte(out, '{');
	for (unsigned i = 0; i < SURVEY_CAUSES; i++) {
		const struct survey_cause *cause = &survey->causes[i];

		if (cause->count == 0)
			continue;
		json_put_key(out, cause_name(i));
		buf_add_byte(out, '{');
		put_count(out, "count", cause->count);
		if (cause->id > 0) {
			json_put_integer(out, "id", cause->id);
			json_put_text(out, "reason", span_of(cause->reason));
		}
		buf_add_byte(out, '}');
	}
	buf_add_byte(out, '}');
}

static void
put_json_attempts(struct buf *out, const struct survey *survey)
{
	put_count(out, "attempts", survey->attempts);
	json_put_key(out, "attempts_by");
	buf_add_byte(out, '{');
	for (unsigned i = 0; i < SURVEY_CAUSES; i++)
		if (survey->attempts_by[i] > 0)
			put_count(out, cause_name(i), survey->attempts_by[i]);
	buf_add_byte(out, '}');
	summary_put_latency(out, &survey->latency);
	put_count(out, "input_tokens", survey->input_tokens);
	put_count(out, "output_tokens", survey->output_tokens);
	summary_put_cost(out, survey->has_price, survey->cost);
}

/* Gives the text, none for "". */
static struct span
known(const char *text)
{
	return span_of(*text == '\0' ? NULL : text);
}

static void
put_json_run(struct buf *out, const struct survey *survey)
{
	const struct survey_run *run = &survey->last;
	int64_t took_ns = run->took_ms * CLOCK_MS;

	json_put_text(out, "shard", known(survey->shard));
	put_count(out, "runs", survey->runs);
	json_put_key(out, "last_run");
	if (run->id == 0) {
		buf_add_text(out, "null");
		return;
	}
	buf_add_byte(out, '{');
	json_put_integer(out, "run_id", run->id);
	json_put_text(out, "status",
	    survey->is_lost ? span_of("lost") : known(run->status));
	json_put_text(out, "started_at", known(run->started_at));
	json_put_text(out, "ended_at", known(run->ended_at));
	json_put_text(out, "version", known(run->version));
	json_put_text(out, "host", known(run->host));
	json_put_integer(out, "pid", run->pid);
	put_count(out, "done", run->done);
	if (run->took_ms >= 0)
		summary_put_thousandths(out, "seconds", run->took_ms);
	else
		json_put_text(out, "seconds", span_of(NULL));
	summary_put_thousandths(out, "rate",
	    (int64_t)(stats_per_second(run->done, took_ns) * 1000 + 0.5));
	buf_add_byte(out, '}');
}

static void
put_json_holder(struct buf *out, const struct survey *survey)
{
	json_put_key(out, "running");
	if (!survey->is_running) {
		buf_add_text(out, "null");
		return;
	}
	buf_add_byte(out, '{');
	json_put_integer(out, "pid", survey->holder.pid);
	json_put_text(out, "host", known(survey->holder.host));
	json_put_text(out, "job", known(survey->holder.job));
	buf_add_byte(out, '}');
}

void
status_render_json(const struct survey *survey, struct buf *out)
{
	buf_add_byte(out, '{');
	json_put_text(out, "database", span_of(survey->name));
	json_put_bool(out, "seed", survey->is_seed);
	put_count(out, "total", survey->total);
	put_count(out, "answered", survey->answered);
	put_count(out, "failed", survey->failed);
	put_count(out, "open", survey->open);
	put_json_causes(out, survey);
	put_count(out, "cut_short", survey->cut_short);
	put_json_attempts(out, survey);
	put_json_run(out, survey);
	put_json_holder(out, survey);
	json_put_text(out, "spill", span_of(survey->spill));
	buf_add_text(out, "}\n");
}

/* ---- of a check ---- */

static void
put_differing(
    const struct line_page *page, const struct verify *verify, struct buf *list)
{
	char text[32];

	if (verify->differ == 0)
		return;
	buf_printf(list, "%s %s not what was received: prompt",
	    text_count(verify->differ, text, sizeof(text)),
	    verify->differ == 1 ? "answer is" : "answers are");
	for (unsigned i = 0; i < VERIFY_SHOWN && i < verify->differ; i++)
		buf_printf(list, "%s %" PRId64, i > 0 ? "," : "",
		    verify->differing[i]);
	if (verify->differ > VERIFY_SHOWN)
		buf_add_text(list, ", …");
	line_put(page, "altered:", buf_span(list), false);
	buf_clear(list);
}

void
status_render_verify(const struct verify *verify, struct buf *out)
{
	const struct line_page sheet = line_page(out, 0);
	const struct line_page *page = &sheet;
	struct buf list;

	buf_init(&list, LINE_LIST_CAP);
	text_escape(page->out, span_of(verify->name), 0);
	buf_add_text(
	    page->out, verify_is_sound(verify) ? ": sound\n" : ": damaged\n");
	for (struct span rest = buf_span(&verify->fault_lines);
	     rest.size > 0;) {
		const char *end = memchr(rest.data, '\n', rest.size);
		size_t size = (size_t)(end - rest.data);

		line_put(page, "file:", (struct span){rest.data, size}, false);
		rest = (struct span){end + 1, rest.size - size - 1};
	}
	if (verify->missing > 0)
		buf_printf(&list,
		    "they are not 1, 2, 3 …: %" PRId64 " is missing",
		    verify->missing);
	flush(page, "ids:", &list);
	put_differing(page, verify, &list);
	line_add(&list, verify->prompts, "prompt", "prompts");
	line_add(
	    &list, verify->same, "answer as received", "answers as received");
	line_add(&list, verify->unsigned_count, "result without a sha256",
	    "results without a sha256");
	flush(page, "checked:", &list);
	buf_free(&list);
}
