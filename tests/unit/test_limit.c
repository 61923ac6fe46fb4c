/* SPDX-License-Identifier: ISC */
/*
 * Rates and amounts of a run: bucket and limit under a clock of our own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "run/limit.h"

static struct reply
reply_of(enum outcome outcome, int64_t input, int64_t output)
{
	struct reply reply;

	reply_init(&reply);
	reply.outcome = outcome;
	reply.input_tokens = input;
	reply.output_tokens = output;
	return reply;
}

#define IN(n) ((struct tokens){.input = (n)})

/* ---- rates ---- */

/* Send as fast as may be from begin_ns on; gives when the last one went. */
static int64_t
send_all(struct limit *limit, int count, uint64_t tokens, int64_t begin_ns)
{
	int64_t now_ns = begin_ns;

	for (int i = 0; i < count; i++) {
		int64_t due_ns = limit_due_ns(limit);

		if (due_ns > now_ns)
			now_ns = due_ns;
		limit_sent(limit, IN(tokens), now_ns);
	}
	return now_ns;
}

static void
requests_are_spread_evenly_from_the_first_second_on(void **state)
{
	const struct limit_conf conf = {.requests_per_minute = 600};
	int64_t begin_ns = 12345 * CLOCK_S;
	struct limit limit;

	(void)state;
	limit_init(&limit, &conf, 0, IN(0), 0);
	/* The slack lets one more go at the start, and no more ever. */
	assert_int_equal(send_all(&limit, 2, 0, begin_ns), begin_ns);
	assert_int_equal(
	    send_all(&limit, 9, 0, begin_ns), begin_ns + 900 * CLOCK_MS);
	assert_int_equal(
	    send_all(&limit, 600, 0, begin_ns), begin_ns + 60900 * CLOCK_MS);
}

static void
a_pause_saves_nothing_up(void **state)
{
	const struct limit_conf conf = {.requests_per_minute = 60};
	struct limit limit;
	int64_t now_ns = CLOCK_S;

	(void)state;
	limit_init(&limit, &conf, 0, IN(0), 0);
	limit_sent(&limit, IN(0), now_ns);
	now_ns += 3600 * CLOCK_S;
	assert_int_equal(send_all(&limit, 11, 0, now_ns),
	    now_ns + 10 * CLOCK_S - 100 * CLOCK_MS);
}

static void
no_rate_is_no_wait(void **state)
{
	const struct limit_conf conf = {.requests_most = 0};
	struct limit limit;

	(void)state;
	limit_init(&limit, &conf, 0, IN(0), 0);
	assert_int_equal(send_all(&limit, 100000, 1000000, CLOCK_S), CLOCK_S);
	assert_true(limit_has_room(&limit));
	assert_null(limit_holds(&limit, CLOCK_S));
}

static void
tokens_are_corrected_by_what_was_used(void **state)
{
	const struct limit_conf conf = {.tokens_per_minute = 6000};
	struct reply used = reply_of(OUTCOME_OK, 150, 50);
	struct reply limited = reply_of(OUTCOME_RATE_LIMITED, -1, -1);
	struct reply hung = reply_of(OUTCOME_TIMEOUT_TOTAL, -1, -1);
	struct limit limit;
	int64_t now_ns = 100 * CLOCK_S;

	(void)state;
	limit_init(&limit, &conf, 0, IN(0), 0);
	limit_sent(&limit, IN(1000), now_ns); /* 10 s, of which 1 s is slack */
	assert_int_equal(limit_due_ns(&limit), now_ns + 9 * CLOCK_S);
	assert_string_equal(limit_holds(&limit, now_ns), "--tpm");
	limit_back(&limit, IN(1000), &used); /* it was 200: 2 s */
	assert_int_equal(limit_due_ns(&limit), now_ns + 1 * CLOCK_S);
	limit_sent(&limit, IN(300), now_ns);
	limit_back(&limit, IN(300), &limited); /* nothing at all */
	assert_int_equal(limit_due_ns(&limit), now_ns + 1 * CLOCK_S);
	limit_sent(&limit, IN(300), now_ns);
	limit_back(&limit, IN(300), &hung); /* nobody knows */
	assert_int_equal(limit_due_ns(&limit), now_ns + 4 * CLOCK_S);
}

/* ---- amounts ---- */

static void
no_request_goes_out_beyond_the_limit(void **state)
{
	const struct limit_conf conf = {.requests_most = 10};
	char text[LIMIT_TEXT_BYTES];
	struct limit limit;

	(void)state;
	limit_init(&limit, &conf, 7, IN(0), 0);
	for (int i = 0; i < 3; i++) {
		assert_true(limit_has_room(&limit));
		assert_false(limit_is_reached(&limit, 0, text));
		limit_sent(&limit, IN(5), 0);
	}
	assert_false(limit_has_room(&limit));
	assert_true(limit_is_reached(&limit, 3, text));
	assert_string_equal(text,
	    "--max-requests is reached: 10 requests over all runs; raise it "
	    "to go on");
}

static void
tokens_that_are_out_count_until_they_are_known(void **state)
{
	const struct limit_conf conf = {.tokens_most = 1000};
	struct reply used = reply_of(OUTCOME_OK, 100, -1);
	char text[LIMIT_TEXT_BYTES];
	struct limit limit;

	(void)state;
	limit_init(&limit, &conf, 0, IN(500), 0);
	limit_sent(&limit, IN(300), 0);
	assert_true(limit_has_room(&limit));
	limit_sent(&limit, IN(300), 0);
	/* 1,100 perhaps: wait and see. */
	assert_false(limit_has_room(&limit));
	assert_false(limit_is_reached(&limit, 2, text));
	limit_back(&limit, IN(300), &used);
	assert_true(limit_has_room(&limit)); /* 600 and 300 */
	used.input_tokens = 400;
	limit_back(&limit, IN(300), &used);
	assert_false(limit_has_room(&limit));
	assert_true(limit_is_reached(&limit, 0, text));
	assert_non_null(strstr(text, "--max-tokens-total is reached: 1,000"));
}

static void
money_is_reached_by_what_both_kinds_of_tokens_cost(void **state)
{
	/* 3 and 15 a million; 0.003 in all. */
	const struct limit_conf conf = {
	    .cost_most = 3000 * (uint64_t)PRICE_PER_MILLIONTH,
	    .price = {3000000, 15000000}};
	const struct tokens estimate = {100, 100};
	struct reply used = reply_of(OUTCOME_OK, 100, 20);
	char text[LIMIT_TEXT_BYTES];
	struct limit limit;

	(void)state;
	limit_init(&limit, &conf, 0, (struct tokens){500, 0}, 0); /* 0.0015 */
	assert_true(limit_has_room(&limit));
	limit_sent(&limit, estimate, 0); /* 0.0018 perhaps */
	assert_false(limit_has_room(&limit));
	assert_false(limit_is_reached(&limit, 1, text));
	limit_back(&limit, estimate, &used); /* it was 0.0006 */
	assert_true(limit_has_room(&limit));
	assert_false(limit_is_reached(&limit, 0, text));
	limit_sent(&limit, estimate, 0);
	used.output_tokens = 40;
	limit_back(&limit, estimate, &used); /* 0.0009: just reached */
	assert_false(limit_has_room(&limit));
	assert_true(limit_is_reached(&limit, 0, text));
	assert_string_equal(text,
	    "--max-cost is reached: 0.003000 over all runs; raise it to go on");
}

static void
failures_end_a_run_at_once(void **state)
{
	const struct limit_conf conf = {.failures_most = 2};
	char text[LIMIT_TEXT_BYTES];
	struct limit limit;

	(void)state;
	limit_init(&limit, &conf, 0, IN(0), 1);
	assert_false(limit_is_reached(&limit, 5, text));
	limit_failed(&limit);
	assert_true(limit_is_reached(&limit, 5, text));
	assert_non_null(strstr(text, "--max-failures is reached: 2 prompts"));
	assert_false(limit_has_room(&limit));
}

static void
what_an_attempt_used_is_told_guessed_or_nothing(void **state)
{
	static const struct {
		enum outcome outcome;
		int64_t input;
		int64_t output;
		uint64_t used;
	} rows[] = {
	    {OUTCOME_OK, 3, 4, 7},
	    {OUTCOME_OK, -1, 4, 4},
	    {OUTCOME_OK, -1, -1, 99},
	    {OUTCOME_OK, 0, 0, 0},
	    {OUTCOME_EMPTY, 3, 0, 3},
	    {OUTCOME_TIMEOUT_STALL, -1, -1, 99},
	    {OUTCOME_TIMEOUT_CONNECT, -1, -1, 0},
	    {OUTCOME_CRASH, -1, -1, 99},
	    {OUTCOME_INTERRUPTED, -1, -1, 99},
	    {OUTCOME_RATE_LIMITED, -1, -1, 0},
	    {OUTCOME_AUTH, -1, -1, 0},
	    {OUTCOME_NO_SERVER, -1, -1, 0},
	    {OUTCOME_BAD_REQUEST, -1, -1, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct reply reply =
		    reply_of(rows[i].outcome, rows[i].input, rows[i].output);

		struct tokens used = limit_used(IN(99), &reply);

		assert_int_equal(tokens_sum(&used), rows[i].used);
	}
}

/* Whatever comes back, and in whatever order: never more is asked for than is
 * left, and no window of a second sees more than its rate. */
static void
limits_hold_under_any_outcome(void **state)
{
	enum {
		CALLS = 5000,
		PER_SECOND = 20
	};
	static int64_t sent_ns[CALLS];

	(void)state;
	for (unsigned seed = 1; seed <= 20; seed++) {
		const struct limit_conf conf = {
		    .requests_per_minute = PER_SECOND * 60,
		    .requests_most = 3000,
		    .tokens_most = 100000};
		uint64_t real = 0;
		int64_t now_ns = CLOCK_S;
		struct limit limit;
		int sent = 0;
		int out = 0;

		limit_init(&limit, &conf, 0, IN(0), 0);
		srandom(seed);
		for (int turn = 0; turn < CALLS; turn++) {
			struct reply reply =
			    reply_of(random() % 3 == 0 ? OUTCOME_RATE_LIMITED
						       : OUTCOME_OK,
				random() % 50, -1);

			now_ns += random() % (100 * CLOCK_MS);
			while (out < 8 && limit_has_room(&limit) &&
			       limit_due_ns(&limit) <= now_ns) {
				sent_ns[sent++] = now_ns;
				limit_sent(&limit, IN(50), now_ns);
				out++;
			}
			if (out == 0 || random() % 2 == 0)
				continue;
			real += (uint64_t)reply.input_tokens;
			limit_back(&limit, IN(50), &reply);
			out--;
		}
		print_message("seed %u: %d sent, %ju tokens\n", seed, sent,
		    (uintmax_t)real);
		assert_in_range(sent, 1000, 3000);
		assert_true(real < 100000 + 50);
		for (int i = PER_SECOND + 3; i < sent; i++)
			assert_true(sent_ns[i] - sent_ns[i - PER_SECOND - 3] >=
				    CLOCK_S);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(
		requests_are_spread_evenly_from_the_first_second_on),
	    cmocka_unit_test(a_pause_saves_nothing_up),
	    cmocka_unit_test(no_rate_is_no_wait),
	    cmocka_unit_test(tokens_are_corrected_by_what_was_used),
	    cmocka_unit_test(no_request_goes_out_beyond_the_limit),
	    cmocka_unit_test(tokens_that_are_out_count_until_they_are_known),
	    cmocka_unit_test(
		money_is_reached_by_what_both_kinds_of_tokens_cost),
	    cmocka_unit_test(failures_end_a_run_at_once),
	    cmocka_unit_test(what_an_attempt_used_is_told_guessed_or_nothing),
	    cmocka_unit_test(limits_hold_under_any_outcome),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
