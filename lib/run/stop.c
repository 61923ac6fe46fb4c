/* SPDX-License-Identifier: ISC */
/*
 * Why and until when. Everything that can end a run early comes together here
 * and becomes one phase, one exit status and one sentence. A phase only ever
 * gets stronger, and so does the status.
 */
#include "run/stop.h"

#include <signal.h>
#include <stdio.h>

#include "base/clock.h"

void
stop_init(struct stop *stop, bool terminal, uint32_t workers)
{
	*stop = (struct stop){
	    .terminal = terminal,
	    .workers = workers,
	    .drain_until_ns = CLOCK_NEVER,
	    .deadline_ns = CLOCK_NEVER,
	    .interrupted_ns = -1,
	    .terminated_ns = -1,
	};
}

int
stop_stronger(int one, int other)
{
	static const int order[] = {
	    STOP_EXIT_BACKEND,
	    STOP_EXIT_LIMIT,
	    STOP_EXIT_INTERRUPTED,
	    STOP_EXIT_EARLY,
	    STOP_EXIT_NOT_SAVED,
	    STOP_EXIT_FAILED,
	};

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		if (order[i] == one || order[i] == other)
			return order[i];
	return one;
}

static void
drain(struct stop *stop)
{
	if (stop->phase == STOP_NONE)
		stop->phase = STOP_DRAIN;
}

void
stop_ask(struct stop *stop, int exit_status, const char *reason)
{
	if (stop->exit_status != exit_status &&
	    stop_stronger(stop->exit_status, exit_status) == exit_status) {
		stop->exit_status = exit_status;
		snprintf(stop->reason, sizeof(stop->reason), "%s", reason);
	}
	drain(stop);
}

static void
interrupt(struct stop *stop, int64_t now_ns)
{
	if (stop->interrupted_ns == -1) {
		stop->interrupted_ns = now_ns;
		stop_ask(stop, STOP_EXIT_INTERRUPTED, "interrupted");
	} else if (now_ns - stop->interrupted_ns >= STOP_SECOND_INTERRUPT_NS) {
		stop->phase = STOP_KILL;
	}
}

static void
terminate(struct stop *stop, const char *name, int64_t now_ns)
{
	int64_t until_ns = clock_add(now_ns, STOP_TERM_DRAIN_NS);
	char reason[64];

	/* Slurm sends two, 8 ms apart: only the first one counts. */
	if (stop->terminated_ns != -1)
		return;
	stop->terminated_ns = now_ns;
	if (until_ns < stop->drain_until_ns)
		stop->drain_until_ns = until_ns;
	snprintf(reason, sizeof(reason), "stopped by %s", name);
	stop_ask(stop, STOP_EXIT_EARLY, reason);
}

static const char *
warning_reason(int signal_number)
{
	switch (signal_number) {
	case SIGUSR1:
		return "stopped by SIGUSR1";
	case SIGUSR2:
		return "stopped by SIGUSR2";
	default:
		return "stopped by SIGHUP";
	}
}

void
stop_signal(struct stop *stop, int signal_number, int64_t now_ns)
{
	if (signal_number == SIGINT && stop->terminal) {
		interrupt(stop, now_ns);
	} else if (signal_number == SIGINT) {
		terminate(stop, "SIGINT", now_ns);
	} else if (signal_number == SIGTERM) {
		terminate(stop, "SIGTERM", now_ns);
	} else {
		stop_ask(stop, STOP_EXIT_EARLY, warning_reason(signal_number));
	}
}

void
stop_outcome(struct stop *stop, enum outcome outcome, const char *why)
{
	const struct outcome_trait *trait = outcome_trait(outcome);
	char reason[sizeof(stop->reason)];

	if (!trait->answers)
		stop->last = outcome;
	if (trait->answers) {
		stop->answers++;
		stop->blames = 0;
		stop->early_deaths = 0;
		stop->deaths = 0;
		stop->death_prompts = 0;
	}
	if (!trait->blames_run || ++stop->blames < STOP_BLAMES_IN_A_ROW)
		return;
	snprintf(reason, sizeof(reason), "%s (%u times in a row): %s",
	    trait->words, (unsigned)stop->blames, why);
	stop_ask(stop, STOP_EXIT_BACKEND, reason);
}

void
stop_prompt_failed(struct stop *stop, const char *why)
{
	char reason[sizeof(stop->reason)];

	stop->failed_prompts++;
	if (stop->answers > 0 ||
	    stop->failed_prompts < 20 + 2 * (uint64_t)stop->workers)
		return;
	snprintf(reason, sizeof(reason),
	    "the first %llu prompts all failed; the last one: %s",
	    (unsigned long long)stop->failed_prompts, why);
	stop_ask(stop, STOP_EXIT_BACKEND, reason);
}

static void
count_death_prompt(struct stop *stop, uint32_t index)
{
	for (uint32_t i = 0; i < stop->death_prompts; i++)
		if (stop->death_index[i] == index)
			return;
	if (stop->death_prompts < STOP_DEATH_PROMPTS)
		stop->death_index[stop->death_prompts++] = index;
}

void
stop_death(struct stop *stop, bool ready, uint32_t index, const char *why)
{
	char reason[sizeof(stop->reason)];

	stop->deaths++;
	if (!ready)
		stop->early_deaths++;
	else if (index != UINT32_MAX)
		count_death_prompt(stop, index);
	if (stop->early_deaths >= STOP_EARLY_DEATHS_IN_A_ROW)
		snprintf(reason, sizeof(reason),
		    "%u workers in a row died before they were ready; the "
		    "last one: %s",
		    (unsigned)stop->early_deaths, why);
	else if (stop->deaths >= STOP_EARLY_DEATHS_IN_A_ROW &&
		 stop->death_prompts >= STOP_DEATH_PROMPTS)
		snprintf(reason, sizeof(reason),
		    "%u workers in a row died on different prompts; the last "
		    "one: %s",
		    (unsigned)stop->deaths, why);
	else
		return;
	stop_ask(stop, STOP_EXIT_BACKEND, reason);
}

enum stop_phase
stop_tick(struct stop *stop, int64_t now_ns)
{
	if (now_ns >= stop_due_ns(stop))
		stop->phase = STOP_KILL;
	return stop->phase;
}

int64_t
stop_due_ns(const struct stop *stop)
{
	if (stop->phase != STOP_DRAIN)
		return CLOCK_NEVER;
	return stop->deadline_ns < stop->drain_until_ns ? stop->deadline_ns
							: stop->drain_until_ns;
}
