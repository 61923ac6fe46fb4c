/* SPDX-License-Identifier: ISC */
/*
 * How the end of a merge is said, to people and to scripts.
 */
#include "view/merged.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "data/merge.h"

#define TEXT_MAX_BYTES 100000

static struct merge
some_merge(void)
{
	return (struct merge){
	    .name = "all.db",
	    .shards = 3,
	    .answered = 1990,
	    .failed = 8,
	    .open = 2,
	    .runs = 4,
	    .attempts = 2031,
	    .conflicts = 2,
	    .shown = {{17, "a.db", "b.db"}, {1999, "b.db", "c\x1b[31m.db"}},
	};
}

static void
assert_text(const struct merge *merge, const char *want)
{
	struct buf out;

	buf_init(&out, TEXT_MAX_BYTES);
	merged_render(merge, 0, &out);
	assert_false(out.failed);
	assert_string_equal(out.data, want);
	buf_free(&out);
}

static void
the_block_says_what_was_taken_and_what_was_not(void **state)
{
	struct merge merge = some_merge();

	(void)state;
	assert_text(&merge,
	    "all.db: merged from 3 databases\n"
	    "prompts:  2,000: 1,990 answered, 8 failed, 2 open\n"
	    "kept:     2,031 tries, 4 runs\n"
	    "differ:   2 prompts have different answers; the first named DB's "
	    "was "
	    "taken:\n"
	    "          17: a.db, not b.db\n"
	    "          1999: b.db, not c\\x1B[31m.db\n");
}

static void
what_there_is_not_is_not_said(void **state)
{
	const struct merge merge = {
	    .name = "x.db", .shards = 1, .answered = 1, .attempts = 1};

	(void)state;
	assert_text(&merge, "x.db: merged from 1 database\n"
			    "prompts:  1: 1 answered\n"
			    "kept:     1 try\n");
}

static void
more_conflicts_than_are_listed_are_hinted_at(void **state)
{
	struct merge merge = some_merge();
	struct buf out;

	(void)state;
	for (int i = 0; i < MERGE_SHOWN; i++)
		merge.shown[i] = (struct merge_conflict){i + 1, "a", "b"};
	merge.conflicts = MERGE_SHOWN + 1;
	buf_init(&out, TEXT_MAX_BYTES);
	merged_render(&merge, 0, &out);
	assert_non_null(strstr(out.data, "differ:   21 prompts have"));
	assert_non_null(
	    strstr(out.data, "          20: a, not b\n          …\n"));
	buf_free(&out);
}

static void
json_leaves_nothing_out(void **state)
{
	struct merge merge = some_merge();
	struct json *root;
	struct json *second;
	struct buf out;

	(void)state;
	buf_init(&out, TEXT_MAX_BYTES);
	merge.missing = 5;
	merge.first_missing = 3;
	merged_render_json(&merge, &out);
	assert_ptr_equal(
	    memchr(out.data, '\n', out.size), out.data + out.size - 1);
	root = json_parse(buf_span(&out), NULL);
	assert_non_null(root);
	assert_int_equal(json_integer(json_get(root, "merged"), -1), 3);
	assert_int_equal(json_integer(json_get(root, "total"), -1), 2000);
	assert_int_equal(json_integer(json_get(root, "answered"), -1), 1990);
	assert_int_equal(json_integer(json_get(root, "failed"), -1), 8);
	assert_int_equal(json_integer(json_get(root, "open"), -1), 2);
	assert_int_equal(json_integer(json_get(root, "attempts"), -1), 2031);
	assert_int_equal(json_integer(json_get(root, "runs"), -1), 4);
	assert_int_equal(json_integer(json_get(root, "conflicts"), -1), 2);
	assert_int_equal(json_count(json_get(root, "first_conflicts")), 2);
	second = json_at(json_get(root, "first_conflicts"), 1);
	assert_int_equal(json_integer(json_get(second, "id"), -1), 1999);
	assert_true(span_equals(
	    json_string(json_get(second, "other")), span_of("c\x1b[31m.db")));
	assert_int_equal(json_integer(json_get(root, "missing"), -1), 5);
	assert_int_equal(json_integer(json_get(root, "first_missing"), -1), 3);
	json_free(root);
	buf_clear(&out);
	merge.first_missing = 0;
	merged_render_json(&merge, &out);
	assert_non_null(strstr(out.data, "\"first_missing\":null"));
	assert_non_null(strstr(out.data, "\"plans_differ\":false"));
	buf_free(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_block_says_what_was_taken_and_what_was_not),
	    cmocka_unit_test(what_there_is_not_is_not_said),
	    cmocka_unit_test(more_conflicts_than_are_listed_are_hinted_at),
	    cmocka_unit_test(json_leaves_nothing_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
