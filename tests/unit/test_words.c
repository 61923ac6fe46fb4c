/* SPDX-License-Identifier: ISC */
/*
 * Texts about a run: nothing in them is a key, and what can be typed again
 * says what was typed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "api/backend.h"
#include "api/dry.h"
#include "api/words.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/json.h"
#include "data/prompts.h"
#include "llmill_run.h"

#include "scratch.h"

#define KEY "sk-0123456789abcdef"

/* ---- command lines ---- */

static void
expect_argv(const char *const *argv, bool masked, const char *text)
{
	struct buf out;

	buf_init(&out, 1 << 20);
	put_argv(&out, argv, masked);
	assert_false(out.failed);
	assert_string_equal(out.data != NULL ? out.data : "", text);
	buf_free(&out);
}

static void
words_are_quoted_so_that_a_shell_gives_them_back(void **state)
{
	static const char *const argv[] = {
	    "llmill", "run", "my file.txt", "-s", "it's", "", "$HOME", NULL};

	(void)state;
	expect_argv(
	    argv, false, "llmill run 'my file.txt' -s 'it'\\''s' '' '$HOME'");
	expect_argv(NULL, false, "");
	expect_argv((const char *const[]){NULL}, true, "");
}

/* A word that has a key in it, and what must be left of it. */
static void
what_looks_like_a_key_is_masked(void **state)
{
	static const char *const cases[][2] = {
	    {KEY, "'sk-***'"},
	    {"Authorization: Bearer abc123", NULL},
	    {"authorization:abc123", NULL},
	    {"X-Api-Key: abc123", NULL},
	    {"api-key:abc123", NULL},
	    {"Cookie: session=abc123", NULL},
	    {"--header=Proxy-Authorization: Basic abc123", NULL},
	    {"api_key=abc123", NULL},
	    {"https://example.org/v1?key=abc123", NULL},
	    {"https://example.org/v1?api-version=2&apikey=abc123", NULL},
	    {"https://example.org/v1?token=abc123&more=1", NULL},
	    {"password=abc123", NULL},
	    {"client_secret=abc123", NULL},
	    {"user=sk-abc123", NULL},
	    /* the first one counts, not the first in our list */
	    {"token=abc123 bearer xyz", NULL},
	    {"secret=abc123, api_key=abc123", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *const argv[] = {"-H", cases[i][0], NULL};
		struct buf out;

		buf_init(&out, 1 << 20);
		put_argv(&out, argv, true);
		assert_null(strstr(out.data, "abc123"));
		assert_null(strstr(out.data, KEY));
		assert_non_null(strstr(out.data, "***"));
		if (cases[i][1] != NULL)
			assert_string_equal(out.data + 3, cases[i][1]);
		buf_free(&out);
	}
}

/* Settings keep the names of headers and no values; nor may this do. */
static void
values_of_headers_are_masked(void **state)
{
	static const char *const argv[] = {"-H", "X-Team: blue", "-HX-A: b",
	    "--header", "C:d", "--header=E: f", "-u", "http://h:1/v1", NULL};

	(void)state;
	expect_argv(argv, true,
	    "-H 'X-Team:***' '-HX-A:***' --header 'C:***' '--header=E:***' "
	    "-u http://h:1/v1");
	expect_argv(argv, false,
	    "-H 'X-Team: blue' '-HX-A: b' --header C:d '--header=E: f' "
	    "-u http://h:1/v1");
}

static void
what_is_no_key_stays_readable(void **state)
{
	static const char *const argv[] = {"llmill", "run", "task-list.txt",
	    "-m", "risk-model", "-H", "@headers", "--key-file", "key.txt",
	    "--key-env", "MY_TOKEN", "--max-tokens", "5", NULL};

	(void)state;
	expect_argv(argv, true,
	    "llmill run task-list.txt -m risk-model -H @headers --key-file "
	    "key.txt --key-env MY_TOKEN --max-tokens 5");
}

static void
a_mask_that_does_not_fit_shows_nothing(void **state)
{
	static const char *const argv[] = {"token=abc123", NULL};
	struct buf out;

	(void)state;
	buf_init(&out, 4);
	put_argv(&out, argv, true);
	assert_true(out.failed);
	assert_true(out.data == NULL || strstr(out.data, "abc") == NULL);
	buf_free(&out);
}

/* ---- settings ---- */

static struct llmill_run_conf
options(void)
{
	static const char *const urls[] = {"https://example.org/v1", NULL};
	struct llmill_run_conf conf;

	llmill_run_conf_init(&conf);
	conf.urls = urls;
	conf.model = "m";
	return conf;
}

/* How often does the object have this key at its top? */
static size_t
count_key(struct span object, const char *name)
{
	struct buf scratch;
	struct span key;
	struct span raw;
	size_t at = 0;
	size_t count = 0;

	buf_init(&scratch, 1 << 16);
	while (json_next_member(object, &at, &scratch, &key, &raw))
		count += span_equals(key, span_of(name));
	buf_free(&scratch);
	return count;
}

static void
settings_hold_header_names_but_no_value_and_no_key(void **state)
{
	static const char *const headers[] = {"X-Team: hush-hush",
	    "Authorization: Bearer " KEY, "no colon hush-hush", NULL};
	struct llmill_run_conf conf = options();
	struct backend backend = {
	    .key_source = "$OPENAI_API_KEY",
	    .urls[0].base = (char[]){"https://example.org/v1"},
	    .servers[0].weight = 1,
	    .chat.endpoint_count = 1,
	    .chat.key = {(char[]){KEY}, sizeof(KEY) - 1},
	};
	struct buf out;
	struct err err;
	struct json *json;
	struct json *names;

	(void)state;
	conf.headers = headers;
	buf_init(&out, 1 << 20);
	put_settings(&out, &conf, &backend);
	json = json_parse(buf_span(&out), &err);
	assert_non_null(json);
	names = json_get(json, "headers");
	assert_int_equal(json_count(names), 3);
	assert_true(
	    span_equals(json_string(json_at(names, 0)), span_of("X-Team")));
	assert_true(span_equals(
	    json_string(json_at(names, 1)), span_of("Authorization")));
	assert_true(span_equals(json_string(json_get(json, "key_from")),
	    span_of("$OPENAI_API_KEY")));
	assert_int_equal(json_integer(json_get(json, "workers"), 0), 4);
	assert_null(strstr(out.data, "hush"));
	assert_null(strstr(out.data, KEY));
	json_free(json);
	buf_free(&out);
}

static void
settings_leave_the_plan_to_the_store(void **state)
{
	struct llmill_run_conf conf = options();
	struct backend backend = {0};
	struct buf out;

	(void)state;
	buf_init(&out, 1 << 20);
	put_settings(&out, &conf, &backend);
	assert_int_equal(count_key(buf_span(&out), "plan"), 0);
	assert_int_equal(count_key(buf_span(&out), "workers"), 1);
	buf_free(&out);
}

/* ---- what to type next ---- */

static void
an_unfinished_run_goes_on_by_the_same_command(void **state)
{
	static const char *const argv[] = {
	    "llmill", "run", "a b", "-H", "@h", "--", "cat", NULL};
	struct llmill_run_conf conf = options();
	struct buf out;

	(void)state;
	conf.argv = argv;
	buf_init(&out, 1 << 16);
	put_next_command(&out, &conf, "x.db", false, false);
	assert_string_equal(out.data, "llmill run 'a b' -H @h -- cat");
	buf_free(&out);
}

static void
a_finished_run_says_how_to_look_at_the_answers(void **state)
{
	static const char *const argv[] = {"llmill", "run", "x", NULL};
	static const char *const rest[] = {"a b", NULL};
	struct llmill_run_conf conf = options();
	struct buf out;

	(void)state;
	conf.argv = argv;
	buf_init(&out, 1 << 16);
	put_next_command(&out, &conf, "my runs.db", true, false);
	assert_string_equal(out.data, "llmill status 'my runs.db'");
	buf_clear(&out);
	put_next_command(&out, &conf, NULL, true, false);
	assert_int_equal(out.size, 0);
	conf.rest_argv = rest;
	put_next_command(&out, &conf, "x.db", true, true);
	assert_string_equal(out.data, "llmill run 'a b'");
	buf_clear(&out);
	put_next_command(&out, &conf, "x.db", true, false);
	assert_string_equal(out.data, "llmill status x.db");
	buf_clear(&out);
	conf.argv = NULL; /* a library host has no command line */
	put_next_command(&out, &conf, "x.db", true, false);
	put_next_command(&out, &conf, "x.db", false, false);
	assert_int_equal(out.size, 0);
	buf_free(&out);
}

/* ---- dry runs ---- */

static struct prompts *
some_prompts(void)
{
	struct err err;
	struct prompts *prompts = prompts_new(&err);
	const char *const texts[] = {"twelve bytes", "and eight more b"};

	assert_non_null(prompts);
	for (size_t i = 0; i < 2; i++) {
		struct record record = {.text = span_of(texts[i])};

		assert_int_equal(prompts_add(prompts, &record, &err), 0);
	}
	assert_int_equal(prompts_seal(prompts, &err), 0);
	return prompts;
}

static void
expect_dry_run(const struct llmill_run_conf *conf, const char *const *words)
{
	const uint8_t asked[] = {1, conf->first != 1};
	struct dry dry = {.conf = conf, .asked = asked};
	struct prompts *prompts = some_prompts();
	struct backend backend;
	struct buf out;
	struct err err;

	assert_int_equal(backend_resolve(&backend, conf, &err), 0);
	backend.plan.prompts = prompts;
	backend.chat.prompts = prompts;
	buf_init(&out, 1 << 20);
	dry.backend = &backend;
	dry.prompts = prompts;
	dry_put(&out, &dry);
	assert_false(out.failed);
	for (; *words != NULL; words++)
		if (strstr(out.data, *words) == NULL)
			fail_msg("\"%s\" is not in:\n%s", *words, out.data);
	assert_null(strstr(out.data, KEY));
	buf_free(&out);
	backend_free(&backend);
	prompts_free(prompts);
}

static void
a_dry_run_shows_the_request_without_the_key(void **state)
{
	static const char *const words[] = {
	    "POST https://example.org/v1/chat/completions",
	    "Authorization: Bearer (from $OPENAI_API_KEY)", "\"twelve bytes\"",
	    "\"be brief\"", "2 prompts", "about 11 input tokens",
	    "at most 20 output tokens", "nothing was sent", NULL};
	struct llmill_run_conf conf = options();

	(void)state;
	setenv("OPENAI_API_KEY", KEY, 1);
	conf.system = "be brief"; /* 12 + 16 + 2 × 8 bytes */
	conf.max_tokens = 10;
	expect_dry_run(&conf, words);
	unsetenv("OPENAI_API_KEY");
}

static void
a_dry_run_of_a_command_shows_it_with_its_input(void **state)
{
	static const char *const command[] = {"wc", "-c x", NULL};
	static const char *const words[] = {
	    "command: wc '-c x'", "twelve bytes", "2 prompts", NULL};
	struct llmill_run_conf conf = options();

	(void)state;
	conf.urls = NULL;
	conf.model = NULL;
	conf.command = command;
	expect_dry_run(&conf, words);
}

static void
a_dry_run_counts_only_what_is_chosen(void **state)
{
	static const char *const words[] = {"backend: echo",
	    "prompt:  twelve bytes", "1 prompt to do, about 3 input tokens",
	    NULL};
	struct llmill_run_conf conf = options();

	(void)state;
	conf.backend = "echo";
	conf.first = 1;
	expect_dry_run(&conf, words);
}

static void
one_screen_takes_text_and_none_takes_nothing(void **state)
{
	struct err err;
	int read_end;
	int write_end;
	char got[8] = "";

	(void)state;
	assert_int_equal(fd_pipe(&read_end, &write_end, &err), 0);
	screen_write(write_end, "text");
	screen_write(write_end, NULL);
	screen_write(-1, "text");
	assert_int_equal(read(read_end, got, sizeof(got)), 4);
	assert_memory_equal(got, "text", 4);
	fd_close(&read_end);
	fd_close(&write_end);
}

static void
escaped_text_is_cut_and_safe(void **state)
{
	char out[8];
	char text[256];

	(void)state;
	assert_string_equal(
	    llmill_escape("a\033[1mb", out, sizeof(out)), "a\\x1B[1");
	assert_non_null(
	    strstr(llmill_version_text(text, sizeof(text)), LLMILL_VERSION));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(words_are_quoted_so_that_a_shell_gives_them_back),
	    cmocka_unit_test(what_looks_like_a_key_is_masked),
	    cmocka_unit_test(values_of_headers_are_masked),
	    cmocka_unit_test(what_is_no_key_stays_readable),
	    cmocka_unit_test(a_mask_that_does_not_fit_shows_nothing),
	    cmocka_unit_test(
		settings_hold_header_names_but_no_value_and_no_key),
	    cmocka_unit_test(settings_leave_the_plan_to_the_store),
	    cmocka_unit_test(an_unfinished_run_goes_on_by_the_same_command),
	    cmocka_unit_test(a_finished_run_says_how_to_look_at_the_answers),
	    cmocka_unit_test(a_dry_run_shows_the_request_without_the_key),
	    cmocka_unit_test(a_dry_run_of_a_command_shows_it_with_its_input),
	    cmocka_unit_test(a_dry_run_counts_only_what_is_chosen),
	    cmocka_unit_test(one_screen_takes_text_and_none_takes_nothing),
	    cmocka_unit_test(escaped_text_is_cut_and_safe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
