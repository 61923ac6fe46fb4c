/* SPDX-License-Identifier: ISC */
/*
 * When may anybody be sent. Three reasons to wait, all for the whole run: a
 * server that asked for a pause, the rate that it allows, and a server that is
 * not there. The last is probed by one prompt at a time, so that a dead port
 * costs one attempt now and then, not one per prompt.
 */
#include "run/pace.h"

#include "base/clock.h"

void
pace_init(struct pace *pace, int64_t wait_first_ns, int64_t wait_later_ns)
{
	*pace = (struct pace){
	    .wait_first_ns = wait_first_ns,
	    .wait_later_ns = wait_later_ns,
	    .down_since_ns = -1,
	};
	learn_init(&pace->learn);
}

static int64_t
later(int64_t one_ns, int64_t other_ns)
{
	return one_ns > other_ns ? one_ns : other_ns;
}

static int64_t
quota_ns(const struct pace *pace, const struct quota *quota)
{
	return quota_due_ns(
	    quota, pace->sent, pace->sent_ns, pace->sent - pace->back);
}

/* The pause that was asked for, the rate, and what is left. */
static int64_t
allowed_ns(const struct pace *pace)
{
	int64_t due_ns = later(learn_due_ns(&pace->learn), pace->cool_until_ns);

	due_ns = later(due_ns, quota_ns(pace, &pace->requests));
	return later(due_ns, quota_ns(pace, &pace->tokens));
}

int64_t
pace_due_ns(const struct pace *pace)
{
	if (pace->down_since_ns == -1)
		return allowed_ns(pace);
	if (pace->probing)
		return CLOCK_NEVER;
	return later(pace->probe_at_ns, pace->cool_until_ns);
}

bool
pace_may_send(const struct pace *pace, int64_t now_ns)
{
	return now_ns >= pace_due_ns(pace);
}

void
pace_sent(struct pace *pace, uint32_t index, int64_t now_ns)
{
	learn_sent(&pace->learn, now_ns);
	pace->sent++;
	pace->sent_ns = now_ns;
	pace->probing = pace->down_since_ns != -1;
	pace->probe_index = index;
}

static void
probe_at(struct pace *pace, int64_t pause_ns, int64_t now_ns)
{
	if (pause_ns > PACE_PROBE_MAX_NS)
		pause_ns = PACE_PROBE_MAX_NS;
	pace->probing = false;
	pace->probe_pause_ns = pause_ns;
	pace->probe_at_ns = clock_add(now_ns, pause_ns);
}

/* Does this outcome say nothing about whether somebody is there? */
static bool
says_nothing(enum outcome outcome)
{
	return outcome == OUTCOME_INTERRUPTED || outcome == OUTCOME_CRASH ||
	       outcome == OUTCOME_TIMEOUT_TOTAL;
}

/* A pause is asked for: of the whole run. */
static void
cool(struct pace *pace, enum outcome outcome, int64_t retry_after_ns,
    int64_t started_ns, int64_t now_ns)
{
	int64_t hold_ns = retry_after_ns > 0 ? retry_after_ns : PACE_HOLD_NS;
	int64_t until_ns;

	/* Overload passes without a word; a limit holds for longer. */
	if (retry_after_ns <= 0 &&
	    (outcome == OUTCOME_OVERLOADED || !pace->learns))
		return;
	/* A moment is enough for one request, not for all that come then. */
	if (pace->learns && hold_ns < PACE_HOLD_LEAST_NS)
		hold_ns = PACE_HOLD_LEAST_NS;
	until_ns = clock_add(now_ns, hold_ns);
	if (until_ns > pace->cool_until_ns)
		pace->cool_until_ns = until_ns;
	if (outcome == OUTCOME_RATE_LIMITED && pace->learns)
		learn_refused(&pace->learn, started_ns, until_ns, now_ns);
}

/* Is it that server's failure? That of a prompt looks different, or comes
 * alone. */
static bool
is_failure(enum outcome outcome)
{
	switch (outcome) {
	case OUTCOME_SERVER_ERROR:
	case OUTCOME_OVERLOADED:
	case OUTCOME_TRUNCATED:
	case OUTCOME_GARBAGE:
	case OUTCOME_TIMEOUT_FIRST_BYTE:
	case OUTCOME_TIMEOUT_STALL:
	case OUTCOME_TIMEOUT_TOTAL:
		return true;
	default:
		return false;
	}
}

/* Is nobody there, or, where others are, nobody of use? */
static bool
is_away(struct pace *pace, enum outcome outcome)
{
	if (is_failure(outcome))
		pace->failures++;
	else if (outcome != OUTCOME_INTERRUPTED && outcome != OUTCOME_CRASH)
		pace->failures = 0;
	if (outcome_trait(outcome)->blames_server)
		return true;
	return pace->has_others && pace->failures >= PACE_FAILURES_IN_A_ROW;
}

void
pace_report(struct pace *pace, uint32_t index, enum outcome outcome,
    int64_t retry_after_ns, int64_t started_ns, int64_t now_ns)
{
	bool is_probe = pace->probing && pace->probe_index == index;
	bool away = is_away(pace, outcome);

	pace->back++;
	if (outcome == OUTCOME_RATE_LIMITED || outcome == OUTCOME_OVERLOADED)
		cool(pace, outcome, retry_after_ns, started_ns, now_ns);
	if (away && pace->down_since_ns == -1) {
		pace->down_since_ns = now_ns;
		probe_at(pace,
		    pace->has_others ? PACE_REST_FIRST_NS : PACE_PROBE_FIRST_NS,
		    now_ns);
		return;
	}
	if (away || says_nothing(outcome)) {
		/* Others were in flight when it went down. */
		if (is_probe)
			probe_at(pace, pace->probe_pause_ns * 2, now_ns);
		return;
	}
	pace->answered |= outcome_trait(outcome)->answers;
	pace->down_since_ns = -1;
	pace->probing = false;
}

static void
take_one(struct quota *quota, const struct reply_quota *said, uint64_t serial,
    double each, int64_t now_ns)
{
	if (said->remaining < 0 || said->reset_ms < 0 || each <= 0)
		return;
	quota_take(quota, serial, (int64_t)((double)said->remaining / each),
	    clock_add(now_ns, said->reset_ms * CLOCK_MS), now_ns);
}

void
pace_take_quota(struct pace *pace, uint64_t serial, const struct reply *reply,
    int64_t now_ns)
{
	/* What an answer costs follows slowly what the last ones did. */
	if (reply->input_tokens >= 0 && reply->output_tokens >= 0) {
		double cost =
		    (double)(reply->input_tokens + reply->output_tokens);

		pace->tokens_each = pace->tokens_each > 0
					? pace->tokens_each * 0.9 + cost * 0.1
					: cost;
	}
	take_one(&pace->requests, &reply->requests, serial, 1, now_ns);
	take_one(
	    &pace->tokens, &reply->tokens, serial, pace->tokens_each, now_ns);
}

int64_t
pace_gives_up_ns(const struct pace *pace)
{
	if (pace->down_since_ns == -1 || pace->probing)
		return CLOCK_NEVER;
	return clock_add(pace->down_since_ns,
	    pace->answered ? pace->wait_later_ns : pace->wait_first_ns);
}

bool
pace_gave_up(const struct pace *pace, int64_t now_ns)
{
	return now_ns >= pace_gives_up_ns(pace);
}

void
pace_shift(struct pace *pace, int64_t slept_ns)
{
	if (pace->down_since_ns != -1)
		pace->down_since_ns = clock_add(pace->down_since_ns, slept_ns);
}

bool
pace_waits(const struct pace *pace, int64_t now_ns)
{
	return pace->down_since_ns != -1 || now_ns < pace->cool_until_ns ||
	       now_ns < quota_ns(pace, &pace->requests) ||
	       now_ns < quota_ns(pace, &pace->tokens);
}
