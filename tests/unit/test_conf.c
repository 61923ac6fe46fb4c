/* SPDX-License-Identifier: ISC */
/*
 * From options to what the library gets: files behind @, headers, body
 * parameters, and options that cannot stand together. Each test works in an
 * empty directory of its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../bin/conf.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))
#define WORDS(...) ((const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

static struct opts opts;
static struct llmill_err err;
static char directory[64];

static int
enter(void **state)
{
	(void)state;
	snprintf(directory, sizeof(directory), "/tmp/test_conf.XXXXXX");
	return mkdtemp(directory) && chdir(directory) == 0 ? 0 : -1;
}

static int
leave(void **state)
{
	char command[128];

	(void)state;
	opts_free(&opts);
	snprintf(command, sizeof(command), "rm -r '%s'", directory);
	return chdir("/") == 0 && system(command) == 0 ? 0 : -1;
}

static void
put_file(const char *path, const void *data, size_t size, mode_t mode)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static void
put_text(const char *path, const char *text)
{
	put_file(path, text, strlen(text), 0600);
}

static int
complete(const char *const *words)
{
	opts_free(&opts);
	memset(&err, 0, sizeof(err));
	if (opts_read(&opts, OPTS_RUN, words, NULL, &err) < 0)
		fail_msg("not even read: %s", err.text);
	return conf_complete(&opts, &err);
}

static void
accept(const char *const *words)
{
	if (complete(words) < 0)
		fail_msg("refused: %s", err.text);
}

static void
refuse(const char *const *words, const char *text)
{
	assert_int_equal(complete(words), -1);
	assert_int_equal(err.status, LLMILL_EXIT_USAGE);
	if (!strstr(err.text, text))
		fail_msg("\"%s\" does not say \"%s\"", err.text, text);
}

static void
conf_gets_what_was_typed(void **state)
{
	(void)state;
	accept(WORDS("a", "b", "--prompt=x", "--range=3:5", "-s", "be brief"));
	assert_string_equal(opts.conf.inputs[1], "b");
	assert_null(opts.conf.inputs[2]);
	assert_string_equal(opts.conf.prompts[0], "x");
	assert_int_equal(opts.conf.range_first, 3);
	assert_int_equal(opts.conf.range_last, 5);
	assert_string_equal(opts.conf.system, "be brief");
	assert_null(opts.conf.params);
	assert_null(opts.conf.headers);
	assert_null(opts.conf.command);
}

static void
options_that_exclude_each_other_are_refused(void **state)
{
	(void)state;
	refuse(WORDS("--db=a", "--no-db"), "--db and --no-db");
	refuse(WORDS("--require-db", "--no-db"), "exclude");
	refuse(WORDS("--new", "--db=a"), "exclude");
	refuse(WORDS("-n3", "--range=1:2"), "exclude");
	refuse(WORDS("--key-file=a", "--key-env=A"), "one key");
	refuse(WORDS("-f", "txt"), "-o FILE");
	refuse(WORDS("-o-", "--json"), "standard output");
	refuse(WORDS("-", "-"), "only once");
	refuse(WORDS("--db", "-"), "--db");
	refuse(WORDS("--log", "-"), "--log");
	accept(WORDS("-o", "a", "-f", "txt", "--json"));
}

static void
system_file_loses_one_newline(void **state)
{
	(void)state;
	put_text("s", "two\n\n");
	accept(WORDS("-s", "@s"));
	assert_string_equal(opts.conf.system, "two\n");
	put_text("s", "none");
	accept(WORDS("-s@s"));
	assert_string_equal(opts.conf.system, "none");
}

static void
system_file_is_refused_when_it_is_no_text(void **state)
{
	(void)state;
	refuse(WORDS("-s", "@missing"), "missing");
	refuse(WORDS("-s", "@."), "-s, --system");
	refuse(WORDS("-s", "@/dev/zero"), "longer than 16777216");
	put_file("s", "a\0b", 3, 0600);
	refuse(WORDS("-s", "@s"), "NUL");
	put_text("s", "\n");
	refuse(WORDS("-s", "@s"), "empty");
}

static void
system_file_may_be_as_long_as_its_cap(void **state)
{
	const size_t cap = (size_t)16 << 20;
	char *text = malloc(cap + 1);

	(void)state;
	assert_non_null(text);
	memset(text, 'x', cap + 1);
	put_file("s", text, cap, 0600);
	accept(WORDS("-s", "@s"));
	assert_int_equal(strlen(opts.conf.system), cap);
	put_file("s", text, cap + 1, 0600);
	refuse(WORDS("-s", "@s"), "longer");
	free(text);
}

static void
body_has_params_then_options(void **state)
{
	static const char *const want[] = {"top_k=20", "x={\"a\":1}",
	    "temperature=0.70", "top_p=1", "seed=-1", "stop=\"END\""};

	(void)state;
	accept(WORDS("--seed=-1", "-p", "top_k=20", "--temperature", "0.70",
	    "-px={\"a\":1}", "--top-p=1", "--stop=END"));
	for (size_t i = 0; i < COUNT(want); i++)
		assert_string_equal(opts.conf.params[i], want[i]);
	assert_null(opts.conf.params[COUNT(want)]);
}

static void
stops_are_json_strings_or_an_array(void **state)
{
	(void)state;
	accept(WORDS("--stop=1"));
	assert_string_equal(opts.conf.params[0], "stop=\"1\"");
	accept(WORDS("--stop=a\"\\b", "--stop=\n\t\001", "--stop=ü"));
	assert_string_equal(opts.conf.params[0],
	    "stop=[\"a\\\"\\\\b\",\"\\u000a\\u0009\\u0001\",\"ü\"]");
}

static void
params_refuse_n_and_what_an_option_said(void **state)
{
	(void)state;
	accept(WORDS("-p", "n=1", "-p", "nn=2"));
	refuse(WORDS("-p", "n=2"), "--repeat N asks each");
	refuse(WORDS("-p", "n=@file"), "one request, one answer");
	refuse(WORDS("-p", "temperature=1", "--temperature=0"),
	    "temperature and --temperature");
	refuse(WORDS("-p", "max_completion_tokens=1", "--max-tokens=2"),
	    "--max-tokens");
	accept(WORDS("-p", "max_completion_tokens=1"));
}

static void
headers_come_typed_and_from_files(void **state)
{
	(void)state;
	put_text("h", "Authorization: Bearer sk-x\r\n\nX-B: c\n");
	accept(WORDS("-H", "X-A: b", "-H", "@h"));
	assert_string_equal(opts.conf.headers[0], "X-A: b");
	assert_string_equal(opts.conf.headers[1], "Authorization: Bearer sk-x");
	assert_string_equal(opts.conf.headers[2], "X-B: c");
	assert_null(opts.conf.headers[3]);
	refuse(WORDS("-H", "@missing"), "missing");
}

static void
headers_that_hold_keys_come_from_files_only(void **state)
{
	static const char *const typed[] = {"Authorization: Bearer sk-zz",
	    "authorization:sk-zz", "API-Key: sk-zz", "x-api-key: sk-zz",
	    "Cookie: sk-zz", "Proxy-Authorization: sk-zz",
	    "Authorization : sk-zz"};

	(void)state;
	for (size_t i = 0; i < COUNT(typed); i++) {
		refuse(WORDS("-H", typed[i]), "-H @FILE");
		assert_null(strstr(err.text, "sk-zz"));
	}
	accept(WORDS("-H", "X-Authorization-Hint: none"));
}

static void
header_file_with_a_key_must_be_ours_alone(void **state)
{
	(void)state;
	put_text("h", "Authorization: Bearer sk-zz\n");
	assert_int_equal(chmod("h", 0620), 0);
	refuse(WORDS("-H", "@h"), "chmod 600");
	assert_null(strstr(err.text, "sk-zz"));
	put_text("h", "X-A: b\n");
	assert_int_equal(chmod("h", 0666), 0);
	accept(WORDS("-H", "@h"));
}

static void
key_env_wants_a_name_and_echoes_nothing(void **state)
{
	(void)state;
	accept(WORDS("--key-env=MY_KEY2"));
	refuse(WORDS("--key-env=sk-zz"), "not the key itself");
	assert_null(strstr(err.text, "sk-zz"));
	refuse(WORDS("--key-env=2KEY"), "not the key itself");
}

static void
written_files_may_not_be_read_ones(void **state)
{
	(void)state;
	put_text("in", "a\n");
	assert_int_equal(link("in", "hard"), 0);
	assert_int_equal(symlink("in", "soft"), 0);
	refuse(WORDS("in", "-o", "in"), "-o in and INPUT in");
	refuse(WORDS("in", "-o", "./in"), "the same file");
	refuse(WORDS("in", "--db", "hard"), "--db hard and INPUT in");
	refuse(WORDS("other", "in", "--log", "soft"), "--log soft");
	refuse(WORDS("--key-file=in", "-o", "in"), "--key-file in");
	accept(WORDS("in", "in", "-o", "out"));
}

static void
written_files_may_not_be_each_other(void **state)
{
	char path[128];

	(void)state;
	refuse(WORDS("-o", "x", "--db", "x"), "-o x and --db x");
	refuse(WORDS("-o", "./x", "--log", ".//x"), "the same file");
	snprintf(path, sizeof(path), "%s/x", directory);
	refuse(WORDS("--db", "x", "--log", path), "--db x and --log");
	assert_int_equal(symlink(".", "here"), 0);
	refuse(WORDS("--db", "x", "--log", "here/x"), "the same file");
	refuse(WORDS("-o", "x", "--db", "x.part"), "--db x.part");
	accept(WORDS("-o", "x", "--db", "y", "--log", "z"));
	accept(WORDS("-o", "/dev/null", "--log", "/dev/null"));
	accept(WORDS("-o", "no/x", "--db", "nor/x"));
}

static void
closed_output_is_noticed_before_anything_is_paid(void **state)
{
	int saved = dup(STDOUT_FILENO);
	int results[3];

	(void)state;
	assert_int_not_equal(saved, -1);
	fflush(stdout);
	assert_non_null(freopen("/dev/null", "r", stdin));
	assert_int_not_equal(dup2(STDIN_FILENO, STDOUT_FILENO), -1);
	results[0] = complete(WORDS("-o-"));
	results[1] = complete(WORDS("--json"));
	results[2] = complete(WORDS("-o", "x"));
	assert_int_not_equal(dup2(saved, STDOUT_FILENO), -1);
	close(saved);
	assert_int_equal(results[0], -1);
	assert_int_equal(results[1], -1);
	assert_int_equal(results[2], 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(conf_gets_what_was_typed),
	    TEST(options_that_exclude_each_other_are_refused),
	    TEST(system_file_loses_one_newline),
	    TEST(system_file_is_refused_when_it_is_no_text),
	    TEST(system_file_may_be_as_long_as_its_cap),
	    TEST(body_has_params_then_options),
	    TEST(stops_are_json_strings_or_an_array),
	    TEST(params_refuse_n_and_what_an_option_said),
	    TEST(headers_come_typed_and_from_files),
	    TEST(headers_that_hold_keys_come_from_files_only),
	    TEST(header_file_with_a_key_must_be_ours_alone),
	    TEST(key_env_wants_a_name_and_echoes_nothing),
	    TEST(written_files_may_not_be_read_ones),
	    TEST(written_files_may_not_be_each_other),
	    TEST(closed_output_is_noticed_before_anything_is_paid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
