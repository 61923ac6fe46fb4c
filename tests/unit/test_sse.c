/* SPDX-License-Identifier: ISC */
/*
 * Server-sent events, by the rules of WHATWG HTML §9.2.6.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "chat/sse.h"

#define CAP_BYTES 1000

/* All events as "name:data|". */
struct heard {
	struct buf text;
	int result;
};

static void
take(void *arg, const struct sse_event *event)
{
	struct heard *heard = arg;

	buf_add(&heard->text, event->name.data, event->name.size);
	buf_add_byte(&heard->text, ':');
	buf_add(&heard->text, event->data.data, event->data.size);
	buf_add_byte(&heard->text, '|');
}

/* Feed two pieces, the first of so many bytes. */
static struct heard
hear(struct span bytes, size_t first, size_t cap_bytes)
{
	struct heard heard = {.result = 0};
	struct sse sse;

	buf_init(&heard.text, 1 << 16);
	sse_init(&sse, cap_bytes);
	heard.result =
	    sse_feed(&sse, (struct span){bytes.data, first}, take, &heard);
	if (heard.result == 0)
		heard.result = sse_feed(&sse,
		    (struct span){bytes.data + first, bytes.size - first}, take,
		    &heard);
	if (heard.result == 0)
		heard.result = sse_end(&sse, take, &heard);
	sse_free(&sse);
	return heard;
}

/* However it is cut in two. */
static void
expect_bytes(const char *bytes, size_t size, const char *want)
{
	for (size_t cut = 0; cut <= size; cut++) {
		struct heard heard =
		    hear((struct span){bytes, size}, cut, CAP_BYTES);

		assert_int_equal(heard.result, 0);
		if (!span_equals(buf_span(&heard.text), span_of(want)))
			fail_msg("cut at %zu: \"%.*s\" is not \"%s\"", cut,
			    (int)heard.text.size, heard.text.data, want);
		buf_free(&heard.text);
	}
}

static void
expect(const char *text, const char *want)
{
	expect_bytes(text, strlen(text), want);
}

static void
an_event_ends_at_a_blank_line(void **state)
{
	(void)state;
	expect("data: a\n\ndata: b\n\n", ":a|:b|");
	expect("\n\n\ndata: a\n\n\n\n", ":a|");
	expect("", "");
}

static void
lines_end_in_three_ways(void **state)
{
	(void)state;
	expect("data: a\r\n\r\ndata: b\r\n\r\n", ":a|:b|");
	expect("data: a\r\rdata: b\r\r", ":a|:b|");
	expect("data: a\r\n\ndata: b\n\r\ndata: c\r\r\n", ":a|:b|:c|");
}

static void
data_lines_are_joined(void **state)
{
	(void)state;
	expect("data: a\ndata: b\ndata:\ndata\ndata: c\n\n", ":a\nb\n\n\nc|");
}

static void
one_blank_behind_the_colon_is_not_data(void **state)
{
	(void)state;
	expect("data:a\n\ndata:  b \n\ndata: \n\n", ":a|: b |:|");
}

static void
comments_and_other_fields_are_passed_over(void **state)
{
	(void)state;
	expect(": ping\n\n:\nid: 7\nretry: 10\nfoo\nbar: data: x\n"
	       " data: x\nDATA: x\ndata: a\n\n",
	    ":a|");
}

static void
a_name_is_of_its_event_only(void **state)
{
	(void)state;
	expect("event: x\nevent: y\ndata: a\n\ndata: b\n\n", "y:a|:b|");
	expect("event: x\n\ndata: b\n\n", ":b|");
}

static void
a_mark_is_skipped_at_the_very_start_only(void **state)
{
	(void)state;
	expect("\xef\xbb\xbf"
	       "data: a\n\n",
	    ":a|");
	expect("\xef\xbb\xbf\xef\xbb\xbf"
	       "data: a\n\ndata: b\n\n",
	    ":b|");
	expect("data: a\n\n\xef\xbb\xbf"
	       "data: b\n\n",
	    ":a|");
}

static void
bytes_are_what_they_are(void **state)
{
	(void)state;
	expect("data: Gr\xc3\xbc\xc3\x9f \xe4\xbd\xa0\n\n",
	    ":Gr\xc3\xbc\xc3\x9f \xe4\xbd\xa0|");
	expect_bytes("data: \xff\xfe\n\n", 10, ":\xff\xfe|");
}

static void
a_nul_is_data(void **state)
{
	static const char text[] = "data: a\0b\n\n";
	struct heard heard =
	    hear((struct span){text, sizeof(text) - 1}, 4, CAP_BYTES);

	(void)state;
	assert_true(
	    span_equals(buf_span(&heard.text), (struct span){":a\0b|", 5}));
	buf_free(&heard.text);
}

static void
the_end_ends_an_event_as_well(void **state)
{
	(void)state;
	expect("data: a\n\ndata: b\n", ":a|:b|");
	expect("data: a\n\ndata: b", ":a|:b|");
	expect("data: a\n\ndata: b\r", ":a|:b|");
	expect("event: x", "");
}

static void
a_line_of_llama_cpp_is_an_error_at_once(void **state)
{
	(void)state;
	expect(
	    "data: a\n\nerror: {\"code\":500}\n\n", ":a|error:{\"code\":500}|");
}

static void
over_the_cap_nothing_more_is_read(void **state)
{
	const char *lines = "data: 123456789\ndata: 12345678\n\ndata: a\n\n";
	const char *line = "data: 1234567890123456\n\ndata: a\n\n";

	(void)state;
	for (size_t cut = 1; cut < 30; cut++) {
		/* Two lines of an event, 18 bytes with their LF. */
		struct heard heard = hear(span_of(lines), cut, 17);

		assert_int_equal(heard.result, -1);
		assert_int_equal(heard.text.size, 0);
		buf_free(&heard.text);
		heard = hear(span_of(lines), cut, 18);
		assert_true(span_equals(buf_span(&heard.text),
		    span_of(":123456789\n12345678|:a|")));
		buf_free(&heard.text);
	}
	for (size_t cut = 1; cut < 22; cut++) {
		struct heard heard = hear(span_of(line), cut, 15);

		assert_int_equal(heard.result, -1);
		assert_int_equal(heard.text.size, 0);
		buf_free(&heard.text);
	}
}

static void
a_cleared_one_begins_anew(void **state)
{
	struct heard heard = {.result = 0};
	struct sse sse;

	(void)state;
	buf_init(&heard.text, 1 << 16);
	sse_init(&sse, 8);
	sse_feed(&sse, span_of("event: x\ndata: a\r"), take, &heard);
	sse_clear(&sse);
	assert_int_equal(sse_feed(&sse,
			     span_of("\xef\xbb\xbf"
				     "data: b\n\n"),
			     take, &heard),
	    0);
	assert_int_equal(
	    sse_feed(&sse, span_of("data: 1234567890"), take, &heard), -1);
	sse_clear(&sse);
	assert_int_equal(
	    sse_feed(&sse, span_of("data: c\n\n"), take, &heard), 0);
	assert_true(span_equals(buf_span(&heard.text), span_of(":b|:c|")));
	sse_free(&sse);
	buf_free(&heard.text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_event_ends_at_a_blank_line),
	    cmocka_unit_test(lines_end_in_three_ways),
	    cmocka_unit_test(data_lines_are_joined),
	    cmocka_unit_test(one_blank_behind_the_colon_is_not_data),
	    cmocka_unit_test(comments_and_other_fields_are_passed_over),
	    cmocka_unit_test(a_name_is_of_its_event_only),
	    cmocka_unit_test(a_mark_is_skipped_at_the_very_start_only),
	    cmocka_unit_test(bytes_are_what_they_are),
	    cmocka_unit_test(a_nul_is_data),
	    cmocka_unit_test(the_end_ends_an_event_as_well),
	    cmocka_unit_test(a_line_of_llama_cpp_is_an_error_at_once),
	    cmocka_unit_test(over_the_cap_nothing_more_is_read),
	    cmocka_unit_test(a_cleared_one_begins_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
