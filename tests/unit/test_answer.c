/* SPDX-License-Identifier: ISC */
/*
 * What gathered words are worth.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "assert_text.h"
#include "chat/answer.h"

#define CAP_BYTES 100

static void
add(struct answer *answer, struct buf *part, const char *text)
{
	if (text != NULL)
		answer_add(answer, part, span_of(text));
}

static void
a_message_is_worth_what_it_says_and_why_it_ended(void **state)
{
	static const struct {
		enum answer_end end;
		const char *text;
		const char *refusal;
		bool allow_empty;
		enum outcome outcome;
		const char *answer; /* text of the reply, or its error */
	} rows[] = {
	    {ANSWER_END_STOP, "a", NULL, false, OUTCOME_OK, "a"},
	    {ANSWER_END_NONE, "a", NULL, false, OUTCOME_OK, "a"},
	    {ANSWER_END_LENGTH, "a", NULL, false, OUTCOME_LENGTH, "a"},
	    {ANSWER_END_FILTER, "a", NULL, false, OUTCOME_CONTENT_FILTER,
		"the server's content filter stopped the answer"},
	    {ANSWER_END_REFUSAL, "a", NULL, false, OUTCOME_REFUSED,
		"the model refused: a"},
	    {ANSWER_END_REFUSAL, NULL, NULL, true, OUTCOME_REFUSED,
		"the model refused"},
	    {ANSWER_END_STOP, NULL, "no", false, OUTCOME_REFUSED,
		"the model refused: no"},
	    {ANSWER_END_STOP, "a", "no", false, OUTCOME_OK, "a"},
	    {ANSWER_END_STOP, NULL, NULL, false, OUTCOME_EMPTY, "empty answer"},
	    {ANSWER_END_STOP, NULL, NULL, true, OUTCOME_OK, ""},
	    {ANSWER_END_LENGTH, NULL, NULL, true, OUTCOME_EMPTY,
		"empty answer: the token limit was reached"},
	    {ANSWER_END_FILTER, NULL, NULL, true, OUTCOME_CONTENT_FILTER,
		"the server's content filter stopped the answer"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct answer answer;
		struct reply reply;

		answer_init(&answer, CAP_BYTES);
		reply_init(&reply);
		answer.has_message = true;
		answer.end = rows[i].end;
		add(&answer, &answer.text, rows[i].text);
		add(&answer, &answer.refusal, rows[i].refusal);
		answer_judge(&answer, rows[i].allow_empty, &reply);
		assert_int_equal(reply.outcome, rows[i].outcome);
		if (outcome_trait(reply.outcome)->answers) {
			assert_text(reply.text, rows[i].answer);
			assert_text(reply.error, NULL);
		} else {
			assert_text(reply.text, NULL);
			assert_text(reply.error, rows[i].answer);
		}
		answer_free(&answer);
	}
}

static void
trouble_comes_before_all_that_was_said(void **state)
{
	struct answer answer;
	struct reply reply;

	(void)state;
	answer_init(&answer, CAP_BYTES);
	reply_init(&reply);
	answer.has_message = true;
	answer.end = ANSWER_END_STOP;
	answer.too_long = true;
	add(&answer, &answer.text, "half");
	answer.trouble = OUTCOME_RATE_LIMITED;
	answer.retry_after_ms = 700;
	add(&answer, &answer.error, "slow down");
	answer_judge(&answer, false, &reply);
	assert_int_equal(reply.outcome, OUTCOME_RATE_LIMITED);
	assert_true(reply.retry_after_ms == 700);
	assert_text(reply.error, "slow down");
	assert_text(reply.text, NULL);
	answer_free(&answer);
}

static void
nothing_at_all_is_garbage(void **state)
{
	struct answer answer;
	struct reply reply;

	(void)state;
	answer_init(&answer, CAP_BYTES);
	reply_init(&reply);
	answer_judge(&answer, true, &reply);
	assert_int_equal(reply.outcome, OUTCOME_GARBAGE);
	answer_free(&answer);
}

static void
over_the_cap_the_start_is_kept(void **state)
{
	struct answer answer;
	struct reply reply;

	(void)state;
	answer_init(&answer, CAP_BYTES);
	reply_init(&reply);
	answer.has_message = true;
	for (int i = 0; i < 30; i++)
		add(&answer, &answer.text, "12345678");
	assert_true(answer.too_long);
	answer_judge(&answer, false, &reply);
	assert_int_equal(reply.outcome, OUTCOME_TOO_LONG);
	assert_true(reply.text.size <= CAP_BYTES);
	assert_memory_equal(reply.text.data, "1234567812345678", 16);
	answer_free(&answer);
}

static void
calls_in_pieces_become_the_json_they_would_have_been(void **state)
{
	struct answer_call *call;
	struct answer answer;
	struct reply reply;

	(void)state;
	answer_init(&answer, 1000);
	reply_init(&reply);
	answer.has_message = true;
	assert_null(answer_call_find(&answer, 4));
	call = answer_call_new(&answer, 4);
	add(&answer, &call->id, "t\"1");
	add(&answer, &call->name, "a");
	add(&answer, &call->arguments, "{\"x\"");
	call = answer_call_new(&answer, 0);
	add(&answer, &call->name, "b");
	call = answer_call_find(&answer, 4);
	add(&answer, &call->arguments, ":1}");
	answer_judge(&answer, false, &reply);
	assert_int_equal(reply.outcome, OUTCOME_TOOL_CALLS);
	assert_text(reply.text,
	    "[{\"id\":\"t\\\"1\",\"type\":\"function\",\"function\":"
	    "{\"name\":\"a\",\"arguments\":\"{\\\"x\\\":1}\"}},"
	    "{\"id\":\"\",\"type\":\"function\",\"function\":"
	    "{\"name\":\"b\",\"arguments\":\"\"}}]");
	answer_free(&answer);
}

static void
there_is_an_end_to_calls(void **state)
{
	struct answer answer;

	(void)state;
	answer_init(&answer, CAP_BYTES);
	for (int i = 0; i < ANSWER_CALLS_MAX; i++)
		assert_non_null(answer_call_new(&answer, 7));
	assert_false(answer.too_long);
	assert_null(answer_call_new(&answer, 8));
	assert_true(answer.too_long);
	answer_free(&answer);
}

static void
a_cleared_one_holds_nothing_of_the_last(void **state)
{
	struct answer answer;
	struct reply reply;

	(void)state;
	answer_init(&answer, CAP_BYTES);
	reply_init(&reply);
	answer.has_message = true;
	answer.end = ANSWER_END_LENGTH;
	answer.input_tokens = 5;
	answer.trouble = OUTCOME_AUTH;
	add(&answer, &answer.text, "old");
	add(&answer, &answer.reasoning, "old");
	add(&answer, &answer_call_new(&answer, 0)->name, "old");
	answer_name(&answer, &answer.model, span_of("old"));
	answer_clear(&answer, 10);
	answer.has_message = true;
	add(&answer, &answer.text, "new");
	answer_judge(&answer, false, &reply);
	assert_int_equal(reply.outcome, OUTCOME_OK);
	assert_text(reply.text, "new");
	assert_text(reply.reasoning, NULL);
	assert_text(reply.model, NULL);
	assert_true(reply.input_tokens == -1);
	answer_free(&answer);
}

static void
a_name_takes_the_place_of_the_one_before(void **state)
{
	struct answer answer;

	(void)state;
	answer_init(&answer, CAP_BYTES);
	answer_name(&answer, &answer.model, span_of("first"));
	answer_name(&answer, &answer.model, span_of(NULL));
	assert_text(buf_span(&answer.model), "first");
	answer_name(&answer, &answer.model, span_of("second"));
	assert_text(buf_span(&answer.model), "second");
	answer_free(&answer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_message_is_worth_what_it_says_and_why_it_ended),
	    cmocka_unit_test(trouble_comes_before_all_that_was_said),
	    cmocka_unit_test(nothing_at_all_is_garbage),
	    cmocka_unit_test(over_the_cap_the_start_is_kept),
	    cmocka_unit_test(
		calls_in_pieces_become_the_json_they_would_have_been),
	    cmocka_unit_test(there_is_an_end_to_calls),
	    cmocka_unit_test(a_cleared_one_holds_nothing_of_the_last),
	    cmocka_unit_test(a_name_takes_the_place_of_the_one_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
