/* SPDX-License-Identifier: ISC */
#ifndef POOL_BENCH_H
#define POOL_BENCH_H

#include <sys/wait.h>

#include "base/clock.h"
#include "base/err.h"
#include "run/loop.h"
#include "run/pool_impl.h"

#include "apart.h"
#include "fake_worker.h"

/*
 * A pool with a real nursery and fake workers, turned by hand, with a clock
 * that can be put forward. Only for processes apart: it uses NEED.
 */
#define ALLOWED_MS 100
#define LATE_MS 50
#define GRACE_MS 100
#define PIPE_MS 200 /* between a closed pipe and the death that must follow */
#define SLACK_MS 100
#define HANG_MS (ALLOWED_MS + LATE_MS + GRACE_MS)

struct bench {
	struct loop *loop;
	struct nursery *nursery;
	struct pool *pool;
	struct pool_conf conf;
	int64_t skipped_ns; /* time that never passed */
	size_t word_bytes;

	/* the last report, with its texts */
	struct pool_report report;
	char error[4096];
	char text[64];
};

static inline int64_t
now(const struct bench *bench)
{
	return clock_now_ns() + bench->skipped_ns;
}

static inline void
count_words(void *arg, uint32_t slot, const char *data, size_t size)
{
	struct bench *bench = arg;

	(void)slot, (void)data;
	bench->word_bytes += size;
}

static inline void
bench_open_with(
    struct bench *bench, const struct heritage *heritage, uint32_t slots)
{
	struct err err;

	*bench = (struct bench){
	    .conf =
		{
		    .slots = slots,
		    .late_after_ns = LATE_MS * CLOCK_MS,
		    .grace_ns = GRACE_MS * CLOCK_MS,
		    .frame_cap_bytes = 1 << 20,
		    .words = count_words,
		    .words_arg = bench,
		},
	};
	bench->nursery = nursery_open(heritage, &err);
	NEED(bench->nursery != NULL);
	bench->loop = loop_new(&err);
	NEED(bench->loop != NULL);
}

/* Give the bench workers of a kind. */
static inline void
bench_open(struct bench *bench, const struct fake *fake, uint32_t slots)
{
	const struct heritage heritage = {
	    .live = fake_live,
	    .arg = (void *)(uintptr_t)fake,
	};

	bench_open_with(bench, &heritage, slots);
}

static inline void
bench_start(struct bench *bench)
{
	struct err err;

	bench->pool = pool_new(&bench->conf, bench->loop, bench->nursery, &err);
	NEED(bench->pool != NULL);
	pool_want(bench->pool, bench->conf.slots);
	pool_tick(bench->pool, now(bench));
}

static inline void
bench_close(struct bench *bench)
{
	pool_free(bench->pool);
	loop_free(bench->loop);
	nursery_close(bench->nursery);
	NEED(apart_is_childless());
}

static inline void
turn(struct bench *bench, int64_t until_ns)
{
	int64_t due_ns = pool_due_ns(bench->pool);
	struct err err;

	NEED(loop_turn(bench->loop, now(bench),
		 due_ns < until_ns ? due_ns : until_ns, &err) == 0);
	pool_tick(bench->pool, now(bench));
}

static inline void
keep(struct bench *bench)
{
	struct reply *reply = &bench->report.reply;

	snprintf(bench->error, sizeof(bench->error), "%.*s",
	    (int)reply->error.size,
	    reply->error.data != NULL ? reply->error.data : "");
	snprintf(bench->text, sizeof(bench->text), "%.*s",
	    (int)reply->text.size,
	    reply->text.data != NULL ? reply->text.data : "");
}

/* Wait for a report; false when none came for so long. */
static inline bool
hear_within(struct bench *bench, int64_t limit_ms)
{
	int64_t until_ns = now(bench) + limit_ms * CLOCK_MS;

	while (!pool_next(bench->pool, &bench->report, now(bench))) {
		if (now(bench) >= until_ns)
			return false;
		turn(bench, until_ns);
	}
	keep(bench);
	return true;
}

static inline void
hear(struct bench *bench, enum pool_event event)
{
	NEED(hear_within(bench, 10000));
	if (bench->report.event != event)
		dprintf(STDERR_FILENO, "event %d: %s\n",
		    (int)bench->report.event, bench->error);
	NEED(bench->report.event == event);
}

/* The next one that is about a job or a death; replacements may be ready
 * meanwhile. */
static inline void
hear_end(struct bench *bench)
{
	do
		NEED(hear_within(bench, 10000));
	while (bench->report.event == POOL_READY);
}

/* A worker may say HELLO before the nursery has said that it is born. */
static inline void
await_births(struct bench *bench)
{
	while (bench->pool->outstanding > 0)
		turn(bench, now(bench) + CLOCK_S);
}

static inline bool
try_give(struct bench *bench, uint32_t index)
{
	const struct pool_job job = {
	    .index = index,
	    .attempt = 1,
	    .endpoint = 7,
	    .allowed_ns = ALLOWED_MS * CLOCK_MS,
	};

	return pool_give(bench->pool, &job, now(bench));
}

static inline void
give(struct bench *bench, enum fake_deed deed)
{
	NEED(pool_has_idle(bench->pool));
	NEED(try_give(bench, deed));
}

/* Wait until a child of this process has stopped; it stays so. */
static inline void
await_stop(pid_t pid)
{
	siginfo_t info;

	NEED(waitid(pid > 0 ? P_PID : P_ALL, (id_t)pid, &info,
		 WSTOPPED | WNOWAIT) == 0);
}

/* Gives the name of a variable that this test was started with: fake workers
 * are seen to have it, as commands have theirs. */
static inline const char *
bench_variable(void)
{
	static char name[4096];

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(environ[0], "="),
	    environ[0]);
	return name;
}

#endif
