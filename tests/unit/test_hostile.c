/* SPDX-License-Identifier: ISC */
/*
 * Malformed frames in every state of a worker: each is one report of what it
 * cost, in time, and the slot serves on. A worker and the test draw the same
 * plan from the seed and the worker's generation.
 *
 *	test_hostile [SEED]		LONG=1: 5,000 in each state
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pool_bench.h"

#define FRAMES_SAMPLE 150 /* in each state */
#define FRAMES_LONG 5000
#define PER_RUN 250 /* workers, for one process apart */
#define FLOOD 5000  /* frames */

/* When it does it. */
enum moment {
	AT_START = 0,  /* instead of HELLO */
	AT_FIRST = 1,  /* right after it */
	AT_REST = 2,   /* after an answer */
	AT_WORK = 3,   /* with a job in hand */
	WHEN_LATE = 4, /* told to give it up */
	AT_LEAVING = 5,
	WHEN_DOOMED = 6, /* after a first one, until it is killed */
};
#define MOMENTS 7

enum way {
	WAY_VERSION = 0,
	WAY_KIND = 1,
	WAY_OVER_CAP = 2,
	WAY_NO_ROOM = 3, /* a length that has no kind and version in it */
	WAY_SHORT = 4,	 /* fields cut off */
	WAY_LONG = 5,	 /* bytes left over */
	WAY_OUTCOME = 6,
	WAY_TICKET = 7,
	WAY_OUT_OF_TURN = 8,
	WAY_NOISE = 9, /* random fields in a frame of the right form */
	WAY_FLOOD = 10,
	WAY_HALF_EXIT = 11,
	WAY_HALF_SILENT = 12,
};
#define WAYS 13

struct plan {
	enum moment moment;
	enum way way;
	uint64_t random;
};

struct job {
	uint64_t seed;
	uint32_t moment; /* of all in this run */
	uint32_t count;
};

/* ---- chance ---- */

static uint64_t
mix(uint64_t value)
{
	value += 0x9e3779b97f4a7c15u;
	value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
	value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
	return value ^ (value >> 31);
}

static uint32_t
draw(struct plan *plan, uint32_t limit)
{
	plan->random = mix(plan->random);
	return (uint32_t)(plan->random >> 16) % limit;
}

static struct plan
plan_of(const struct job *job, uint32_t generation)
{
	struct plan plan = {
	    .moment = (enum moment)job->moment,
	    .random = mix(job->seed ^ mix(generation)),
	};

	plan.way = (enum way)draw(&plan, WAYS);
	return plan;
}

/* ---- the worker ---- */

static void
set_number(struct buf *frame, size_t at, uint32_t value, size_t size)
{
	for (size_t i = 0; i < size; i++)
		frame->data[at + i] = (char)(value >> 8 * i);
}

/* Length and head fit together again. */
static void
set_length(struct buf *frame)
{
	set_number(frame, 0, (uint32_t)frame->size - 4, 4);
}

/* A frame that would be right for the job. */
static void
put_good(
    struct plan *plan, enum msg_kind kind, uint64_t ticket, struct buf *out)
{
	const struct msg_hello hello = {.text = span_of("hello")};
	const struct msg_beat beat = {.ticket = ticket, .bytes = 1};
	const struct msg_word word = {.text = span_of("word")};

	if (kind == MSG_HELLO)
		msg_put_hello(out, &hello);
	else if (kind == MSG_BEAT)
		msg_put_beat(out, &beat);
	else if (kind == MSG_WORD)
		msg_put_word(out, &word);
	else if (draw(plan, 2) == 0)
		fake_put_done(out, ticket, OUTCOME_OK, "fine");
	else
		fake_put_done(out, ticket, OUTCOME_CRASH, "not fine");
}

/* What is right elsewhere, but not at this moment. */
static enum msg_kind
out_of_turn(struct plan *plan)
{
	static const enum msg_kind kinds[] = {MSG_HELLO, MSG_BEAT, MSG_DONE};

	if (plan->moment == AT_START)
		return kinds[1 + draw(plan, 2)];
	if (plan->moment == AT_WORK || plan->moment == WHEN_LATE ||
	    plan->moment == WHEN_DOOMED) /* a DONE would be an answer */
		return MSG_HELLO;
	return kinds[draw(plan, 3)];
}

static uint32_t
bad_length(struct plan *plan)
{
	static const uint32_t values[] = {
	    (1 << 20) + 1, INT32_MAX, (uint32_t)INT32_MAX + 1, UINT32_MAX};
	uint32_t which = draw(plan, 5);

	return which < 4 ? values[which]
			 : (1u << 20) + 1 + draw(plan, 0xfff00000u);
}

static uint64_t
foreign_ticket(struct plan *plan, uint64_t ticket)
{
	const uint64_t others[] = {0, 1, ticket + 1, ticket - 1,
	    ticket + (UINT64_C(1) << 32), ticket - (UINT64_C(1) << 32),
	    UINT64_MAX, mix(ticket)};
	uint64_t other = others[draw(plan, 8)];

	return other != ticket ? other : ticket + 2;
}

/* Put its frame into out. */
static void
put_bad(struct plan *plan, uint64_t ticket, struct buf *out)
{
	static const enum msg_kind kinds[] = {
	    MSG_HELLO, MSG_BEAT, MSG_DONE, MSG_DONE, MSG_WORD};
	enum msg_kind kind = kinds[draw(plan, 5)];
	size_t payload;

	if (plan->way == WAY_TICKET || plan->way == WAY_FLOOD)
		ticket = foreign_ticket(plan, ticket);
	if (plan->way == WAY_TICKET || plan->way == WAY_FLOOD)
		kind = draw(plan, 2) == 0 ? MSG_BEAT : MSG_DONE;
	else if (plan->way == WAY_OUT_OF_TURN)
		kind = out_of_turn(plan);
	else if (plan->way == WAY_OUTCOME || plan->way == WAY_NOISE)
		kind = draw(plan, 3) == 0 ? MSG_HELLO : MSG_DONE;
	put_good(plan, kind, ticket, out);
	payload = out->size - FRAME_HEAD_BYTES;
	switch (plan->way) {
	case WAY_VERSION:
		set_number(out, 6, FRAME_VERSION + 1 + draw(plan, 65000), 2);
		break;
	case WAY_KIND:
		set_number(out, 4,
		    draw(plan, 4) < 3 ? draw(plan, 3) : 7 + draw(plan, 65000),
		    2);
		break;
	case WAY_OVER_CAP:
		set_number(out, 0, bad_length(plan), 4);
		break;
	case WAY_NO_ROOM:
		set_number(out, 0, draw(plan, 4), 4);
		break;
	case WAY_SHORT:
		out->size -= 1 + draw(plan, (uint32_t)payload);
		set_length(out);
		break;
	case WAY_LONG:
		for (uint32_t i = 1 + draw(plan, 300); i > 0; i--)
			frame_put_u8(out, (uint8_t)draw(plan, 256));
		set_length(out);
		break;
	case WAY_OUTCOME:
		out->data[FRAME_HEAD_BYTES + (kind == MSG_DONE ? 8 : 0)] =
		    (char)(OUTCOME_COUNT + draw(plan, 256 - OUTCOME_COUNT));
		break;
	case WAY_NOISE:
		/* No ticket and no outcome are found in it by chance. */
		for (size_t i = 0; i < payload; i++)
			out->data[FRAME_HEAD_BYTES + i] =
			    (char)(0x80 | draw(plan, 256));
		break;
	case WAY_HALF_EXIT:
	case WAY_HALF_SILENT:
		out->size = 1 + draw(plan, (uint32_t)out->size - 1);
		break;
	default:
		break;
	}
}

static _Noreturn void
misbehave(const struct spawn_child *child, struct plan *plan, uint64_t ticket)
{
	uint32_t times = plan->way == WAY_FLOOD ? FLOOD : 1;
	struct buf out;

	buf_init(&out, 1 << 20);
	if (plan->moment == WHEN_DOOMED) {
		fake_hello(child, &out, OUTCOME_OK, "again");
		times = UINT32_MAX;
	}
	put_bad(plan, ticket, &out);
	while (times-- > 0)
		if (fd_write_all(child->up_fd, out.data, out.size) == -1)
			break;
	if (plan->way == WAY_HALF_EXIT)
		_exit(0);
	fake_stay();
}

static int
live(const struct spawn_child *child, void *arg)
{
	struct plan plan = plan_of(arg, child->generation);
	struct msg_job job = {.ticket = (uint64_t)child->generation << 32};
	struct buf out;

	buf_init(&out, 1 << 20);
	if (plan.moment == AT_START)
		misbehave(child, &plan, job.ticket);
	fake_hello(child, &out, OUTCOME_OK, "");
	if (plan.moment == AT_FIRST)
		misbehave(child, &plan, job.ticket);
	if (!fake_order(child, &job))
		misbehave(child, &plan, job.ticket);
	if (plan.moment == AT_REST)
		fake_done(child, &out, job.ticket, OUTCOME_OK, "fine");
	else if (plan.moment == WHEN_LATE && fake_order(child, &job))
		return 1;
	misbehave(child, &plan, job.ticket);
}

/* ---- the test ---- */

static struct slot *
slot_of(struct bench *bench)
{
	return &bench->pool->slots[0];
}

/* The next report. Time is put forward only where nothing but time can bring
 * it: everything else has to come at once. */
static bool
hear_of(struct bench *bench, const struct plan *plan)
{
	const int64_t began_ns = clock_now_ns();

	while (!hear_within(bench, 1)) {
		if (pool_alive(bench->pool) == 0)
			return false;
		NEED(clock_now_ns() - began_ns < 5 * CLOCK_S);
		if (plan->way == WAY_HALF_SILENT &&
		    slot_of(bench)->state != SLOT_KILLED)
			bench->skipped_ns +=
			    pool_due_ns(bench->pool) - now(bench);
	}
	return true;
}

static void
need_cost(const struct bench *bench, const struct plan *plan, uint32_t index)
{
	const struct pool_report *report = &bench->report;
	enum outcome outcome = report->reply.outcome;
	bool exits = plan->way == WAY_HALF_EXIT && plan->moment != WHEN_DOOMED;

	if (report->event == POOL_LOST)
		NEED(report->index == index);
	NEED(bench->error[0] != '\0');
	NEED(report->killed == !exits);
	if (exits)
		NEED(outcome == OUTCOME_CRASH);
	else if (plan->way != WAY_HALF_SILENT)
		NEED(outcome == OUTCOME_GARBAGE);
	else
		NEED(outcome == OUTCOME_GARBAGE ||
		     outcome == OUTCOME_TIMEOUT_TOTAL);
}

/* It is told to go, and its end is no news, whatever it does. */
static void
send_away(struct bench *bench, const struct plan *plan)
{
	pool_want(bench->pool, 0);
	pool_tick(bench->pool, now(bench));
	NEED(slot_of(bench)->state == SLOT_LEAVING);
	NEED(!hear_of(bench, plan));
	pool_want(bench->pool, 1);
}

static void
meet(struct bench *bench, const struct plan *plan, uint32_t index)
{
	enum pool_event event = POOL_LOST;

	if (plan->moment != AT_START)
		hear(bench, POOL_READY);
	switch (plan->moment) {
	case AT_LEAVING:
		send_away(bench, plan);
		return;
	case AT_START:
		event = POOL_STILLBORN;
		break;
	case AT_FIRST:
		/* Half a frame alone is no news; the job is never answered. */
		event = POOL_STILLBORN;
		if (plan->way == WAY_HALF_SILENT) {
			NEED(try_give(bench, index));
			event = POOL_LOST;
		}
		break;
	case AT_REST:
		NEED(try_give(bench, index));
		hear(bench, POOL_DONE);
		event = POOL_GONE;
		if (plan->way == WAY_HALF_SILENT) {
			NEED(try_give(bench, index));
			event = POOL_LOST;
		}
		break;
	case WHEN_LATE:
		NEED(try_give(bench, index));
		bench->skipped_ns += (ALLOWED_MS + LATE_MS) * CLOCK_MS;
		break;
	default:
		NEED(try_give(bench, index));
		break;
	}
	NEED(hear_of(bench, plan));
	NEED(bench->report.event == event);
	need_cost(bench, plan, index);
}

static void
meet_all(void *arg)
{
	const struct job *job = arg;
	const struct heritage heritage = {.live = live, .arg = arg};
	struct bench bench;

	bench_open_with(&bench, &heritage, 1);
	bench_start(&bench);
	for (uint32_t generation = 1; generation <= job->count; generation++) {
		struct plan plan = plan_of(job, generation);

		meet(&bench, &plan, generation);
		NEED(pool_alive(bench.pool) == 0);
		NEED(pool_busy(bench.pool) == 0);
		NEED(pool_births(bench.pool) == generation);
		/* A start that failed slows down the next. */
		bench.skipped_ns += POOL_THROTTLE_MOST;
		pool_tick(bench.pool, now(&bench));
	}
	bench_close(&bench);
}

static uint64_t first_seed;

static void
every_malformed_frame_costs_its_own_prompt_at_most(void **state)
{
	const char *all = getenv("LONG");
	uint32_t each =
	    all != NULL && all[0] != '\0' ? FRAMES_LONG : FRAMES_SAMPLE;

	(void)state;
	print_message("seed %llu, %u in each of %d states\n",
	    (unsigned long long)first_seed, (unsigned)each, MOMENTS);
	for (uint32_t moment = 0; moment < MOMENTS; moment++)
		for (uint32_t met = 0; met < each; met += PER_RUN) {
			struct job job = {first_seed + met, moment, PER_RUN};

			if (job.count > each - met)
				job.count = each - met;
			if (apart_run(meet_all, &job) != 0)
				fail_msg("moment %u, seed %llu", moment,
				    (unsigned long long)job.seed);
		}
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(
		every_malformed_frame_costs_its_own_prompt_at_most),
	};

	first_seed =
	    argc > 1 ? strtoull(argv[1], NULL, 0) : (uint64_t)clock_wall_ms();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
