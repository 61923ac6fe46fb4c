/* SPDX-License-Identifier: ISC */
/*
 * Command lines, right and wrong. The wrong ones are checked by what the
 * sentence says, because the sentence is all that people get.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../bin/guess.h"
#include "../../bin/opts.h"
#include "../../bin/value.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))
#define S INT64_C(1000000000)

/* The words of one command line, NULL-terminated. */
#define WORDS(...) ((const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

static struct opts opts;
static struct llmill_err err;

static int
clean(void **state)
{
	(void)state;
	opts_free(&opts);
	return 0;
}

static void
accept(const char *const *words)
{
	opts_free(&opts);
	err.text[0] = '\0';
	if (opts_read(&opts, OPTS_RUN, words, NULL, &err) < 0)
		fail_msg("refused: %s", err.text);
}

/* Refused with status 2, and the sentence holds text. */
static void
refuse_for(
    enum opts_command command, const char *const *words, const char *text)
{
	opts_free(&opts);
	memset(&err, 0, sizeof(err));
	assert_int_equal(opts_read(&opts, command, words, NULL, &err), -1);
	assert_int_equal(err.status, LLMILL_EXIT_USAGE);
	if (!strstr(err.text, text))
		fail_msg("\"%s\" does not say \"%s\"", err.text, text);
}

/* Gives the first command that knows the option. */
static enum opts_command
owner(const struct opt *opt)
{
	int command = 0;

	while (!opts_has((enum opts_command)command, opt))
		command++;
	return (enum opts_command)command;
}

static void
refuse(const char *const *words, const char *text)
{
	refuse_for(OPTS_RUN, words, text);
}

static void
long_options_take_values_in_both_ways(void **state)
{
	(void)state;
	accept(WORDS("--workers=8", "--timeout", "5m", "--db=a=b.db"));
	assert_int_equal(opts.conf.workers, 8);
	assert_int_equal(opts.conf.timeout_ns, 300 * S);
	assert_string_equal(opts.conf.db, "a=b.db");
}

static void
short_options_bundle(void **state)
{
	(void)state;
	accept(WORDS("-qj8"));
	assert_int_equal(opts.conf.workers, 8);
	assert_int_equal(opts.conf.verbosity, -1);
	accept(WORDS("-qj", "9"));
	assert_int_equal(opts.conf.workers, 9);
	refuse(WORDS("-j8q"), "\"8q\"");
}

static void
operands_and_options_mix(void **state)
{
	(void)state;
	accept(WORDS("a.txt", "-j8", "-", "--json", "b.txt"));
	assert_int_equal(opts.inputs.count, 3);
	assert_string_equal(opts.inputs.items[0], "a.txt");
	assert_string_equal(opts.inputs.items[1], "-");
	assert_string_equal(opts.inputs.items[2], "b.txt");
	assert_null(opts.inputs.items[3]);
	assert_true(opts.conf.json);
}

static void
what_stands_behind_two_dashes_is_the_command(void **state)
{
	(void)state;
	accept(WORDS("a", "--", "cat", "-j", "--", "--help"));
	assert_int_equal(opts.backend, OPTS_EXEC);
	assert_string_equal(opts.child[0], "cat");
	assert_string_equal(opts.child[3], "--help");
	assert_null(opts.child[4]);
	assert_int_equal(opts.conf.workers, 4);
	refuse(WORDS("a", "--"), "wants a command");
}

static void
last_one_wins_but_lists_grow(void **state)
{
	(void)state;
	accept(WORDS("-j1", "-j2", "--prompt=a", "--prompt", "b"));
	assert_int_equal(opts.conf.workers, 2);
	assert_int_equal(opts.prompts.count, 2);
	assert_string_equal(opts.prompts.items[1], "b");
}

static void
every_url_is_taken(void **state)
{
	(void)state;
	(void)state;
	accept(WORDS("-u", "a", "--url=b,weight=2"));
	assert_int_equal(opts.urls.count, 2);
	assert_string_equal(opts.urls.items[0], "a");
	assert_string_equal(opts.urls.items[1], "b,weight=2");
	assert_null(strstr(err.text, "http://"));
}

static void
quiet_and_verbose_are_settled_by_the_last(void **state)
{
	(void)state;
	accept(WORDS("-v"));
	assert_int_equal(opts.conf.verbosity, 1);
	accept(WORDS("-vvv"));
	assert_int_equal(opts.conf.verbosity, 2);
	accept(WORDS("-vv", "-q"));
	assert_int_equal(opts.conf.verbosity, -1);
	accept(WORDS("-q", "-v"));
	assert_int_equal(opts.conf.verbosity, 1);
}

static void
choices_and_their_short_forms(void **state)
{
	(void)state;
	accept(WORDS("-0"));
	assert_int_equal(opts.conf.input_format, LLMILL_FORMAT_NUL);
	accept(WORDS("--input-format=jsonl", "-ftxt", "--progress", "none"));
	assert_int_equal(opts.conf.input_format, LLMILL_FORMAT_JSONL);
	assert_int_equal(opts.conf.answers.format, LLMILL_FORMAT_TXT);
	assert_int_equal(opts.conf.progress, LLMILL_PROGRESS_NONE);
	refuse(WORDS("-f", "xml"), "jsonl, csv, tsv, txt, nul or openai-batch");
	refuse(WORDS("-f", "TXT"), "it takes jsonl, csv");
}

static void
help_ends_reading(void **state)
{
	(void)state;
	accept(WORDS("-j8", "-h", "--nonsense"));
	assert_true(opts.help);
	refuse(WORDS("--nonsense", "-h"), "--nonsense");
}

static void
limits_are_kept_to_the_last_value(void **state)
{
	(void)state;
	accept(WORDS("-j1"));
	accept(WORDS("-j8192"));
	refuse(WORDS("-j0"), "-j, --workers: \"0\"");
	refuse(WORDS("-j8193"), "from 1 to 8192");
	accept(WORDS("--kill-grace=0", "--retry-delay=0", "--timeout=1ms"));
	refuse(WORDS("--timeout=0"), "from 1ms");
	refuse(WORDS("--timeout=0.0009"), "from 1ms");
	accept(WORDS("-n4294967295"));
	refuse(WORDS("-n4294967296"), "--first");
	refuse(WORDS("--max-answer-bytes=33M"), "32M");
	accept(WORDS("--temperature=0", "--top-p=1"));
	refuse(WORDS("--temperature=-0.1"), "--temperature: \"-0.1\"");
	refuse(WORDS("--top-p=1.01"), "from 0 to 1");
	refuse(WORDS("--seed=1e3"), "--seed: \"1e3\"");
}

static void
values_refuse_nan_negative_empty_and_trailing_garbage(void **state)
{
	static const char *const bad[] = {
	    "nan", "inf", "-1", "", "1x", "0x1", " 1", "99999999999999999999"};

	(void)state;
	for (size_t i = 0; opts_at(i); i++) {
		const struct opt *opt = opts_at(i);
		char label[OPTS_LABEL_SIZE];
		char word[64];

		if (opt->kind < OPTS_COUNT || opt->kind > OPTS_CHOICE ||
		    opt->kind == OPTS_INTEGER || !opt->arg)
			continue;
		for (size_t j = 0; j < COUNT(bad); j++) {
			snprintf(
			    word, sizeof(word), "--%s=%s", opt->name, bad[j]);
			refuse_for(
			    owner(opt), WORDS(word), opts_label(opt, label));
			snprintf(word, sizeof(word), "\"%s\"", bad[j]);
			assert_non_null(strstr(err.text, word));
		}
	}
}

static void
texts_refuse_to_be_empty(void **state)
{
	(void)state;
	refuse(WORDS("--db="), "--db");
	refuse(WORDS("-m", ""), "-m, --model");
	refuse(WORDS("--prompt", ""), "--prompt");
	refuse(WORDS(""), "empty word");
}

static void
forgotten_values_are_noticed(void **state)
{
	(void)state;
	refuse(WORDS("-j"), "wants N");
	refuse(WORDS("--db"), "wants FILE");
	refuse(WORDS("--db", "--json"), "--json follows");
	refuse(WORDS("-m", "--", "cat"), "-- follows");
	accept(WORDS("--db=--json"));
	refuse(WORDS("--json=yes"), "takes no value");
}

static void
long_options_are_not_abbreviated(void **state)
{
	(void)state;
	refuse(WORDS("--work=8"), "did you mean -j, --workers?");
	refuse(WORDS("--time=8"), "did you mean --timeout?");
}

static void
unknown_options_get_the_nearest_one(void **state)
{
	(void)state;
	refuse(WORDS("--worker", "8"),
	    "unknown option --worker; did you mean -j, --workers?");
	refuse(WORDS("--wrokers=8"), "did you mean -j, --workers?");
	refuse(WORDS("--max_tokens=8"), "did you mean --max-tokens?");
	refuse(WORDS("-workers"), "did you mean --workers?");
	refuse(WORDS("--xyzzy"), "\"llmill help run\"");
	refuse(WORDS("-x"), "unknown option -x");
}

static void
options_of_other_programs_are_known_by_their_names(void **state)
{
	static const char *const pairs[][2] = {
	    {"-P", "--workers"},
	    {"--concurrency", "--workers"},
	    {"--jobs", "--workers"},
	    {"--parallel", "--workers"},
	    {"--num-workers", "--workers"},
	    {"--num_workers", "--workers"},
	    {"--retries", "--retry-attempts"},
	    {"--max-retries", "--retry-attempts"},
	    {"--base-url", "--url"},
	    {"--api-base", "--url"},
	    {"--out", "--output"},
	    {"--output-file", "--output"},
	    {"--db-file", "--db"},
	    {"--n", "--first"},
	    {"--verbose", "-v"},
	    {"--quiet", "-q"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(pairs); i++) {
		refuse(WORDS(pairs[i][0]), "did you mean");
		assert_non_null(strstr(err.text, pairs[i][1]));
	}
}

static void
no_option_takes_a_key_and_none_is_echoed(void **state)
{
	static const char *const names[] = {"--api-key", "--key", "--token",
	    "--api_key", "--openai-api-key", "--bearer"};
	char word[64];

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		snprintf(word, sizeof(word), "%s=sk-secret", names[i]);
		refuse(WORDS(word), "--key-file");
		assert_null(strstr(err.text, "secret"));
		refuse(WORDS(names[i], "sk-secret"), "--key-env");
		assert_null(strstr(err.text, "secret"));
	}
	refuse(WORDS("--apykey=sk-secret"), "unknown option --apykey");
	assert_null(strstr(err.text, "secret"));
}

static void
synonyms_are_unique_and_no_options(void **state)
{
	(void)state;
	for (size_t i = 0; opts_at(i); i++) {
		const char *at = opts_at(i)->synonyms;

		while (at && *at) {
			size_t size = strcspn(at, " ");
			char name[64];
			char label[OPTS_LABEL_SIZE];

			snprintf(name, sizeof(name), "%.*s", (int)size, at);
			refuse_for(
			    owner(opts_at(i)), WORDS(name), "did you mean ");
			opts_label(opts_at(i), label);
			if (!strstr(err.text, label))
				fail_msg("%s: %s", name, err.text);
			at += size + strspn(at + size, " ");
		}
	}
}

static void
commands_that_look_take_names_and_few_options(void **state)
{
	(void)state;
	opts_free(&opts);
	assert_int_equal(
	    opts_read(&opts, OPTS_STATUS,
		WORDS("a.db", "--json", "--", "--watch"), NULL, &err),
	    0);
	assert_int_equal(opts.inputs.count, 2);
	assert_string_equal(opts.inputs.items[1], "--watch");
	assert_true(opts.conf.json);
	assert_false(opts.watch);
	assert_null(opts.child);
	refuse_for(OPTS_STATUS, WORDS("-j", "4"), "an option of run");
	refuse_for(OPTS_STATUS, WORDS(""), "no database file");
	refuse_for(OPTS_VERIFY, WORDS("--watch"), "an option of status");
	opts_free(&opts);
	assert_int_equal(opts_read(&opts, OPTS_MERGE,
			     WORDS("a.db", "-o", "x.db"), NULL, &err),
	    0);
	assert_string_equal(opts.conf.output, "x.db");
	assert_int_equal(opts.inputs.count, 1);
	refuse_for(OPTS_MERGE, WORDS("-f", "txt"), "an option of run");
	refuse_for(OPTS_RUN, WORDS("--watch"), "an option of status");
}

static void
options_that_a_backend_does_not_know_are_refused(void **state)
{
	(void)state;
	refuse(WORDS("-m", "x", "--", "cat"), "-m, --model");
	assert_non_null(strstr(err.text, "exec"));
	refuse(WORDS("--connect-timeout=3", "--backend=echo:ms=5"), "echo");
	refuse(WORDS("--max-wait=3", "--backend=echo"), "--max-wait");
	accept(WORDS("--max-wait=3", "--", "cat"));
	accept(WORDS("-m", "x", "--backend=http"));
	accept(WORDS("-j9", "--timeout=3", "--backend=echo"));
}

static void
backend_and_command_must_agree(void **state)
{
	(void)state;
	accept(WORDS("a"));
	assert_int_equal(opts.backend, OPTS_HTTP);
	accept(WORDS("--backend=echo:ms=5"));
	assert_int_equal(opts.backend, OPTS_ECHO);
	refuse(WORDS("--backend=foo"), "\"foo\"");
	refuse(WORDS("--backend=echoes"), "\"echoes\"");
	refuse(WORDS("--backend=exec"), "wants a command");
	refuse(WORDS("--backend=http", "--", "cat"), "runs no command");
}

static void
check_takes_its_own_options_only(void **state)
{
	(void)state;
	opts_free(&opts);
	assert_int_equal(
	    opts_read(&opts, OPTS_CHECK, WORDS("-m", "x", "-v"), NULL, &err),
	    0);
	refuse_for(OPTS_CHECK, WORDS("--db=x"), "an option of run");
	refuse_for(OPTS_CHECK, WORDS("-j8"), "an option of run");
	refuse_for(OPTS_CHECK, WORDS("--modle=x"), "-m, --model");
}

/* The usage text names defaults; the library has them. */
static void
defaults_in_the_table_are_the_librarys(void **state)
{
	unsigned compared = 0;

	(void)state;
	accept(WORDS("a"));
	for (size_t i = 0; opts_at(i); i++) {
		const struct opt *opt = opts_at(i);
		const void *field = (const char *)&opts + opt->at;
		uint64_t number;
		int64_t ns;

		if (!opt->normal)
			continue;
		if (opt->kind == OPTS_COUNT &&
		    value_count(opt->normal, &number)) {
			assert_int_equal(*(const uint32_t *)field, number);
			compared++;
		} else if (opt->kind == OPTS_DURATION &&
			   value_duration(opt->normal, &ns)) {
			assert_int_equal(*(const int64_t *)field, ns);
			compared++;
		}
	}
	assert_int_equal(compared, 13);
	assert_int_equal(opts.conf.max_answer_bytes, 8 << 20);
}

static void
table_is_well_formed(void **state)
{
	(void)state;
	assert_null(opts_at(OPTS_MOST)); /* struct opts has a place for each */
	for (size_t i = 0; opts_at(i); i++) {
		const struct opt *opt = opts_at(i);

		assert_true(opt->letter || opt->name);
		assert_true(opts_group(opt) < OPTS_GROUP_COUNT);
		assert_non_null(opt->help);
		assert_true(opt->at > 0 || opt->kind == OPTS_LIST ||
			    opt->kind == OPTS_FLAG);
		if (opt->arg)
			assert_null(strchr(opt->arg, ' '));
		for (size_t j = 0; j < i; j++) {
			assert_true(
			    !opt->letter || opt->letter != opts_at(j)->letter);
			assert_true(!opt->name || !opts_at(j)->name ||
				    strcmp(opt->name, opts_at(j)->name) != 0);
		}
	}
}

static void
given_knows_what_was_typed(void **state)
{
	(void)state;
	accept(WORDS("-j8", "--json"));
	assert_true(opts_given(&opts, "workers"));
	assert_true(opts_given(&opts, "json"));
	assert_false(opts_given(&opts, "db"));
}

static void
distance_counts_slips(void **state)
{
	char longer[GUESS_NAME_MAX + 2];

	(void)state;
	assert_int_equal(guess_distance("run", "run"), 0);
	assert_int_equal(guess_distance("run", "rnu"), 1);
	assert_int_equal(guess_distance("run", "rum"), 1);
	assert_int_equal(guess_distance("run", "runs"), 1);
	assert_int_equal(guess_distance("run", ""), 3);
	assert_int_equal(guess_distance("kitten", "sitting"), 3);
	memset(longer, 'a', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(guess_distance(longer, longer), GUESS_FAR);
	assert_int_equal(guess_distance(longer + 1, longer + 1), 0);
}

static void
long_unknown_names_do_no_harm(void **state)
{
	char word[5000] = "--";

	(void)state;
	memset(word + 2, 'a', sizeof(word) - 3);
	word[sizeof(word) - 1] = '\0';
	refuse(WORDS(word), "unknown option --aaa");
	assert_true(strlen(err.text) < 200);
	word[4000] = '=';
	refuse(WORDS(word), "unknown option --aaa");
	memcpy(word, "--db", 4);
	refuse(WORDS("--timeout", word + 1), "-db");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(long_options_take_values_in_both_ways),
	    cmocka_unit_test(short_options_bundle),
	    cmocka_unit_test(operands_and_options_mix),
	    cmocka_unit_test(what_stands_behind_two_dashes_is_the_command),
	    cmocka_unit_test(last_one_wins_but_lists_grow),
	    cmocka_unit_test(every_url_is_taken),
	    cmocka_unit_test(quiet_and_verbose_are_settled_by_the_last),
	    cmocka_unit_test(choices_and_their_short_forms),
	    cmocka_unit_test(help_ends_reading),
	    cmocka_unit_test(limits_are_kept_to_the_last_value),
	    cmocka_unit_test(
		values_refuse_nan_negative_empty_and_trailing_garbage),
	    cmocka_unit_test(texts_refuse_to_be_empty),
	    cmocka_unit_test(forgotten_values_are_noticed),
	    cmocka_unit_test(long_options_are_not_abbreviated),
	    cmocka_unit_test(unknown_options_get_the_nearest_one),
	    cmocka_unit_test(
		options_of_other_programs_are_known_by_their_names),
	    cmocka_unit_test(no_option_takes_a_key_and_none_is_echoed),
	    cmocka_unit_test(synonyms_are_unique_and_no_options),
	    cmocka_unit_test(commands_that_look_take_names_and_few_options),
	    cmocka_unit_test(options_that_a_backend_does_not_know_are_refused),
	    cmocka_unit_test(backend_and_command_must_agree),
	    cmocka_unit_test(check_takes_its_own_options_only),
	    cmocka_unit_test(defaults_in_the_table_are_the_librarys),
	    cmocka_unit_test(table_is_well_formed),
	    cmocka_unit_test(given_knows_what_was_typed),
	    cmocka_unit_test(distance_counts_slips),
	    cmocka_unit_test(long_unknown_names_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, clean);
}
