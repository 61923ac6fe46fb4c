/* SPDX-License-Identifier: ISC */
/*
 * Which prompt next. Fresh prompts are found by a cursor that only moves
 * forward over one byte of state each; prompts that wait lie in a heap. Nothing
 * here knows what time it is or what a prompt says, so that a simulation can
 * drive it through a million events a second.
 */
#include "run/sched.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/heap.h"
#include "base/must.h"

/* The first pause after a rate limit, where the server says no longer one, is
 * drawn from at least this, however short the pause between tries: else the
 * run would hammer at a server that has had enough. */
#define SCHED_RATE_PAUSE_NS (10 * CLOCK_MS)

enum item_state {
	ITEM_CLOSED = 0,
	ITEM_OPEN = 1,
	ITEM_OUT = 2,
	ITEM_WAITING = 3,
	ITEM_HELD = 4,
	ITEM_LAST_OUT = 5, /* out, and not again */
};
#define ITEM_STATES 6

/* 12 bytes a prompt: a million of them fit a small node. */
struct item {
	uint8_t state;
	uint8_t deaths;	    /* of workers, saturating */
	uint16_t tries;	    /* charged attempts */
	uint32_t attempts;  /* all of this run */
	uint32_t waited_ms; /* uncharged waiting, saturating */
};

struct sched {
	struct sched_policy policy;
	struct item *items;
	struct heap waiting;
	uint64_t random;
	uint32_t count;
	uint32_t fresh; /* no open prompt has a smaller index */
	uint32_t in_state[ITEM_STATES];
	bool begun;
};

struct sched *
sched_new(uint32_t count, const struct sched_policy *policy)
{
	struct sched *sched;

	MUST(policy->tries_max >= 1 && policy->poison >= 1);
	sched = calloc(1, sizeof(*sched));
	if (sched == NULL)
		return NULL;
	sched->items = calloc(count > 0 ? count : 1, sizeof(*sched->items));
	if (sched->items == NULL) {
		free(sched);
		return NULL;
	}
	heap_init(&sched->waiting);
	sched->policy = *policy;
	/* Their counters in struct item must reach them. */
	if (sched->policy.tries_max > UINT16_MAX)
		sched->policy.tries_max = UINT16_MAX;
	if (sched->policy.poison > UINT8_MAX)
		sched->policy.poison = UINT8_MAX;
	sched->random = policy->random_seed;
	sched->count = count;
	sched->fresh = count;
	sched->in_state[ITEM_CLOSED] = count;
	return sched;
}

void
sched_free(struct sched *sched)
{
	if (sched == NULL)
		return;
	heap_free(&sched->waiting);
	free(sched->items);
	free(sched);
}

static struct item *
item_in(struct sched *sched, uint32_t index, enum item_state state)
{
	MUST(index < sched->count);
	MUST(sched->items[index].state == state);
	return &sched->items[index];
}

static void
item_move(struct sched *sched, struct item *item, enum item_state state)
{
	sched->in_state[item->state]--;
	sched->in_state[state]++;
	item->state = (uint8_t)state;
}

static void
item_reopen(struct sched *sched, struct item *item, uint32_t index)
{
	item_move(sched, item, ITEM_OPEN);
	if (index < sched->fresh)
		sched->fresh = index;
}

void
sched_open(struct sched *sched, uint32_t index)
{
	struct item *item;

	MUST(!sched->begun);
	item = item_in(sched, index, ITEM_CLOSED);
	item_reopen(sched, item, index);
}

/* splitmix64 (Steele, Lea, Flood 2014): small, and good enough for jitter. */
static uint64_t
random_next(struct sched *sched)
{
	uint64_t mixed = sched->random += 0x9e3779b97f4a7c15u;

	mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
	mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
	return mixed ^ (mixed >> 31);
}

static void
wait_until(struct sched *sched, uint32_t index, int64_t due_ns)
{
	struct item *item = &sched->items[index];

	/* Without memory for a date the prompt is simply open again. */
	if (heap_push(&sched->waiting, due_ns, index) == -1)
		item_reopen(sched, item, index);
	else
		item_move(sched, item, ITEM_WAITING);
}

static bool
take(struct sched *sched, uint32_t index, uint32_t *out, uint32_t *attempt)
{
	struct item *item = &sched->items[index];

	item_move(sched, item, ITEM_OUT);
	item->attempts++;
	*out = index;
	*attempt = item->attempts;
	return true;
}

bool
sched_next(
    struct sched *sched, int64_t now_ns, uint32_t *index, uint32_t *attempt)
{
	const struct heap_item *top = heap_top(&sched->waiting);

	sched->begun = true;
	if (top != NULL && top->due_ns <= now_ns) {
		uint32_t key = heap_pop(&sched->waiting).key;

		item_in(sched, key, ITEM_WAITING);
		return take(sched, key, index, attempt);
	}
	while (sched->fresh < sched->count &&
	       sched->items[sched->fresh].state != ITEM_OPEN)
		sched->fresh++;
	if (sched->fresh == sched->count)
		return false;
	return take(sched, sched->fresh++, index, attempt);
}

void
sched_return(struct sched *sched, uint32_t index)
{
	item_in(sched, index, ITEM_OUT)->attempts--;
	wait_until(sched, index, 0);
}

void
sched_release(struct sched *sched, uint32_t index)
{
	item_in(sched, index, ITEM_HELD)->tries--;
	wait_until(sched, index, 0);
}

/* Full jitter: anywhere between nothing and the doubled pause, so that
 * workers that failed together do not come back together. */
static int64_t
pause_for(struct sched *sched, int64_t most, uint32_t times)
{
	while (times > 1 && most < sched->policy.delay_max_ns) {
		most *= 2;
		times--;
	}
	if (most > sched->policy.delay_max_ns)
		most = sched->policy.delay_max_ns;
	if (most <= 0)
		return 0;
	return (int64_t)(random_next(sched) % ((uint64_t)most + 1));
}

static enum sched_verdict
close_as(struct sched *sched, struct item *item, enum sched_verdict verdict)
{
	item_move(sched, item, ITEM_CLOSED);
	return verdict;
}

/* Count a wait for a rate limit; even one without a pause counts, so that
 * there is an end. Gives false when it is too much for one prompt. */
static bool
may_wait(const struct sched *sched, struct item *item, int64_t pause_ns)
{
	uint64_t waited_ms =
	    item->waited_ms + (uint64_t)(pause_ns / CLOCK_MS) + 1;

	item->waited_ms =
	    waited_ms > UINT32_MAX ? UINT32_MAX : (uint32_t)waited_ms;
	return waited_ms <= (uint64_t)(sched->policy.wait_max_ns / CLOCK_MS);
}

static enum sched_verdict
report_uncharged(struct sched *sched, uint32_t index,
    const struct sched_result *result, int64_t now_ns)
{
	struct item *item = &sched->items[index];
	/* Waiting for a server is the business of the whole run (pace); an
	 * interrupted call was nobody's fault. */
	bool limited = !outcome_trait(result->outcome)->blames_server &&
		       result->outcome != OUTCOME_INTERRUPTED;
	int64_t most_ns = sched->policy.delay_ns;
	int64_t pause_ns = 0;

	if (most_ns < SCHED_RATE_PAUSE_NS)
		most_ns = SCHED_RATE_PAUSE_NS;
	if (limited)
		pause_ns =
		    pause_for(sched, most_ns, item->attempts - item->tries);
	if (result->retry_after_ns > pause_ns)
		pause_ns = result->retry_after_ns;
	if (limited && !may_wait(sched, item, pause_ns))
		return close_as(sched, item, SCHED_FAILED);
	wait_until(sched, index, clock_add(now_ns, pause_ns));
	return SCHED_LATER;
}

static enum sched_verdict
report_charged(struct sched *sched, uint32_t index,
    const struct sched_result *result, int64_t now_ns)
{
	struct item *item = &sched->items[index];
	int64_t pause_ns;

	item->tries++;
	if (result->worker_died && item->deaths < UINT8_MAX)
		item->deaths++;
	if (item->deaths >= sched->policy.poison)
		return close_as(sched, item, SCHED_POISON);
	if (result->hopeless || !outcome_trait(result->outcome)->retries ||
	    item->tries >= sched->policy.tries_max)
		return close_as(sched, item, SCHED_FAILED);
	pause_ns = result->worker_died && item->deaths == 1
		       ? 0
		       : pause_for(sched, sched->policy.delay_ns, item->tries);
	if (result->retry_after_ns > pause_ns)
		pause_ns = result->retry_after_ns;
	wait_until(sched, index, clock_add(now_ns, pause_ns));
	return SCHED_LATER;
}

enum sched_verdict
sched_report(struct sched *sched, uint32_t index,
    const struct sched_result *result, int64_t now_ns)
{
	const struct outcome_trait *trait = outcome_trait(result->outcome);
	struct item *item;

	MUST(index < sched->count);
	item = &sched->items[index];
	if (item->state == ITEM_LAST_OUT && !trait->answers)
		return close_as(sched, item, SCHED_CANCELLED);
	if (item->state != ITEM_LAST_OUT)
		item_in(sched, index, ITEM_OUT);
	if (trait->answers) {
		item->tries++;
		return close_as(sched, item, SCHED_ANSWERED);
	}
	if (trait->blames_run) {
		item->tries++;
		item_move(sched, item, ITEM_HELD);
		return SCHED_HELD;
	}
	if (trait->charged)
		return report_charged(sched, index, result, now_ns);
	return report_uncharged(sched, index, result, now_ns);
}

void
sched_fail_held(struct sched *sched, uint32_t index)
{
	close_as(sched, item_in(sched, index, ITEM_HELD), SCHED_FAILED);
}

enum sched_state
sched_state(const struct sched *sched, uint32_t index)
{
	static const enum sched_state states[ITEM_STATES] = {
	    [ITEM_CLOSED] = SCHED_IS_CLOSED,
	    [ITEM_OPEN] = SCHED_IS_HERE,
	    [ITEM_OUT] = SCHED_IS_OUT,
	    [ITEM_WAITING] = SCHED_IS_HERE,
	    [ITEM_HELD] = SCHED_IS_HELD,
	    [ITEM_LAST_OUT] = SCHED_IS_OUT,
	};

	MUST(index < sched->count);
	return states[sched->items[index].state];
}

void
sched_reopen(struct sched *sched, uint32_t index)
{
	struct item *item = item_in(sched, index, ITEM_CLOSED);

	item->deaths = 0;
	item->tries = 0;
	item->waited_ms = 0;
	wait_until(sched, index, 0);
}

void
sched_cancel(struct sched *sched, uint32_t index)
{
	struct item *item;

	MUST(index < sched->count);
	item = &sched->items[index];
	MUST(item->state != ITEM_CLOSED && item->state != ITEM_HELD);
	if (item->state == ITEM_WAITING)
		heap_remove(&sched->waiting, index);
	if (item->state == ITEM_OUT || item->state == ITEM_LAST_OUT)
		item_move(sched, item, ITEM_LAST_OUT);
	else
		item_move(sched, item, ITEM_CLOSED);
}

int64_t
sched_due_ns(const struct sched *sched)
{
	const struct heap_item *top = heap_top(&sched->waiting);

	if (sched->in_state[ITEM_OPEN] > 0)
		return 0;
	return top != NULL ? top->due_ns : CLOCK_NEVER;
}

uint32_t
sched_left(const struct sched *sched)
{
	return sched->in_state[ITEM_OPEN] + sched_out(sched) +
	       sched->in_state[ITEM_WAITING];
}

uint32_t
sched_ready(const struct sched *sched)
{
	return sched->in_state[ITEM_OPEN];
}

uint32_t
sched_waiting(const struct sched *sched)
{
	return sched->in_state[ITEM_WAITING];
}

uint32_t
sched_out(const struct sched *sched)
{
	return sched->in_state[ITEM_OUT] + sched->in_state[ITEM_LAST_OUT];
}

uint32_t
sched_tries(const struct sched *sched, uint32_t index)
{
	MUST(index < sched->count);
	return sched->items[index].tries;
}
