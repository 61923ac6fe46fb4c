/* SPDX-License-Identifier: ISC */
/*
 * When two plans are the same, and what is said when they are not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "data/plan.h"
#include "data/prompts.h"

static const char *const words[] = {"eliza", "-v", NULL};
static const char *const glued[] = {"eliza-v", NULL};

static struct prompts *
prompts_of(const char *first, const char *second, const char *body)
{
	struct prompts *prompts = prompts_new(NULL);
	struct record record = {.text = span_of(first)};

	assert_int_equal(prompts_add(prompts, &record, NULL), 0);
	record.text = span_of(second);
	record.body = span_of(body);
	assert_int_equal(prompts_add(prompts, &record, NULL), 0);
	assert_int_equal(prompts_seal(prompts, NULL), 0);
	return prompts;
}

/* Is the digest of the two plans the same? */
static bool
is_same(const struct plan *a, const struct plan *b)
{
	char x[PLAN_DIGEST_BYTES];
	char y[PLAN_DIGEST_BYTES];

	plan_digest(a, x);
	plan_digest(b, y);
	assert_int_equal(strlen(x), 64);
	return strcmp(x, y) == 0;
}

static void
digest_covers_every_prompt(void **state)
{
	struct prompts *prompts[] = {
	    prompts_of("ab", "c", NULL),
	    prompts_of("a", "bc", NULL),
	    prompts_of("ab", "c", "{}"),
	    prompts_of("ab", "d", NULL),
	    prompts_of("ab", "c", NULL),
	};

	(void)state;
	for (size_t i = 1; i < 5; i++) {
		struct plan a = {.prompts = prompts[0], .backend = "http"};
		struct plan b = {.prompts = prompts[i], .backend = "http"};

		assert_int_equal(is_same(&a, &b), i == 4);
	}
	for (size_t i = 0; i < 5; i++)
		prompts_free(prompts[i]);
}

static void
digest_covers_every_setting(void **state)
{
	struct prompts *prompts = prompts_of("a", "b", NULL);
	const struct plan base = {.prompts = prompts,
	    .backend = "exec",
	    .model = span_of("m"),
	    .system = span_of("s"),
	    .params = span_of("{\"n\":1}"),
	    .command = words,
	    .script = "ms=1"};
	struct plan other[6];

	(void)state;
	for (size_t i = 0; i < 6; i++)
		other[i] = base;
	assert_true(is_same(&base, &other[0]));
	other[0].backend = "http";
	other[1].model = span_of(NULL);
	other[2].system = span_of("");
	other[3].params = span_of("{\"n\":2}");
	other[4].command = glued;
	other[5].script = NULL;
	for (size_t i = 0; i < 6; i++)
		assert_false(is_same(&base, &other[i]));
	prompts_free(prompts);
}

static void
a_known_digest_is_taken(void **state)
{
	char hex[PLAN_DIGEST_BYTES];
	const struct plan plan = {.digest = "known"};

	(void)state;
	plan_digest(&plan, hex);
	assert_string_equal(hex, "known");
}

static void
assert_compares(
    const struct plan *old, const struct plan *new, const char *says)
{
	struct err err = {0};
	struct buf settings;

	buf_init(&settings, 10000);
	plan_put_settings(&settings, old);
	if (says == NULL) {
		assert_int_equal(
		    plan_compare(new, buf_span(&settings), &err), 0);
	} else {
		assert_int_equal(
		    plan_compare(new, buf_span(&settings), &err), -1);
		assert_int_equal(err.class, ERR_USAGE);
		assert_string_equal(err.text, says);
	}
	buf_free(&settings);
}

static void
compare_names_what_differs(void **state)
{
	const struct plan old = {.backend = "http",
	    .model = span_of("a"),
	    .params = span_of("{\"t\":0.30}")};
	struct plan new = old;

	(void)state;
	assert_compares(&old, &new, NULL);
	new.model = span_of("b\x1b");
	assert_compares(&old, &new,
	    "model was \"a\", is \"b\\x1B\"; give another --db, or the "
	    "old value");
	new.model = span_of(NULL);
	new.params = span_of("{\"t\":0.3}");
	assert_compares(&old, &new,
	    "model was \"a\", is not set, params was {\"t\":0.30}, is "
	    "{\"t\":0.3}; give another --db, or the old value");
	new = old;
	new.command = words;
	assert_compares(&old, &new,
	    "command was not set, is [\"eliza\",\"-v\"]; give another --db, or "
	    "the "
	    "old value");
}

static void
compare_refuses_settings_it_cannot_read(void **state)
{
	const struct plan plan = {.backend = "http"};

	(void)state;
	assert_int_equal(plan_compare(&plan, span_of("{"), NULL), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(digest_covers_every_prompt),
	    cmocka_unit_test(digest_covers_every_setting),
	    cmocka_unit_test(a_known_digest_is_taken),
	    cmocka_unit_test(compare_names_what_differs),
	    cmocka_unit_test(compare_refuses_settings_it_cannot_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
