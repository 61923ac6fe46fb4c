/* SPDX-License-Identifier: ISC */
/*
 * One attempt ended: pace, sched, store and stop each hear of it, in this
 * order, and the verdict of sched says what the prompt is now.
 */
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "data/store.h"
#include "run/coord_impl.h"
#include "view/stats.h"

void
coord_remember(struct coord *coord, const struct store_note *note)
{
	if (store_remember(coord->conf.store, note) == -1) {
		store_commit(coord->conf.store, coord->now_ns, true);
		if (store_remember(coord->conf.store, note) == -1)
			coord->no_memory = true;
	}
	coord_copy(coord, note);
}

static void
one_line(struct span text, char out[COORD_WHY_BYTES])
{
	struct buf line;

	buf_init(&line, COORD_WHY_BYTES * 4);
	text_one_line(&line, text, COORD_WHY_BYTES - 8);
	snprintf(
	    out, COORD_WHY_BYTES, "%s", line.data != NULL ? line.data : "");
	buf_free(&line);
}

/* Write down that a prompt failed, for the reason kept with it. */
static void
remember_failure(struct coord *coord, const struct held *held)
{
	struct reply reply;
	struct store_note note = {
	    .index = held->index,
	    .state = STORE_FAILED,
	    .tries = sched_tries(coord->sched, held->index),
	    .attempt = 1,
	    .no_attempt = true,
	    .reply = &reply,
	};

	reply_init(&reply);
	reply.outcome = held->outcome;
	reply.error = buf_span(&held->why);
	coord_remember(coord, &note);
}

/* An answer came from there, so the ones held for it were their own fault. */
static void
fail_held(struct coord *coord, uint32_t endpoint)
{
	struct held *held;

	while ((held = held_pop(&coord->held, endpoint)) != NULL) {
		sched_fail_held(coord->sched, held->index);
		limit_failed(&coord->limit);
		remember_failure(coord, held);
		held_free(held);
	}
}

/* The backend can answer, or the run has ended without proof that it cannot:
 * what failed has failed. */
static void
fail_unproven(struct coord *coord)
{
	struct held *held;

	while ((held = held_pop(&coord->unproven, HELD_ANY)) != NULL) {
		remember_failure(coord, held);
		held_free(held);
	}
}

/* Nobody wants a program that sleeps until tomorrow: others go on without that
 * server; without others the prompt stays open. */
static void
refuse_pause(
    struct coord *coord, uint32_t endpoint, int64_t pause_ns, const char *why)
{
	char reason[COORD_WHY_BYTES];
	char pause[32];

	snprintf(reason, sizeof(reason),
	    "the server asks for a pause of %s, longer than --max-wait: %.*s",
	    text_duration(pause_ns, pause, sizeof(pause)),
	    COORD_WHY_BYTES - 128, why);
	if (!coord_can_do_without(coord, endpoint, reason))
		stop_ask(coord->conf.stop, STOP_EXIT_EARLY, reason);
}

/* Slurm's SIGTERM hits commands as well as us, and sometimes first: what came
 * for us by now is heard before the verdict. One that dies of a signal while
 * the run stops was cut short by that, and is not charged. */
static void
excuse_command(struct coord *coord, struct pool_report *report)
{
	struct reply *reply = &report->reply;

	if (report->event != POOL_DONE ||
	    (reply->outcome != OUTCOME_CRASH && !reply->terminated))
		return;
	coord_hear_signals(coord);
	if (coord->conf.stop->phase != STOP_NONE)
		reply->outcome = OUTCOME_INTERRUPTED;
}

static uint64_t
known(int64_t tokens)
{
	return tokens > 0 ? (uint64_t)tokens : 0;
}

static void
count_attempt(struct coord *coord, const struct pool_report *report)
{
	struct stats *stats = coord->conf.stats;
	struct stats_server *server = &stats->servers[report->endpoint];

	if (outcome_trait(report->reply.outcome)->answers)
		server->answers++;
	else
		server->failures++;
	stats->attempts++;
	stats->attempts_by[report->reply.outcome]++;
	stats->paid.input += known(report->reply.input_tokens);
	stats->paid.output += known(report->reply.output_tokens);
	if (report->attempt > 1)
		stats->retries++;
	if (report->event == POOL_DONE &&
	    report->reply.outcome == OUTCOME_CRASH)
		stats->crashes++;
	if (report->late && outcome_trait(report->reply.outcome)->answers)
		stats->late_answers++;
}

/* All tokens went into reasoning: the same limit ends the next try as well. */
static bool
ran_into_limit(const struct reply *reply)
{
	return reply->outcome == OUTCOME_EMPTY &&
	       span_equals(reply->finish_reason, span_of("length"));
}

/* How long a prompt that met a rate limit waits is how long the whole run
 * does, whoever asked for it; a run that stops waits for nobody. */
static void
count_cool_down(const struct coord *coord, struct sched_result *result)
{
	int64_t left_ns = route_pause_ns(&coord->route, coord->now_ns);

	/* A pause that one server asked for does not keep it from others. */
	if (coord->route.count > 1 &&
	    (result->outcome == OUTCOME_RATE_LIMITED ||
		result->outcome == OUTCOME_OVERLOADED))
		result->retry_after_ns = left_ns;
	if (result->outcome != OUTCOME_RATE_LIMITED)
		return;
	if (coord->conf.stop->phase != STOP_NONE)
		result->outcome = OUTCOME_INTERRUPTED;
	else if (left_ns > result->retry_after_ns)
		result->retry_after_ns = left_ns;
}

static enum sched_verdict
ask_sched(struct coord *coord, struct pool_report *report,
    int64_t retry_after_ns, char *why)
{
	struct sched_result result = {
	    .outcome = report->reply.outcome,
	    .worker_died = report->event == POOL_LOST && !report->killed,
	    .retry_after_ns = retry_after_ns,
	    .hopeless = ran_into_limit(&report->reply),
	};
	enum sched_verdict verdict;

	count_cool_down(coord, &result);
	verdict =
	    sched_report(coord->sched, report->index, &result, coord->now_ns);
	if (verdict == SCHED_POISON) {
		char last[COORD_WHY_BYTES - 64];

		snprintf(last, sizeof(last), "%.*s", COORD_WHY_BYTES - 65, why);
		snprintf(why, COORD_WHY_BYTES,
		    "it killed %u workers; the last: %s",
		    (unsigned)coord->conf.policy.poison, last);
		report->reply.outcome = OUTCOME_POISON;
		report->reply.error = span_of(why);
	}
	return verdict;
}

static void
hold(struct coord *coord, struct held **list, const struct pool_report *report)
{
	const struct held what = {
	    .index = report->index,
	    .endpoint = report->endpoint,
	    .outcome = report->reply.outcome,
	};

	coord->no_memory |= held_push(list, &what, report->reply.error) == -1;
}

static void
count_failure(struct coord *coord, const char *why)
{
	limit_failed(&coord->limit);
	stop_prompt_failed(coord->conf.stop, why);
}

/* An answer asks for none, whatever stands beside it. */
static int64_t
pause_of(const struct reply *reply)
{
	if (outcome_trait(reply->outcome)->answers || reply->retry_after_ms < 0)
		return -1;
	return reply->retry_after_ms * CLOCK_MS;
}

void
coord_uncount(struct coord *coord, uint32_t index)
{
	coord->conf.asked[index] = 0;
	coord->conf.stats->asked--;
}

/* Keep what people ask for first when something is wrong. */
static void
keep_error(
    struct coord *coord, const struct pool_report *report, const char *why)
{
	struct panel_error *error =
	    &coord->errors[coord->error_count++ % PANEL_ERRORS];

	*error = (struct panel_error){
	    .wall_ms = clock_wall_ms(),
	    .id = store_id(coord->conf.store, report->index),
	    .outcome = report->reply.outcome,
	};
	snprintf(error->text, sizeof(error->text), "%.*s",
	    PANEL_ERROR_BYTES - 1, why);
}

/* One attempt ended: to whom does it matter? */
static void
take_attempt(struct coord *coord, struct pool_report *report)
{
	static const enum store_state states[] = {
	    [SCHED_ANSWERED] = STORE_ANSWERED,
	    [SCHED_LATER] = STORE_OPEN,
	    [SCHED_FAILED] = STORE_FAILED,
	    [SCHED_POISON] = STORE_FAILED,
	    [SCHED_HELD] = STORE_OPEN,
	    [SCHED_CANCELLED] = STORE_OPEN,
	};
	struct reply *reply = &report->reply;
	int64_t retry_after_ns = pause_of(reply);
	char why[COORD_WHY_BYTES];
	enum sched_verdict verdict;
	struct store_note note;

	excuse_command(coord, report);
	if (!outcome_trait(reply->outcome)->answers)
		reply->error = coord_sign_reason(coord, report->endpoint,
		    reply->error, &coord->signed_reason);
	limit_back(&coord->limit, coord_estimate(coord, report->index), reply);
	one_line(reply->error, why);
	count_attempt(coord, report);
	if (!outcome_trait(reply->outcome)->answers)
		keep_error(coord, report, why);
	if (retry_after_ns > coord->conf.policy.wait_max_ns) {
		refuse_pause(coord, report->endpoint, retry_after_ns, why);
		retry_after_ns = -1;
	}
	coord_tell_servers(coord, report, retry_after_ns, why);
	width_report(&coord->width, reply->outcome, sched_out(coord->sched) - 1,
	    report->started_ns, coord->now_ns);
	verdict = ask_sched(coord, report, retry_after_ns, why);
	if (verdict == SCHED_CANCELLED)
		coord_uncount(coord, report->index);
	note = (struct store_note){
	    .index = report->index,
	    .attempt = report->attempt,
	    .worker = report->slot,
	    .state = states[verdict],
	    .tries = sched_tries(coord->sched, report->index),
	    .started_wall_ms = clock_wall_ms() -
			       (coord->now_ns - report->started_ns) / CLOCK_MS,
	    .reply = reply,
	};
	/* Before the first answer a failure may be the run's own: it is
	 * written down when that is known. */
	if (note.state == STORE_FAILED && coord->conf.stop->answers == 0) {
		note.state = STORE_OPEN;
		hold(coord, &coord->unproven, report);
	}
	coord_remember(coord, &note);
	if (!coord_blames_server(coord, report))
		stop_outcome(coord->conf.stop, reply->outcome, why);
	if (verdict == SCHED_HELD) {
		hold(coord, &coord->held, report);
		coord_judge_server(coord, report->endpoint, why);
	} else if (states[verdict] == STORE_FAILED)
		count_failure(coord, why);
	else if (verdict == SCHED_ANSWERED &&
		 coord->conf.stop->phase == STOP_NONE) {
		/* A run that stops leaves them open. */
		fail_held(coord, report->endpoint);
		fail_unproven(coord);
	}
	if (verdict != SCHED_ANSWERED)
		log_say(LOG_INFO, "prompt %jd, attempt %u: %s: %s",
		    (intmax_t)store_id(coord->conf.store, report->index),
		    report->attempt, outcome_trait(reply->outcome)->name, why);
	if (coord->conf.attempted != NULL)
		coord->conf.attempted(coord->conf.attempted_arg, report);
}

static void
take_death(struct coord *coord, const struct pool_report *report)
{
	char why[COORD_WHY_BYTES];
	bool held_prompt = report->event == POOL_LOST;

	if (report->killed)
		coord->conf.stats->killed++;
	else
		coord->conf.stats->deaths++;
	/* Killed because it never became ready: that has to end somewhere. */
	if (report->killed && report->event != POOL_STILLBORN)
		return;
	one_line(report->reply.error, why);
	/* It says that no worker can ever work. */
	if (report->event == POOL_STILLBORN &&
	    outcome_trait(report->reply.outcome)->blames_run) {
		stop_ask(coord->conf.stop, STOP_EXIT_BACKEND, why);
		return;
	}
	stop_death(coord->conf.stop, report->event != POOL_STILLBORN,
	    held_prompt ? report->index : UINT32_MAX, why);
	log_say(report->event == POOL_STILLBORN ? LOG_WARN : LOG_INFO,
	    "worker %u: %s", report->slot, why);
}

void
coord_take_report(struct coord *coord, struct pool_report *report)
{
	switch (report->event) {
	case POOL_READY:
		break;
	case POOL_DONE:
		take_attempt(coord, report);
		break;
	case POOL_LOST:
		take_death(coord, report);
		take_attempt(coord, report);
		break;
	case POOL_STILLBORN:
	case POOL_GONE:
		take_death(coord, report);
		break;
	}
}

/* At its end a run without any answer is itself wrong; with one the held ones
 * are the prompts' own. */
void
coord_judge_held(struct coord *coord)
{
	struct held *held = coord->held;
	char why[COORD_WHY_BYTES];
	char reason[COORD_WHY_BYTES];

	if (coord->conf.stop->exit_status != STOP_EXIT_BACKEND ||
	    coord->conf.stop->answers > 0)
		fail_unproven(coord);
	/* Nobody knows before a run is over: those of one that was stopped
	 * stay open. */
	if (held == NULL || coord->conf.stop->phase != STOP_NONE)
		return;
	if (coord->conf.stop->answers > 0) {
		fail_held(coord, HELD_ANY);
		return;
	}
	one_line(buf_span(&held->why), why);
	snprintf(reason, sizeof(reason), "%s: %.*s",
	    outcome_trait(held->outcome)->words, COORD_WHY_BYTES - 64, why);
	stop_ask(coord->conf.stop, STOP_EXIT_BACKEND, reason);
}
