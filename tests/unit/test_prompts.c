/* SPDX-License-Identifier: ISC */
/*
 * The block of records: what goes in comes out, sealed or not, in a memfd or
 * without one.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "data/prompts.h"

static const struct span none;

static void
add_text(struct prompts *prompts, const char *text)
{
	struct record record = {.text = span_of(text), .file = 7, .line = 9};

	assert_int_equal(prompts_add(prompts, &record, NULL), 0);
}

static void
assert_span(struct span got, struct span want)
{
	assert_true(span_equals(got, want));
}

static void
prompts_gives_back_plain_texts(void **state)
{
	struct prompts *prompts = prompts_new(NULL);

	(void)state;
	assert_non_null(prompts);
	add_text(prompts, "one");
	add_text(prompts, "");
	add_text(prompts, "three");
	for (int sealed = 0; sealed < 2; sealed++) {
		assert_int_equal(prompts_count(prompts), 3);
		assert_span(prompts_at(prompts, 0).text, span_of("one"));
		assert_span(prompts_at(prompts, 1).text, span_of(""));
		assert_span(prompts_at(prompts, 2).text, span_of("three"));
		assert_span(prompts_at(prompts, 0).body, none);
		assert_span(prompts_at(prompts, 0).custom_id, none);
		assert_int_equal(prompts_at(prompts, 0).line, 0);
		if (!sealed)
			assert_int_equal(prompts_seal(prompts, NULL), 0);
	}
	prompts_free(prompts);
}

static void
prompts_keeps_all_of_a_record(void **state)
{
	struct prompts *prompts = prompts_new(NULL);
	struct record record = {
	    .text = {"a\0b", 3},
	    .body = span_of("{\"messages\":[]}"),
	    .custom_id = span_of(""),
	    .line = 1234567890123,
	};
	struct record got;
	uint32_t file;

	(void)state;
	assert_int_equal(
	    prompts_name_input(prompts, "a.jsonl", &file, NULL), 0);
	assert_int_equal(
	    prompts_name_input(prompts, "b.jsonl", &record.file, NULL), 0);
	add_text(prompts, "before");
	assert_int_equal(prompts_add(prompts, &record, NULL), 0);
	add_text(prompts, "after");
	assert_int_equal(prompts_seal(prompts, NULL), 0);
	got = prompts_at(prompts, 1);
	assert_span(got.text, record.text);
	assert_span(got.body, record.body);
	assert_span(got.custom_id, record.custom_id);
	assert_span(got.fields, none);
	assert_int_equal(got.line, record.line);
	assert_string_equal(prompts_input_name(prompts, got.file), "b.jsonl");
	assert_null(prompts_input_name(prompts, 2));
	assert_span(prompts_at(prompts, 0).text, span_of("before"));
	assert_span(prompts_at(prompts, 2).text, span_of("after"));
	prompts_free(prompts);
}

static void
prompts_keeps_places_when_asked(void **state)
{
	struct prompts *prompts = prompts_new(NULL);

	(void)state;
	prompts_keep_places(prompts);
	add_text(prompts, "x");
	assert_int_equal(prompts_at(prompts, 0).line, 9);
	assert_int_equal(prompts_at(prompts, 0).file, 7);
	prompts_free(prompts);
}

static void
prompts_can_be_empty(void **state)
{
	struct prompts *prompts = prompts_new(NULL);

	(void)state;
	assert_int_equal(prompts_seal(prompts, NULL), 0);
	assert_int_equal(prompts_count(prompts), 0);
	prompts_free(prompts);
	prompts_free(NULL);
}

/* Fill with many and look at all of them. */
static void
fill_and_check(uint32_t count)
{
	struct prompts *prompts = prompts_new(NULL);
	char text[128];

	assert_non_null(prompts);
	for (uint32_t i = 0; i < count; i++) {
		snprintf(text, sizeof text, "%-98u", i);
		add_text(prompts, text);
	}
	assert_int_equal(prompts_seal(prompts, NULL), 0);
	assert_true(prompts_bytes(prompts) <= (98 + 8) * (size_t)count + 16);
	for (uint32_t i = 0; i < count; i += 97) {
		snprintf(text, sizeof text, "%-98u", i);
		assert_span(prompts_at(prompts, i).text, span_of(text));
	}
	prompts_free(prompts);
}

static void
prompts_takes_eight_bytes_beside_a_text(void **state)
{
	(void)state;
	fill_and_check(200000);
}

/* A limit on file sizes must neither kill nor lose anything: not even when
 * it strikes in the middle of growing. */
static void
prompts_survives_a_limit_on_file_size(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		const struct rlimit limit = {3 << 20, 3 << 20};

		if (setrlimit(RLIMIT_FSIZE, &limit) == -1)
			_exit(1);
		fill_and_check(50000);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* What a worker maps cannot be changed by it. */
static void
prompts_is_read_only_once_sealed(void **state)
{
	struct prompts *prompts = prompts_new(NULL);
	int status;
	pid_t pid;

	(void)state;
	add_text(prompts, "safe");
	assert_int_equal(prompts_seal(prompts, NULL), 0);
	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		struct record record = prompts_at(prompts, 0);

		signal(SIGSEGV, SIG_DFL);
		*(volatile char *)(uintptr_t)record.text.data = 'x';
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSEGV);
	prompts_free(prompts);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(prompts_gives_back_plain_texts),
	    cmocka_unit_test(prompts_keeps_all_of_a_record),
	    cmocka_unit_test(prompts_keeps_places_when_asked),
	    cmocka_unit_test(prompts_can_be_empty),
	    cmocka_unit_test(prompts_takes_eight_bytes_beside_a_text),
	    cmocka_unit_test(prompts_survives_a_limit_on_file_size),
	    cmocka_unit_test(prompts_is_read_only_once_sealed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
