/* SPDX-License-Identifier: ISC */
/*
 * The numbers of a run, under a time that the test makes.
 */
#include "view/stats.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/clock.h"

#define START (INT64_C(77) * CLOCK_S + 123)

static struct stats
started(uint64_t asked)
{
	struct stats stats = {.total = asked, .asked = asked, .workers = 4};

	stats_start(&stats, START);
	return stats;
}

static int64_t
at_ms(int64_t ms)
{
	return START + ms * CLOCK_MS;
}

static void
answer(struct stats *stats, unsigned count, int64_t ms)
{
	for (unsigned i = 0; i < count; i++)
		stats_count_answer(stats, OUTCOME_OK, 100, 3, 7, at_ms(ms));
}

#define assert_near(value, wanted, tolerance)                                  \
	assert_true(fabs((value) - (wanted)) <= (tolerance))

static void
start_keeps_what_there_is_to_do(void **state)
{
	struct stats stats = started(12);

	(void)state;
	assert_int_equal(stats.asked, 12);
	assert_int_equal(stats.workers, 4);
	assert_int_equal(stats.started_ns, START);
}

static void
answer_counts_what_is_known(void **state)
{
	struct stats stats = started(10);

	(void)state;
	stats_count_answer(&stats, OUTCOME_OK, 250, 5, 9, at_ms(10));
	stats_count_answer(&stats, OUTCOME_LENGTH, -1, -1, -1, at_ms(20));
	assert_int_equal(stats.answered, 2);
	assert_int_equal(stats.cut_short, 1);
	assert_int_equal(stats.input_tokens, 5);
	assert_int_equal(stats.output_tokens, 9);
	assert_int_equal(stats.latency.count, 1);
	assert_near((double)hist_share_ns(&stats.latency, 0.5), 250e6, 2.6e6);
	assert_int_equal(stats_left(&stats), 8);
}

static void
failure_counts_by_outcome(void **state)
{
	struct stats stats = started(3);

	(void)state;
	stats_count_failure(&stats, OUTCOME_CRASH, at_ms(1));
	stats_count_failure(&stats, OUTCOME_CRASH, at_ms(1));
	stats_count_failure(&stats, OUTCOME_INTERRUPTED, at_ms(1));
	assert_int_equal(stats.failed, 3);
	assert_int_equal(stats.failed_by[OUTCOME_CRASH], 2);
	assert_int_equal(stats.failed_by[OUTCOME_INTERRUPTED], 1);
	assert_int_equal(stats_left(&stats), 0);
}

static void
left_never_falls_below_zero(void **state)
{
	struct stats stats = started(1);

	(void)state;
	answer(&stats, 2, 5);
	assert_int_equal(stats_left(&stats), 0);
}

static void
steady_work_has_its_rate_at_any_moment(void **state)
{
	struct stats stats = started(1000000);

	(void)state;
	for (int64_t ms = 0; ms < 40000; ms += 50) {
		answer(&stats, 1, ms);
		if (ms >= 1000)
			assert_near(
			    stats_rate(&stats, at_ms(ms + 49)), 20, 1.1);
		if (ms >= 1000)
			assert_near(
			    stats_token_rate(&stats, at_ms(ms + 49)), 140, 7.5);
	}
}

static void
rate_forgets_what_is_older_than_its_window(void **state)
{
	struct stats stats = started(1000);

	(void)state;
	answer(&stats, 500, 500);  /* second 0 */
	answer(&stats, 20, 14500); /* second 14 */
	assert_near(stats_rate(&stats, at_ms(15000)), 20 / 10.0, 0.3);
}

static void
rate_ages_out_when_nothing_happens(void **state)
{
	struct stats stats = started(1000);
	double last = 1e9;

	(void)state;
	for (int64_t second = 0; second < 5; second++)
		answer(&stats, 10, second * 1000 + 1);
	for (int64_t ms = 5000; ms < 14000; ms += 100) {
		double rate = stats_rate(&stats, at_ms(ms));

		assert_true(rate > 0);
		if (ms < 10000)
			assert_true(rate < last); /* all ends still count */
		last = rate;
	}
	assert_near(stats_rate(&stats, at_ms(14000)), 0, 0);
	assert_near(stats_rate(&stats, at_ms(14000000)), 0, 0);
	assert_near(stats_token_rate(&stats, at_ms(14000)), 0, 0);
}

static void
rate_after_a_pause_has_no_old_slots(void **state)
{
	struct stats stats = started(100000);

	(void)state;
	for (int64_t second = 0; second < 10; second++)
		answer(&stats, 100, second * 1000);
	answer(&stats, 9, 95000);
	assert_near(stats_rate(&stats, at_ms(95999)), 0.9, 0.01);
	answer(&stats, 9, 101000); /* steps over a part of the ring */
	assert_near(stats_rate(&stats, at_ms(101999)), 1.8, 0.01);
}

static void
young_run_divides_by_its_age(void **state)
{
	struct stats stats = started(1000);

	(void)state;
	answer(&stats, 10, 400);
	assert_near(stats_rate(&stats, at_ms(500)), 20, 0.001);
}

static void
first_moment_has_no_absurd_rate(void **state)
{
	struct stats stats = started(1000);

	(void)state;
	answer(&stats, 1, 0);
	assert_near(stats_rate(&stats, at_ms(0)), 10, 0.001);
	assert_near(stats_rate(&stats, START - 1), 10, 0.001);
}

static void
eta_is_unknown_before_the_first_end(void **state)
{
	struct stats stats = started(1000);

	(void)state;
	assert_int_equal(stats_eta_ns(&stats, at_ms(60000)), -1);
}

static void
eta_is_zero_when_nothing_is_left(void **state)
{
	struct stats stats = started(2);

	(void)state;
	answer(&stats, 2, 10);
	assert_int_equal(stats_eta_ns(&stats, at_ms(20)), 0);
	stats = started(0);
	assert_int_equal(stats_eta_ns(&stats, at_ms(20)), 0);
}

static void
eta_follows_the_current_rate(void **state)
{
	struct stats stats = started(2100);

	(void)state;
	answer(&stats, 1000, 0); /* a fast beginning, long ago */
	for (int64_t second = 50; second < 60; second++)
		answer(&stats, 10, second * 1000);
	assert_near((double)stats_eta_ns(&stats, at_ms(60000)),
	    1000 / 10.0 * 1e9, 12e9);
}

static void
eta_of_slow_work_is_that_of_the_whole_run(void **state)
{
	struct stats stats = started(10);

	(void)state;
	for (int64_t minute = 1; minute <= 4; minute++)
		answer(&stats, 1, minute * 60000);
	assert_int_equal(
	    stats_eta_ns(&stats, at_ms(240000)), INT64_C(360) * CLOCK_S);
	assert_int_equal(
	    stats_eta_ns(&stats, at_ms(280000)), INT64_C(420) * CLOCK_S);
}

static void
eta_beyond_all_clocks_is_unknown(void **state)
{
	struct stats stats = started(UINT64_MAX);

	(void)state;
	answer(&stats, 1, 1000);
	assert_int_equal(stats_eta_ns(&stats, at_ms(100000)), -1);
}

static void
rate_text_picks_the_unit_people_would(void **state)
{
	static const struct {
		double rate;
		const char *text;
	} cases[] = {
	    {0, "0.0/s"},
	    {21.3, "21.3/s"},
	    {0.3, "0.3/s"},
	    {99.94, "99.9/s"},
	    {99.96, "100/s"},
	    {1234.4, "1,234/s"},
	    {0.0949, "5.7/min"},
	    {0.05, "3.0/min"},
	    {0.001, "3.6/h"},
	    {1e-12, "0.0/h"},
	};
	char text[40];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_string_equal(
		    stats_rate_text(cases[i].rate, text, sizeof(text)),
		    cases[i].text);
}

static void
took_is_zero_while_it_goes_on(void **state)
{
	struct stats stats = started(1);

	(void)state;
	assert_int_equal(stats_took_ns(&stats), 0);
	stats.ended_ns = at_ms(1500);
	assert_int_equal(stats_took_ns(&stats), 1500 * CLOCK_MS);
}

static void
hangs_are_all_timeouts(void **state)
{
	struct stats stats = started(1);

	(void)state;
	stats.attempts_by[OUTCOME_TIMEOUT_TOTAL] = 2;
	stats.attempts_by[OUTCOME_TIMEOUT_STALL] = 3;
	stats.attempts_by[OUTCOME_CRASH] = 100;
	assert_int_equal(stats_hangs(&stats), 5);
}

static void
history_is_by_slots_the_oldest_first(void **state)
{
	struct stats stats = {0};
	uint32_t counts[STATS_HISTORY];
	int64_t at_ns = 1000 * CLOCK_S;

	(void)state;
	stats_start(&stats, at_ns);
	assert_int_equal(stats_history(&stats, at_ns, counts), 1);
	assert_int_equal(counts[0], 0);
	stats_count_failure(&stats, OUTCOME_CRASH, at_ns);
	at_ns += 2 * STATS_HISTORY_NS;
	stats_count_answer(&stats, OUTCOME_OK, 1, 1, 1, at_ns);
	stats_count_answer(&stats, OUTCOME_OK, 1, 1, 1, at_ns);
	assert_int_equal(stats_history(&stats, at_ns, counts), 3);
	assert_int_equal(counts[0], 1);
	assert_int_equal(counts[1], 0);
	assert_int_equal(counts[2], 2);
	/* Long after, all that is old is gone. */
	at_ns += STATS_HISTORY * STATS_HISTORY_NS;
	assert_int_equal(stats_history(&stats, at_ns, counts), STATS_HISTORY);
	for (unsigned i = 0; i < STATS_HISTORY; i++)
		assert_int_equal(counts[i], 0);
	stats_count_answer(&stats, OUTCOME_OK, 1, 1, 1, at_ns);
	stats_history(&stats, at_ns, counts);
	assert_int_equal(counts[STATS_HISTORY - 1], 1);
	assert_int_equal(counts[0], 0);
}

static void
sizes_are_counted_by_powers_of_four(void **state)
{
	struct stats stats = {0};

	(void)state;
	stats_start(&stats, 0);
	stats_count_answer(&stats, OUTCOME_OK, 1, 1, 5, 0);
	stats_count_answer(&stats, OUTCOME_OK, 1, -1, INT64_MAX, 0);
	assert_int_equal(stats.input_sizes.counts[0], 1);
	assert_int_equal(stats.input_sizes.sum, 1);
	assert_int_equal(stats.output_sizes.counts[2], 1); /* up to 16 */
	assert_int_equal(stats.output_sizes.counts[STATS_SIZES - 1], 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(start_keeps_what_there_is_to_do),
	    cmocka_unit_test(answer_counts_what_is_known),
	    cmocka_unit_test(failure_counts_by_outcome),
	    cmocka_unit_test(left_never_falls_below_zero),
	    cmocka_unit_test(steady_work_has_its_rate_at_any_moment),
	    cmocka_unit_test(rate_forgets_what_is_older_than_its_window),
	    cmocka_unit_test(rate_ages_out_when_nothing_happens),
	    cmocka_unit_test(rate_after_a_pause_has_no_old_slots),
	    cmocka_unit_test(young_run_divides_by_its_age),
	    cmocka_unit_test(first_moment_has_no_absurd_rate),
	    cmocka_unit_test(eta_is_unknown_before_the_first_end),
	    cmocka_unit_test(eta_is_zero_when_nothing_is_left),
	    cmocka_unit_test(eta_follows_the_current_rate),
	    cmocka_unit_test(eta_of_slow_work_is_that_of_the_whole_run),
	    cmocka_unit_test(eta_beyond_all_clocks_is_unknown),
	    cmocka_unit_test(rate_text_picks_the_unit_people_would),
	    cmocka_unit_test(took_is_zero_while_it_goes_on),
	    cmocka_unit_test(hangs_are_all_timeouts),
	    cmocka_unit_test(history_is_by_slots_the_oldest_first),
	    cmocka_unit_test(sizes_are_counted_by_powers_of_four),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
