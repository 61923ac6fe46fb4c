/* SPDX-License-Identifier: ISC */
/*
 * How a database's numbers are said, to people and to scripts.
 */
#include "view/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/json.h"
#include "data/survey.h"
#include "data/verify.h"

static struct survey
some_survey(void)
{
	struct survey survey = {
	    .name = "a.db",
	    .total = 1000,
	    .answered = 988,
	    .failed = 12,
	    .attempts = 1031,
	    .input_tokens = 11856,
	    .output_tokens = 98800,
	    .runs = 3,
	    .last = {.id = 3, .done = 1000, .took_ms = 80000},
	};

	survey.causes[OUTCOME_CRASH].count = 4;
	survey.causes[OUTCOME_CRASH].id = 3;
	snprintf(survey.causes[OUTCOME_CRASH].reason, SURVEY_EXAMPLE_BYTES,
	    "signal 11 \x1b[31m");
	survey.causes[OUTCOME_TIMEOUT_TOTAL].count = 8;
	survey.causes[OUTCOME_TIMEOUT_TOTAL].id = 17;
	snprintf(survey.causes[OUTCOME_TIMEOUT_TOTAL].reason,
	    SURVEY_EXAMPLE_BYTES, "60 s");
	survey.attempts_by[OUTCOME_OK] = 980;
	survey.attempts_by[OUTCOME_LENGTH] = survey.cut_short = 8;
	survey.attempts_by[OUTCOME_CRASH] = 43;
	snprintf(survey.last.status, sizeof(survey.last.status), "finished");
	snprintf(survey.last.started_at, sizeof(survey.last.started_at),
	    "2026-11-23 18:30:00");
	for (int i = 0; i < 988; i++)
		hist_add(&survey.latency, 340 * CLOCK_MS);
	return survey;
}

static void
the_block_says_it_all_in_order(void **state)
{
	struct survey survey = some_survey();
	struct buf out;

	(void)state;
	buf_init(&out, STATUS_MAX_BYTES);
	status_render(&survey, 0, &out);
	assert_string_equal(out.data,
	    "a.db\n"
	    "prompts:  1,000: 988 answered, 12 failed\n"
	    "short:    8 answers ended at their token limit\n"
	    "failed:   8 timed out; prompt 17: 60 s\n"
	    "          4 crashed; prompt 3: signal 11 \\x1B[31m\n"
	    "run:      the last of 3, finished, from 2026-11-23 18:30:00 UTC, "
	    "took 1 m 20 s,\n"
	    "          12.5/s\n"
	    "tries:    1,031: 988 answered, 43 crashed\n"
	    "latency:  p50 342 ms, p95 342 ms, p99 342 ms\n"
	    "tokens:   11,856 in, 98,800 out\n");
	buf_free(&out);
}

static void
an_empty_database_is_short(void **state)
{
	struct survey survey = {.name = "a\nb.db", .is_seed = true};
	struct buf out;

	(void)state;
	buf_init(&out, STATUS_MAX_BYTES);
	status_render(&survey, 0, &out);
	assert_string_equal(
	    out.data, "a\\nb.db (of the seed)\nprompts:  0: 0 answered\n");
	buf_free(&out);
}

static void
who_works_on_it_and_who_did_is_said(void **state)
{
	char spill[] = "/d/a.db.spill.jsonl";
	struct survey survey = some_survey();
	struct buf out;

	(void)state;
	buf_init(&out, STATUS_MAX_BYTES);
	survey.is_running = true;
	survey.holder.pid = 42;
	snprintf(survey.holder.host, sizeof(survey.holder.host), "n\x1b");
	snprintf(survey.holder.job, sizeof(survey.holder.job), "7");
	status_render(&survey, 0, &out);
	assert_non_null(
	    strstr(out.data, "\nrunning:  pid 42 on n\\x1B, job 7\n"));
	survey.holder.pid = 0;
	survey.is_lost = true;
	survey.spill = spill;
	buf_clear(&out);
	status_render(&survey, 0, &out);
	assert_non_null(strstr(out.data, "does not say which"));
	assert_non_null(strstr(out.data, "lost: it ended without a word"));
	assert_non_null(
	    strstr(out.data, "\nspilled:  /d/a.db.spill.jsonl has"));
	buf_free(&out);
}

static void
json_leaves_nothing_out(void **state)
{
	static const char *const keys[] = {"database", "seed", "total",
	    "answered", "failed", "open", "failed_by", "cut_short", "attempts",
	    "attempts_by", "latency_ms", "input_tokens", "output_tokens",
	    "runs", "last_run", "spill"};
	char spill[] = "a.db.spill.jsonl";
	struct survey survey = some_survey();
	struct json *root;
	struct buf out;

	(void)state;
	survey.spill = spill;
	buf_init(&out, STATUS_MAX_BYTES);
	status_render_json(&survey, &out);
	assert_int_equal(out.data[out.size - 1], '\n');
	root = json_parse(buf_span(&out), NULL);
	assert_non_null(root);
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (json_get(root, keys[i]) == NULL)
			fail_msg("no %s", keys[i]);
	assert_int_equal(
	    json_integer(
		json_get(json_get(json_get(root, "failed_by"), "timeout_total"),
		    "id"),
		0),
	    17);
	assert_non_null(strstr(out.data, "\"rate\":12.500"));
	assert_non_null(strstr(out.data, "\"running\":null"));
	json_free(root);
	buf_clear(&out);
	survey = (struct survey){.name = "\xff", .is_running = true};
	status_render_json(&survey, &out);
	root = json_parse(buf_span(&out), NULL);
	assert_non_null(root); /* whatever the name is */
	assert_non_null(json_get(root, "running"));
	assert_null(json_get(root, "last_run"));
	json_free(root);
	buf_free(&out);
}

static void
a_check_says_what_it_found(void **state)
{
	struct verify verify = {.name = "a.db", .prompts = 3, .same = 2};
	struct buf out;

	(void)state;
	buf_init(&out, STATUS_MAX_BYTES);
	status_render_verify(&verify, &out);
	assert_string_equal(out.data,
	    "a.db: sound\n"
	    "checked:  3 prompts, 2 answers as received\n");
	buf_clear(&out);
	buf_init(&verify.fault_lines, 100);
	buf_add_text(&verify.fault_lines, "row 1 missing\nrow 2 missing\n");
	verify.faults = 2;
	verify.missing = 4;
	verify.differ = 1;
	verify.differing[0] = 9;
	status_render_verify(&verify, &out);
	assert_string_equal(out.data,
	    "a.db: damaged\n"
	    "file:     row 1 missing\n"
	    "file:     row 2 missing\n"
	    "ids:      they are not 1, 2, 3 …: 4 is missing\n"
	    "altered:  1 answer is not what was received: prompt 9\n"
	    "checked:  3 prompts, 2 answers as received\n");
	verify_free(&verify);
	buf_free(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_block_says_it_all_in_order),
	    cmocka_unit_test(an_empty_database_is_short),
	    cmocka_unit_test(who_works_on_it_and_who_did_is_said),
	    cmocka_unit_test(json_leaves_nothing_out),
	    cmocka_unit_test(a_check_says_what_it_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
