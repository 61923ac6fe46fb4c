/* SPDX-License-Identifier: ISC */
/*
 * Bytes to records: every format, and everything that is wrong with one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "data/input.h"

#include "scratch.h"

/* What came of reading one file. */
struct result {
	struct prompts *prompts;
	struct input_facts facts;
	struct err err;
	int done;
};

static struct input_conf conf;

static struct result
read_conf(void)
{
	struct result result = {0};

	result.prompts = prompts_new(NULL);
	assert_non_null(result.prompts);
	result.done =
	    input_read(&conf, result.prompts, &result.facts, &result.err);
	return result;
}

static struct result
read_bytes(const char *name, const void *data, size_t size)
{
	scratch_write(name, data, size);
	conf.paths = (const char *const[]){name};
	conf.path_count = 1;
	return read_conf();
}

static struct result
read_text(const char *name, const char *text)
{
	return read_bytes(name, text, strlen(text));
}

static void
result_free(struct result *result)
{
	input_facts_free(&result->facts);
	prompts_free(result->prompts);
}

static int
enter(void **state)
{
	conf = (struct input_conf){0};
	return scratch_enter(state);
}

static void
assert_text(const struct result *result, uint32_t index, const char *want)
{
	assert_true(span_equals(
	    prompts_at(result->prompts, index).text, span_of(want)));
}

static void
assert_span(struct span got, const char *want)
{
	assert_true(span_equals(got, span_of(want)));
}

static void
lines_are_prompts(void **state)
{
	struct result result =
	    read_text("a.txt", "\xEF\xBB\xBFone\r\n\n  two \n\r\nthree");

	(void)state;
	assert_int_equal(result.done, 0);
	assert_int_equal(prompts_count(result.prompts), 3);
	assert_text(&result, 0, "one");
	assert_text(&result, 1, "  two ");
	assert_text(&result, 2, "three");
	assert_int_equal(result.facts.empty_count, 2);
	assert_null(result.facts.troubles);
	result_free(&result);
}

static void
lines_cross_chunks(void **state)
{
	size_t size = 600000;
	char *data = malloc(2 * size + 1);
	struct result result;

	(void)state;
	memset(data, 'a', size);
	memset(data + size, 'b', size);
	data[size - 1] = '\n';
	result = read_bytes("a.txt", data, 2 * size);
	assert_int_equal(prompts_count(result.prompts), 2);
	assert_int_equal(prompts_at(result.prompts, 0).text.size, size - 1);
	assert_int_equal(prompts_at(result.prompts, 1).text.size, size);
	result_free(&result);
	free(data);
}

static void
nul_keeps_line_ends(void **state)
{
	struct result result;

	(void)state;
	conf.format = INPUT_NUL;
	result = read_bytes("a", "one\ntwo\r\0\0three", 15);
	assert_int_equal(result.done, 0);
	assert_int_equal(prompts_count(result.prompts), 2);
	assert_text(&result, 0, "one\ntwo\r");
	assert_text(&result, 1, "three");
	assert_int_equal(result.facts.empty_count, 1);
	result_free(&result);
}

static void
jsonl_keeps_ids_fields_and_body(void **state)
{
	struct result result = read_text("a.jsonl",
	    "{\"prompt\":\"a\\u00e9\",\"id\":12345678901234567890,"
	    "\"x\" : 0.30, \"y\":null}\n"
	    "\n"
	    "{\"messages\":[{\"role\":\"system\",\"content\":\"s\"},"
	    "{\"role\":\"user\",\"content\":\"hi\"}],\"custom_id\":\"c\","
	    "\"id\":7,\"model\":\"m\",\"params\":{ \"n\": 1.0 }}\n"
	    "{\"prompt\":\"p\",\"system\":\"S\",\"model\":null}\r\n");
	struct record record;

	(void)state;
	assert_int_equal(result.done, 0);
	assert_int_equal(prompts_count(result.prompts), 3);
	assert_int_equal(result.facts.empty_count, 1);
	record = prompts_at(result.prompts, 0);
	assert_span(record.text, "a\xC3\xA9");
	assert_span(record.custom_id, "12345678901234567890");
	assert_span(record.fields, "{\"x\":0.30,\"y\":null}");
	assert_null(record.body.data);
	assert_int_equal(record.line, 1);
	record = prompts_at(result.prompts, 1);
	assert_span(record.text, "hi");
	assert_span(record.custom_id, "c");
	assert_span(record.fields, "{\"id\":7}");
	assert_span(record.body,
	    "{\"messages\":[{\"role\":\"system\",\"content\":\"s\"},"
	    "{\"role\":\"user\",\"content\":\"hi\"}],\"model\":\"m\","
	    "\"params\":{ \"n\": 1.0 }}");
	assert_int_equal(record.line, 3);
	assert_string_equal(
	    prompts_input_name(result.prompts, record.file), "a.jsonl");
	record = prompts_at(result.prompts, 2);
	assert_span(record.body, "{\"system\":\"S\"}");
	result_free(&result);
}

static void
messages_that_are_a_talk_show_as_json(void **state)
{
	struct result result = read_text("a.jsonl",
	    "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},"
	    "{\"role\":\"assistant\",\"content\":\"b\"}]}\n"
	    "{\"messages\":[{\"role\":\"user\",\"content\":[1]}]}\n"
	    "{\"messages\":[{\"role\":\"user\",\"content\":\"\"}]}\n");

	(void)state;
	assert_int_equal(result.done, 0);
	assert_text(&result, 0,
	    "[{\"role\":\"user\",\"content\":\"a\"},"
	    "{\"role\":\"assistant\",\"content\":\"b\"}]");
	assert_text(&result, 1, "[{\"role\":\"user\",\"content\":[1]}]");
	assert_text(&result, 2, "");
	result_free(&result);
}

static void
auto_looks_at_ending_then_first_line(void **state)
{
	struct result result = read_text("a", "\n \n{\"prompt\":\"x\"}\n");

	(void)state;
	assert_text(&result, 0, "x");
	result_free(&result);
	result = read_text("a.txt", "{\"prompt\":\"x\"}");
	assert_text(&result, 0, "x");
	result_free(&result);
	result = read_text("a.txt", "{not json\n{\"prompt\":\"x\"}\n");
	assert_text(&result, 0, "{not json");
	assert_text(&result, 1, "{\"prompt\":\"x\"}");
	result_free(&result);
	result = read_text("a.txt", "{\"other\":\"x\"}\n");
	assert_text(&result, 0, "{\"other\":\"x\"}");
	result_free(&result);
	result = read_text("a.NDJSON", "no\n");
	assert_int_equal(result.done, -1);
	result_free(&result);
}

/* One line of jsonl and what is said about it. */
static const struct {
	const char *line;
	const char *trouble;
} bad_lines[] = {
    {"{\"prompt\":", "bad.jsonl:1: bad JSON: "},
    {"[1]", "bad.jsonl:1: not a JSON object"},
    {"{\"x\":1}", "bad.jsonl:1: neither prompt nor messages"},
    {"{\"prompt\":null}", "bad.jsonl:1: neither prompt nor messages"},
    {"{\"prompt\":\"\",\"messages\":[]}",
	"bad.jsonl:1: both prompt and messages"},
    {"{\"prompt\":1}", "bad.jsonl:1: prompt is no string"},
    {"{\"messages\":[]}", "bad.jsonl:1: messages is no array"},
    {"{\"messages\":{}}", "bad.jsonl:1: messages is no array"},
    {"{\"messages\":[1]}", "bad.jsonl:1: a message is no object"},
    {"{\"messages\":[{\"content\":\"x\"}]}",
	"bad.jsonl:1: a message has no role"},
    {"{\"prompt\":\"a\",\"system\":1}", "bad.jsonl:1: system is no string"},
    {"{\"prompt\":\"a\",\"model\":[]}", "bad.jsonl:1: model is no string"},
    {"{\"prompt\":\"a\",\"params\":1}", "bad.jsonl:1: params is no object"},
    {"{\"prompt\":\"a\",\"id\":true}", "bad.jsonl:1: id is neither"},
    {"{\"prompt\":\"a\",\"custom_id\":[]}",
	"bad.jsonl:1: custom_id is neither"},
    {"{\"prompt\":\"a\\u0000b\"}", "bad.jsonl:1: a NUL byte"},
    {"{\"prompt\":\"\xFF\"}", "bad.jsonl:1: bad JSON"},
    {"{\"prompt\":\"0123456789012345\"}", "bad.jsonl:1: longer than 8 bytes"},
};

static void
jsonl_says_what_is_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof bad_lines / sizeof *bad_lines; i++) {
		struct result result;

		conf.prompt_max_bytes =
		    strstr(bad_lines[i].trouble, "longer") ? 8 : 0;
		result = read_text("bad.jsonl", bad_lines[i].line);
		assert_int_equal(result.done, -1);
		assert_int_equal(result.err.class, ERR_INPUT);
		assert_string_equal(result.err.text,
		    "1 bad record; --skip-bad goes on without it");
		assert_int_equal(result.facts.bad_count, 1);
		if (strncmp(result.facts.troubles, bad_lines[i].trouble,
			strlen(bad_lines[i].trouble)) != 0)
			fail_msg(
			    "%s: %s", bad_lines[i].line, result.facts.troubles);
		result_free(&result);
	}
}

static void
lines_say_what_is_bad(void **state)
{
	struct result result;

	(void)state;
	conf.prompt_max_bytes = 8;
	result = read_bytes(
	    "a\x1b.txt", "ok\n\xC3\x28\n012345678\na\0b\n01234567\r\n", 30);
	assert_int_equal(result.done, -1);
	assert_string_equal(
	    result.err.text, "3 bad records; --skip-bad goes on without them");
	assert_string_equal(result.facts.troubles,
	    "a\\x1B.txt:2: not UTF-8 at byte 1\n"
	    "a\\x1B.txt:3: longer than 8 bytes (--max-prompt-bytes)\n"
	    "a\\x1B.txt:4: a NUL byte in the prompt\n");
	result_free(&result);
}

static void
a_huge_line_is_skipped_without_memory(void **state)
{
	size_t size = 3000000;
	char *data = malloc(size);
	struct result result;

	(void)state;
	memset(data, 'x', size);
	memcpy(data + size - 5, "\nend\n", 5);
	conf.prompt_max_bytes = 100;
	conf.skip_bad = true;
	result = read_bytes("a.txt", data, size);
	assert_int_equal(result.done, 0);
	assert_int_equal(prompts_count(result.prompts), 2);
	assert_text(&result, 1, "end");
	result_free(&result);
	free(data);
}

static void
skip_bad_keeps_the_ids(void **state)
{
	struct result result;

	(void)state;
	conf.skip_bad = true;
	result = read_text("a.jsonl",
	    "{\"prompt\":\"a\"}\nbad\n\n{\"prompt\":\"b\"}\nworse\n");
	assert_int_equal(result.done, 0);
	assert_int_equal(prompts_count(result.prompts), 4);
	assert_text(&result, 0, "a");
	assert_text(&result, 1, "");
	assert_text(&result, 2, "b");
	assert_int_equal(result.facts.bad_count, 2);
	for (uint32_t i = 0; i < 4; i++) {
		struct record record = prompts_at(result.prompts, i);

		assert_int_equal(record_is_bad(&record), i % 2);
	}
	result_free(&result);
}

static void
only_twenty_troubles_are_told(void **state)
{
	char text[25 * 4 + 1] = "";
	size_t lines = 0;
	struct result result;

	(void)state;
	for (int i = 0; i < 25; i++)
		memcpy(text + 4 * i, "bad\n", 4);
	result = read_text("a.jsonl", text);
	for (char *at = result.facts.troubles; *at != '\0'; at++)
		lines += *at == '\n';
	assert_int_equal(lines, INPUT_TROUBLES_SHOWN);
	assert_string_equal(result.err.text,
	    "25 bad records (the first are listed); "
	    "--skip-bad goes on without them");
	result_free(&result);
}

static void
several_inputs_are_one_list(void **state)
{
	const char *const texts[] = {"first"};
	const char *const paths[] = {"a.txt", "b.jsonl"};
	struct result result;

	(void)state;
	scratch_write("a.txt", "second", 6);
	scratch_write("b.jsonl", "{\"prompt\":\"third\"}", 18);
	conf.texts = texts;
	conf.text_count = 1;
	conf.paths = paths;
	conf.path_count = 2;
	result = read_conf();
	assert_int_equal(result.done, 0);
	assert_text(&result, 0, "first");
	assert_text(&result, 1, "second");
	assert_text(&result, 2, "third");
	result_free(&result);
}

static void
stdin_is_named_stdin(void **state)
{
	int saved = dup(STDIN_FILENO);
	struct result result;

	(void)state;
	scratch_write("in", "a\0b\n", 4);
	assert_non_null(freopen("in", "r", stdin));
	conf.paths = (const char *const[]){"-"};
	conf.path_count = 1;
	result = read_conf();
	assert_string_equal(
	    result.facts.troubles, "stdin:1: a NUL byte in the prompt\n");
	result_free(&result);
	dup2(saved, STDIN_FILENO);
	close(saved);
}

static void
nothing_is_no_list(void **state)
{
	struct result result = read_text("a.txt", "\n\n");

	(void)state;
	assert_int_equal(result.done, -1);
	assert_int_equal(result.err.class, ERR_INPUT);
	assert_string_equal(result.err.text, "no prompts in a.txt");
	result_free(&result);
}

static void
what_cannot_be_read_is_named(void **state)
{
	static const struct {
		const char *path;
		const char *says;
	} cases[] = {
	    {"missing.txt", "cannot read missing.txt: No such file"},
	    {".", ".: is a directory"},
	    {"/dev/zero", "/dev/zero: is a device"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct result result;

		conf.paths = &cases[i].path;
		conf.path_count = 1;
		result = read_conf();
		assert_int_equal(result.done, -1);
		assert_int_equal(result.err.class, ERR_INPUT);
		assert_memory_equal(
		    result.err.text, cases[i].says, strlen(cases[i].says));
		result_free(&result);
	}
}

#define IN_SCRATCH(test)                                                       \
	cmocka_unit_test_setup_teardown(test, enter, scratch_leave)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    IN_SCRATCH(lines_are_prompts),
	    IN_SCRATCH(lines_cross_chunks),
	    IN_SCRATCH(nul_keeps_line_ends),
	    IN_SCRATCH(jsonl_keeps_ids_fields_and_body),
	    IN_SCRATCH(messages_that_are_a_talk_show_as_json),
	    IN_SCRATCH(auto_looks_at_ending_then_first_line),
	    IN_SCRATCH(jsonl_says_what_is_bad),
	    IN_SCRATCH(lines_say_what_is_bad),
	    IN_SCRATCH(a_huge_line_is_skipped_without_memory),
	    IN_SCRATCH(skip_bad_keeps_the_ids),
	    IN_SCRATCH(only_twenty_troubles_are_told),
	    IN_SCRATCH(several_inputs_are_one_list),
	    IN_SCRATCH(stdin_is_named_stdin),
	    IN_SCRATCH(nothing_is_no_list),
	    IN_SCRATCH(what_cannot_be_read_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
