/* SPDX-License-Identifier: ISC */
#ifndef WORLD_H
#define WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "base/clock.h"
#include "run/sched.h"

/*
 * A scheduler with a naive model of it beside: whatever is done to one is done
 * to the other, and they are compared after every event. A failure prints its
 * seed and the event; the program takes the seed as its argument.
 */
#define ROUNDS_PER_SEED                                                        \
	200 /* worlds, each with a policy and size of its own                  \
	     */
#define EVENTS_PER_S_LEAST 100000
#define RATE_WAIT_MS 10 /* what sched makes of a shorter --retry-delay */
#define AUDIT_ALL 64	/* up to so many prompts, every event is audited */
#define AUDIT_EVERY 4096

enum fate {
	FATE_CLOSED = 0, /* not asked for */
	FATE_FRESH = 1,
	FATE_OUT = 2,
	FATE_WAITING = 3,
	FATE_HELD = 4,
	FATE_DONE = 5, /* a final outcome */
};
#define FATES 6

/* What is known of a prompt without asking sched. */
struct twin {
	enum fate fate;
	uint32_t attempts;
	uint32_t tries;
	uint32_t deaths;
	int64_t due_least_ns; /* while it waits */
	int64_t due_most_ns;
	int64_t waited_least_ms; /* for rate limits */
	int64_t waited_most_ms;
	uint32_t finals;
};

struct world {
	uint64_t seed;
	uint64_t random;
	struct sched_policy policy;
	struct sched *sched;
	struct twin *twins;
	uint32_t *out; /* indices of those that are out */
	uint32_t *held;
	uint32_t held_count;
	uint32_t count;
	uint32_t asked;
	uint32_t in[FATES];
	uint32_t returned; /* wait because they were never sent */
	uint32_t workers;
	int64_t fresh_before; /* index of the last fresh one given, -1 none */
	int64_t now_ns;
	uint64_t events;
	uint64_t seen[OUTCOME_COUNT];
};

/* ---- chance ---- */

static inline uint64_t
draw(struct world *world)
{
	uint64_t mixed = world->random += 0x9e3779b97f4a7c15u;

	mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
	mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
	return mixed ^ (mixed >> 31);
}

static inline uint32_t
below(struct world *world, uint32_t limit)
{
	return (uint32_t)(draw(world) % limit);
}

static inline bool
happens(struct world *world, uint32_t percent)
{
	return below(world, 100) < percent;
}

static inline uint32_t
one_of(struct world *world, const uint32_t *choices, size_t count)
{
	return choices[below(world, (uint32_t)count)];
}

/* ---- the model ---- */

/* The claims of a world; a broken one says how to see it again. */
#define HOLDS(world, claim)                                                    \
	((claim) ? (void)0 : broken(world, #claim, __LINE__))

static inline _Noreturn void
broken(const struct world *world, const char *claim, int line)
{
	print_error("seed %llu, event %llu, now %lld ns: %s does not hold\n",
	    (unsigned long long)world->seed, (unsigned long long)world->events,
	    (long long)world->now_ns, claim);
	_fail(__FILE__, line);
	abort();
}

static inline void
become(struct world *world, uint32_t index, enum fate fate)
{
	struct twin *twin = &world->twins[index];

	world->in[twin->fate]--;
	world->in[fate]++;
	twin->fate = fate;
	if (fate == FATE_DONE)
		twin->finals++;
	HOLDS(world, twin->finals <= 1);
}

static inline int64_t
least(int64_t one, int64_t other)
{
	return one < other ? one : other;
}

static inline int64_t
most(int64_t one, int64_t other)
{
	return one > other ? one : other;
}

/* The longest pause that sched may draw before the times-th repetition. */
static inline int64_t
longest_pause(const struct world *world, int64_t first_ns, uint32_t times)
{
	while (times-- > 1 && first_ns < world->policy.delay_max_ns)
		first_ns *= 2;
	return least(first_ns, world->policy.delay_max_ns);
}

/* Everything that is cheap to know. */
static inline void
check_counts(struct world *world)
{
	const struct sched *sched = world->sched;

	world->events++;
	HOLDS(world, sched_ready(sched) == world->in[FATE_FRESH]);
	HOLDS(world, sched_out(sched) == world->in[FATE_OUT]);
	HOLDS(world, sched_waiting(sched) == world->in[FATE_WAITING]);
	HOLDS(world, sched_left(sched) == world->in[FATE_FRESH] +
					      world->in[FATE_OUT] +
					      world->in[FATE_WAITING]);
	if (world->in[FATE_FRESH] > 0)
		HOLDS(world, sched_due_ns(sched) == 0);
	else if (world->in[FATE_WAITING] == 0)
		HOLDS(world, sched_due_ns(sched) == CLOCK_NEVER);
}

/* Everything else: when is the first of those that wait due? */
static inline void
audit(struct world *world)
{
	int64_t least_ns = CLOCK_NEVER;
	int64_t most_ns = CLOCK_NEVER;
	int64_t due_ns = sched_due_ns(world->sched);

	for (uint32_t i = 0; i < world->count; i++) {
		const struct twin *twin = &world->twins[i];

		HOLDS(world, sched_tries(world->sched, i) == twin->tries);
		HOLDS(world, twin->tries <= world->policy.tries_max);
		if (twin->fate != FATE_WAITING)
			continue;
		least_ns = least(least_ns, twin->due_least_ns);
		most_ns = least(most_ns, twin->due_most_ns);
	}
	if (world->in[FATE_FRESH] > 0 || world->in[FATE_WAITING] == 0)
		return;
	HOLDS(world, due_ns >= least_ns && due_ns <= most_ns);
}

static inline void
check(struct world *world)
{
	check_counts(world);
	if (world->count <= AUDIT_ALL || world->events % AUDIT_EVERY == 0)
		audit(world);
}

/* ---- a prompt goes out ---- */

/* No other one that waits was surely due before this one. */
static inline void
check_turn(struct world *world, const struct twin *given)
{
	for (uint32_t i = 0; i < world->count; i++) {
		const struct twin *twin = &world->twins[i];

		if (twin->fate != FATE_WAITING || twin == given)
			continue;
		if (given->fate == FATE_FRESH)
			HOLDS(world, twin->due_most_ns > world->now_ns);
		else
			HOLDS(world, twin->due_most_ns >= given->due_least_ns);
	}
}

static inline void
check_given(struct world *world, uint32_t index, uint32_t attempt)
{
	const struct twin *twin;

	HOLDS(world, index < world->count);
	twin = &world->twins[index];
	HOLDS(world, twin->fate == FATE_FRESH || twin->fate == FATE_WAITING);
	HOLDS(world, attempt == twin->attempts + 1);
	HOLDS(world, twin->tries < world->policy.tries_max);
	if (twin->fate == FATE_FRESH) {
		HOLDS(world, (int64_t)index > world->fresh_before);
		HOLDS(world, world->returned == 0);
	} else {
		HOLDS(world, world->now_ns >= twin->due_least_ns);
	}
	if (world->count <= AUDIT_ALL)
		check_turn(world, twin);
}

/* Gives true with index when one went out. */
static inline bool
give(struct world *world, uint32_t *index)
{
	bool due = sched_due_ns(world->sched) <= world->now_ns;
	struct twin *twin;
	uint32_t attempt;

	HOLDS(world,
	    sched_next(world->sched, world->now_ns, index, &attempt) == due);
	if (!due) {
		check(world);
		return false;
	}
	check_given(world, *index, attempt);
	twin = &world->twins[*index];
	if (twin->fate == FATE_FRESH)
		world->fresh_before = *index;
	else if (twin->due_most_ns == 0)
		world->returned--;
	twin->attempts++;
	become(world, *index, FATE_OUT);
	world->out[world->in[FATE_OUT] - 1] = *index;
	check(world);
	return true;
}

/* ---- a prompt comes back ---- */

static inline uint32_t
take_out(struct world *world, uint32_t place)
{
	uint32_t index = world->out[place];

	world->out[place] = world->out[world->in[FATE_OUT] - 1];
	return index;
}

static inline void
give_back(struct world *world, uint32_t place)
{
	uint32_t index = take_out(world, place);
	struct twin *twin = &world->twins[index];

	sched_return(world->sched, index);
	twin->attempts--;
	twin->due_least_ns = 0;
	twin->due_most_ns = 0;
	world->returned++;
	become(world, index, FATE_WAITING);
	check(world);
}

static inline void
expect_wait(
    struct world *world, uint32_t index, int64_t floor_ns, int64_t longest_ns)
{
	struct twin *twin = &world->twins[index];

	floor_ns = most(floor_ns, 0);
	twin->due_least_ns = world->now_ns + floor_ns;
	twin->due_most_ns = world->now_ns + most(floor_ns, longest_ns);
	become(world, index, FATE_WAITING);
}

static inline void
came_back_charged(struct world *world, uint32_t index,
    const struct sched_result *result, enum sched_verdict verdict)
{
	struct twin *twin = &world->twins[index];
	int64_t longest_ns;

	twin->tries++;
	twin->deaths += result->worker_died;
	if (twin->deaths >= world->policy.poison) {
		HOLDS(world, verdict == SCHED_POISON);
		become(world, index, FATE_DONE);
		return;
	}
	if (!outcome_trait(result->outcome)->retries ||
	    twin->tries == world->policy.tries_max) {
		HOLDS(world, verdict == SCHED_FAILED);
		become(world, index, FATE_DONE);
		return;
	}
	HOLDS(world, verdict == SCHED_LATER);
	longest_ns = longest_pause(world, world->policy.delay_ns, twin->tries);
	if (result->worker_died && twin->deaths == 1)
		longest_ns = 0;
	expect_wait(world, index, result->retry_after_ns, longest_ns);
}

/* A rate limit: it may wait, but not for ever. */
static inline void
came_back_limited(struct world *world, uint32_t index,
    const struct sched_result *result, enum sched_verdict verdict)
{
	struct twin *twin = &world->twins[index];
	int64_t allowed_ms = world->policy.wait_max_ns / CLOCK_MS;
	int64_t longest_ns = longest_pause(world,
	    most(world->policy.delay_ns, RATE_WAIT_MS * CLOCK_MS),
	    twin->attempts - twin->tries);
	int64_t floor_ns = most(result->retry_after_ns, 0);

	twin->waited_least_ms += floor_ns / CLOCK_MS + 1;
	twin->waited_most_ms += most(floor_ns, longest_ns) / CLOCK_MS + 1;
	if (twin->waited_least_ms > allowed_ms)
		HOLDS(world, verdict == SCHED_FAILED);
	if (twin->waited_most_ms <= allowed_ms)
		HOLDS(world, verdict == SCHED_LATER);
	if (verdict == SCHED_FAILED)
		become(world, index, FATE_DONE);
	else
		expect_wait(world, index, floor_ns, longest_ns);
}

static inline void
came_back(struct world *world, uint32_t index,
    const struct sched_result *result, enum sched_verdict verdict)
{
	const struct outcome_trait *trait = outcome_trait(result->outcome);
	struct twin *twin = &world->twins[index];

	if (trait->answers) {
		HOLDS(world, verdict == SCHED_ANSWERED);
		twin->tries++;
		become(world, index, FATE_DONE);
	} else if (trait->blames_run) {
		HOLDS(world, verdict == SCHED_HELD);
		twin->tries++;
		become(world, index, FATE_HELD);
		world->held[world->held_count++] = index;
	} else if (trait->charged) {
		came_back_charged(world, index, result, verdict);
	} else if (result->outcome == OUTCOME_RATE_LIMITED) {
		came_back_limited(world, index, result, verdict);
	} else {
		/* The server or nobody is to blame: no wait of its own, and
		 * never an end. */
		HOLDS(world, verdict == SCHED_LATER);
		expect_wait(world, index, result->retry_after_ns, 0);
	}
}

static inline enum sched_verdict
report(struct world *world, uint32_t place, const struct sched_result *result)
{
	uint32_t index = take_out(world, place);
	enum sched_verdict verdict =
	    sched_report(world->sched, index, result, world->now_ns);

	world->seen[result->outcome]++;
	came_back(world, index, result, verdict);
	check(world);
	return verdict;
}

static inline void
fail_held(struct world *world)
{
	uint32_t place = below(world, world->held_count);
	uint32_t index = world->held[place];

	world->held[place] = world->held[--world->held_count];
	sched_fail_held(world->sched, index);
	become(world, index, FATE_DONE);
	check(world);
}

/* ---- worlds ---- */

static inline void
choose_policy(struct world *world)
{
	static const uint32_t tries[] = {1, 2, 3, 3, 5, 20, 70000};
	static const uint32_t poison[] = {1, 2, 2, 3, 1000};
	static const uint32_t delay_ms[] = {0, 0, 1, 100, 1000, 90000};
	static const uint32_t wait_s[] = {0, 1, 60, 3600};

	world->policy = (struct sched_policy){
	    .tries_max = one_of(world, tries, 7),
	    .delay_ns = one_of(world, delay_ms, 6) * CLOCK_MS,
	    .delay_max_ns = 60 * CLOCK_S,
	    .poison = one_of(world, poison, 5),
	    .wait_max_ns = one_of(world, wait_s, 4) * CLOCK_S,
	    .random_seed = draw(world),
	};
}

static inline void
world_make(struct world *world, uint64_t seed, uint32_t count)
{
	*world = (struct world){
	    .seed = seed,
	    .random = seed,
	    .count = count,
	    .fresh_before = -1,
	    .now_ns = 1,
	};
	choose_policy(world);
	world->workers = 1 + below(world, 1 + below(world, 200));
	world->sched = sched_new(count, &world->policy);
	world->twins = calloc(count + 1, sizeof(*world->twins));
	world->out = calloc(count + 1, sizeof(*world->out));
	world->held = calloc(count + 1, sizeof(*world->held));
	assert_true(world->sched != NULL && world->twins != NULL &&
		    world->out != NULL && world->held != NULL);
	/* What sched itself cuts these to. */
	world->policy.tries_max =
	    (uint32_t)least(world->policy.tries_max, UINT16_MAX);
	world->policy.poison = (uint32_t)least(world->policy.poison, 255);
	world->in[FATE_CLOSED] = count;
	for (uint32_t i = 0; i < count; i++) {
		if (!happens(world, 90))
			continue;
		sched_open(world->sched, i);
		become(world, i, FATE_FRESH);
		world->asked++;
	}
	check(world);
}

static inline void
world_free(struct world *world)
{
	sched_free(world->sched);
	free(world->twins);
	free(world->out);
	free(world->held);
}

static inline void
check_end(struct world *world)
{
	for (uint32_t i = 0; i < world->count; i++)
		if (world->twins[i].fate != FATE_CLOSED)
			HOLDS(world, world->twins[i].finals == 1);
		else
			HOLDS(world, world->twins[i].attempts == 0);
	HOLDS(world, world->in[FATE_DONE] == world->asked);
	HOLDS(world, sched_left(world->sched) == 0);
	HOLDS(world, sched_due_ns(world->sched) == CLOCK_NEVER);
	audit(world);
}

/* ---- seeds ---- */

#define SEEDS_FIXED 16

struct seeds {
	uint64_t seeds[SEEDS_FIXED + 1];
	size_t count;
};

/* The one on the command line, or fixed ones and one that is always new. */
static inline void
seeds_choose(struct seeds *seeds, int argc, char **argv)
{
	seeds->count = 0;
	if (argc > 1) {
		seeds->seeds[seeds->count++] = strtoull(argv[1], NULL, 0);
	} else {
		for (uint64_t seed = 1; seed <= SEEDS_FIXED; seed++)
			seeds->seeds[seeds->count++] = seed;
		seeds->seeds[seeds->count++] = (uint64_t)clock_wall_ms();
	}
	print_message("last seed %llu\n",
	    (unsigned long long)seeds->seeds[seeds->count - 1]);
}

/* Every seed makes several worlds; any of these numbers is a seed itself. */
static inline uint64_t
seed_of(const struct seeds *seeds, size_t at, uint64_t round)
{
	return seeds->seeds[at] + (round << 40);
}

static inline double
cpu_seconds(void)
{
	struct rusage usage;

	assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
	return (double)usage.ru_utime.tv_sec +
	       (double)usage.ru_utime.tv_usec / 1e6;
}

static inline void
say_rate(const char *what, uint64_t events, double seconds)
{
	double rate = (double)events / (seconds > 0 ? seconds : 1e-6);

	print_message("%s: %llu events, %.0f a second\n", what,
	    (unsigned long long)events, rate);
	assert_true(rate >= EVENTS_PER_S_LEAST);
}

#endif
