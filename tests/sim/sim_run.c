/* SPDX-License-Identifier: ISC */
/*
 * A whole run under fake time: the scheduler with pace and stop, workers that
 * take their time, a server that goes away and comes back, or never does, and
 * a SIGTERM in the middle.
 */
#include <signal.h>

#include "run/pace.h"
#include "run/stop.h"
#include "world.h"

struct call {
	uint32_t index;
	int64_t until_ns;
	bool probe;
	uint32_t outage; /* sent in which */
};

/* A server that is there or not, and workers that call it. */
struct mill {
	struct world world;
	struct pace pace;
	struct stop stop;
	struct call *calls;	/* in the order of world.out */
	uint32_t probes;	/* that are out, of this outage */
	uint32_t outage;	/* or the time before it */
	int64_t server_back_ns; /* away before */
	int64_t cool_until_ns;
	int64_t stop_at_ns;
	bool never_back;
	uint64_t sent;
};

static void
send_one(struct mill *mill)
{
	struct world *world = &mill->world;
	bool down = mill->pace.down_since_ns != -1;
	uint32_t index;

	HOLDS(world, world->now_ns >= mill->cool_until_ns);
	HOLDS(world, mill->stop.phase == STOP_NONE);
	HOLDS(world, !down || mill->probes == 0);
	HOLDS(world, give(world, &index));
	mill->sent++;
	if (happens(world, 2)) {
		give_back(world, world->in[FATE_OUT] - 1);
		return;
	}
	pace_sent(&mill->pace, index, world->now_ns);
	mill->probes += down;
	mill->calls[world->in[FATE_OUT] - 1] = (struct call){
	    .index = index,
	    .until_ns =
		world->now_ns +
		(1 + (int64_t)below(world, happens(world, 10) ? 9000 : 400)) *
		    CLOCK_MS,
	    .probe = down,
	    .outage = mill->outage,
	};
}

static void
hand_out(struct mill *mill)
{
	struct world *world = &mill->world;

	while (mill->stop.phase == STOP_NONE &&
	       world->in[FATE_OUT] < world->workers &&
	       sched_due_ns(world->sched) <= world->now_ns &&
	       pace_may_send(&mill->pace, world->now_ns))
		send_one(mill);
}

static struct sched_result
ask_server(struct mill *mill)
{
	struct world *world = &mill->world;
	struct sched_result result = {.retry_after_ns = -1};

	if (mill->stop.phase == STOP_KILL) {
		result.outcome = OUTCOME_INTERRUPTED;
	} else if (mill->never_back || world->now_ns < mill->server_back_ns) {
		result.outcome = OUTCOME_NO_SERVER;
	} else if (happens(world, 3)) {
		result.outcome = OUTCOME_RATE_LIMITED;
		if (happens(world, 70))
			result.retry_after_ns =
			    (int64_t)below(world, 20) * CLOCK_S;
	} else if (happens(world, 10)) {
		result.outcome = OUTCOME_SERVER_ERROR;
	}
	return result;
}

static void
hear_one(struct mill *mill, uint32_t place)
{
	struct world *world = &mill->world;
	struct call call = mill->calls[place];
	struct sched_result result = ask_server(mill);

	if (call.probe && call.outage == mill->outage)
		mill->probes--;
	mill->calls[place] = mill->calls[world->in[FATE_OUT] - 1];
	pace_report(&mill->pace, call.index, result.outcome,
	    result.retry_after_ns, world->now_ns, world->now_ns);
	if (mill->pace.down_since_ns == -1) {
		mill->outage++;
		mill->probes = 0;
	}
	if (result.outcome == OUTCOME_RATE_LIMITED && result.retry_after_ns > 0)
		mill->cool_until_ns = most(
		    mill->cool_until_ns, world->now_ns + result.retry_after_ns);
	if (report(world, place, &result) == SCHED_FAILED)
		stop_prompt_failed(&mill->stop, "it failed");
	stop_outcome(&mill->stop, result.outcome, "");
}

/* The same choice as the coordinator's: nothing that changes nothing. */
static int64_t
next_moment(const struct mill *mill)
{
	const struct world *world = &mill->world;
	int64_t then_ns = stop_due_ns(&mill->stop);

	for (uint32_t i = 0; i < world->in[FATE_OUT]; i++)
		then_ns = least(then_ns, mill->calls[i].until_ns);
	if (mill->stop.phase != STOP_NONE)
		return then_ns;
	then_ns = least(then_ns, pace_gives_up_ns(&mill->pace));
	then_ns = least(then_ns, mill->stop_at_ns);
	if (world->in[FATE_OUT] < world->workers)
		then_ns = least(then_ns,
		    most(sched_due_ns(world->sched), pace_due_ns(&mill->pace)));
	return then_ns;
}

static void
turn(struct mill *mill)
{
	struct world *world = &mill->world;
	int64_t then_ns = next_moment(mill);

	/* It always gets on, and never turns for nothing. */
	HOLDS(world, then_ns != CLOCK_NEVER);
	HOLDS(world, then_ns > world->now_ns);
	world->now_ns = then_ns;
	if (world->now_ns >= mill->stop_at_ns) {
		mill->stop_at_ns = CLOCK_NEVER;
		stop_signal(&mill->stop, SIGTERM, world->now_ns);
	}
	if (stop_tick(&mill->stop, world->now_ns) == STOP_KILL)
		for (uint32_t i = 0; i < world->in[FATE_OUT]; i++)
			mill->calls[i].until_ns = world->now_ns;
	for (uint32_t i = world->in[FATE_OUT]; i-- > 0;)
		if (mill->calls[i].until_ns <= world->now_ns)
			hear_one(mill, i);
	if (pace_gave_up(&mill->pace, world->now_ns))
		stop_ask(&mill->stop,
		    mill->pace.answered ? STOP_EXIT_EARLY : STOP_EXIT_BACKEND,
		    "it is away");
	hand_out(mill);
	if (happens(world, 1) && world->now_ns > mill->server_back_ns)
		mill->server_back_ns =
		    world->now_ns + (int64_t)below(world, 200) * CLOCK_S;
}

static void
check_mill_end(struct mill *mill)
{
	struct world *world = &mill->world;

	HOLDS(world, world->in[FATE_OUT] == 0);
	if (mill->stop.phase == STOP_NONE) {
		check_end(world);
		HOLDS(world, mill->stop.exit_status == 0);
	} else {
		HOLDS(world, mill->stop.exit_status == STOP_EXIT_BACKEND ||
				 mill->stop.exit_status == STOP_EXIT_EARLY);
	}
	if (mill->never_back && world->asked > 0)
		HOLDS(world, mill->stop.exit_status == STOP_EXIT_BACKEND &&
				 world->in[FATE_DONE] == 0);
}

/* Gives its exit status. */
static int
run_mill(uint64_t seed, uint32_t count, bool never_back, uint64_t *events)
{
	struct mill mill = {
	    .stop_at_ns = CLOCK_NEVER,
	    .never_back = never_back,
	};
	struct world *world = &mill.world;

	world_make(world, seed, count);
	mill.calls = calloc(count + 1, sizeof(*mill.calls));
	assert_non_null(mill.calls);
	pace_init(&mill.pace, 30 * CLOCK_S, 900 * CLOCK_S);
	stop_init(&mill.stop, false, world->workers);
	if (!never_back && happens(world, 30))
		mill.stop_at_ns = (int64_t)below(world, 60) * CLOCK_S + 2;
	hand_out(&mill);
	while (sched_out(world->sched) > 0 ||
	       (mill.stop.phase == STOP_NONE && sched_left(world->sched) > 0))
		turn(&mill);
	check_mill_end(&mill);
	/* A dead server costs one attempt now and then, not one per prompt:
	 * 1 + 2 + 4 + 8 s, and what was out before it was known. */
	if (never_back)
		HOLDS(world, mill.sent <= 2 * (uint64_t)world->workers + 8);
	*events += world->events;
	free(mill.calls);
	world_free(world);
	return mill.stop.exit_status;
}

static void
a_whole_run_gets_on_and_ends(void **state)
{
	const struct seeds *seeds = *state;
	uint64_t events = 0;
	unsigned whole = 0;
	unsigned stopped = 0;
	double began = cpu_seconds();

	for (size_t i = 0; i < seeds->count; i++) {
		for (uint32_t round = 0; round < ROUNDS_PER_SEED; round++) {
			int status = run_mill(seed_of(seeds, i, round),
			    round * round % 3001, false, &events);

			whole += status == 0;
			stopped += status != 0;
		}
	}
	say_rate("whole runs", events, cpu_seconds() - began);
	assert_true(whole > 0 && stopped > 0);
}

static void
a_server_that_is_never_there_ends_the_run_with_69(void **state)
{
	const struct seeds *seeds = *state;
	uint64_t events = 0;

	for (size_t i = 0; i < seeds->count; i++)
		assert_int_equal(
		    run_mill(seed_of(seeds, i, 0), 500, true, &events),
		    STOP_EXIT_BACKEND);
}

int
main(int argc, char **argv)
{
	struct seeds seeds;
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_prestate(a_whole_run_gets_on_and_ends, &seeds),
	    cmocka_unit_test_prestate(
		a_server_that_is_never_there_ends_the_run_with_69, &seeds),
	};

	seeds_choose(&seeds, argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
