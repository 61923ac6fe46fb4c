/* SPDX-License-Identifier: ISC */
/*
 * The slots and the processes in them. Descriptors only leave notes in a slot
 * (bytes, "dead", "late"); pool_next turns notes into events, one slot after
 * the other, and the table in cells.c says what each event means.
 */
#include "run/pool.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/must.h"
#include "run/pool_impl.h"
#include "wire/spawn.h"
#include "wire/weigh.h"

void
slot_tell(struct pool *pool, struct slot *slot)
{
	if (slot->queued)
		return;
	slot->queued = true;
	STAILQ_INSERT_TAIL(&pool->news, slot, news);
}

/* ---- descriptors leave notes ---- */

static void
up_ready(void *arg, uint32_t events)
{
	struct slot *slot = arg;
	struct pool *pool = slot->pool;

	(void)events;
	slot_read(slot);
	if (slot->up_ended)
		loop_unwatch(pool->loop, &slot->up_watch);
	slot_tell(pool, slot);
}

bool
slot_take_words(struct pool *pool, struct slot *slot)
{
	char data[4096];
	ssize_t got = slot_read_words(slot, data, sizeof(data));

	if (got == -1)
		loop_unwatch(pool->loop, &slot->words_watch);
	else if (got > 0 && pool->conf.words != NULL)
		pool->conf.words(
		    pool->conf.words_arg, slot->number, data, (size_t)got);
	return got > 0;
}

static void
words_ready(void *arg, uint32_t events)
{
	struct slot *slot = arg;

	(void)events;
	slot_take_words(slot->pool, slot);
}

static void
pid_ready(void *arg, uint32_t events)
{
	struct slot *slot = arg;
	struct pool *pool = slot->pool;

	(void)events;
	slot->dead = true;
	loop_unwatch(pool->loop, &slot->pid_watch);
	slot_tell(pool, slot);
}

static void
note_births(void *arg, uint32_t events)
{
	struct pool *pool = arg;

	(void)events;
	pool->births_ready = true;
}

/* ---- opening and closing ---- */

static void
slots_prepare(struct pool *pool)
{
	for (uint32_t i = 0; i < pool->conf.slots; i++) {
		struct slot *slot = &pool->slots[i];

		slot_init(slot, i, pool->conf.frame_cap_bytes);
		slot->pool = pool;
		slot->up_watch.ready = up_ready;
		slot->words_watch.ready = words_ready;
		slot->pid_watch.ready = pid_ready;
		slot->up_watch.arg = slot;
		slot->words_watch.arg = slot;
		slot->pid_watch.arg = slot;
	}
	pool->in_state[SLOT_EMPTY] = pool->conf.slots;
}

struct pool *
pool_new(const struct pool_conf *conf, struct loop *loop,
    struct nursery *nursery, struct err *err)
{
	struct pool *pool = calloc(1, sizeof(*pool));

	MUST(conf->slots >= 1 && (!conf->sweeps || conf->mark != NULL));
	if (pool == NULL) {
		err_set_memory(err, "worker pool");
		return NULL;
	}
	pool->conf = *conf;
	pool->used = conf->slots;
	pool->loop = loop;
	pool->nursery = nursery;
	pool->soonest_ns = CLOCK_NEVER;
	pool->next_weigh_ns = conf->memory_max_bytes > 0 ? 0 : CLOCK_NEVER;
	pool->births_watch.fd = -1;
	pool->births_watch.ready = note_births;
	pool->births_watch.arg = pool;
	TAILQ_INIT(&pool->idle);
	STAILQ_INIT(&pool->news);
	buf_init(&pool->out, MSG_JOB_MAX_BYTES);
	buf_init(&pool->text, 8192);
	pool->has_strangers =
	    conf->sweeps && reap_has_other_child(nursery_pid(nursery));
	pool->slots = calloc(conf->slots, sizeof(*pool->slots));
	if (pool->slots == NULL) {
		err_set_memory(err, "worker slots");
		pool_free(pool);
		return NULL;
	}
	slots_prepare(pool);
	if (loop_watch(loop, &pool->births_watch, nursery_fd(nursery), EPOLLIN,
		err) == -1) {
		pool_free(pool);
		return NULL;
	}
	return pool;
}

static void
slot_end_now(struct pool *pool, struct slot *slot)
{
	struct pollfd dead = {.fd = slot->pid_fd, .events = POLLIN};

	if (slot->pid_fd != -1) {
		slot_kill(pool, slot, OUTCOME_INTERRUPTED, 0);
		pool->sweep_wanted = pool->conf.sweeps;
		if (poll(&dead, 1, POOL_END_WITHIN_MS) == 1)
			reap_bury(slot->pid_fd);
	}
	slot_clear(slot, pool->loop);
	buf_free(&slot->inbox);
}

static bool is_known(void *arg, pid_t pid, bool dead);

void
pool_free(struct pool *pool)
{
	if (pool == NULL)
		return;
	births_end(pool);
	if (pool->slots != NULL)
		for (uint32_t i = 0; i < pool->conf.slots; i++)
			slot_end_now(pool, &pool->slots[i]);
	if (pool->sweep_wanted &&
	    !reap_sweep(is_known, pool, POOL_LAST_SWEEP_MS, NULL))
		log_say(LOG_WARN, "processes of dead workers are left behind");
	loop_unwatch(pool->loop, &pool->births_watch);
	buf_free(&pool->out);
	buf_free(&pool->text);
	free(pool->slots);
	free(pool);
}

/* ---- notes become events ---- */

static bool
read_message(struct slot *slot, const struct frame *frame, struct news *news)
{
	struct msg_beat beat;
	struct msg_word word;

	switch (frame->kind) {
	case MSG_HELLO:
		news->event = NEWS_HELLO;
		return msg_get_hello(frame, &news->hello);
	case MSG_DONE:
		news->event = NEWS_DONE;
		return msg_get_done(frame, &news->done);
	case MSG_BEAT:
		if (!msg_get_beat(frame, &beat) || !slot->has_job ||
		    beat.ticket != slot_ticket(slot))
			return false;
		slot->answer_bytes = beat.bytes;
		return true;
	case MSG_WORD:
		if (!msg_get_word(frame, &word))
			return false;
		log_say((enum log_level)word.level, "worker %u: %.*s",
		    slot->number, (int)word.text.size, word.text.data);
		return true;
	default:
		return false;
	}
}

static bool
garbage(struct slot *slot, struct news *news)
{
	/* The stream is lost: nothing more is read from it. */
	slot->up_ended = true;
	loop_unwatch(slot->pool->loop, &slot->up_watch);
	slot->inbox_taken = 0;
	buf_clear(&slot->inbox);
	news->event = NEWS_GARBAGE;
	return true;
}

/* Gives true with the next whole message that is news; false when there is
 * none now. */
static bool
next_message(struct slot *slot, struct news *news)
{
	struct frame frame;
	size_t taken;

	for (;;) {
		buf_drop(&slot->inbox, slot->inbox_taken);
		slot->inbox_taken = 0;
		switch (frame_cut(buf_span(&slot->inbox),
		    slot->pool->conf.frame_cap_bytes, &frame, &taken)) {
		case FRAME_MORE:
			return false;
		case FRAME_GARBAGE:
			return garbage(slot, news);
		case FRAME_WHOLE:
			break;
		}
		slot->inbox_taken = taken;
		if (!read_message(slot, &frame, news))
			return garbage(slot, news);
		if (frame.kind == MSG_HELLO || frame.kind == MSG_DONE)
			return true;
	}
}

static bool
next_news(
    struct pool *pool, struct slot *slot, struct news *news, int64_t now_ns)
{
	if (next_message(slot, news))
		return true;
	if (slot->dead) {
		/* What it wrote before it died counts; a grandchild that goes
		 * on writing does not. */
		for (int i = 0; i < POOL_LAST_READS && slot_read(slot); i++)
			if (next_message(slot, news))
				return true;
		news->event = NEWS_DEATH;
		return true;
	}
	if (slot->late) {
		slot->late = false;
		news->event = slot->up_ended && slot->state != SLOT_KILLED
				  ? NEWS_GARBAGE
				  : NEWS_LATE;
		return true;
	}
	/* A closed pipe is followed by a death, or is a breach. */
	if (slot->up_ended && !slot->heard_out && slot->state != SLOT_KILLED &&
	    slot->state != SLOT_EMPTY) {
		slot_expect(pool, slot, clock_add(now_ns, POOL_DEATH_WITHIN));
		slot->heard_out = true;
	}
	return false;
}

bool
pool_next(struct pool *pool, struct pool_report *report, int64_t now_ns)
{
	struct slot *slot;
	struct news news;

	while ((slot = STAILQ_FIRST(&pool->news)) != NULL) {
		while (slot->state != SLOT_EMPTY &&
		       next_news(pool, slot, &news, now_ns))
			if (cells_take(pool, slot, &news, report, now_ns))
				return true;
		STAILQ_REMOVE_HEAD(&pool->news, news);
		slot->queued = false;
	}
	return false;
}

/* ---- handing out ---- */

bool
pool_has_idle(const struct pool *pool)
{
	return !TAILQ_EMPTY(&pool->idle);
}

bool
pool_give(struct pool *pool, const struct pool_job *job, int64_t now_ns)
{
	struct slot *slot = TAILQ_FIRST(&pool->idle);
	struct msg_job order = {
	    .index = job->index,
	    .attempt = job->attempt,
	    .endpoint = job->endpoint,
	    .allowed_ms = (job->allowed_ns + CLOCK_MS - 1) / CLOCK_MS,
	};

	MUST(slot != NULL && job->allowed_ns > 0);
	slot->sequence++;
	order.ticket = slot_ticket(slot);
	buf_clear(&pool->out);
	msg_put_job(&pool->out, &order);
	MUST(!pool->out.failed);
	if (slot->up_ended || write(slot->down_fd, pool->out.data,
				  pool->out.size) != (ssize_t)pool->out.size) {
		/* Dead already, or as good as: an end of its own. */
		slot->sequence--;
		slot_kill(pool, slot, OUTCOME_CRASH, now_ns);
		slot->killed = false;
		return false;
	}
	slot->throttle_ns = 0;
	slot->has_job = true;
	slot->index = job->index;
	slot->attempt = job->attempt;
	slot->endpoint = job->endpoint;
	slot->serial = job->serial;
	slot->started_ns = now_ns;
	slot->answer_bytes = 0;
	slot->slept_ns = 0;
	slot->allowed_ns = job->allowed_ns;
	slot->verdict = OUTCOME_TIMEOUT_TOTAL;
	slot_move(pool, slot, SLOT_BUSY);
	slot_expect(pool, slot,
	    clock_add(
		now_ns, clock_add(job->allowed_ns, pool->conf.late_after_ns)));
	return true;
}

/* ---- time ---- */

static bool
is_known(void *arg, pid_t pid, bool dead)
{
	struct pool *pool = arg;

	if (pid == nursery_pid(pool->nursery))
		return true;
	for (uint32_t i = 0; i < pool->conf.slots; i++)
		if (pool->slots[i].pid == pid)
			return true;
	/* Whatever an old child of the host's has started comes to us too. One
	 * of ours that hides its environment is then spared with them: better
	 * than to kill what nobody gave us. */
	return pool->has_strangers && !dead &&
	       !reap_carries(pid, pool->conf.mark);
}

/* Whoever a dead worker's commands left behind is our child now. A deep family
 * takes several looks, with time for others between. Not while a birth is
 * outstanding: the newborn would be a stranger. */
static void
sweep(struct pool *pool, int64_t now_ns)
{
	if (!pool->sweep_wanted || pool->outstanding > 0)
		return;
	if (now_ns >= pool->next_sweep_ns) {
		pool->sweep_wanted =
		    !reap_sweep(is_known, pool, POOL_SWEEP_MS, NULL);
		pool->next_sweep_ns = clock_add(now_ns, POOL_SWEEP_EVERY);
	}
	if (pool->sweep_wanted && pool->next_sweep_ns < pool->soonest_ns)
		pool->soonest_ns = pool->next_sweep_ns;
}

/* Nobody is judged before what is already in the pipe was heard: this
 * coordinator may be the one that was late. */
static void
judge(struct pool *pool, struct slot *slot)
{
	if (!slot->heard_out && slot_read(slot)) {
		slot->heard_out = true;
		pool->soonest_ns = slot->deadline_ns;
		slot_tell(pool, slot);
		return;
	}
	slot->late = true;
	slot_tell(pool, slot);
}

static void
find_late(struct pool *pool, int64_t now_ns)
{
	pool->soonest_ns = CLOCK_NEVER;
	for (uint32_t i = 0; i < pool->conf.slots; i++) {
		struct slot *slot = &pool->slots[i];

		if (slot->deadline_ns <= now_ns && slot->state != SLOT_EMPTY)
			judge(pool, slot);
		else if (slot->deadline_ns < pool->soonest_ns)
			pool->soonest_ns = slot->deadline_ns;
	}
}

static void
dismiss_surplus(struct pool *pool, int64_t now_ns)
{
	uint32_t active = pool->in_state[SLOT_STARTING] +
			  pool->in_state[SLOT_IDLE] + pool->in_state[SLOT_BUSY];

	while (active > pool->want && pool_has_idle(pool)) {
		struct slot *slot = TAILQ_LAST(&pool->idle, slot_list);

		slot_dismiss(pool, slot, now_ns);
		active--;
	}
}

/* Whoever has grown too large goes, at work or not. */
static void
weigh(struct pool *pool, int64_t now_ns)
{
	for (uint32_t i = 0; i < pool->conf.slots; i++) {
		struct slot *slot = &pool->slots[i];

		if (slot->pid <= 1 || slot->dead || slot->state == SLOT_KILLED)
			continue;
		slot->heavy_bytes = weigh_tree(slot->pid);
		if (slot->heavy_bytes > pool->conf.memory_max_bytes)
			slot_kill(pool, slot, OUTCOME_OUT_OF_MEMORY, now_ns);
	}
	pool->next_weigh_ns = clock_add(now_ns, POOL_WEIGH_EVERY);
}

void
pool_tick(struct pool *pool, int64_t now_ns)
{
	if (pool->births_ready)
		births_take(pool, now_ns);
	if (now_ns >= pool->soonest_ns)
		find_late(pool, now_ns);
	if (pool->in_state[SLOT_EMPTY] > 0)
		births_start(pool, now_ns);
	dismiss_surplus(pool, now_ns);
	if (now_ns >= pool->next_weigh_ns)
		weigh(pool, now_ns);
	sweep(pool, now_ns);
}

int64_t
pool_due_ns(const struct pool *pool)
{
	if (!STAILQ_EMPTY(&pool->news))
		return 0;
	return pool->soonest_ns < pool->next_weigh_ns ? pool->soonest_ns
						      : pool->next_weigh_ns;
}

void
pool_use(struct pool *pool, uint32_t count)
{
	MUST(count >= 1 && count <= pool->conf.slots);
	pool->used = count;
}

void
pool_want(struct pool *pool, uint32_t count)
{
	pool->want = count;
}

void
pool_shift(struct pool *pool, int64_t slept_ns)
{
	for (uint32_t i = 0; i < pool->conf.slots; i++) {
		struct slot *slot = &pool->slots[i];

		slot->deadline_ns = clock_add(slot->deadline_ns, slept_ns);
		slot->slept_ns += slept_ns;
	}
	pool->soonest_ns = clock_add(pool->soonest_ns, slept_ns);
}

void
pool_signal_all(struct pool *pool, int signal_number)
{
	for (uint32_t i = 0; i < pool->conf.slots; i++)
		if (pool->slots[i].pid > 1 && !pool->slots[i].dead)
			reap_signal_group(pool->slots[i].pid, signal_number);
}

uint32_t
pool_alive(const struct pool *pool)
{
	return pool->conf.slots - pool->in_state[SLOT_EMPTY];
}

uint32_t
pool_busy(const struct pool *pool)
{
	return pool->in_state[SLOT_BUSY] + pool->in_state[SLOT_ASKED];
}

uint64_t
pool_births(const struct pool *pool)
{
	return pool->births;
}

int64_t
pool_latest_ns(const struct pool *pool)
{
	int64_t latest_ns = 0;

	for (uint32_t i = 0; i < pool->conf.slots; i++) {
		const struct slot *slot = &pool->slots[i];
		bool busy = slot->state == SLOT_BUSY ||
			    slot->state == SLOT_ASKED ||
			    slot->state == SLOT_KILLED;

		if (busy && slot->deadline_ns > latest_ns)
			latest_ns = slot->deadline_ns;
	}
	return latest_ns;
}
