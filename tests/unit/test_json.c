/* SPDX-License-Identifier: ISC */
/*
 * What is JSON and what is not, what is kept, and the raw text of members.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/json.h"
#include "base/scan.h"
#include "base/text.h"

#define BYTES(literal) ((struct span){literal, sizeof(literal) - 1})
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct json *
parse(const char *text)
{
	struct err err;
	struct json *root = json_parse(span_of(text), &err);

	if (root == NULL)
		fail_msg("%s: %s", text, err.text);
	return root;
}

static void
assert_span(struct span span, const char *wanted)
{
	if (!span_equals(span, span_of(wanted)))
		fail_msg("\"%.*s\" is not \"%s\"", (int)span.size, span.data,
		    wanted);
}

static void
json_parse_takes_all_that_is_right(void **state)
{
	static const char *const texts[] = {"null", "true", "false", "0", "-0",
	    "12", "-1.5e+10", "1E5", "0.30", "1e999", "\"\"", "\"a\"", "[]",
	    "{}", " [ 1 , 2 ] ", "\t\r\n{ \"a\" : [ ] }\n",
	    "\"\\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u00e4\"", "\"\\u0000\"",
	    "\"\\ud83d\\ude00\"", "\"\\ud800\"", "\"\x7F\"", "\"äöü €😀\"",
	    "123456789012345678901234567890", "[[],{},[{}]]",
	    "{\"a\":1,\"a\":2}", "\xEF\xBB\xBF{}"};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++)
		json_free(parse(texts[i]));
}

static void
json_parse_refuses_the_rest_with_its_place(void **state)
{
	static const struct {
		struct span text;
		const char *at;
	} cases[] = {
	    {BYTES(""), "at byte 0"},
	    {BYTES("  "), "at byte 2"},
	    {BYTES("\xEF\xBB\xBF"), "at byte 3"},
	    {BYTES("NaN"), "at byte 0"},
	    {BYTES("[Infinity]"), "at byte 1"},
	    {BYTES("-Infinity"), "at byte 1"},
	    {BYTES("nul"), "at byte 0"},
	    {BYTES("nullx"), "at byte 4"},
	    {BYTES("True"), "at byte 0"},
	    {BYTES("01"), "at byte 1"},
	    {BYTES("-01"), "at byte 2"},
	    {BYTES("00"), "at byte 1"},
	    {BYTES("1."), "at byte 2"},
	    {BYTES(".5"), "at byte 0"},
	    {BYTES("+1"), "at byte 0"},
	    {BYTES("-"), "at byte 1"},
	    {BYTES("1e"), "at byte 2"},
	    {BYTES("1e+"), "at byte 3"},
	    {BYTES("0x10"), "at byte 1"},
	    {BYTES("1 2"), "at byte 2"},
	    {BYTES("{}{}"), "at byte 2"},
	    {BYTES("[1]\0"), "at byte 3"},
	    {BYTES("[1,]"), "at byte 3"},
	    {BYTES("[1 2]"), "at byte 3"},
	    {BYTES("[,1]"), "at byte 1"},
	    {BYTES("[1"), "at byte 2"},
	    {BYTES("]"), "at byte 0"},
	    {BYTES("[1}"), "at byte 2"},
	    {BYTES("{\"a\":1,}"), "at byte 7"},
	    {BYTES("{\"a\" 1}"), "at byte 5"},
	    {BYTES("{\"a\"}"), "at byte 4"},
	    {BYTES("{a:1}"), "at byte 1"},
	    {BYTES("{1:1}"), "at byte 1"},
	    {BYTES("{\"a\":}"), "at byte 5"},
	    {BYTES("{\"a\":1"), "at byte 6"},
	    {BYTES("'a'"), "at byte 0"},
	    {BYTES("\"a"), "at byte 2"},
	    {BYTES("\"a\nb\""), "at byte 2"},
	    {BYTES("\"a\0b\""), "at byte 2"},
	    {BYTES("\"\x1F\""), "at byte 1"},
	    {BYTES("\"\\x41\""), "at byte 2"},
	    {BYTES("\"\\u12G4\""), "at byte 5"},
	    {BYTES("\"\\u123\""), "at byte 6"},
	    {BYTES("\"\\"), "at byte 2"},
	    {BYTES("\"\xFF\""), "at byte 1"},
	    {BYTES("\"\xED\xA0\x80\""), "at byte 1"},
	    {BYTES("\xEF\xBB\xBF[1,]"), "at byte 6"},
	    {BYTES("/*x*/1"), "at byte 0"},
	    {BYTES("[1]\v"), "at byte 3"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct err err = {0};
		struct json *root = json_parse(cases[i].text, &err);

		if (root != NULL)
			fail_msg("%s was taken", cases[i].text.data);
		assert_int_equal(err.class, ERR_INPUT);
		if (strstr(err.text, cases[i].at) == NULL)
			fail_msg("%s: %s", cases[i].text.data, err.text);
		assert_null(json_parse(cases[i].text, NULL));
	}
	assert_null(json_parse((struct span){NULL, 0}, NULL));
}

/* Gives levels of arrays or objects around a number. */
static struct span
nest(char *out, unsigned levels, bool keyed)
{
	char *at = out;

	for (unsigned i = 0; i < levels; i++)
		at = stpcpy(at, keyed ? "{\"a\":" : "[");
	at = stpcpy(at, "1");
	for (unsigned i = 0; i < levels; i++)
		at = stpcpy(at, keyed ? "}" : "]");
	return span_of(out);
}

static void
json_parse_nests_64_levels_and_no_more(void **state)
{
	char text[1000];
	struct err err;

	(void)state;
	for (int keyed = 0; keyed < 2; keyed++) {
		struct span right = nest(text, SCAN_DEPTH_MAX, keyed);
		struct json *root = json_parse(right, NULL);
		struct span wrong;

		assert_non_null(root);
		json_free(root);
		wrong = nest(text, SCAN_DEPTH_MAX + 1, keyed);
		assert_null(json_parse(wrong, &err));
		assert_int_equal(err.class, ERR_INPUT);
		assert_non_null(strstr(err.text, "nested too deep at byte "));
		assert_null(json_parse_lenient(wrong, &err));
		assert_int_equal(err.class, ERR_INPUT);
	}
}

static void
json_parse_survives_any_cut(void **state)
{
	static const char text[] =
	    "{\"a\":[1,-2.5e3,true,null,\"\\u00e4\\n€\"],\"b\":{\"c\":false}}";

	(void)state;
	for (size_t size = 0; size < sizeof(text) - 1; size++)
		assert_null(json_parse((struct span){text, size}, NULL));
	json_free(parse(text));
}

static void
json_get_goes_through_what_is_not_there(void **state)
{
	struct json *root =
	    parse("{\"a\":{\"b\":[10,\"x\"]},\"n\":null,\"t\":true}");

	(void)state;
	assert_true(json_is_object(root));
	assert_int_equal(json_count(root), 3);
	assert_int_equal(
	    json_integer(json_at(json_get(json_get(root, "a"), "b"), 0), -1),
	    10);
	assert_null(json_get(root, "n"));
	assert_null(json_get(root, "no"));
	assert_null(json_get(json_get(root, "no"), "b"));
	assert_null(json_at(root, 0));
	assert_null(json_at(json_get(json_get(root, "a"), "b"), 2));
	assert_null(json_string(json_get(root, "t")).data);
	assert_int_equal(json_integer(json_get(root, "t"), 7), 7);
	assert_int_equal(json_count(NULL), 0);
	assert_false(json_is_object(NULL) || json_is_array(NULL) ||
		     json_is_string(NULL) || json_is_number(NULL));
	json_free(root);
	json_free(NULL);
}

static void
json_null_can_be_a_root(void **state)
{
	struct json *root = parse(" null ");

	(void)state;
	assert_false(json_is_object(root) || json_is_array(root) ||
		     json_is_string(root) || json_is_number(root));
	assert_span(json_text(root), "null");
	json_free(root);
}

static void
json_strings_keep_nul_and_repair_lone_surrogates(void **state)
{
	struct json *root =
	    parse("[\"a\\u0000b\",\"\\ud83d\\ude00\",\"\\ud800x\",\"\"]");
	struct span first = json_string(json_at(root, 0));

	(void)state;
	assert_int_equal(first.size, 3);
	assert_memory_equal(first.data, "a\0b", 3);
	assert_span(json_string(json_at(root, 1)), "😀");
	assert_span(json_string(json_at(root, 2)), "\xEF\xBF\xBDx");
	assert_span(json_string(json_at(root, 3)), "");
	json_free(root);
}

static void
json_integers_stay_within_64_bits(void **state)
{
	struct json *root = parse("[9223372036854775807,-9223372036854775808,"
				  "99999999999999999999,-99999999999999999999,"
				  "12.9,1e300,-1e300]");
	static const int64_t wanted[] = {INT64_MAX, INT64_MIN, INT64_MAX,
	    INT64_MIN, 12, INT64_MAX, INT64_MIN};

	(void)state;
	for (size_t i = 0; i < COUNT(wanted); i++)
		assert_true(json_integer(json_at(root, i), 0) == wanted[i]);
	json_free(root);
}

static void
json_text_keeps_digits_and_slashes(void **state)
{
	struct json *root = parse("{\"a\" : [0.30, 1e5, \"x/y\", {}, null]}");

	(void)state;
	assert_span(json_text(root), "{\"a\":[0.30,1e5,\"x/y\",{},null]}");
	assert_span(
	    json_text(json_get(root, "a")), "[0.30,1e5,\"x/y\",{},null]");
	assert_span(json_text(NULL), "null");
	json_free(root);
}

static void
json_lenient_reads_what_a_paid_answer_may_look_like(void **state)
{
	static const struct {
		struct span text;
		struct span value; /* of member "a" */
	} cases[] = {
	    {BYTES("{\"a\":\"x\",}"), BYTES("x")},
	    {BYTES("/* hi */ {\"a\":\"x\"}"), BYTES("x")},
	    {BYTES("\xEF\xBB\xBF {\"a\":\"x\"}"), BYTES("x")},
	    {BYTES("{\"a\":\"x\xFFy\"}"), BYTES("x\xFFy")},
	    {BYTES("{\"a\":\"x\ny\"}"), BYTES("x\ny")},
	    {BYTES("{\"a\":\"x\0y\"}"), BYTES("x\0y")},
	    {BYTES("{\"a\":\"\\u0000\\ud800\"}"), BYTES("\0\xEF\xBF\xBD")},
	    {BYTES("{\"n\":12345678901234567890,\"a\":\"x\"}"), BYTES("x")},
	    {BYTES("{\"n\":NaN,\"a\":\"x\"}"), BYTES("x")},
	    {BYTES("{\"a\":\"x\"}\n\n{}"), BYTES("x")},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct err err;
		struct json *root = json_parse_lenient(cases[i].text, &err);

		if (root == NULL)
			fail_msg("%s: %s", cases[i].text.data, err.text);
		assert_true(span_equals(
		    json_string(json_get(root, "a")), cases[i].value));
		json_free(root);
	}
}

static void
json_lenient_takes_nan_for_no_integer(void **state)
{
	struct json *root = json_parse_lenient(span_of("[NaN]"), NULL);

	(void)state;
	assert_non_null(root);
	assert_int_equal(json_integer(json_at(root, 0), 5), 5);
	json_free(root);
}

static void
json_lenient_refuses_what_is_none(void **state)
{
	static const char *const texts[] = {"", " ", "<html>",
	    "{\"a\":", "{\"a\":\"x", "[1", "{\"a\" 1}", "upstream error"};
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		assert_null(json_parse_lenient(span_of(texts[i]), &err));
		assert_int_equal(err.class, ERR_INPUT);
		assert_non_null(strstr(err.text, "at byte "));
	}
	assert_null(json_parse_lenient((struct span){NULL, 0}, &err));
	assert_null(json_parse_lenient(BYTES("\0\0"), &err));
}

static void
json_next_member_gives_exact_raw_text(void **state)
{
	static const struct {
		const char *key;
		const char *raw;
	} wanted[] = {{"a", "0.30"}, {"big", "123456789012345678901"},
	    {"s", "\"} , \\\" ] \\u0041\""}, {"o", "{ \"x\" : [ 1 , 2 ] }"},
	    {"kéy\"A😀", "[ ]"}, {"", "null"}, {"a", "true"}};
	const struct span text = span_of(
	    "\xEF\xBB\xBF { \"a\" : 0.30 ,\"big\":123456789012345678901,"
	    "\"s\": \"} , \\\" ] \\u0041\" ,\n\"o\" : { \"x\" : [ 1 , 2 ] }\t,"
	    "\"k\\u00e9y\\\"\\u0041\\ud83d\\ude00\":[ ], \"\":null,\"a\":true "
	    "} ");
	struct buf scratch;
	struct span key;
	struct span raw;
	size_t at = 0;

	(void)state;
	json_free(parse(text.data));
	buf_init(&scratch, 1000);
	for (size_t i = 0; i < COUNT(wanted); i++) {
		assert_true(json_next_member(text, &at, &scratch, &key, &raw));
		assert_span(key, wanted[i].key);
		assert_span(raw, wanted[i].raw);
		assert_true(
		    raw.data > text.data && raw.data < text.data + text.size);
	}
	assert_false(json_next_member(text, &at, &scratch, &key, &raw));
	assert_false(json_next_member(text, &at, &scratch, &key, &raw));
	buf_free(&scratch);
}

static void
json_next_member_of_no_object_ends_at_once(void **state)
{
	static const char *const texts[] = {"{}", " { } ", "[1]", "1", "null"};
	struct buf scratch;
	struct span key;
	struct span raw;

	(void)state;
	buf_init(&scratch, 100);
	for (size_t i = 0; i < COUNT(texts); i++) {
		size_t at = 0;

		assert_false(json_next_member(
		    span_of(texts[i]), &at, &scratch, &key, &raw));
	}
	buf_free(&scratch);
}

static void
json_next_item_gives_exact_raw_text(void **state)
{
	static const char *const wanted[] = {
	    "0.30", "\"] , \\\" [\"", "[ 1 , 2 ]", "{ \"x\" : [] }", "null"};
	static const char *const others[] = {"[]", " [ ] ", "{\"a\":1}", "1"};
	const struct span text =
	    span_of(" [ 0.30 ,\"] , \\\" [\", [ 1 , 2 ]\t,\n"
		    "{ \"x\" : [] },null ] ");
	struct span raw;
	size_t at = 0;

	(void)state;
	json_free(parse(text.data));
	for (size_t i = 0; i < COUNT(wanted); i++) {
		assert_true(json_next_item(text, &at, &raw));
		assert_span(raw, wanted[i]);
		assert_true(
		    raw.data > text.data && raw.data < text.data + text.size);
	}
	assert_false(json_next_item(text, &at, &raw));
	assert_false(json_next_item(text, &at, &raw));
	for (size_t i = 0; i < COUNT(others); i++) {
		at = 0;
		assert_false(json_next_item(span_of(others[i]), &at, &raw));
	}
}

static void
json_next_member_tells_a_key_over_the_cap(void **state)
{
	struct buf scratch;
	struct span key;
	struct span raw;
	size_t at = 0;

	(void)state;
	buf_init(&scratch, 3);
	assert_false(json_next_member(
	    span_of("{\"long\":1}"), &at, &scratch, &key, &raw));
	assert_true(scratch.failed);
	buf_free(&scratch);
}

static void
json_decodes_keys_as_the_library_does(void **state)
{
	static const char *const strings[] = {"\"\"", "\"a\\\\\"",
	    "\"\\\"\\/\\b\\f\\n\\r\\t\"", "\"\\u0000\"", "\"\\uD83D\\uDE00\"",
	    "\"\\ud83dx\"", "\"\\ude00\"", "\"\\ud83d\\ud83d\\ude00\"",
	    "\"\\ud83d\\n\"", "\"\\uFFFF\\u07ff\\u0800\"", "\"ä\\u00e4\"",
	    "\"\\ud83d\\u0041\""};
	struct buf buf;

	(void)state;
	buf_init(&buf, 100);
	for (size_t i = 0; i < COUNT(strings); i++) {
		struct json *root = parse(strings[i]);

		buf_clear(&buf);
		scan_decode(&buf, span_of(strings[i]));
		if (!span_equals(buf_span(&buf), json_string(root)))
			fail_msg("%s: %s", strings[i], buf_span(&buf).data);
		json_free(root);
	}
	buf_free(&buf);
}

static void
json_put_writes_what_parses_to_the_same(void **state)
{
	struct span text = BYTES("a\"b\\c/\b\f\n\r\t\x01\x1F\x7F\0 äö😀");
	struct json *root;
	struct buf buf;

	(void)state;
	buf_init(&buf, 1000);
	json_put_string(&buf, text);
	root = json_parse(buf_span(&buf), NULL);
	assert_non_null(root);
	assert_true(span_equals(json_string(root), text));
	json_free(root);
	buf_free(&buf);
}

static void
json_put_replaces_bad_utf8(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 1000);
	json_put_string(&buf, span_of("x\xFF\xE2\x82y\xED\xA0\x80"));
	assert_span(buf_span(&buf), "\"x\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBDy"
				    "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
	assert_true(text_is_utf8(buf_span(&buf), NULL));
	buf_free(&buf);
}

static void
json_put_sets_commas_itself(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 1000);
	buf_add_byte(&buf, '{');
	json_put_text(&buf, "a", span_of("x["));
	json_put_text(&buf, "n", (struct span){NULL, 0});
	json_put_text(&buf, "e", span_of(""));
	json_put_integer(&buf, "i", INT64_MIN);
	json_put_bool(&buf, "t", true);
	json_put_key(&buf, "o");
	buf_add_byte(&buf, '{');
	json_put_bool(&buf, "f", false);
	buf_add_text(&buf, "}}");
	assert_span(buf_span(&buf),
	    "{\"a\":\"x[\",\"n\":null,\"e\":\"\",\"i\":-9223372036854775808,"
	    "\"t\":true,\"o\":{\"f\":false}}");
	buf_free(&buf);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(json_parse_takes_all_that_is_right),
	    cmocka_unit_test(json_parse_refuses_the_rest_with_its_place),
	    cmocka_unit_test(json_parse_nests_64_levels_and_no_more),
	    cmocka_unit_test(json_parse_survives_any_cut),
	    cmocka_unit_test(json_get_goes_through_what_is_not_there),
	    cmocka_unit_test(json_null_can_be_a_root),
	    cmocka_unit_test(json_strings_keep_nul_and_repair_lone_surrogates),
	    cmocka_unit_test(json_integers_stay_within_64_bits),
	    cmocka_unit_test(json_text_keeps_digits_and_slashes),
	    cmocka_unit_test(
		json_lenient_reads_what_a_paid_answer_may_look_like),
	    cmocka_unit_test(json_lenient_takes_nan_for_no_integer),
	    cmocka_unit_test(json_lenient_refuses_what_is_none),
	    cmocka_unit_test(json_next_member_gives_exact_raw_text),
	    cmocka_unit_test(json_next_member_of_no_object_ends_at_once),
	    cmocka_unit_test(json_next_item_gives_exact_raw_text),
	    cmocka_unit_test(json_next_member_tells_a_key_over_the_cap),
	    cmocka_unit_test(json_decodes_keys_as_the_library_does),
	    cmocka_unit_test(json_put_writes_what_parses_to_the_same),
	    cmocka_unit_test(json_put_replaces_bad_utf8),
	    cmocka_unit_test(json_put_sets_commas_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
