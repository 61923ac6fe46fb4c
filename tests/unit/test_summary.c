/* SPDX-License-Identifier: ISC */
/*
 * What is said at the end, to people and to scripts.
 */
#include "view/summary.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/text.h"
#include "view/line.h"
#include "view/stats.h"

#define START (INT64_C(9) * CLOCK_S)

/* The run that the manual shows. */
static struct stats
long_run(void)
{
	struct stats stats = {.total = 1000, .asked = 1000, .workers = 4};

	stats_start(&stats, START);
	for (int i = 0; i < 988; i++)
		stats_count_answer(&stats, OUTCOME_OK,
		    i < 500   ? 340
		    : i < 960 ? 2100
			      : 4000,
		    12, 100, START + i * CLOCK_MS);
	for (int i = 0; i < 8; i++)
		stats_count_failure(&stats, OUTCOME_TIMEOUT_TOTAL, START);
	for (int i = 0; i < 4; i++)
		stats_count_failure(&stats, OUTCOME_CRASH, START);
	stats.retries = 31;
	stats.deaths = 12;
	stats.attempts = 1031;
	stats.attempts_by[OUTCOME_TIMEOUT_TOTAL] = 6;
	stats.ended_ns = START + 80 * CLOCK_S;
	stats.all_busy_ns = 79 * CLOCK_S;
	return stats;
}

/* One prompt, answered at once. */
static struct stats
short_run(void)
{
	struct stats stats = {.total = 1, .asked = 1, .workers = 4};

	stats_start(&stats, START);
	stats_count_answer(&stats, OUTCOME_OK, 340, -1, -1, START);
	stats.ended_ns = START + 340 * CLOCK_MS;
	return stats;
}

static const char *
render(const struct summary_facts *facts, struct buf *out)
{
	buf_clear(out);
	summary_render(facts, out);
	assert_false(out->failed);
	return out->data;
}

static void
long_run_is_told_whole(void **state)
{
	struct stats stats = long_run();
	struct summary_facts facts = {
	    .stats = &stats,
	    .exit_status = 1,
	    .db_path = "llm_results_20261123_183000.db",
	    .output_path = "out.jsonl",
	    .next_command = "llmill status llm_results_20261123_183000.db",
	};
	struct buf out;
	const char *text;

	(void)state;
	buf_init(&out, 65536);
	text = render(&facts, &out);
	assert_non_null(
	    strstr(text, "1,000 prompts: 988 answered, 12 failed in 1 m 20 s "
			 "(12.5/s)\n"));
	assert_non_null(strstr(text, "\nsurvived: 31 retries, "
				     "12 worker deaths, 6 hangs\n"));
	assert_non_null(strstr(text, "\nlatency:  p50 34"));
	assert_non_null(strstr(text, "ms, p95 2.1 s, p99 4.0 s\n"));
	assert_non_null(
	    strstr(text, "\ntokens:   11,856 in, 98,800 out (1,235/s)\n"));
	assert_non_null(strstr(text,
	    "\nanswers:  llm_results_20261123_183000.db; out.jsonl\n"
	    "all 4 workers were always busy: try -j 32\n"
	    "next:     llmill status llm_results_20261123_183000.db\n"));
	buf_free(&out);
}

static void
failures_use_the_words_of_outcomes_most_frequent_first(void **state)
{
	struct stats stats = long_run();
	struct summary_facts facts = {.stats = &stats};
	struct line_example examples[OUTCOME_COUNT] = {0};
	struct buf wanted;
	struct buf out;

	(void)state;
	buf_init(&out, 65536);
	buf_init(&wanted, 4096);
	buf_printf(&wanted, "\nfailed:   8 %s\n          4 %s\n",
	    outcome_trait(OUTCOME_TIMEOUT_TOTAL)->words,
	    outcome_trait(OUTCOME_CRASH)->words);
	assert_non_null(strstr(render(&facts, &out), wanted.data));
	examples[OUTCOME_TIMEOUT_TOTAL] = (struct line_example){
	    17, span_of("no answer\nwithin \x1b 60 s, and this is so long that "
			"one line cannot have it")};
	facts.examples = examples;
	assert_non_null(strstr(render(&facts, &out),
	    "\nfailed:   8 timed out; prompt 17: no answer within \\x1B 60 s, "
	    "and this is so lo…\n          4 "));
	buf_free(&wanted);
	buf_free(&out);
}

static void
short_run_says_little_in_the_singular(void **state)
{
	struct stats stats = short_run();
	struct summary_facts facts = {.stats = &stats};
	struct buf out;
	const char *text;

	(void)state;
	buf_init(&out, 65536);
	text = render(&facts, &out);
	assert_memory_equal(
	    text, "1 prompt: 1 answered in 340 ms (2.9/s)\n", 39);
	assert_memory_equal(text + 39, "latency:  p50 34", 16);
	assert_int_equal(strcspn(text + 39, "\n") + 40, out.size);

	stats.retries = 1;
	stats.deaths = 1;
	stats.attempts_by[OUTCOME_TIMEOUT_STALL] = 1;
	stats.late_answers = 1;
	stats.empty_lines = 1;
	stats.bad_records = 2;
	stats.cut_short = 1;
	text = render(&facts, &out);
	assert_non_null(strstr(text, "\nsurvived: 1 retry, 1 worker death, "
				     "1 hang, 1 late answer\n"));
	assert_non_null(
	    strstr(text, "\nskipped:  1 empty line, 2 bad records\n"));
	assert_non_null(
	    strstr(text, "\nshort:    1 answer ended at its token limit\n"));
	buf_free(&out);
}

static void
early_stop_is_said_first(void **state)
{
	struct stats stats = long_run();
	struct summary_facts facts = {
	    .stats = &stats,
	    .stop_reason = "interrupted",
	    .left = 588,
	};
	struct buf out;
	const char *first = "stopped:  interrupted\n"
			    "open:     588 of 1,000 prompts\n";

	(void)state;
	buf_init(&out, 65536);
	assert_memory_equal(render(&facts, &out), first, strlen(first));
	facts.left = 0;
	assert_memory_equal(
	    render(&facts, &out), "stopped:  interrupted\n1,000", 27);
	facts.stop_reason = NULL;
	facts.left = 900;
	assert_non_null(strstr(
	    render(&facts, &out), "open:     900 of 1,000 prompts\n1,000"));
	buf_free(&out);
}

static void
what_was_before_is_said(void **state)
{
	struct stats stats = short_run();
	struct summary_facts facts = {.stats = &stats};
	struct buf out;

	(void)state;
	buf_init(&out, 65536);
	stats.before_answered = 812;
	assert_non_null(
	    strstr(render(&facts, &out), "\n812 were answered before\n"));
	stats.before_failed = 3;
	assert_non_null(strstr(render(&facts, &out),
	    "\n812 were answered before, 3 had failed\n"));
	stats.before_answered = 0;
	assert_non_null(
	    strstr(render(&facts, &out), "\n3 had failed before\n"));
	buf_free(&out);
}

static void
nothing_to_do_is_said_so(void **state)
{
	struct stats stats = {.total = 1000, .before_answered = 1000};
	struct summary_facts facts = {.stats = &stats};
	struct buf out;

	(void)state;
	stats_start(&stats, START);
	stats.ended_ns = START + 1;
	buf_init(&out, 65536);
	assert_string_equal(render(&facts, &out),
	    "nothing to do\n1,000 were answered before\n");
	buf_free(&out);
}

static void
answers_are_where_they_are(void **state)
{
	struct stats stats = short_run();
	struct summary_facts facts = {.stats = &stats};
	struct buf out;

	(void)state;
	buf_init(&out, 65536);
	assert_null(strstr(render(&facts, &out), "answers:"));
	facts.output_path = "out.txt";
	assert_non_null(strstr(render(&facts, &out), "\nanswers:  out.txt\n"));
	facts.output_path = NULL;
	facts.output_part = "out.txt.part";
	assert_non_null(strstr(
	    render(&facts, &out), "\nanswers:  out.txt.part (not whole)\n"));
	facts.output_path = "out.txt";
	facts.output_part = NULL;
	facts.db_path = "a\x1b[31m.db";
	facts.spill_path = "a.db.spill.jsonl";
	assert_non_null(
	    strstr(render(&facts, &out), "\nanswers:  a\\x1B[31m.db; out.txt\n"
					 "spilled:  a.db.spill.jsonl\n"));
	buf_free(&out);
}

static void
check_widths(unsigned columns, unsigned most)
{
	struct stats stats = {.total = UINT32_MAX, .asked = UINT32_MAX};
	struct summary_facts facts = {
	    .stats = &stats,
	    .stop_reason = "the server said \x1b[31m 401 Unauthorized: a "
			   "long sentence about a key that\nis not there, "
			   "and 漢字漢字漢字 漢字漢字漢字 to make it longer; "
			   "check --key-file",
	    .left = UINT32_MAX,
	    .columns = columns,
	};
	struct buf out;
	struct span rest;
	size_t lines = 0;

	stats_start(&stats, START);
	for (int i = 0; i < OUTCOME_COUNT; i++) {
		stats.failed_by[i] = 1000000 + (uint64_t)i;
		stats.failed += stats.failed_by[i];
		stats.attempts_by[i] = UINT32_MAX;
	}
	stats.answered = UINT32_MAX - stats.failed;
	stats.before_answered = UINT32_MAX;
	stats.before_failed = UINT32_MAX;
	stats.input_tokens = UINT64_C(1) << 50;
	stats.output_tokens = UINT64_C(1) << 50;
	stats.retries = stats.deaths = UINT32_MAX;
	stats.late_answers = UINT32_MAX;
	stats.ended_ns = START + 1000000 * CLOCK_S;
	stats.server_wait_ns = 999999 * CLOCK_S;
	buf_init(&out, 65536);
	summary_render(&facts, &out);
	assert_false(out.failed);
	for (rest = buf_span(&out); rest.size > 0; lines++) {
		const char *end = memchr(rest.data, '\n', rest.size);
		struct span line = {rest.data, (size_t)(end - rest.data)};

		assert_true(text_columns(line) <= most);
		assert_true(line.size > 0 && line.data[line.size - 1] != ' ');
		assert_null(memchr(line.data, '\x1b', line.size));
		rest.data = end + 1;
		rest.size -= line.size + 1;
	}
	assert_true(lines > 15);
	buf_free(&out);
}

static void
no_line_is_wider_than_the_terminal_or_80_columns(void **state)
{
	(void)state;
	check_widths(0, 80);
	check_widths(200, 80);
	check_widths(40, 40);
}

static void
bottleneck_names_what_took_the_time(void **state)
{
	static const struct {
		int64_t busy_s;
		int64_t wait_s;
		int64_t commit_s;
		uint32_t workers;
		const char *text;
	} cases[] = {
	    {72, 0, 0, 1, "the only worker was always busy: try -j 8"},
	    {72, 0, 0, 2, "all 2 workers were always busy: try -j 16"},
	    {72, 0, 0, 4, "all 4 workers were always busy: try -j 32"},
	    {80, 0, 60, 8, "all 8 workers were always busy: try -j 64"},
	    {80, 0, 0, 255, "all 255 workers were always busy: try -j 1024"},
	    {80, 0, 0, 256, "all 256 workers were always busy"},
	    {71, 16, 17, 4,
		"20 % of the time everybody waited for the "
		"server or its rate limits"},
	    {71, 15, 16, 4,
		"20 % of the time went to the disk: try --db on "
		"a faster one"},
	    {71, 15, 15, 4, NULL},
	};
	struct stats stats = long_run();
	char text[128];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const char *said;

		stats.all_busy_ns = cases[i].busy_s * CLOCK_S;
		stats.server_wait_ns = cases[i].wait_s * CLOCK_S;
		stats.commit_ns = cases[i].commit_s * CLOCK_S;
		stats.workers = cases[i].workers;
		said = summary_bottleneck(&stats, text, sizeof(text));
		if (cases[i].text == NULL)
			assert_null(said);
		else
			assert_string_equal(said, cases[i].text);
	}
}

static void
short_runs_have_no_bottleneck(void **state)
{
	struct stats stats = long_run();
	char text[128];

	(void)state;
	stats.all_busy_ns = INT64_MAX / 2;
	assert_non_null(summary_bottleneck(&stats, text, sizeof(text)));
	stats.workers = 501; /* 1000 prompts */
	assert_null(summary_bottleneck(&stats, text, sizeof(text)));
	stats.workers = 4;
	stats.ended_ns = START + CLOCK_S - 1;
	assert_null(summary_bottleneck(&stats, text, sizeof(text)));
	stats.ended_ns = 0;
	assert_null(summary_bottleneck(&stats, text, sizeof(text)));
}

static struct json *
render_json(const struct summary_facts *facts, struct buf *out)
{
	struct json *root;
	struct err err;

	buf_clear(out);
	summary_render_json(facts, out);
	assert_false(out->failed);
	assert_int_equal(out->data[out->size - 1], '\n');
	assert_ptr_equal(
	    memchr(out->data, '\n', out->size), out->data + out->size - 1);
	root = json_parse((struct span){out->data, out->size - 1}, &err);
	assert_non_null(root);
	return root;
}

static void
assert_text(struct json *root, const char *key, const char *text)
{
	assert_true(
	    span_equals(json_string(json_get(root, key)), span_of(text)));
}

static void
json_has_all_numbers(void **state)
{
	struct stats stats = long_run();
	struct summary_facts facts = {
	    .stats = &stats,
	    .exit_status = 75,
	    .stop_reason = "said \"no\"",
	    .db_path = "a\xff.db",
	    .next_command = "llmill resume",
	    .left = 7,
	};
	struct buf out;
	struct json *root;

	(void)state;
	buf_init(&out, 65536);
	stats.before_answered = 5;
	stats.killed = 6;
	stats.late_answers = 2;
	root = render_json(&facts, &out);
	assert_int_equal(json_integer(json_get(root, "exit_status"), -1), 75);
	assert_int_equal(json_integer(json_get(root, "total"), -1), 1000);
	assert_int_equal(json_integer(json_get(root, "asked"), -1), 1000);
	assert_int_equal(json_integer(json_get(root, "answered"), -1), 988);
	assert_int_equal(json_integer(json_get(root, "failed"), -1), 12);
	assert_int_equal(json_integer(json_get(root, "open"), -1), 7);
	assert_int_equal(
	    json_integer(json_get(root, "before_answered"), -1), 5);
	assert_int_equal(json_integer(json_get(root, "before_failed"), -1), 0);
	assert_int_equal(json_count(json_get(root, "failed_by")), 2);
	assert_int_equal(
	    json_integer(
		json_get(json_get(root, "failed_by"), "timeout_total"), -1),
	    8);
	assert_int_equal(json_count(json_get(root, "attempts_by")), 1);
	assert_int_equal(json_integer(json_get(root, "attempts"), -1), 1031);
	assert_int_equal(json_integer(json_get(root, "retries"), -1), 31);
	assert_int_equal(json_integer(json_get(root, "deaths"), -1), 12);
	assert_int_equal(json_integer(json_get(root, "killed"), -1), 6);
	assert_int_equal(json_integer(json_get(root, "hangs"), -1), 6);
	assert_int_equal(json_integer(json_get(root, "late_answers"), -1), 2);
	assert_int_equal(json_count(json_get(root, "latency_ms")), 3);
	assert_int_equal(
	    json_integer(json_get(root, "output_tokens"), -1), 98800);
	assert_non_null(strstr(out.data, "\"seconds\":80.000,"));
	assert_non_null(strstr(out.data, "\"rate\":12.500,"));
	assert_text(root, "database", "a\xef\xbf\xbd.db");
	assert_text(root, "stop_reason", "said \"no\"");
	assert_text(root, "next", "llmill resume");
	assert_text(
	    root, "bottleneck", "all 4 workers were always busy: try -j 32");
	assert_non_null(strstr(
	    out.data, "\"spill\":null,\"report\":null,\"output\":null,"));
	json_free(root);
	buf_free(&out);
}

static void
json_of_nothing_is_whole(void **state)
{
	struct stats stats = {0};
	struct summary_facts facts = {.stats = &stats};
	struct buf out;

	(void)state;
	stats_start(&stats, START);
	buf_init(&out, 65536);
	json_free(render_json(&facts, &out));
	assert_non_null(strstr(out.data, "\"latency_ms\":null,"));
	assert_non_null(strstr(out.data, "\"failed_by\":{},"));
	assert_non_null(strstr(out.data, "\"rate\":0.000,"));
	assert_non_null(strstr(out.data, "\"bottleneck\":null}"));
	buf_free(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(long_run_is_told_whole),
	    cmocka_unit_test(
		failures_use_the_words_of_outcomes_most_frequent_first),
	    cmocka_unit_test(short_run_says_little_in_the_singular),
	    cmocka_unit_test(early_stop_is_said_first),
	    cmocka_unit_test(what_was_before_is_said),
	    cmocka_unit_test(nothing_to_do_is_said_so),
	    cmocka_unit_test(answers_are_where_they_are),
	    cmocka_unit_test(no_line_is_wider_than_the_terminal_or_80_columns),
	    cmocka_unit_test(bottleneck_names_what_took_the_time),
	    cmocka_unit_test(short_runs_have_no_bottleneck),
	    cmocka_unit_test(json_has_all_numbers),
	    cmocka_unit_test(json_of_nothing_is_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
