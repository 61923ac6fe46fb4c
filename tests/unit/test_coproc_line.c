/* SPDX-License-Identifier: ISC */
/*
 * The lines that go to and come from a command per worker.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "assert_text.h"
#include "base/json.h"
#include "chat/coproc_line.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))
#define DAY_MS ((int64_t)86400 * 1000)

/* ---- out ---- */

static struct span
maybe(const char *text)
{
	return text != NULL ? span_of(text) : (struct span){NULL, 0};
}

static void
request_has_the_prompt_and_what_the_record_had(void **state)
{
	static const struct {
		const char *text;
		const char *custom_id;
		const char *body;
		const char *fields;
		const char *system;
		const char *line;
	} rows[] = {
	    {"a", NULL, NULL, NULL, NULL, "{\"id\":7,\"prompt\":\"a\"}\n"},
	    {"a\n\"b\"\t\x01", NULL, NULL, NULL, NULL,
		"{\"id\":7,\"prompt\":\"a\\n\\\"b\\\"\\t\\u0001\"}\n"},
	    {"\xc3\xa9", NULL, NULL, NULL, "be \"kind\"",
		"{\"id\":7,\"prompt\":\"\xc3\xa9\","
		"\"system\":\"be \\\"kind\\\"\"}\n"},
	    {"a", "x-1", NULL, "{\"lang\":\"de\",\"n\":1.50}", NULL,
		"{\"id\":7,\"custom_id\":\"x-1\",\"prompt\":\"a\","
		"\"lang\":\"de\",\"n\":1.50}\n"},
	    /* Its own system goes before the run's. */
	    {"a", NULL, "{\"system\":\"s\"}", NULL, "run's",
		"{\"id\":7,\"prompt\":\"a\",\"system\":\"s\"}\n"},
	    /* Of several messages the text is their JSON: once is enough. */
	    {"[1,2]", NULL, "{\"messages\":[1,2],\"model\":\"m\"}", NULL, NULL,
		"{\"id\":7,\"model\":\"m\",\"messages\":[1,2]}\n"},
	    {"a", NULL, "{\"messages\":[{\"role\":\"user\"}]}", NULL, NULL,
		"{\"id\":7,\"prompt\":\"a\",\"messages\":[{\"role\":\"user\"}]}"
		"\n"},
	    /* Names of ours are ours. */
	    {"a", NULL, NULL,
		"{\"id\":3,\"prompt\":\"x\",\"system\":1,\"k\":{\"id\":3}}",
		NULL, "{\"id\":7,\"prompt\":\"a\",\"k\":{\"id\":3}}\n"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct record record = {
		    .text = span_of(rows[i].text),
		    .custom_id = maybe(rows[i].custom_id),
		    .body = maybe(rows[i].body),
		    .fields = maybe(rows[i].fields),
		};
		struct buf line;

		buf_init(&line, 4096);
		coproc_put_request(&line, 7, &record, rows[i].system);
		assert_false(line.failed);
		assert_text(buf_span(&line), rows[i].line);
		buf_free(&line);
	}
}

static void
request_that_finds_no_room_is_seen(void **state)
{
	const struct record record = {.text = span_of("a long prompt")};
	struct buf line;

	(void)state;
	buf_init(&line, 16);
	coproc_put_request(&line, 7, &record, NULL);
	assert_true(line.failed);
	buf_free(&line);
}

/* ---- in ---- */

struct heard {
	struct json *root;
	struct buf error;
	struct reply reply;
	enum coproc_said said;
};

static void
hear(struct heard *heard, struct span line)
{
	buf_init(&heard->error, 256);
	reply_init(&heard->reply);
	heard->said =
	    coproc_read(line, 7, &heard->root, &heard->error, &heard->reply);
}

static void
forget(struct heard *heard)
{
	json_free(heard->root);
	buf_free(&heard->error);
}

static void
answers_are_read(void **state)
{
	static const struct {
		const char *line;
		const char *text;
	} rows[] = {
	    {"{\"id\":7,\"result\":\"a\"}", "a"},
	    {" {\"result\" : \"a\\nb\" , \"id\" : \"7\" } ", "a\nb"},
	    {"{\"id\":7,\"result\":\"\"}", ""},
	    {"{\"id\":7,\"result\":\"a\",\"error\":null,\"more\":[1]}", "a"},
	    {"{\"id\":7,\"result\":\"\\u00e9\\ud83d\\ude00\"}",
		"\xc3\xa9\xf0\x9f\x98\x80"},
	};
	struct heard heard;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		hear(&heard, span_of(rows[i].line));
		assert_int_equal(heard.said, COPROC_ANSWER);
		assert_int_equal(heard.reply.outcome, OUTCOME_OK);
		assert_text(heard.reply.text, rows[i].text);
		forget(&heard);
	}
}

static void
facts_beside_an_answer_are_kept(void **state)
{
	struct heard heard;

	(void)state;
	hear(&heard,
	    span_of("{\"id\":7,\"result\":\"a\",\"model\":\"m\","
		    "\"finish_reason\":\"stop\",\"reasoning\":\"r\",\"usage\":"
		    "{\"prompt_tokens\":3,\"output_tokens\":4}}"));
	assert_text(heard.reply.model, "m");
	assert_text(heard.reply.finish_reason, "stop");
	assert_text(heard.reply.reasoning, "r");
	assert_int_equal(heard.reply.input_tokens, 3);
	assert_int_equal(heard.reply.output_tokens, 4);
	forget(&heard);
	hear(&heard,
	    span_of(
		"{\"id\":7,\"result\":\"a\",\"model\":4,"
		"\"usage\":{\"prompt_tokens\":-3,\"output_tokens\":\"4\"}}"));
	assert_int_equal(heard.said, COPROC_ANSWER);
	assert_text(heard.reply.model, NULL);
	assert_int_equal(heard.reply.input_tokens, -1);
	assert_int_equal(heard.reply.output_tokens, -1);
	forget(&heard);
}

static void
failures_say_whether_another_try_may_help(void **state)
{
	static const struct {
		const char *rest; /* behind the error */
		enum outcome outcome;
		int64_t after_ms;
	} rows[] = {
	    {"", OUTCOME_EXIT_STATUS, -1},
	    {",\"retry\":true", OUTCOME_EXIT_STATUS, -1},
	    {",\"retry\":false", OUTCOME_BAD_REQUEST, -1},
	    {",\"retry\":null", OUTCOME_EXIT_STATUS, -1},
	    {",\"retry_after\":2.5", OUTCOME_RATE_LIMITED, 2500},
	    {",\"retry\":true,\"retry_after\":0", OUTCOME_RATE_LIMITED, 0},
	    {",\"retry\":false,\"retry_after\":1", OUTCOME_BAD_REQUEST, 1000},
	    {",\"retry_after\":-1", OUTCOME_EXIT_STATUS, -1},
	    {",\"retry_after\":\"9\"", OUTCOME_EXIT_STATUS, -1},
	    {",\"retry_after\":1e300", OUTCOME_RATE_LIMITED, 400 * DAY_MS},
	    {",\"result\":\"a\"", OUTCOME_EXIT_STATUS, -1},
	};
	struct heard heard;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char line[200];

		snprintf(line, sizeof(line),
		    "{\"id\":7,\"error\":\"no\\nluck\"%s}", rows[i].rest);
		hear(&heard, span_of(line));
		assert_int_equal(heard.said, COPROC_ANSWER);
		assert_int_equal(heard.reply.outcome, rows[i].outcome);
		assert_int_equal(heard.reply.retry_after_ms, rows[i].after_ms);
		assert_text(heard.reply.error, "no luck");
		forget(&heard);
	}
}

static void
ready_is_heard(void **state)
{
	struct heard heard;

	(void)state;
	hear(&heard, span_of("{\"ready\": true}"));
	assert_int_equal(heard.said, COPROC_READY);
	forget(&heard);
	hear(&heard, span_of("{\"ready\": 1}"));
	assert_int_equal(heard.said, COPROC_GARBAGE);
	forget(&heard);
}

static void
anything_else_is_garbage_and_is_shown(void **state)
{
	static const struct {
		const char *line;
		const char *why;
	} rows[] = {
	    {"", "not a JSON object on its stdout: "},
	    {"Loading model \x1b[1m…",
		"not a JSON object on its stdout: Loading model \\x1B[1m…"},
	    {"[7]", "not a JSON object on its stdout: [7]"},
	    {"{\"id\":7,\"result\":\"a\"", "not a JSON object"},
	    {"{\"id\":7,\"result\":\"a\"} {}", "not a JSON object"},
	    {"{\"id\":7,\"result\":\"\xff\"}", "not a JSON object"},
	    {"{\"id\":8,\"result\":\"a\"}", "an answer to something else: "},
	    {"{\"result\":\"a\"}", "an answer to something else: "},
	    {"{\"id\":7.0,\"result\":\"a\"}", "an answer to something else: "},
	    {"{\"id\":7}", "neither result nor error is a string: "},
	    {"{\"id\":7,\"result\":null}", "neither result nor error"},
	    {"{\"id\":7,\"result\":[\"a\"]}", "neither result nor error"},
	    {"{\"id\":7,\"error\":{}}", "neither result nor error"},
	};
	struct heard heard;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		hear(&heard, span_of(rows[i].line));
		assert_int_equal(heard.said, COPROC_GARBAGE);
		buf_add_byte(&heard.error, '\0');
		if (strncmp(heard.error.data, rows[i].why,
			strlen(rows[i].why)) != 0)
			fail_msg("row %zu: %s", i, heard.error.data);
		forget(&heard);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(request_has_the_prompt_and_what_the_record_had),
	    cmocka_unit_test(request_that_finds_no_room_is_seen),
	    cmocka_unit_test(answers_are_read),
	    cmocka_unit_test(facts_beside_an_answer_are_kept),
	    cmocka_unit_test(failures_say_whether_another_try_may_help),
	    cmocka_unit_test(ready_is_heard),
	    cmocka_unit_test(anything_else_is_garbage_and_is_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
