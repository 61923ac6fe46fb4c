/* SPDX-License-Identifier: ISC */
/*
 * What a status means, with headers and error body beside it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "chat/retry.h"

/* 2026-11-23 18:30:00 UTC */
#define NOW_MS ((int64_t)1795458600000)

static enum outcome
judge(struct retry_facts facts)
{
	int64_t after_ms;

	return retry_judge(&facts, &after_ms);
}

#define JUDGE(...) judge((struct retry_facts){__VA_ARGS__})

static int64_t
after(const char *seconds, const char *milliseconds)
{
	const struct retry_facts facts = {
	    .status = 429,
	    .retry_after = span_of(seconds),
	    .retry_after_ms = span_of(milliseconds),
	    .wall_ms = NOW_MS,
	};
	int64_t after_ms = 77;

	retry_judge(&facts, &after_ms);
	return after_ms;
}

static void
each_status_has_its_outcome(void **state)
{
	static const struct {
		int status;
		enum outcome outcome;
	} rows[] = {
	    {301, OUTCOME_BAD_REQUEST},
	    {400, OUTCOME_BAD_REQUEST},
	    {401, OUTCOME_AUTH},
	    {402, OUTCOME_NO_MONEY},
	    {403, OUTCOME_AUTH},
	    {404, OUTCOME_NO_MODEL},
	    {405, OUTCOME_NO_MODEL},
	    {408, OUTCOME_SERVER_ERROR},
	    {409, OUTCOME_SERVER_ERROR},
	    {410, OUTCOME_BAD_REQUEST},
	    {411, OUTCOME_BAD_REQUEST},
	    {413, OUTCOME_BAD_REQUEST},
	    {414, OUTCOME_BAD_REQUEST},
	    {415, OUTCOME_BAD_REQUEST},
	    {418, OUTCOME_BAD_REQUEST},
	    {422, OUTCOME_BAD_REQUEST},
	    {425, OUTCOME_SERVER_ERROR},
	    {429, OUTCOME_RATE_LIMITED},
	    {499, OUTCOME_SERVER_ERROR},
	    {500, OUTCOME_SERVER_ERROR},
	    {501, OUTCOME_BAD_REQUEST},
	    {502, OUTCOME_SERVER_ERROR},
	    {503, OUTCOME_OVERLOADED},
	    {504, OUTCOME_SERVER_ERROR},
	    {520, OUTCOME_SERVER_ERROR},
	    {521, OUTCOME_SERVER_ERROR},
	    {522, OUTCOME_SERVER_ERROR},
	    {523, OUTCOME_SERVER_ERROR},
	    {524, OUTCOME_SERVER_ERROR},
	    {529, OUTCOME_OVERLOADED},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		enum outcome got = JUDGE(.status = rows[i].status);

		if (got != rows[i].outcome)
			fail_msg("%d is %s", rows[i].status,
			    outcome_trait(got)->name);
	}
}

static void
should_retry_beats_the_status(void **state)
{
	const struct span yes = span_of("true");
	const struct span no = span_of("false");

	(void)state;
	assert_int_equal(
	    JUDGE(.status = 400, .should_retry = yes), OUTCOME_SERVER_ERROR);
	assert_int_equal(
	    JUDGE(.status = 429, .should_retry = yes), OUTCOME_RATE_LIMITED);
	assert_int_equal(
	    JUDGE(.status = 500, .should_retry = no), OUTCOME_BAD_REQUEST);
	assert_int_equal(
	    JUDGE(.status = 429, .should_retry = no), OUTCOME_BAD_REQUEST);
	assert_int_equal(
	    JUDGE(.status = 401, .should_retry = no), OUTCOME_AUTH);
	assert_int_equal(JUDGE(.status = 500, .should_retry = span_of("maybe")),
	    OUTCOME_SERVER_ERROR);
}

static void
money_gone_is_known_under_any_status(void **state)
{
	(void)state;
	assert_int_equal(
	    JUDGE(.status = 429, .error_code = span_of("insufficient_quota")),
	    OUTCOME_NO_MONEY);
	assert_int_equal(
	    JUDGE(.status = 429, .error_type = span_of("insufficient_quota"),
		.should_retry = span_of("true")),
	    OUTCOME_NO_MONEY);
	assert_int_equal(JUDGE(.status = 403,
			     .error_code = span_of("credit_balance_exhausted")),
	    OUTCOME_NO_MONEY);
	assert_int_equal(
	    JUDGE(.status = 429,
		.error_code = span_of("enforced_spend_limit_reached")),
	    OUTCOME_NO_MONEY);
	assert_int_equal(
	    JUDGE(.status = 400,
		.message = span_of("Your credit balance is too low to …")),
	    OUTCOME_NO_MONEY);
}

static void
unknown_model_is_told_from_unknown_path(void **state)
{
	(void)state;
	assert_int_equal(
	    JUDGE(.status = 404, .error_code = span_of("model_not_found")),
	    OUTCOME_NO_MODEL);
	assert_int_equal(
	    JUDGE(.status = 404, .error_code = span_of("404"),
		.message = span_of("The Model `x` does not exist.")),
	    OUTCOME_NO_MODEL);
	assert_int_equal(JUDGE(.status = 404, .message = span_of("Not Found")),
	    OUTCOME_NO_MODEL);
	assert_true(retry_is_no_path(&(struct retry_facts){
	    .status = 404, .message = span_of("404 page not found")}));
	assert_false(retry_is_no_path(&(struct retry_facts){
	    .status = 404, .message = span_of("The model `x` is not here")}));
	assert_false(retry_is_no_path(&(struct retry_facts){
	    .status = 404, .error_code = span_of("model_not_found")}));
	assert_false(retry_is_no_path(&(struct retry_facts){
	    .status = 400, .message = span_of("Not Found")}));
}

static void
context_length_is_never_tried_again(void **state)
{
	(void)state;
	assert_int_equal(JUDGE(.status = 500, .error_type = span_of(
						  "exceed_context_size_error")),
	    OUTCOME_BAD_REQUEST);
	assert_int_equal(
	    JUDGE(.status = 500,
		.message = span_of("This model's maximum context length is 9")),
	    OUTCOME_BAD_REQUEST);
}

static void
loading_and_overload_are_told_from_limits(void **state)
{
	(void)state;
	assert_int_equal(
	    JUDGE(.status = 503, .message = span_of("Loading model")),
	    OUTCOME_NO_SERVER);
	assert_int_equal(
	    JUDGE(.status = 429,
		.message = span_of("The engine is currently overloaded")),
	    OUTCOME_OVERLOADED);
	assert_int_equal(
	    JUDGE(.status = 429, .error_type = span_of("requests")),
	    OUTCOME_RATE_LIMITED);
}

static void
names_decide_inside_a_good_response(void **state)
{
	(void)state;
	assert_int_equal(JUDGE(.status = 200), OUTCOME_SERVER_ERROR);
	assert_int_equal(
	    JUDGE(.status = 200, .error_type = span_of("rate_limit_error")),
	    OUTCOME_RATE_LIMITED);
	assert_int_equal(
	    JUDGE(.status = 200, .error_code = span_of("invalid_api_key")),
	    OUTCOME_AUTH);
	/* Where a status speaks, these are only its echo. */
	assert_int_equal(JUDGE(.status = 500,
			     .error_type = span_of("invalid_request_error")),
	    OUTCOME_SERVER_ERROR);
}

static void
retry_after_is_read_in_all_its_forms(void **state)
{
	(void)state;
	assert_int_equal(after(NULL, NULL), -1);
	assert_int_equal(after("2", NULL), 2000);
	assert_int_equal(after("0", NULL), 0);
	assert_int_equal(after("0.25", NULL), 250);
	assert_int_equal(after(".5", NULL), 500);
	assert_int_equal(after("1.0001", NULL), 1001);
	assert_int_equal(after("2", "150"), 150);
	assert_int_equal(after("2", "150.5"), 151);
	assert_int_equal(after("2", "soon"), 2000);
	assert_int_equal(after("Mon, 23 Nov 2026 18:30:09 GMT", NULL), 9000);
	assert_int_equal(after("Monday, 23-Nov-26 18:30:09 GMT", NULL), 9000);
	assert_int_equal(after("Mon Nov 23 18:30:09 2026", NULL), 9000);
	assert_int_equal(after("Mon, 23 Nov 2026 18:29:59 GMT", NULL), 0);
}

static void
nonsense_in_retry_after_is_nothing_said(void **state)
{
	static const char *const texts[] = {"", ".", "-1", "+1", "1e3", "1.2.3",
	    " 1", "NaN", "inf", "0x10", "1 s",
	    "Mon, 23 Nov 2026 18:30:09 GMT trailing",
	    "Mon, 99 Nov 2026 18:30:09 GMT"};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (after(texts[i], NULL) != -1)
			fail_msg("\"%s\" is taken", texts[i]);
	}
}

static void
endless_retry_after_is_capped(void **state)
{
	const int64_t most = (int64_t)400 * 24 * 3600 * 1000;

	(void)state;
	assert_int_equal(after("99999999999999999999999999", NULL), most);
	assert_int_equal(after(NULL, "99999999999999999999999999"), most);
	assert_int_equal(after("34560000", NULL), most);
	assert_int_equal(after("34559999", NULL), most - 1000);
	assert_int_equal(after("Mon, 23 Nov 9999 18:30:09 GMT", NULL), most);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_status_has_its_outcome),
	    cmocka_unit_test(should_retry_beats_the_status),
	    cmocka_unit_test(money_gone_is_known_under_any_status),
	    cmocka_unit_test(unknown_model_is_told_from_unknown_path),
	    cmocka_unit_test(context_length_is_never_tried_again),
	    cmocka_unit_test(loading_and_overload_are_told_from_limits),
	    cmocka_unit_test(names_decide_inside_a_good_response),
	    cmocka_unit_test(retry_after_is_read_in_all_its_forms),
	    cmocka_unit_test(nonsense_in_retry_after_is_nothing_said),
	    cmocka_unit_test(endless_retry_after_is_capped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
