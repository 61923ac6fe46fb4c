/* SPDX-License-Identifier: ISC */
/*
 * Text for people and terminals.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"

#define MS INT64_C(1000000)
#define S (1000 * MS)

static void
text_decode_and_encode_agree_on_every_character(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 8);
	for (uint32_t code = 0; code <= 0x10FFFF; code++) {
		uint32_t back;

		if (code == 0xD800)
			code = 0xE000;
		buf_clear(&buf);
		text_encode(&buf, code);
		if (text_decode(buf_span(&buf), &back) != buf.size ||
		    back != code)
			fail_msg("U+%04X", code);
	}
	buf_free(&buf);
}

static void
text_encode_never_writes_what_is_no_character(void **state)
{
	static const uint32_t codes[] = {0xD800, 0xDFFF, 0x110000, UINT32_MAX};
	struct buf buf;

	(void)state;
	buf_init(&buf, 8);
	for (size_t i = 0; i < 4; i++) {
		buf_clear(&buf);
		text_encode(&buf, codes[i]);
		assert_string_equal(buf.data, "\xEF\xBF\xBD");
	}
	buf_free(&buf);
}

static void
text_is_utf8_finds_the_first_wrong_byte(void **state)
{
	static const struct {
		const char *text;
		size_t bad;
	} cases[] = {
	    {"\x80", 0}, {"ab\xFF", 2}, {"\xC0\xAF", 0}, /* overlong */
	    {"\xC1\xBF", 0},				 /* overlong */
	    {"\xE0\x80\x80", 0},			 /* overlong */
	    {"\xF0\x80\x80\x80", 0},			 /* overlong */
	    {"\xED\xA0\x80", 0},			 /* surrogate */
	    {"\xED\xBF\xBF", 0},			 /* surrogate */
	    {"\xF4\x90\x80\x80", 0},			 /* past U+10FFFF */
	    {"\xF5\x80\x80\x80", 0},			 /* past U+10FFFF */
	    {"a\xC3", 1},				 /* cut */
	    {"a\xE2\x82", 1},				 /* cut */
	    {"a\xF0\x9F\x98", 1},			 /* cut */
	    {"\xE2\x82x", 0},				 /* broken inside */
	    {"aaaaaaaaaaaaaaa\xFF", 15}, /* behind steps of eight */
	    {"aaaaaaa\xC3\xA4\xFF", 9},	 /* across a step of eight */
	};
	size_t bad;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bad = 999;
		assert_false(text_is_utf8(span_of(cases[i].text), &bad));
		assert_int_equal(bad, cases[i].bad);
		assert_false(text_is_utf8(span_of(cases[i].text), NULL));
	}
	assert_true(text_is_utf8(span_of(""), &bad));
	assert_true(text_is_utf8((struct span){NULL, 0}, &bad));
	assert_true(text_is_utf8((struct span){"\0", 1}, &bad));
	assert_true(text_is_utf8(span_of("naïve € 😀 \xED\x9F\xBF"), &bad));
}

static void
check_escape(struct span text, size_t max, const char *wanted)
{
	struct buf buf;

	buf_init(&buf, 1000);
	text_escape(&buf, text, max);
	assert_string_equal(buf.data, wanted);
	buf_clear(&buf);
	text_escape(&buf, span_of(wanted), 0); /* stays as it is */
	assert_string_equal(buf.data, wanted);
	buf_free(&buf);
}

static void
text_escape_makes_foreign_bytes_harmless(void **state)
{
	(void)state;
	check_escape(span_of("plain äöü € 😀 \\ '"), 0, "plain äöü € 😀 \\ '");
	check_escape(span_of("a\nb\tc\rd"), 0, "a\\nb\\tc\\rd");
	check_escape(
	    span_of("\x1B[31mred\x07\x7F"), 0, "\\x1B[31mred\\x07\\x7F");
	check_escape((struct span){"a\0b", 3}, 0, "a\\x00b");
	check_escape(span_of("\xC2\x9B"
			     "2J"),
	    0, "\\u{009B}2J");
	check_escape(span_of("\xE2\x80\xAE\xE2\x81\xA6\xD8\x9C"), 0,
	    "\\u{202E}\\u{2066}\\u{061C}");
	check_escape(span_of("a\xFF\xC3("), 0, "a\\xFF\\xC3(");
	check_escape(span_of(""), 0, "");
	check_escape((struct span){NULL, 0}, 0, "");
}

static void
text_escape_leaves_no_control_of_any_kind(void **state)
{
	struct buf in;
	struct buf out;

	(void)state;
	buf_init(&in, 8);
	buf_init(&out, 64);
	for (uint32_t code = 0; code < 0x3000; code++) {
		buf_clear(&in);
		buf_clear(&out);
		text_encode(&in, code);
		text_escape(&out, buf_span(&in), 0);
		if (code < 0x20 || (code >= 0x7F && code < 0xA0) ||
		    code == 0x61C || code == 0x200E || code == 0x200F ||
		    (code >= 0x2028 && code <= 0x202E) ||
		    (code >= 0x2066 && code <= 0x2069))
			assert_int_equal(out.data[0], '\\');
		else
			assert_true(span_equals(buf_span(&in), buf_span(&out)));
	}
	buf_free(&in);
	buf_free(&out);
}

static void
text_escape_cuts_at_a_character(void **state)
{
	(void)state;
	check_escape(span_of("abcdef"), 6, "abcdef");
	check_escape(span_of("abcdef"), 5, "abcde…");
	check_escape(span_of("ab€"), 4, "ab…");
	check_escape(span_of("ab€"), 5, "ab€");
}

static void
check_one_line(const char *text, size_t max, const char *wanted)
{
	struct buf buf;

	buf_init(&buf, 1000);
	text_one_line(&buf, span_of(text), max);
	assert_true(span_equals(buf_span(&buf), span_of(wanted)));
	buf_free(&buf);
}

static void
text_one_line_joins_lines_and_blanks(void **state)
{
	(void)state;
	check_one_line("  a \r\n\n\t b  c\n", 0, "a b c");
	check_one_line(" \n\t ", 0, "");
	check_one_line("", 0, "");
	check_one_line("\xFF \xFF", 0, "\xFF \xFF");
}

static void
text_one_line_cuts_at_a_character(void **state)
{
	(void)state;
	check_one_line("ab cd", 5, "ab cd");
	check_one_line("ab cd   ", 5, "ab cd");
	check_one_line("ab cd", 4, "ab c…");
	check_one_line("ab cd", 3, "ab…");
	check_one_line("ab cd", 2, "ab…");
	check_one_line("a€", 3, "a…");
}

static void
text_columns_counts_wide_zero_and_wrong(void **state)
{
	(void)state;
	assert_int_equal(text_columns(span_of("abc")), 3);
	assert_int_equal(text_columns(span_of("äöü")), 3);
	assert_int_equal(text_columns(span_of("a\xCC\x88")), 1);
	assert_int_equal(text_columns(span_of("日本語")), 6);
	assert_int_equal(text_columns(span_of("한국")), 4);
	assert_int_equal(text_columns(span_of("😀")), 2);
	assert_int_equal(text_columns(span_of("ﾊﾝｶｸ")), 4);
	assert_int_equal(text_columns(span_of("שָׁלוֹם")), 4);
	assert_int_equal(text_columns(span_of("\xE2\x80\x8B")), 0);
	assert_int_equal(text_columns(span_of("…█▏")), 3);
	assert_int_equal(text_columns(span_of("\xFF\xFE")), 2);
	assert_int_equal(text_columns(span_of("")), 0);
}

static void
text_fit_cuts_at_a_character_and_keeps_its_marks(void **state)
{
	(void)state;
	assert_int_equal(text_fit(span_of("abc"), 2).size, 2);
	assert_int_equal(text_fit(span_of("abc"), 9).size, 3);
	assert_int_equal(text_fit(span_of("日本"), 3).size, 3);
	assert_int_equal(text_fit(span_of("日本"), 4).size, 6);
	assert_int_equal(text_fit(span_of("a\xCC\x88x"), 1).size, 3);
	assert_int_equal(text_fit(span_of("abc"), 0).size, 0);
}

static void
text_duration_reads_well_at_every_border(void **state)
{
	static const struct {
		int64_t ns;
		const char *text;
	} cases[] = {
	    {-5, "0 ms"},
	    {0, "0 ms"},
	    {340 * MS, "340 ms"},
	    {999 * MS, "999 ms"},
	    {999 * MS + MS / 2, "1.0 s"},
	    {4 * S + 200 * MS, "4.2 s"},
	    {59 * S + 949 * MS, "59.9 s"},
	    {59 * S + 950 * MS, "1 m 0 s"},
	    {200 * S, "3 m 20 s"},
	    {3599 * S + 499 * MS, "59 m 59 s"},
	    {3599 * S + 500 * MS, "1 h 0 m"},
	    {7500 * S, "2 h 5 m"},
	    {7199 * S, "2 h 0 m"},
	    {INT64_MAX, "2562047 h 47 m"},
	};
	char out[24];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(
		    text_duration(cases[i].ns, out, sizeof(out)),
		    cases[i].text);
}

static void
text_count_groups_by_thousands(void **state)
{
	char out[32];

	(void)state;
	assert_string_equal(text_count(0, out, sizeof(out)), "0");
	assert_string_equal(text_count(999, out, sizeof(out)), "999");
	assert_string_equal(text_count(1000, out, sizeof(out)), "1,000");
	assert_string_equal(text_count(1234567, out, sizeof(out)), "1,234,567");
	assert_string_equal(text_count(UINT64_MAX, out, sizeof(out)),
	    "18,446,744,073,709,551,615");
}

/* The shell itself is the judge. */
static void
text_quote_shell_comes_back_from_a_shell(void **state)
{
	static const char *const words[] = {"", "plain", "a b", "it's", "$HOME",
	    "`id`", "a\"b", "back\\slash", "*", "-n", "x;y", "two\nlines", "!x",
	    "~", "#c", "'''", "a=b", "@x,y:z/%+"};

	(void)state;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		struct buf command;
		char back[64];
		size_t got;
		FILE *shell;

		buf_init(&command, 1000);
		buf_add_text(&command, "printf '%s' ");
		text_quote_shell(&command, words[i]);
		shell = popen(command.data, "r");
		assert_non_null(shell);
		got = fread(back, 1, sizeof(back) - 1, shell);
		back[got] = '\0';
		assert_int_equal(pclose(shell), 0);
		assert_string_equal(back, words[i]);
		buf_free(&command);
	}
}

static void
text_quote_shell_leaves_plain_words_alone(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 100);
	text_quote_shell(&buf, "prompts-1.txt");
	assert_string_equal(buf.data, "prompts-1.txt");
	buf_free(&buf);
}

static void
base64_pads_to_four(void **state)
{
	static const char *const rows[][2] = {{"", ""}, {"f", "Zg=="},
	    {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foobar", "Zm9vYmFy"},
	    {"\xff\xfe\xfb", "//77"}};
	struct buf buf;

	(void)state;
	buf_init(&buf, 64);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		buf_clear(&buf);
		text_base64(&buf, span_of(rows[i][0]));
		buf_add_byte(&buf, '\0');
		assert_string_equal(buf.data, rows[i][1]);
	}
	buf_free(&buf);
}

static void
blanks_around_a_text_go(void **state)
{
	static const char *const rows[][2] = {
	    {"a", "a"},
	    {" \t a b\r\n", "a b"},
	    {"", ""},
	    {" \n", ""},
	    {"\xc2\xa0", "\xc2\xa0"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_true(span_equals(
		    text_trim(span_of(rows[i][0])), span_of(rows[i][1])));
	assert_int_equal(text_trim((struct span){"\0 ", 2}).size, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(blanks_around_a_text_go),
	    cmocka_unit_test(base64_pads_to_four),
	    cmocka_unit_test(text_decode_and_encode_agree_on_every_character),
	    cmocka_unit_test(text_encode_never_writes_what_is_no_character),
	    cmocka_unit_test(text_is_utf8_finds_the_first_wrong_byte),
	    cmocka_unit_test(text_escape_makes_foreign_bytes_harmless),
	    cmocka_unit_test(text_escape_leaves_no_control_of_any_kind),
	    cmocka_unit_test(text_escape_cuts_at_a_character),
	    cmocka_unit_test(text_one_line_joins_lines_and_blanks),
	    cmocka_unit_test(text_one_line_cuts_at_a_character),
	    cmocka_unit_test(text_columns_counts_wide_zero_and_wrong),
	    cmocka_unit_test(text_fit_cuts_at_a_character_and_keeps_its_marks),
	    cmocka_unit_test(text_duration_reads_well_at_every_border),
	    cmocka_unit_test(text_count_groups_by_thousands),
	    cmocka_unit_test(text_quote_shell_comes_back_from_a_shell),
	    cmocka_unit_test(text_quote_shell_leaves_plain_words_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
