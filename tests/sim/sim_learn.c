/* SPDX-License-Identifier: ISC */
/*
 * A server that allows so many requests per second, and a run that learns it:
 * goodput and refusals under a clock of our own, from the first request on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "base/clock.h"
#include "run/pace.h"
#include "run/width.h"

#define WORKERS 64
#define REFUSAL_NS (5 * CLOCK_MS)

enum after {
	AFTER_EXACT = 0,
	AFTER_WHOLE_SECONDS = 1,
	AFTER_NOTHING = 2,
};

struct call {
	int64_t started_ns;
	int64_t ends_ns;
	bool taken;
};

struct server {
	double rate; /* per second */
	double burst;
	enum after after;
	int64_t latency_ns;
	double tokens;
	int64_t filled_ns;
};

struct run {
	struct server server;
	struct pace pace;
	struct width width;
	struct call calls[WORKERS];
	uint32_t out;
	int64_t now_ns;
	uint64_t taken;
	uint64_t refused;
};

static void
fill(struct server *server, int64_t now_ns)
{
	server->tokens +=
	    server->rate * (double)(now_ns - server->filled_ns) / CLOCK_S;
	if (server->tokens > server->burst)
		server->tokens = server->burst;
	server->filled_ns = now_ns;
}

static void
send_one(struct run *run)
{
	struct server *server = &run->server;
	struct call *call = &run->calls[run->out++];
	int64_t spread_ns = random() % (server->latency_ns / 2 + 1);

	fill(server, run->now_ns);
	pace_sent(&run->pace, 0, run->now_ns);
	width_sent(&run->width, run->now_ns);
	*call = (struct call){.started_ns = run->now_ns,
	    .taken = server->tokens >= 1,
	    .ends_ns = run->now_ns + REFUSAL_NS};
	if (!call->taken)
		return;
	server->tokens -= 1;
	call->ends_ns = run->now_ns + server->latency_ns + spread_ns;
}

/* Gives what Retry-After says, -1 nothing. */
static int64_t
retry_after_ns(const struct server *server)
{
	double wait = (1 - server->tokens) / server->rate * CLOCK_S;

	if (server->after == AFTER_NOTHING)
		return -1;
	if (wait < 0)
		wait = 0;
	if (server->after == AFTER_EXACT)
		return (int64_t)wait;
	return ((int64_t)wait / CLOCK_S + 1) * CLOCK_S;
}

static void
hear_one(struct run *run, uint32_t at)
{
	struct call call = run->calls[at];

	run->calls[at] = run->calls[--run->out];
	fill(&run->server, run->now_ns);
	run->taken += call.taken;
	run->refused += !call.taken;
	pace_report(&run->pace, 0,
	    call.taken ? OUTCOME_OK : OUTCOME_RATE_LIMITED,
	    call.taken ? -1 : retry_after_ns(&run->server), call.started_ns,
	    run->now_ns);
}

static int64_t
earlier(int64_t one_ns, int64_t other_ns)
{
	return one_ns < other_ns ? one_ns : other_ns;
}

/* Send what may go, then let the next thing happen. */
static void
turn(struct run *run)
{
	int64_t then_ns = CLOCK_NEVER;
	uint32_t first = 0;

	while (run->out < width_at(&run->width, run->now_ns) &&
	       pace_may_send(&run->pace, run->now_ns))
		send_one(run);
	for (uint32_t i = 1; i < run->out; i++)
		if (run->calls[i].ends_ns < run->calls[first].ends_ns)
			first = i;
	if (run->out > 0)
		then_ns = run->calls[first].ends_ns;
	if (run->out < width_at(&run->width, run->now_ns))
		then_ns = earlier(then_ns, pace_due_ns(&run->pace));
	else
		then_ns =
		    earlier(then_ns, width_grows_ns(&run->width, run->now_ns));
	run->now_ns = then_ns;
	if (run->out > 0 && run->calls[first].ends_ns <= run->now_ns)
		hear_one(run, first);
}

static void
begin(struct run *run, const struct server *server)
{
	*run = (struct run){.server = *server, .now_ns = CLOCK_S};
	run->server.tokens = server->burst;
	run->server.filled_ns = run->now_ns;
	pace_init(&run->pace, CLOCK_S, CLOCK_S);
	run->pace.learns = true;
	width_init(&run->width, WORKERS, WORKERS, true, false);
}

/* Gives taken requests per second of what the server allows. */
static double
go_for(struct run *run, double seconds)
{
	int64_t from_ns = run->now_ns;
	uint64_t before = run->taken;

	while (run->now_ns < from_ns + (int64_t)(seconds * CLOCK_S))
		turn(run);
	return (double)(run->taken - before) /
	       ((double)(run->now_ns - from_ns) / CLOCK_S) / run->server.rate;
}

static void
limits_are_used_and_hardly_ever_met(void **state)
{
	static const struct row {
		double rate;
		double burst;
		int64_t latency_ms;
		double seconds;
		double least; /* goodput */
		double most;  /* refusals, share */
	} rows[] = {
	    {20, 20, 50, 45, 0.95, 0.02},
	    /* All have called before a refusal can be heard. */
	    {20, 20, 1000, 60, 0.95, 0.02},
	    {20, 10, 50, 45, 0.87, 0.02},
	    {20, 100, 50, 45, 0.95, 0.02},
	    {200, 200, 5, 45, 0.95, 0.02},
	    {200, 200, 50, 45, 0.95, 0.02},
	    {200, 1000, 50, 45, 0.95, 0.02},
	    {2, 2, 500, 600, 0.95, 0.03},
	    {5, 1, 50, 600, 0.85, 0.02}, /* nothing is saved up */
	    {50, 1, 50, 600, 0.85, 0.01},
	};

	(void)state;
	for (size_t i = 0; i < 3 * sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i / 3];
		const struct server server = {
		    .rate = row->rate,
		    .burst = row->burst,
		    .after = (enum after)(i % 3),
		    .latency_ns = row->latency_ms * CLOCK_MS,
		};
		struct run run;
		double goodput;
		double share;

		srandom((unsigned)i);
		begin(&run, &server);
		goodput = go_for(&run, row->seconds);
		share = (double)run.refused / (double)(run.taken + run.refused);
		print_message("%g/s, burst %g, %jd ms, after %zu: goodput "
			      "%.3f, refused %.2f %%\n",
		    row->rate, row->burst, (intmax_t)row->latency_ms, i % 3,
		    goodput, 100 * share);
		assert_true(goodput >= row->least);
		assert_true(share <= row->most);
	}
}

static void
a_limit_that_changes_is_found_again(void **state)
{
	const struct server server = {
	    .rate = 50,
	    .burst = 50,
	    .after = AFTER_WHOLE_SECONDS,
	    .latency_ns = 50 * CLOCK_MS,
	};
	struct run run;

	(void)state;
	srandom(7);
	begin(&run, &server);
	go_for(&run, 60);
	run.server.rate = 10;
	run.server.burst = 10;
	go_for(&run, 60);
	assert_true(go_for(&run, 60) > 0.9);
	run.server.rate = 40;
	run.server.burst = 40;
	go_for(&run, 300);
	assert_true(go_for(&run, 60) > 0.9);
	assert_true(run.refused < run.taken / 50);
}

static void
without_a_limit_nothing_is_held_back(void **state)
{
	const struct server server = {
	    .rate = 1e9,
	    .burst = 1e9,
	    .latency_ns = 50 * CLOCK_MS,
	};
	struct run run;

	(void)state;
	begin(&run, &server);
	go_for(&run, 1);
	assert_true(go_for(&run, 10) * 1e9 > 64 / 0.075 * 0.95);
	assert_int_equal(run.refused, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(limits_are_used_and_hardly_ever_met),
	    cmocka_unit_test(a_limit_that_changes_is_found_again),
	    cmocka_unit_test(without_a_limit_nothing_is_held_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
