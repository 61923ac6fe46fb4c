/* SPDX-License-Identifier: ISC */
/*
 * Streams of /chat/completions: what their pieces add up to, and when they are
 * whole.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "assert_text.h"
#include "chat/api.h"
#include "chat/stream.h"

#define CAP_BYTES 2000
#define CHUNK(delta, reason)                                                   \
	"data: {\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{" delta   \
	"},\"finish_reason\":" reason "}]}\n\n"
#define TEXT(text) CHUNK("\"content\":\"" text "\"", "null")
#define END CHUNK("", "\"stop\"")
#define DONE "data: [DONE]\n\n"

struct heard {
	struct answer answer;
	struct stream stream;
	struct reply reply;
	size_t fed; /* pieces until nothing more was wanted */
	bool whole;
};

static void
hear(struct heard *heard, const char *text, size_t step)
{
	size_t size = strlen(text);
	bool more = true;

	answer_init(&heard->answer, CAP_BYTES);
	reply_init(&heard->reply);
	stream_init(&heard->stream, &api_openai, &heard->answer, CAP_BYTES);
	heard->fed = 0;
	for (size_t at = 0; more && at < size; at += step, heard->fed++)
		more = stream_feed(
		    &heard->stream, (struct span){text + at,
					size - at < step ? size - at : step});
	if (more)
		stream_end(&heard->stream);
	heard->whole = stream_is_whole(&heard->stream);
	answer_judge(&heard->answer, false, &heard->reply);
}

static void
drop(struct heard *heard)
{
	stream_free(&heard->stream);
	answer_free(&heard->answer);
}

/* Whole or not, in pieces of any size. */
static void
expect(const char *text, bool whole, enum outcome outcome, const char *said)
{
	for (size_t step = 1; step <= strlen(text); step++) {
		struct heard heard;

		hear(&heard, text, step);
		assert_int_equal(heard.whole, whole);
		assert_false(heard.stream.broken);
		assert_int_equal(heard.reply.outcome, outcome);
		assert_text(outcome_trait(outcome)->answers ? heard.reply.text
							    : heard.reply.error,
		    said);
		drop(&heard);
	}
}

static void
pieces_of_text_are_joined(void **state)
{
	(void)state;
	expect(CHUNK("\"role\":\"assistant\",\"content\":\"\"", "null")
		   TEXT("Gr\xc3\xbc") TEXT("\xc3\x9f") TEXT(" dich") END DONE,
	    true, OUTCOME_OK, "Gr\xc3\xbc\xc3\x9f dich");
}

static void
a_reason_or_done_makes_it_whole(void **state)
{
	(void)state;
	expect(TEXT("a") END, true, OUTCOME_OK, "a");
	expect(TEXT("a") DONE, true, OUTCOME_OK, "a");
	expect(CHUNK("\"content\":\"a\"", "\"length\""), true, OUTCOME_LENGTH,
	    "a");
	expect(TEXT("a"), false, OUTCOME_OK, "a"); /* half of it, perhaps */
	expect("", false, OUTCOME_GARBAGE, "no message in the answer");
}

static void
an_event_that_the_end_cuts_off_harms_only_what_is_not_whole(void **state)
{
	(void)state;
	expect(TEXT("a") END "data: [DO", true, OUTCOME_OK, "a");
	expect(TEXT("a") END "data: {\"choi", true, OUTCOME_OK, "a");
	expect(TEXT("a") "data: {\"choi", false, OUTCOME_OK, "a");
	expect(TEXT("a") END "data: [DONE]", true, OUTCOME_OK, "a");
}

static void
token_counts_come_in_a_piece_of_their_own(void **state)
{
	struct heard heard;

	(void)state;
	hear(&heard,
	    TEXT("a") END
	    "data: {\"choices\":[],\"usage\":{"
	    "\"prompt_tokens\":7,\"completion_tokens\":9}}\n\n" DONE,
	    5);
	assert_int_equal(heard.reply.input_tokens, 7);
	assert_int_equal(heard.reply.output_tokens, 9);
	assert_text(heard.reply.model, "m");
	assert_text(heard.reply.finish_reason, "stop");
	drop(&heard);
}

static void
only_the_first_choice_counts(void **state)
{
	(void)state;
	expect("data: {\"choices\":[{\"index\":1,\"delta\":{\"content\":\"b\"},"
	       "\"finish_reason\":\"stop\"}]}\n\n" TEXT("a") END DONE,
	    true, OUTCOME_OK, "a");
}

static void
reasoning_and_refusal_are_kept_apart(void **state)
{
	struct heard heard;

	(void)state;
	hear(&heard,
	    CHUNK("\"reasoning_content\":\"h\"", "null")
		CHUNK("\"reasoning\":\"m\"", "null") TEXT("a") END DONE,
	    9);
	assert_text(heard.reply.text, "a");
	assert_text(heard.reply.reasoning, "hm");
	drop(&heard);
	expect(CHUNK("\"refusal\":\"n\"", "null")
		   CHUNK("\"refusal\":\"o\"", "\"stop\"") DONE,
	    true, OUTCOME_REFUSED, "the model refused: no");
}

static void
calls_of_tools_are_put_together(void **state)
{
	(void)state;
	expect(CHUNK("\"tool_calls\":[{\"index\":0,\"id\":\"t\",\"function\":{"
		     "\"name\":\"w\",\"arguments\":\"\"}}]",
		   "null") CHUNK("\"tool_calls\":[{\"index\":0,\"function\":{"
				 "\"arguments\":\"{}\"}}]",
		   "\"tool_calls\"") DONE,
	    true, OUTCOME_TOOL_CALLS,
	    "[{\"id\":\"t\",\"type\":\"function\",\"function\":"
	    "{\"name\":\"w\",\"arguments\":\"{}\"}}]");
}

static void
an_error_inside_beats_what_was_said(void **state)
{
	(void)state;
	expect(TEXT("half") "data: {\"error\":{\"code\":429,"
			    "\"message\":\"slow\"}}\n\n" END,
	    false, OUTCOME_RATE_LIMITED,
	    "an error instead of an answer: 429 slow");
	expect(TEXT("half") "event: error\ndata: gone\n\n", false,
	    OUTCOME_SERVER_ERROR, "an error instead of an answer: gone");
	expect(TEXT("half") "error: {\"code\":503,\"message\":\"busy\"}\n\n",
	    false, OUTCOME_OVERLOADED,
	    "an error instead of an answer: 503 busy");
}

static void
one_event_that_cannot_be_read_breaks_it(void **state)
{
	static const char *const events[] = {
	    "data: {oh no\n\n", "data: 7\n\n", "data: [1]\n\n", "data: x\n\n"};

	(void)state;
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
		struct heard heard;
		char text[400];

		snprintf(text, sizeof(text), "%s%s%s", TEXT("a"), events[i],
		    END DONE);
		hear(&heard, text, 11);
		assert_true(heard.stream.broken);
		drop(&heard);
	}
}

static void
nothing_behind_done_or_trouble_is_wanted(void **state)
{
	struct heard heard;

	(void)state;
	hear(&heard, TEXT("a") DONE TEXT("b"), 1);
	assert_int_equal(heard.fed, strlen(TEXT("a") DONE));
	assert_text(heard.reply.text, "a");
	drop(&heard);
	hear(&heard, "data: {\"error\":\"no\"}\n\n" TEXT("b"), 1);
	assert_int_equal(heard.fed, strlen("data: {\"error\":\"no\"}\n\n"));
	drop(&heard);
}

static void
more_than_the_cap_is_too_long(void **state)
{
	struct heard heard;
	char text[8 * CAP_BYTES];
	size_t size = 0;

	(void)state;
	while (size + sizeof(TEXT("0123456789")) < sizeof(text))
		size += (size_t)snprintf(
		    text + size, sizeof(text) - size, TEXT("0123456789"));
	for (size_t step = 1; step < 3000; step += 977) {
		hear(&heard, text, step);
		assert_false(heard.answer.too_long); /* 157 of them: 1570 */
		drop(&heard);
	}
	memset(text, 'x', sizeof(text) - 1);
	memcpy(text, "data: ", 6);
	text[sizeof(text) - 1] = '\0';
	hear(&heard, text, 100);
	assert_true(heard.answer.too_long);
	assert_int_equal(heard.reply.outcome, OUTCOME_TOO_LONG);
	drop(&heard);
}

static void
a_cleared_one_begins_anew(void **state)
{
	struct heard heard;

	(void)state;
	hear(&heard, TEXT("a") "data: {oh", 3);
	answer_clear(&heard.answer, 0);
	stream_clear(&heard.stream);
	assert_true(stream_feed(&heard.stream, span_of(TEXT("b"))));
	assert_false(stream_feed(&heard.stream, span_of(END DONE)));
	answer_judge(&heard.answer, false, &heard.reply);
	assert_text(heard.reply.text, "b");
	assert_false(heard.stream.broken);
	drop(&heard);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(pieces_of_text_are_joined),
	    cmocka_unit_test(a_reason_or_done_makes_it_whole),
	    cmocka_unit_test(
		an_event_that_the_end_cuts_off_harms_only_what_is_not_whole),
	    cmocka_unit_test(token_counts_come_in_a_piece_of_their_own),
	    cmocka_unit_test(only_the_first_choice_counts),
	    cmocka_unit_test(reasoning_and_refusal_are_kept_apart),
	    cmocka_unit_test(calls_of_tools_are_put_together),
	    cmocka_unit_test(an_error_inside_beats_what_was_said),
	    cmocka_unit_test(one_event_that_cannot_be_read_breaks_it),
	    cmocka_unit_test(nothing_behind_done_or_trouble_is_wanted),
	    cmocka_unit_test(more_than_the_cap_is_too_long),
	    cmocka_unit_test(a_cleared_one_begins_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
