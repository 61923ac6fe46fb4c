/* SPDX-License-Identifier: ISC */
/*
 * What a person is told at the end. Every line is a label and a list; a list
 * collects what there is to say, and a line without anything to say is left
 * out.
 */
#include "view/summary.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "view/line.h"
#include "view/stats.h"

#define SUMMARY_REASON_LOOK 1024 /* bytes of a stop reason */

/* What held the run back is said from these shares of its time on, and not
 * of runs too short to tell. */
#define SUMMARY_BUSY_PERCENT 90
#define SUMMARY_WAIT_PERCENT 20
#define SUMMARY_COMMIT_PERCENT 20
#define SUMMARY_SHORT_NS CLOCK_S
#define SUMMARY_WORKERS_ENOUGH 256 /* more is not what to try next */

static int
percent_of_run(const struct stats *stats, int64_t part_ns)
{
	double share = (double)part_ns / (double)stats_took_ns(stats);

	return share > 1 ? 100 : (int)(share * 100);
}

/* The next round number over four times as many. */
static uint32_t
workers_to_try(uint32_t workers)
{
	uint32_t more = 8;

	while (more <= workers * 4)
		more *= 2;
	return more;
}

static void
say_busy(uint32_t workers, char *out, size_t size)
{
	if (workers == 1)
		snprintf(out, size,
		    "the only worker was always busy: try -j %u",
		    workers_to_try(workers));
	else if (workers < SUMMARY_WORKERS_ENOUGH)
		snprintf(out, size,
		    "all %u workers were always busy: try -j %u", workers,
		    workers_to_try(workers));
	else
		snprintf(out, size, "all %u workers were always busy", workers);
}

const char *
summary_bottleneck(const struct stats *stats, char *out, size_t size)
{
	const struct {
		int64_t ns;
		int least; /* percent of the time, from which on it is told */
		const char *words;
	} causes[] = {
	    {stats->server_wait_ns, SUMMARY_WAIT_PERCENT,
		"everybody waited for the server or its rate limits"},
	    {stats->rate_wait_ns, SUMMARY_WAIT_PERCENT,
		"workers were idle because of --rpm or --tpm"},
	    {stats->commit_ns, SUMMARY_COMMIT_PERCENT,
		"went to the disk: try --db on a faster one"},
	};

	if (stats_took_ns(stats) < SUMMARY_SHORT_NS ||
	    stats->answered + stats->failed < 2 * (uint64_t)stats->workers)
		return NULL;
	if (percent_of_run(stats, stats->all_busy_ns) >= SUMMARY_BUSY_PERCENT) {
		say_busy(stats->workers, out, size);
		return out;
	}
	for (size_t i = 0; i < sizeof(causes) / sizeof(*causes); i++) {
		int percent = percent_of_run(stats, causes[i].ns);

		if (percent < causes[i].least)
			continue;
		snprintf(out, size, "%d %% of the time %s", percent,
		    causes[i].words);
		return out;
	}
	return NULL;
}

/* Write what was collected, a list or a sentence, and begin anew. */
static void
put_list(const struct line_page *page, const char *label, struct buf *list)
{
	line_put(page, label, buf_span(list), true);
	buf_clear(list);
}

static void
put_text(const struct line_page *page, const char *label, struct buf *text)
{
	line_put(page, label, buf_span(text), false);
	buf_clear(text);
}

/* Why it ended early. */
static void
put_stop(
    const struct line_page *page, const char *stop_reason, struct buf *list)
{
	struct buf reason;

	buf_init(&reason, LINE_LIST_CAP);
	text_one_line(&reason, span_of(stop_reason), SUMMARY_REASON_LOOK);
	text_escape(list, buf_span(&reason), 0);
	buf_free(&reason);
	put_text(page, "stopped:", list);
}

/* What is left of the whole plan. */
static void
put_open(const struct line_page *page, const struct summary_facts *facts,
    struct buf *list)
{
	char left[32];
	char total[32];

	if (facts->left > 0)
		buf_printf(list, "%s of %s prompts",
		    text_count(facts->left, left, sizeof(left)),
		    text_count(facts->stats->total, total, sizeof(total)));
	put_text(page, "open:", list);
}

/* "1,000 prompts: 988 answered, 12 failed in 1 m 20 s (12.4/s)" */
static void
say_head(struct buf *list, const struct stats *stats)
{
	uint64_t done = stats->answered + stats->failed;
	int64_t took_ns = stats_took_ns(stats);
	char text[64];

	if (stats->asked == 0) {
		buf_add_text(list, "nothing to do");
		return;
	}
	buf_printf(list,
	    "%s prompt%s: ", text_count(stats->asked, text, sizeof(text)),
	    stats->asked == 1 ? "" : "s");
	buf_printf(list, "%s answered",
	    text_count(stats->answered, text, sizeof(text)));
	if (stats->failed > 0)
		buf_printf(list, ", %s failed",
		    text_count(stats->failed, text, sizeof(text)));
	if (took_ns > 0) {
		buf_printf(
		    list, " in %s", text_duration(took_ns, text, sizeof(text)));
		if (done > 0)
			buf_printf(list, " (%s)",
			    stats_rate_text(stats_per_second(done, took_ns),
				text, sizeof(text)));
	}
}

/* "812 were answered before, 3 had failed" */
static void
say_before(struct buf *list, const struct stats *stats)
{
	char text[32];

	if (stats->before_answered > 0)
		buf_printf(list, "%s %s answered before",
		    text_count(stats->before_answered, text, sizeof(text)),
		    stats->before_answered == 1 ? "was" : "were");
	if (stats->before_failed > 0)
		buf_printf(list, "%s%s had failed%s",
		    stats->before_answered > 0 ? ", " : "",
		    text_count(stats->before_failed, text, sizeof(text)),
		    stats->before_answered > 0 ? "" : " before");
}

/* Gives the cause of most failures that was not told yet, or OUTCOME_COUNT. */
static unsigned
next_cause(const struct stats *stats, const bool *told)
{
	unsigned most = OUTCOME_COUNT;

	for (unsigned i = 0; i < OUTCOME_COUNT; i++)
		if (!told[i] && stats->failed_by[i] > 0 &&
		    (most == OUTCOME_COUNT ||
			stats->failed_by[i] > stats->failed_by[most]))
			most = i;
	return most;
}

/* Failures by cause, the most frequent first, a line each with its first. */
static void
put_failures(const struct line_page *page, const struct summary_facts *facts)
{
	const struct line_example none = {0};
	bool told[OUTCOME_COUNT] = {false};
	const char *label = "failed:";
	unsigned cause;

	while ((cause = next_cause(facts->stats, told)) != OUTCOME_COUNT) {
		told[cause] = true;
		line_put_failure(page, label, facts->stats->failed_by[cause],
		    outcome_trait((enum outcome)cause)->words,
		    facts->examples != NULL ? &facts->examples[cause] : &none);
		label = "";
	}
}

static void
list_tokens(struct buf *list, const struct stats *stats)
{
	char text[64];

	line_add(list, stats->input_tokens, "in", "in");
	line_add(list, stats->output_tokens, "out", "out");
	if (stats->output_tokens > 0 && stats_took_ns(stats) > 0)
		buf_printf(list, " (%s)",
		    stats_rate_text(stats_per_second(stats->output_tokens,
					stats_took_ns(stats)),
			text, sizeof(text)));
}

static void
put_servers(
    const struct line_page *page, const struct stats *stats, struct buf *list)
{
	for (uint32_t i = 0; i < stats->server_count; i++) {
		const struct stats_server *server = &stats->servers[i];
		char text[32];

		buf_printf(list, "%s answered %s", server->name,
		    text_count(server->answers, text, sizeof(text)));
		line_add(list, server->failures, "failure", "failures");
		put_list(page, i == 0 ? "servers:" : " ", list);
	}
}

/* What happened on the way, each line only if it has anything to say. */
static void
put_events(
    const struct line_page *page, const struct stats *stats, struct buf *list)
{
	char cost[32];

	line_add(list, stats->cut_short, "answer ended at its token limit",
	    "answers ended at their token limit");
	put_list(page, "short:", list);
	line_add(list, stats->empty_lines, "empty line", "empty lines");
	line_add(list, stats->bad_records, "bad record", "bad records");
	put_list(page, "skipped:", list);
	line_add(list, stats->retries, "retry", "retries");
	line_add(list, stats->crashes, "crash", "crashes");
	line_add(list, stats->deaths, "worker death", "worker deaths");
	line_add(list, stats_hangs(stats), "hang", "hangs");
	line_add(list, stats->late_answers, "late answer", "late answers");
	/* A run without an answer has survived nothing. */
	put_list(page, stats->answered > 0 ? "survived:" : "besides:", list);
	line_add_latency(list, &stats->latency);
	put_list(page, "latency:", list);
	list_tokens(list, stats);
	put_list(page, "tokens:", list);
	if (stats->price.input + stats->price.output > 0)
		buf_add_text(
		    list, price_text(price_of(&stats->price, &stats->paid),
			      cost, sizeof(cost)));
	put_text(page, "cost:", list);
	put_servers(page, stats, list);
}

/* A path or a command: one line, whatever its length, to be copied. */
static void
put_whole(struct buf *out, const char *label, const char *text)
{
	if (text == NULL)
		return;
	buf_printf(out, "%-*s", LINE_INDENT, label);
	text_escape(out, span_of(text), 0);
	buf_add_byte(out, '\n');
}

static void
add_place(struct buf *list, const char *path, const char *remark)
{
	if (path == NULL)
		return;
	if (list->size > 0)
		buf_add_text(list, "; ");
	text_escape(list, span_of(path), 0);
	buf_add_text(list, remark);
}

static void
put_answers(struct buf *out, const struct summary_facts *facts)
{
	struct buf list;

	buf_init(&list, LINE_LIST_CAP);
	add_place(&list, facts->db_path, "");
	add_place(&list, facts->output_path, "");
	add_place(&list, facts->output_part, " (not whole)");
	if (list.size > 0)
		buf_printf(out, "%-*s%s\n", LINE_INDENT, "answers:", list.data);
	buf_free(&list);
}

void
summary_render(const struct summary_facts *facts, struct buf *out)
{
	const struct stats *stats = facts->stats;
	char bottleneck[128];
	struct line_page page = line_page(out, facts->columns);
	struct buf list;

	buf_init(&list, LINE_LIST_CAP);
	if (facts->stop_reason != NULL)
		put_stop(&page, facts->stop_reason, &list);
	line_put(&page, "to do:", span_of(facts->advice), false);
	put_open(&page, facts, &list);
	say_head(&list, stats);
	put_text(&page, "", &list);
	say_before(&list, stats);
	put_text(&page, "", &list);
	put_failures(&page, facts);
	put_events(&page, stats, &list);
	put_answers(out, facts);
	put_whole(out, "report:", facts->report_path);
	put_whole(out, "spilled:", facts->spill_path);
	if (summary_bottleneck(stats, bottleneck, sizeof(bottleneck)) != NULL)
		line_put(&page, "", span_of(bottleneck), false);
	put_whole(out, "next:", facts->next_command);
	buf_free(&list);
}
