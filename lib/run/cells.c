/* SPDX-License-Identifier: ISC */
/*
 * What each event means in each state of a slot: one table, each cell a named
 * function. Whatever a worker does ends as a report about one attempt: nothing
 * it sends, and no way of dying, is an error of the coordinator.
 */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/must.h"
#include "base/text.h"
#include "run/pool_impl.h"

void
slot_move(struct pool *pool, struct slot *slot, enum slot_state state)
{
	if (slot->state == SLOT_IDLE)
		TAILQ_REMOVE(&pool->idle, slot, idle);
	pool->in_state[slot->state]--;
	pool->in_state[state]++;
	slot->state = state;
	/* The last to finish is the first to work: its connection is warm. */
	if (state == SLOT_IDLE)
		TAILQ_INSERT_HEAD(&pool->idle, slot, idle);
}

void
slot_expect(struct pool *pool, struct slot *slot, int64_t deadline_ns)
{
	slot->deadline_ns = deadline_ns;
	slot->late = false;
	slot->heard_out = false;
	if (deadline_ns < pool->soonest_ns)
		pool->soonest_ns = deadline_ns;
}

void
slot_send_stop(struct pool *pool, struct slot *slot)
{
	buf_clear(&pool->out);
	msg_put_stop(&pool->out);
	/* A worker that cannot take it will be late, and is killed then. */
	if (write(slot->down_fd, pool->out.data, pool->out.size) == -1)
		log_say(LOG_DEBUG, "worker %u does not listen", slot->number);
}

void
slot_dismiss(struct pool *pool, struct slot *slot, int64_t now_ns)
{
	slot_send_stop(pool, slot);
	slot->leaves = true;
	slot_move(pool, slot, SLOT_LEAVING);
	slot_expect(pool, slot, clock_add(now_ns, POOL_LEAVE_WITHIN));
}

void
slot_kill(
    struct pool *pool, struct slot *slot, enum outcome verdict, int64_t now_ns)
{
	if (slot->state != SLOT_KILLED) {
		slot->killed = true;
		slot->verdict = verdict;
		slot_move(pool, slot, SLOT_KILLED);
		slot_expect(pool, slot, clock_add(now_ns, POOL_LOST_AFTER));
	}
	if (slot->pid_fd == -1)
		return; /* not born yet: killed when the notice comes */
	reap_signal(slot->pid_fd, SIGKILL);
	if (reap_look(slot->pid_fd, &(struct death){0}) != REAP_UNKNOWN)
		reap_signal_group(slot->pid, SIGKILL);
}

static bool
report_as(struct slot *slot, struct pool_report *report, enum pool_event event)
{
	*report = (struct pool_report){
	    .event = event,
	    .slot = slot->number,
	    .index = slot->index,
	    .attempt = slot->attempt,
	    .endpoint = slot->endpoint,
	    .serial = slot->serial,
	    .started_ns = slot->started_ns,
	    .killed = slot->killed,
	};
	reply_init(&report->reply);
	return true;
}

/* How long a slot's attempt took, without the time slept. */
static int64_t
awake_ms(const struct slot *slot, int64_t now_ns)
{
	int64_t awake_ns = now_ns - slot->started_ns - slot->slept_ns;

	return awake_ns > 0 ? awake_ns / CLOCK_MS : 0;
}

/* A worker cannot know for how long it was stopped. */
static void
correct_times(struct reply *reply, int64_t most_ms)
{
	if (reply->duration_ms > most_ms)
		reply->duration_ms = most_ms;
	if (reply->first_byte_ms > reply->duration_ms)
		reply->first_byte_ms = reply->duration_ms;
}

static void
report_why(struct pool *pool, struct slot *slot, struct pool_report *report,
    enum outcome outcome, int64_t now_ns)
{
	report->reply.outcome = outcome;
	report->reply.error = buf_span(&pool->text);
	if (report->started_ns > 0)
		report->reply.duration_ms = awake_ms(slot, now_ns);
}

/* What was lost with the worker. */
static void
put_so_far(struct pool *pool, const struct slot *slot)
{
	char size[32];

	if (slot->has_job && slot->answer_bytes > 0)
		buf_printf(&pool->text, " after %s",
		    text_size(slot->answer_bytes, size, sizeof(size)));
}

static void
put_too_late(struct pool *pool, const struct slot *slot)
{
	const int64_t allowed_ns =
	    slot->sequence > 0 ? slot->allowed_ns : POOL_READY_WITHIN;

	buf_printf(&pool->text, "%s within %g s",
	    slot->sequence > 0 ? "no answer" : "not ready",
	    (double)allowed_ns / (double)CLOCK_S);
	put_so_far(pool, slot);
}

static bool
report_done(struct pool *pool, struct slot *slot, const struct news *news,
    struct pool_report *report, int64_t now_ns)
{
	report_as(slot, report, POOL_DONE);
	report->reply = news->done.reply;
	correct_times(&report->reply, awake_ms(slot, now_ns));
	/* It gave up because we said it was late. */
	if (slot->state != SLOT_BUSY &&
	    report->reply.outcome == OUTCOME_INTERRUPTED &&
	    slot->verdict == OUTCOME_TIMEOUT_TOTAL) {
		buf_clear(&pool->text);
		put_too_late(pool, slot);
		report_why(pool, slot, report, OUTCOME_TIMEOUT_TOTAL, now_ns);
	}
	slot->has_job = false;
	return true;
}

typedef bool cell(struct pool *pool, struct slot *slot, const struct news *news,
    struct pool_report *report, int64_t now_ns);

static bool
never(struct pool *pool, struct slot *slot, const struct news *news,
    struct pool_report *report, int64_t now_ns)
{
	(void)pool, (void)news, (void)report, (void)now_ns;
	MUST(slot->state != SLOT_EMPTY);
	return false;
}

static bool
ignore(struct pool *pool, struct slot *slot, const struct news *news,
    struct pool_report *report, int64_t now_ns)
{
	(void)pool, (void)slot, (void)news, (void)report, (void)now_ns;
	return false;
}

static bool
breach(struct pool *pool, struct slot *slot, const struct news *news,
    struct pool_report *report, int64_t now_ns)
{
	(void)news, (void)report;
	log_say(LOG_INFO, "worker %u does not keep to the protocol: killed",
	    slot->number);
	slot_kill(pool, slot, OUTCOME_GARBAGE, now_ns);
	return false;
}

static bool
overdue(struct pool *pool, struct slot *slot, const struct news *news,
    struct pool_report *report, int64_t now_ns)
{
	(void)news, (void)report;
	slot_kill(pool, slot,
	    slot->verdict == OUTCOME_INTERRUPTED ? OUTCOME_INTERRUPTED
						 : OUTCOME_TIMEOUT_TOTAL,
	    now_ns);
	return false;
}

static bool
welcome(struct pool *pool, struct slot *slot, const struct news *news,
    struct pool_report *report, int64_t now_ns)
{
	if (news->hello.outcome != OUTCOME_OK) {
		report_as(slot, report, POOL_STILLBORN);
		report->reply.outcome = news->hello.outcome;
		report->reply.error = news->hello.text;
		slot->leaves = true;
		slot_move(pool, slot, SLOT_LEAVING);
		slot_expect(pool, slot, clock_add(now_ns, POOL_LEAVE_WITHIN));
		return true;
	}
	slot_move(pool, slot, SLOT_IDLE);
	slot_expect(pool, slot, CLOCK_NEVER);
	return report_as(slot, report, POOL_READY);
}

static bool
finish(struct pool *pool, struct slot *slot, const struct news *news,
    struct pool_report *report, int64_t now_ns)
{
	/* Nobody told it to give up; and such an attempt is free, so that one
	 * which always says so would go on for ever. */
	if (news->done.ticket != slot_ticket(slot) ||
	    news->done.reply.outcome == OUTCOME_INTERRUPTED)
		return breach(pool, slot, news, report, now_ns);
	report_done(pool, slot, news, report, now_ns);
	slot_move(pool, slot, SLOT_IDLE);
	slot_expect(pool, slot, CLOCK_NEVER);
	slot->jobs++;
	if (pool->conf.jobs_max > 0 && slot->jobs >= pool->conf.jobs_max)
		slot_dismiss(pool, slot, now_ns);
	return true;
}

/* A worker that was ever late is never used again: its pipe may be out of
 * step. What it brings is paid for, and kept. */
static bool
finish_late(struct pool *pool, struct slot *slot, const struct news *news,
    struct pool_report *report, int64_t now_ns)
{
	if (!slot->has_job || news->done.ticket != slot_ticket(slot))
		return breach(pool, slot, news, report, now_ns);
	report_done(pool, slot, news, report, now_ns);
	report->late = true;
	slot_move(pool, slot, SLOT_LEAVING);
	slot_expect(pool, slot, clock_add(now_ns, pool->conf.grace_ns));
	return true;
}

static bool
finish_killed(struct pool *pool, struct slot *slot, const struct news *news,
    struct pool_report *report, int64_t now_ns)
{
	if (!slot->has_job || news->done.ticket != slot_ticket(slot))
		return false;
	report_done(pool, slot, news, report, now_ns);
	report->late = true;
	return true;
}

static bool
ask(struct pool *pool, struct slot *slot, const struct news *news,
    struct pool_report *report, int64_t now_ns)
{
	(void)news, (void)report;
	slot->verdict = OUTCOME_TIMEOUT_TOTAL;
	slot_send_stop(pool, slot);
	slot_move(pool, slot, SLOT_ASKED);
	slot_expect(pool, slot, clock_add(now_ns, pool->conf.grace_ns));
	return false;
}

static void
slot_throttle(struct pool *pool, struct slot *slot, int64_t now_ns)
{
	slot->throttle_ns = slot->throttle_ns == 0 ? POOL_THROTTLE_FIRST
						   : slot->throttle_ns * 2;
	if (slot->throttle_ns > POOL_THROTTLE_MOST)
		slot->throttle_ns = POOL_THROTTLE_MOST;
	slot->next_start_ns = clock_add(now_ns, slot->throttle_ns);
	if (slot->next_start_ns < pool->soonest_ns)
		pool->soonest_ns = slot->next_start_ns;
}

/* Empty the slot. A start that came to nothing slows the next one down; any
 * other replacement may start at once. */
void
slot_empty(struct pool *pool, struct slot *slot, bool throttled, int64_t now_ns)
{
	slot_clear(slot, pool->loop);
	slot_move(pool, slot, SLOT_EMPTY);
	slot->next_start_ns = now_ns;
	if (now_ns < pool->soonest_ns)
		pool->soonest_ns = now_ns;
	if (throttled)
		slot_throttle(pool, slot, now_ns);
}

/* What killed it, or what it died of, as a sentence in pool->text. */
static enum outcome
put_obituary(struct pool *pool, struct slot *slot, enum reap_state look,
    const struct death *death)
{
	char how[96];

	buf_clear(&pool->text);
	if (slot->birth_errno != 0) {
		buf_printf(&pool->text, "cannot start a worker: %s",
		    strerror(slot->birth_errno));
		return OUTCOME_CRASH;
	}
	if (slot->killed && slot->verdict == OUTCOME_TIMEOUT_TOTAL) {
		put_too_late(pool, slot);
		buf_add_text(&pool->text, "; worker killed");
	} else if (slot->killed && slot->verdict == OUTCOME_INTERRUPTED) {
		buf_add_text(&pool->text, "interrupted");
	} else if (slot->killed && slot->verdict == OUTCOME_OUT_OF_MEMORY) {
		buf_printf(&pool->text,
		    "out of memory: %s, more than --worker-memory; worker "
		    "killed",
		    text_size(slot->heavy_bytes, how, sizeof(how)));
	} else if (slot->killed) {
		buf_add_text(
		    &pool->text, "worker broke the protocol and was killed");
	} else if (look == REAP_UNKNOWN) {
		buf_add_text(&pool->text, "worker died, status unknown");
	} else {
		reap_describe(death, how, sizeof(how));
		buf_printf(&pool->text, "worker died: %s", how);
		put_so_far(pool, slot);
	}
	slot_put_tail(slot, &pool->text);
	return slot->killed ? slot->verdict : OUTCOME_CRASH;
}

/* Kill the group while the corpse still reserves its pid, hear the last
 * words, then reap: only after that may the prompt go out again. */
static bool
bury(struct pool *pool, struct slot *slot, const struct news *news,
    struct pool_report *report, int64_t now_ns)
{
	struct death death = {0};
	enum reap_state look = REAP_UNKNOWN;
	/* One that dies before it took a job was never of any use. */
	bool used = slot->sequence > 0;
	bool expected = slot->state == SLOT_LEAVING || slot->leaves;
	bool had_job = slot->has_job;
	enum outcome outcome;

	(void)news;
	if (slot->pid_fd != -1) {
		look = reap_look(slot->pid_fd, &death);
		slot->dead = look != REAP_ALIVE;
		if (look == REAP_ALIVE)
			return false;
		if (look == REAP_DEAD)
			reap_signal_group(slot->pid, SIGKILL);
		for (int i = 0; i < POOL_LAST_READS; i++)
			if (!slot_take_words(pool, slot))
				break;
		reap_bury(slot->pid_fd);
		pool->sweep_wanted = pool->conf.sweeps;
		pool->short_until_ns = now_ns; /* there is room for one */
	}
	outcome = put_obituary(pool, slot, look, &death);
	report_as(slot, report,
	    had_job ? POOL_LOST
	    : used  ? POOL_GONE
		    : POOL_STILLBORN);
	report_why(pool, slot, report, outcome, now_ns);
	slot_empty(pool, slot, !used, now_ns);
	return had_job || !expected;
}

/* SIGKILL does not end it: disk sleep. The slot is given up, never waited
 * for. */
static bool
lose(struct pool *pool, struct slot *slot, const struct news *news,
    struct pool_report *report, int64_t now_ns)
{
	bool had_job = slot->has_job;
	enum outcome outcome;

	(void)news;
	log_say(LOG_WARN, "worker %u (pid %d) does not die; left behind",
	    slot->number, (int)slot->pid);
	outcome = put_obituary(pool, slot, REAP_UNKNOWN, &(struct death){0});
	report_as(slot, report, had_job ? POOL_LOST : POOL_GONE);
	report_why(pool, slot, report, outcome, now_ns);
	slot_empty(pool, slot, false, now_ns);
	return true;
}

/* clang-format off */
static cell *const cells[SLOT_STATES][NEWS_EVENTS] = {
	/*		     hello    done	     late     garbage death */
	[SLOT_EMPTY]	= { never,   never,	    never,   never,  never },
	[SLOT_STARTING] = { welcome, breach,	    overdue, breach, bury },
	[SLOT_IDLE]	= { breach,  breach,	    ignore,  breach, bury },
	[SLOT_BUSY]	= { breach,  finish,	    ask,     breach, bury },
	[SLOT_ASKED]	= { breach,  finish_late,   overdue, breach, bury },
	[SLOT_LEAVING]	= { breach,  breach,	    overdue, breach, bury },
	[SLOT_KILLED]	= { ignore,  finish_killed, lose,    ignore, bury },
};
/* clang-format on */

bool
cells_take(struct pool *pool, struct slot *slot, const struct news *news,
    struct pool_report *report, int64_t now_ns)
{
	return cells[slot->state][news->event](
	    pool, slot, news, report, now_ns);
}
