/* SPDX-License-Identifier: ISC */
/*
 * How fast to go by what a server says is left.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "run/pace.h"
#include "run/quota.h"

static void
nothing_said_holds_nothing(void **state)
{
	struct quota quota = {.known = false};

	(void)state;
	assert_true(quota_due_ns(&quota, 100, CLOCK_S, 64) == 0);
}

static void
plenty_holds_nothing(void **state)
{
	struct quota quota = {.known = false};

	(void)state;
	quota_take(&quota, 10, 1000, 60 * CLOCK_S, 0);
	assert_true(quota_due_ns(&quota, 74, CLOCK_S, 64) == 0);
}

static void
little_is_spread_over_the_time_that_is_left(void **state)
{
	struct quota quota = {.known = false};

	(void)state;
	quota_take(&quota, 10, 30, 21 * CLOCK_S, 0);
	/* 20 went out since; 10 for the next 20 s. */
	assert_true(quota_due_ns(&quota, 30, CLOCK_S, 64) == 3 * CLOCK_S);
}

static void
nothing_left_waits_for_the_reset_but_a_minute_at_most(void **state)
{
	struct quota quota = {.known = false};

	(void)state;
	quota_take(&quota, 10, 5, 21 * CLOCK_S, 0);
	assert_true(quota_due_ns(&quota, 15, CLOCK_S, 5) == 21 * CLOCK_S);
	assert_true(quota_due_ns(&quota, 99, CLOCK_S, 5) == 21 * CLOCK_S);
	quota_take(&quota, 99, 0, 7200 * CLOCK_S, 0);
	assert_true(quota_due_ns(&quota, 99, CLOCK_S, 0) == 61 * CLOCK_S);
}

static void
behind_the_reset_nothing_is_known(void **state)
{
	struct quota quota = {.known = false};

	(void)state;
	quota_take(&quota, 10, 0, 21 * CLOCK_S, 0);
	assert_true(quota_due_ns(&quota, 11, 21 * CLOCK_S, 1) == 0);
	/* What an older request heard counts again. */
	quota_take(&quota, 3, 4, 80 * CLOCK_S, 22 * CLOCK_S);
	assert_true(quota.serial == 3);
}

static void
the_word_of_the_latest_request_holds(void **state)
{
	struct quota quota = {.known = false};

	(void)state;
	quota_take(&quota, 10, 20, 60 * CLOCK_S, 0);
	quota_take(&quota, 9, 400, 60 * CLOCK_S, CLOCK_S);
	assert_true(quota.remaining == 20);
	quota_take(&quota, 11, 19, 60 * CLOCK_S, CLOCK_S);
	assert_true(quota.remaining == 19);
}

/* ---- a server that counts, and a pace that listens ---- */

struct server {
	bool window; /* so many per minute, all at once; else a bucket */
	int64_t left;
	int64_t filled_ns;
};

#define LIMIT 120 /* per minute */
#define FLIGHT 16

static void
count(struct server *server, int64_t now_ns, struct reply *reply)
{
	int64_t each_ns = 60 * CLOCK_S / LIMIT;

	if (server->window) {
		if (now_ns - server->filled_ns >= 60 * CLOCK_S) {
			server->left = LIMIT;
			server->filled_ns += 60 * CLOCK_S;
		}
	} else {
		int64_t more = (now_ns - server->filled_ns) / each_ns;

		server->left += more;
		server->filled_ns += more * each_ns;
		if (server->left > LIMIT)
			server->left = LIMIT;
	}
	reply_init(reply);
	server->left--;
	reply->requests.remaining = server->left < 0 ? 0 : server->left;
	reply->requests.reset_ms =
	    (server->window ? server->filled_ns + 60 * CLOCK_S - now_ns
			    : (LIMIT - server->left) * each_ns) /
	    CLOCK_MS;
}

/* Gives how many were taken in 10 minutes; *refused of those over it. */
static unsigned
listen(bool window, unsigned *refused)
{
	struct server server = {.window = window, .left = LIMIT};
	struct reply replies[FLIGHT];
	uint64_t serials[FLIGHT];
	int64_t back_ns[FLIGHT];
	struct pace pace;
	unsigned taken = 0;

	pace_init(&pace, CLOCK_S, CLOCK_S);
	for (int i = 0; i < FLIGHT; i++)
		back_ns[i] = -1;
	for (int64_t now = 0; now < 600 * CLOCK_S; now += 10 * CLOCK_MS) {
		for (int i = 0; i < FLIGHT; i++) {
			if (back_ns[i] >= 0 && back_ns[i] <= now) {
				pace_report(&pace, 1, OUTCOME_OK, -1, now, now);
				pace_take_quota(
				    &pace, serials[i], &replies[i], now);
				back_ns[i] = -1;
			}
			if (back_ns[i] >= 0 || !pace_may_send(&pace, now))
				continue;
			serials[i] = pace.sent + 1;
			pace_sent(&pace, 1, now);
			count(&server, now, &replies[i]);
			*refused += server.left < 0;
			taken += server.left >= 0;
			back_ns[i] = now + 300 * CLOCK_MS;
		}
	}
	return taken;
}

static void
all_that_is_allowed_is_used_and_little_more(void **state)
{
	(void)state;
	for (int window = 0; window <= 1; window++) {
		unsigned refused = 0;
		unsigned taken = listen(window == 1, &refused);

		print_message("  %s: %u of 1200 taken, %u refused\n",
		    window ? "window" : "bucket", taken, refused);
		assert_true(taken >= 1140);
		assert_true(refused <= 24);
	}
}

static void
tokens_count_by_what_an_answer_costs(void **state)
{
	struct reply reply;
	struct pace pace;

	(void)state;
	pace_init(&pace, CLOCK_S, CLOCK_S);
	reply_init(&reply);
	reply.tokens = (struct reply_quota){1000, 20000};
	pace_sent(&pace, 1, 0);
	pace_take_quota(&pace, 1, &reply, 0); /* costs nothing known */
	assert_true(pace_due_ns(&pace) == 0);
	reply.input_tokens = 400;
	reply.output_tokens = 100;
	pace_take_quota(&pace, 1, &reply, 0);
	assert_true(pace_due_ns(&pace) == 10 * CLOCK_S); /* two in 20 s */
	assert_true(pace_waits(&pace, CLOCK_S));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(nothing_said_holds_nothing),
	    cmocka_unit_test(plenty_holds_nothing),
	    cmocka_unit_test(little_is_spread_over_the_time_that_is_left),
	    cmocka_unit_test(
		nothing_left_waits_for_the_reset_but_a_minute_at_most),
	    cmocka_unit_test(behind_the_reset_nothing_is_known),
	    cmocka_unit_test(the_word_of_the_latest_request_holds),
	    cmocka_unit_test(all_that_is_allowed_is_used_and_little_more),
	    cmocka_unit_test(tokens_count_by_what_an_answer_costs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
