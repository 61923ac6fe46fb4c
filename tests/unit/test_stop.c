/* SPDX-License-Identifier: ISC */
/*
 * Every reason to stop early, what it waits for, and which exit status wins.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "run/stop.h"

#define NOBODY UINT32_MAX /* no prompt was held */

static void
begin(struct stop *stop)
{
	stop_init(stop, true, 4);
	assert_int_equal(stop->phase, STOP_NONE);
	assert_int_equal(stop->exit_status, 0);
}

static void
nothing_happened_is_no_reason(void **state)
{
	struct stop stop;

	(void)state;
	begin(&stop);
	assert_int_equal(stop_tick(&stop, CLOCK_NEVER - 1), STOP_NONE);
	assert_true(stop_due_ns(&stop) == CLOCK_NEVER);
	for (int i = 0; i < 100; i++)
		stop_outcome(&stop, OUTCOME_OK, "");
	assert_int_equal(stop_tick(&stop, 1), STOP_NONE);
	assert_int_equal(stop.exit_status, 0);
}

/* ---- the run itself is wrong ---- */

static void
three_blames_in_a_row_stop_with_69_and_say_why(void **state)
{
	static const enum outcome blames[] = {OUTCOME_AUTH, OUTCOME_NO_MONEY,
	    OUTCOME_NO_MODEL, OUTCOME_NO_COMMAND};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct stop stop;

		begin(&stop);
		stop_outcome(&stop, blames[i], "the first says so");
		stop_outcome(&stop, blames[i], "the second says so");
		assert_int_equal(stop.phase, STOP_NONE);
		stop_outcome(&stop, blames[i], "the server says so");
		assert_int_equal(stop_tick(&stop, 5), STOP_DRAIN);
		assert_int_equal(stop.exit_status, 69);
		assert_non_null(strstr(stop.reason, "the server says so"));
		assert_non_null(
		    strstr(stop.reason, outcome_trait(blames[i])->words));
	}
}

static void
different_blames_count_together(void **state)
{
	struct stop stop;

	(void)state;
	begin(&stop);
	stop_outcome(&stop, OUTCOME_AUTH, "");
	stop_outcome(&stop, OUTCOME_NO_MODEL, "");
	stop_outcome(&stop, OUTCOME_NO_MONEY, "");
	assert_int_equal(stop.exit_status, 69);
}

static void
an_answer_between_forgives_blames_and_nothing_else_does(void **state)
{
	struct stop stop;

	(void)state;
	begin(&stop);
	for (int i = 0; i < 50; i++) {
		stop_outcome(&stop, OUTCOME_AUTH, "");
		stop_outcome(&stop, OUTCOME_AUTH, "");
		stop_outcome(&stop, OUTCOME_LENGTH, "");
	}
	assert_int_equal(stop.phase, STOP_NONE);
	stop_outcome(&stop, OUTCOME_AUTH, "");
	stop_outcome(&stop, OUTCOME_SERVER_ERROR, "");
	stop_outcome(&stop, OUTCOME_AUTH, "");
	stop_outcome(&stop, OUTCOME_TIMEOUT_TOTAL, "");
	assert_int_equal(stop.phase, STOP_NONE);
	stop_outcome(&stop, OUTCOME_AUTH, "");
	assert_int_equal(stop.exit_status, 69);
}

static void
the_first_20_and_2_per_worker_all_failed_stops_with_69(void **state)
{
	struct stop stop;

	(void)state;
	stop_init(&stop, true, 7);
	for (int i = 1; i < 34; i++)
		stop_prompt_failed(&stop, "too bad");
	assert_int_equal(stop.phase, STOP_NONE);
	stop_prompt_failed(&stop, "this one as well");
	assert_int_equal(stop.phase, STOP_DRAIN);
	assert_int_equal(stop.exit_status, 69);
	assert_non_null(strstr(stop.reason, "this one as well"));
}

static void
one_answer_shows_that_it_can_work(void **state)
{
	struct stop stop;

	(void)state;
	begin(&stop);
	stop_outcome(&stop, OUTCOME_OK, "");
	for (int i = 0; i < 1000; i++) {
		stop_outcome(&stop, OUTCOME_SERVER_ERROR, "");
		stop_prompt_failed(&stop, "");
	}
	assert_int_equal(stop.phase, STOP_NONE);
	assert_int_equal(stop.exit_status, 0);
}

static void
ten_workers_that_were_never_ready_stop_with_69(void **state)
{
	struct stop stop;

	(void)state;
	begin(&stop);
	for (int i = 1; i < 10; i++)
		stop_death(&stop, false, NOBODY, "");
	assert_int_equal(stop.phase, STOP_NONE);
	stop_death(&stop, false, NOBODY, "no such library");
	assert_int_equal(stop.phase, STOP_DRAIN);
	assert_int_equal(stop.exit_status, 69);
	assert_non_null(strstr(stop.reason, "no such library"));
}

static void
ten_deaths_over_three_prompts_stop_with_69(void **state)
{
	struct stop stop;

	(void)state;
	begin(&stop);
	for (uint32_t i = 1; i < 10; i++)
		stop_death(&stop, true, i % 3, "");
	assert_int_equal(stop.phase, STOP_NONE);
	stop_death(&stop, true, 0, "signal 11");
	assert_int_equal(stop.exit_status, 69);
	assert_non_null(strstr(stop.reason, "signal 11"));
}

static void
deaths_on_two_prompts_are_those_prompts_own_fault(void **state)
{
	struct stop stop;

	(void)state;
	begin(&stop);
	for (uint32_t i = 0; i < 100; i++)
		stop_death(&stop, true, i % 2, "");
	assert_int_equal(stop.phase, STOP_NONE);
	stop_death(&stop, true, 2, "");
	assert_int_equal(stop.exit_status, 69);
}

static void
an_answer_between_forgives_deaths(void **state)
{
	struct stop stop;

	(void)state;
	begin(&stop);
	for (uint32_t i = 0; i < 200; i++) {
		if (i % 9 == 0)
			stop_outcome(&stop, OUTCOME_OK, "");
		stop_death(&stop, i % 2 == 0, i, "");
	}
	assert_int_equal(stop.phase, STOP_NONE);
}

static void
prompts_that_killed_before_an_answer_do_not_count_after_it(void **state)
{
	struct stop stop;

	(void)state;
	begin(&stop);
	for (uint32_t i = 0; i < 3; i++)
		stop_death(&stop, true, i, "");
	stop_outcome(&stop, OUTCOME_OK, "");
	for (int i = 0; i < 20; i++)
		stop_death(&stop, true, 0, "");
	assert_int_equal(stop.phase, STOP_NONE);
}

static void
a_long_reason_is_cut_not_overrun(void **state)
{
	char why[4096];
	struct stop stop;

	(void)state;
	memset(why, 'x', sizeof(why) - 1);
	why[sizeof(why) - 1] = '\0';
	begin(&stop);
	for (int i = 0; i < 3; i++)
		stop_outcome(&stop, OUTCOME_AUTH, why);
	assert_int_equal(strlen(stop.reason), sizeof(stop.reason) - 1);
}

/* ---- signals ---- */

static void
the_first_interrupt_drains_for_as_long_as_it_takes(void **state)
{
	struct stop stop;

	(void)state;
	begin(&stop);
	stop_signal(&stop, SIGINT, 100);
	assert_int_equal(stop_tick(&stop, CLOCK_NEVER - 1), STOP_DRAIN);
	assert_true(stop_due_ns(&stop) == CLOCK_NEVER);
	assert_int_equal(stop.exit_status, 130);
}

static void
a_second_interrupt_kills_but_not_within_300_ms(void **state)
{
	struct stop stop;

	(void)state;
	begin(&stop);
	stop_signal(&stop, SIGINT, 1000);
	stop_signal(&stop, SIGINT, 1000 + 300 * CLOCK_MS - 1);
	assert_int_equal(stop_tick(&stop, 1000 + CLOCK_S), STOP_DRAIN);
	stop_signal(&stop, SIGINT, 1000 + 300 * CLOCK_MS);
	assert_int_equal(stop_tick(&stop, 1000 + CLOCK_S), STOP_KILL);
	assert_int_equal(stop.exit_status, 130);
}

static void
without_a_terminal_an_interrupt_is_a_term(void **state)
{
	struct stop stop;

	(void)state;
	stop_init(&stop, false, 4);
	stop_signal(&stop, SIGINT, 0);
	assert_int_equal(stop.exit_status, 75);
	assert_non_null(strstr(stop.reason, "SIGINT"));
	stop_signal(&stop, SIGINT, 5 * CLOCK_S);
	assert_int_equal(stop_tick(&stop, 20 * CLOCK_S - 1), STOP_DRAIN);
	assert_int_equal(stop_tick(&stop, 20 * CLOCK_S), STOP_KILL);
}

static void
term_drains_at_most_20_s_from_the_first(void **state)
{
	struct stop stop;

	(void)state;
	begin(&stop);
	stop_signal(&stop, SIGTERM, CLOCK_S);
	assert_int_equal(stop.exit_status, 75);
	assert_non_null(strstr(stop.reason, "SIGTERM"));
	assert_true(stop_due_ns(&stop) == 21 * CLOCK_S);
	/* Slurm: 8 ms later; and others, whenever. */
	stop_signal(&stop, SIGTERM, CLOCK_S + 8 * CLOCK_MS);
	stop_signal(&stop, SIGTERM, 15 * CLOCK_S);
	assert_true(stop_due_ns(&stop) == 21 * CLOCK_S);
	assert_int_equal(stop_tick(&stop, 21 * CLOCK_S - 1), STOP_DRAIN);
	assert_int_equal(stop_tick(&stop, 21 * CLOCK_S), STOP_KILL);
	assert_true(stop_due_ns(&stop) == CLOCK_NEVER);
}

static void
warnings_drain_without_haste(void **state)
{
	static const int warnings[] = {SIGUSR1, SIGUSR2, SIGHUP};
	static const char *const names[] = {"SIGUSR1", "SIGUSR2", "SIGHUP"};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct stop stop;

		begin(&stop);
		stop_signal(&stop, warnings[i], 0);
		assert_int_equal(stop_tick(&stop, 3600 * CLOCK_S), STOP_DRAIN);
		assert_true(stop_due_ns(&stop) == CLOCK_NEVER);
		assert_int_equal(stop.exit_status, 75);
		assert_non_null(strstr(stop.reason, names[i]));
		/* The limit's TERM follows. */
		stop_signal(&stop, SIGTERM, 3600 * CLOCK_S);
		assert_true(stop_due_ns(&stop) == 3620 * CLOCK_S);
	}
}

static void
an_interrupt_during_a_term_keeps_its_limit(void **state)
{
	struct stop stop;

	(void)state;
	begin(&stop);
	stop_signal(&stop, SIGTERM, 0);
	stop_signal(&stop, SIGINT, CLOCK_S);
	assert_int_equal(stop.exit_status, 130);
	assert_true(stop_due_ns(&stop) == 20 * CLOCK_S);
	stop_signal(&stop, SIGINT, 2 * CLOCK_S);
	assert_int_equal(stop_tick(&stop, 2 * CLOCK_S), STOP_KILL);
}

static void
a_phase_never_gets_weaker(void **state)
{
	struct stop stop;

	(void)state;
	begin(&stop);
	stop_signal(&stop, SIGINT, 0);
	stop_signal(&stop, SIGINT, CLOCK_S);
	stop_signal(&stop, SIGTERM, CLOCK_S);
	stop_signal(&stop, SIGUSR1, CLOCK_S);
	stop_ask(&stop, STOP_EXIT_EARLY, "");
	stop_outcome(&stop, OUTCOME_OK, "");
	assert_int_equal(stop_tick(&stop, CLOCK_S), STOP_KILL);
}

/* ---- exit statuses ---- */

static void
of_two_statuses_the_one_earlier_in_the_list_wins(void **state)
{
	static const int order[] = {69, 4, 130, 75, 74, 1, 0};

	(void)state;
	for (size_t i = 0; i < 7; i++) {
		for (size_t k = i; k < 7; k++) {
			assert_int_equal(
			    stop_stronger(order[i], order[k]), order[i]);
			assert_int_equal(
			    stop_stronger(order[k], order[i]), order[i]);
		}
	}
}

static void
the_reason_is_that_of_the_status(void **state)
{
	struct stop stop;

	(void)state;
	begin(&stop);
	stop_ask(&stop, STOP_EXIT_EARLY, "the first");
	stop_ask(&stop, STOP_EXIT_EARLY, "the same again");
	assert_string_equal(stop.reason, "the first");
	stop_ask(&stop, STOP_EXIT_NOT_SAVED, "a weaker one");
	assert_string_equal(stop.reason, "the first");
	assert_int_equal(stop.exit_status, 75);
	stop_ask(&stop, STOP_EXIT_BACKEND, "the strongest");
	assert_string_equal(stop.reason, "the strongest");
	assert_int_equal(stop.exit_status, 69);
	stop_signal(&stop, SIGINT, 0);
	assert_string_equal(stop.reason, "the strongest");
	assert_int_equal(stop.exit_status, 69);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(nothing_happened_is_no_reason),
	    cmocka_unit_test(three_blames_in_a_row_stop_with_69_and_say_why),
	    cmocka_unit_test(different_blames_count_together),
	    cmocka_unit_test(
		an_answer_between_forgives_blames_and_nothing_else_does),
	    cmocka_unit_test(
		the_first_20_and_2_per_worker_all_failed_stops_with_69),
	    cmocka_unit_test(one_answer_shows_that_it_can_work),
	    cmocka_unit_test(ten_workers_that_were_never_ready_stop_with_69),
	    cmocka_unit_test(ten_deaths_over_three_prompts_stop_with_69),
	    cmocka_unit_test(deaths_on_two_prompts_are_those_prompts_own_fault),
	    cmocka_unit_test(an_answer_between_forgives_deaths),
	    cmocka_unit_test(
		prompts_that_killed_before_an_answer_do_not_count_after_it),
	    cmocka_unit_test(a_long_reason_is_cut_not_overrun),
	    cmocka_unit_test(
		the_first_interrupt_drains_for_as_long_as_it_takes),
	    cmocka_unit_test(a_second_interrupt_kills_but_not_within_300_ms),
	    cmocka_unit_test(without_a_terminal_an_interrupt_is_a_term),
	    cmocka_unit_test(term_drains_at_most_20_s_from_the_first),
	    cmocka_unit_test(warnings_drain_without_haste),
	    cmocka_unit_test(an_interrupt_during_a_term_keeps_its_limit),
	    cmocka_unit_test(a_phase_never_gets_weaker),
	    cmocka_unit_test(of_two_statuses_the_one_earlier_in_the_list_wins),
	    cmocka_unit_test(the_reason_is_that_of_the_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
