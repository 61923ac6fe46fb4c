/* SPDX-License-Identifier: ISC */
/*
 * The scheduler under fake time: random policies and sizes, random outcomes,
 * dying workers, prompts that come back unsent, floors, held prompts.
 */
#include "world.h"

/* What all worlds together met: what was never met was never tested. */
struct tally {
	uint64_t events;
	uint64_t verdicts[5];
	uint64_t returns;
	uint64_t seen[OUTCOME_COUNT];
};

/* Any outcome there is; answers often enough that worlds end. */
static struct sched_result
any_result(struct world *world, uint32_t answers_percent)
{
	struct sched_result result = {.retry_after_ns = -1};

	if (!happens(world, answers_percent))
		result.outcome = (enum outcome)below(world, OUTCOME_COUNT);
	/* Poison is sched's own word. */
	if (result.outcome == OUTCOME_POISON)
		result.outcome = OUTCOME_CRASH;
	result.worker_died =
	    result.outcome == OUTCOME_CRASH && happens(world, 80);
	if (happens(world, 10))
		result.retry_after_ns = (int64_t)below(world, 40000) * CLOCK_MS;
	return result;
}

/* Time passes until one that waits is due: not a moment sooner. */
static void
pass_time(struct world *world)
{
	int64_t due_ns = sched_due_ns(world->sched);
	uint32_t index;

	if (due_ns == CLOCK_NEVER || due_ns <= world->now_ns) {
		world->now_ns += below(world, 1000) * CLOCK_MS;
		return;
	}
	world->now_ns = due_ns - 1;
	HOLDS(world, !give(world, &index));
	world->now_ns = due_ns;
	if (happens(world, 50))
		world->now_ns += below(world, 5000) * CLOCK_MS;
}

static void
step(struct world *world, struct tally *tally, uint32_t answers_percent)
{
	uint32_t busy = world->in[FATE_OUT];
	uint32_t index;

	if (busy < world->workers && happens(world, 60) && give(world, &index))
		return;
	if (busy > 0 && happens(world, 3)) {
		give_back(world, below(world, busy));
		tally->returns++;
	} else if (world->held_count > 0 && happens(world, 10)) {
		fail_held(world);
	} else if (busy > 0 && happens(world, 90)) {
		struct sched_result result = any_result(world, answers_percent);

		tally->verdicts[report(world, below(world, busy), &result)]++;
	} else {
		pass_time(world);
	}
}

static void
live_through(struct tally *tally, uint64_t seed)
{
	static const uint32_t sizes[] = {
	    0, 1, 2, 3, 7, 20, AUDIT_ALL, 65, 300, 1000, 5000};
	struct world world = {.random = ~seed};
	uint32_t count = one_of(&world, sizes, 11);
	uint32_t answers_percent = 10 + below(&world, 85);

	world_make(&world, seed, count);
	while (sched_left(world.sched) > 0 || world.held_count > 0)
		step(&world, tally, answers_percent);
	check_end(&world);
	tally->events += world.events;
	for (int i = 0; i < OUTCOME_COUNT; i++)
		tally->seen[i] += world.seen[i];
	world_free(&world);
}

static void
every_prompt_ends_once_whatever_happens(void **state)
{
	const struct seeds *seeds = *state;
	struct tally tally = {0};
	double began = cpu_seconds();

	for (size_t i = 0; i < seeds->count; i++)
		for (uint64_t round = 0; round < ROUNDS_PER_SEED; round++)
			live_through(&tally, seed_of(seeds, i, round));
	say_rate("any outcome", tally.events, cpu_seconds() - began);
	for (int i = 0; i < OUTCOME_COUNT; i++)
		assert_true(tally.seen[i] > 0 || i == OUTCOME_POISON);
	for (int i = 0; i < 5; i++)
		assert_true(tally.verdicts[i] > 0);
	assert_true(tally.returns > 0);
}

static void
the_same_seed_gives_the_same_world(void **state)
{
	const struct seeds *seeds = *state;
	struct tally one = {0};
	struct tally other = {0};

	for (uint64_t round = 0; round < ROUNDS_PER_SEED; round++) {
		live_through(&one, seed_of(seeds, 0, round));
		live_through(&other, seed_of(seeds, 0, round));
	}
	assert_memory_equal(&one, &other, sizeof(one));
}

int
main(int argc, char **argv)
{
	struct seeds seeds;
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_prestate(
		every_prompt_ends_once_whatever_happens, &seeds),
	    cmocka_unit_test_prestate(
		the_same_seed_gives_the_same_world, &seeds),
	};

	seeds_choose(&seeds, argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
