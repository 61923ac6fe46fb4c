/* SPDX-License-Identifier: ISC */
/*
 * What -p KEY=VALUE becomes in the request body.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "api/params.h"
#include "base/err.h"
#include "base/json.h"

#include "scratch.h"

/* Build an object of items; expect text, or an error that has these words
 * when it is NULL. */
static void
expect(const char *const *items, const char *text, const char *words)
{
	struct buf out;
	struct err err = {0};
	struct json *json;

	buf_init(&out, 1 << 20);
	if (text == NULL) {
		assert_int_equal(params_build(items, &out, &err), -1);
		assert_int_equal(err.class, ERR_USAGE);
		assert_non_null(strstr(err.text, words));
		buf_free(&out);
		return;
	}
	assert_int_equal(params_build(items, &out, &err), 0);
	assert_string_equal(out.data, text);
	json = json_parse(buf_span(&out), &err);
	assert_non_null(json);
	json_free(json);
	buf_free(&out);
}

static void
expect_one(const char *item, const char *text)
{
	expect((const char *const[]){item, NULL}, text, NULL);
}

static void
expect_refused(const char *item, const char *words)
{
	expect((const char *const[]){item, NULL}, NULL, words);
}

static void
no_items_are_no_object(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 100);
	assert_int_equal(params_build(NULL, &out, NULL), 0);
	assert_int_equal(
	    params_build((const char *const[]){NULL}, &out, NULL), 0);
	assert_int_equal(out.size, 0);
	buf_free(&out);
}

static void
numbers_keep_their_digits(void **state)
{
	(void)state;
	expect_one("temperature=0.30", "{\"temperature\":0.30}");
	expect_one("x=12345678901234567890", "{\"x\":12345678901234567890}");
	expect_one("x=-1.50e+3", "{\"x\":-1.50e+3}");
	expect_one("x=0", "{\"x\":0}");
}

static void
words_of_json_are_json_and_others_strings(void **state)
{
	(void)state;
	expect_one("x=true", "{\"x\":true}");
	expect_one("x=false", "{\"x\":false}");
	expect_one("x=null", "{\"x\":null}");
	expect_one("x=True", "{\"x\":\"True\"}");
	expect_one("x=truely", "{\"x\":\"truely\"}");
	expect_one("x=", "{\"x\":\"\"}");
	expect_one("x=medium", "{\"x\":\"medium\"}");
	expect_one("x=a=b", "{\"x\":\"a=b\"}");
	expect_one("x=NaN", "{\"x\":\"NaN\"}");
}

static void
what_only_begins_like_a_number_is_a_string(void **state)
{
	(void)state;
	expect_one("x=3 wishes", "{\"x\":\"3 wishes\"}");
	expect_one("x=2026-11-23", "{\"x\":\"2026-11-23\"}");
	expect_one("x=007", "{\"x\":\"007\"}");
	expect_one("x=1.", "{\"x\":\"1.\"}");
	expect_one("x=-", "{\"x\":\"-\"}");
	expect_one("x=.5", "{\"x\":\".5\"}");
}

static void
objects_arrays_and_quoted_strings_go_as_they_are(void **state)
{
	(void)state;
	expect_one("x={\"a\": [1, 2.0]}", "{\"x\":{\"a\": [1, 2.0]}}");
	expect_one("stop=[\"\\n\",\"END\"]", "{\"stop\":[\"\\n\",\"END\"]}");
	expect_one("x=\"007\"", "{\"x\":\"007\"}");
	expect_one("x= [1] ", "{\"x\":[1]}");
}

static void
what_starts_like_json_must_be_json(void **state)
{
	(void)state;
	expect_refused("x={oops", "x={oops");
	expect_refused("x=[1,]", "starts like JSON");
	expect_refused("x=\"open", "starts like JSON");
	expect_refused("x={} {}", "starts like JSON");
}

static void
strings_and_keys_are_escaped(void **state)
{
	(void)state;
	expect_one("x=say \"hi\"\n", "{\"x\":\"say \\\"hi\\\"\\n\"}");
	expect_one("a\"b=1", "{\"a\\\"b\":1}");
	expect_one("x=\xc3\xa9", "{\"x\":\"\xc3\xa9\"}");
}

static void
bytes_that_are_no_utf8_are_refused(void **state)
{
	(void)state;
	expect_refused("x=\xff", "UTF-8");
	expect_refused("\xff=1", "UTF-8");
}

static void
an_item_needs_a_key_and_an_equals_sign(void **state)
{
	(void)state;
	expect_refused("temperature", "KEY=VALUE");
	expect_refused("=1", "KEY=VALUE");
	expect_refused("", "KEY=VALUE");
}

static void
keys_with_an_option_of_their_own_are_refused_with_a_hint(void **state)
{
	(void)state;
	expect_refused("model=x", "-m");
	expect_refused("messages=[]", "-s");
	expect_refused("stream=true", "stream");
	expect_one("models=x", "{\"models\":\"x\"}");
	expect_one("Model=x", "{\"Model\":\"x\"}");
}

static void
keys_are_sorted_and_the_last_of_the_same_counts(void **state)
{
	static const char *const items[] = {
	    "b=1", "a=1", "c=1", "a=2", "ab=1", "b=2", "b=3", NULL};

	(void)state;
	expect(items, "{\"a\":2,\"ab\":1,\"b\":3,\"c\":1}", NULL);
}

static void
the_same_set_in_another_order_is_the_same_text(void **state)
{
	static const char *const one[] = {"a=1", "b=x", "c={}", NULL};
	static const char *const other[] = {"c={}", "b=x", "a=1", NULL};

	(void)state;
	expect(one, "{\"a\":1,\"b\":\"x\",\"c\":{}}", NULL);
	expect(other, "{\"a\":1,\"b\":\"x\",\"c\":{}}", NULL);
}

static void
a_bad_item_after_good_ones_is_found(void **state)
{
	static const char *const items[] = {"a=1", "b=2", "c={", "d=4", NULL};

	(void)state;
	expect(items, NULL, "c={");
}

static void
files_are_read_by_the_same_rule(void **state)
{
	(void)state;
	scratch_write("schema", " {\"type\": 0.30}\n", 16);
	scratch_write("text", "two\nlines", 9);
	scratch_write("number", "0.30\n", 5);
	scratch_write("broken", "{\"type\"", 7);
	scratch_write("empty", "", 0);
	expect_one("x=@schema", "{\"x\":{\"type\": 0.30}}");
	expect_one("x=@text", "{\"x\":\"two\\nlines\"}");
	expect_one("x=@number", "{\"x\":0.30}");
	expect_one("x=@empty", "{\"x\":\"\"}");
	expect_refused("x=@broken", "starts like JSON");
	expect_refused("x=@missing", "cannot read missing");
	expect_refused("x=@.", "cannot read .");
}

static void
want_of_room_is_want_of_memory(void **state)
{
	static const char *const items[] = {"a=1234567890", NULL};
	struct buf out;
	struct err err = {0};

	(void)state;
	buf_init(&out, 8);
	assert_int_equal(params_build(items, &out, &err), -1);
	assert_int_equal(err.class, ERR_MEMORY);
	buf_free(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(no_items_are_no_object),
	    cmocka_unit_test(numbers_keep_their_digits),
	    cmocka_unit_test(words_of_json_are_json_and_others_strings),
	    cmocka_unit_test(what_only_begins_like_a_number_is_a_string),
	    cmocka_unit_test(objects_arrays_and_quoted_strings_go_as_they_are),
	    cmocka_unit_test(what_starts_like_json_must_be_json),
	    cmocka_unit_test(strings_and_keys_are_escaped),
	    cmocka_unit_test(bytes_that_are_no_utf8_are_refused),
	    cmocka_unit_test(an_item_needs_a_key_and_an_equals_sign),
	    cmocka_unit_test(
		keys_with_an_option_of_their_own_are_refused_with_a_hint),
	    cmocka_unit_test(keys_are_sorted_and_the_last_of_the_same_counts),
	    cmocka_unit_test(the_same_set_in_another_order_is_the_same_text),
	    cmocka_unit_test(a_bad_item_after_good_ones_is_found),
	    cmocka_unit_test_setup_teardown(
		files_are_read_by_the_same_rule, scratch_enter, scratch_leave),
	    cmocka_unit_test(want_of_room_is_want_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
