/* SPDX-License-Identifier: ISC */
/*
 * How slots are filled: three pipes, a request to the nursery, a notice when
 * the child is there. A start that fails is throttled; a nursery that died is
 * replaced.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "run/loop.h"
#include "run/pool_impl.h"
#include "wire/spawn.h"

static int
slot_open_pipes(
    struct pool *pool, struct slot *slot, int child[3], struct err *err)
{
	if (fd_pipe(&child[0], &slot->down_fd, err) == -1 ||
	    fd_pipe(&slot->up_fd, &child[1], err) == -1 ||
	    fd_pipe(&slot->words_fd, &child[2], err) == -1)
		return -1;
	if (fd_set_nonblocking(slot->down_fd, true) == -1 ||
	    fd_set_nonblocking(slot->up_fd, true) == -1 ||
	    fd_set_nonblocking(slot->words_fd, true) == -1)
		return err_set_errno(err, "cannot set up a worker's pipes");
	if (loop_watch(
		pool->loop, &slot->up_watch, slot->up_fd, EPOLLIN, err) == -1)
		return -1;
	return loop_watch(
	    pool->loop, &slot->words_watch, slot->words_fd, EPOLLIN, err);
}

static uint32_t
count_born(const struct pool *pool)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < pool->conf.slots; i++)
		count += pool->slots[i].pid != -1;
	return count;
}

/* A limit of the machine: those who are there do the work. It is said once;
 * more are asked for now and then, one at a time. */
static void
fall_short(struct pool *pool, const char *why, int64_t now_ns)
{
	if (!pool->short_said)
		log_say(LOG_WARN, "only %u of %u workers could be started: %s",
		    (unsigned)count_born(pool), (unsigned)pool->want, why);
	pool->short_said = true;
	if (now_ns < pool->short_until_ns)
		return; /* asked for together with one that failed */
	pool->short_pause_ns = pool->short_pause_ns == 0
				   ? POOL_THROTTLE_FIRST
				   : pool->short_pause_ns * 2;
	if (pool->short_pause_ns > POOL_THROTTLE_MOST)
		pool->short_pause_ns = POOL_THROTTLE_MOST;
	pool->short_until_ns = clock_add(now_ns, pool->short_pause_ns);
}

/* Gives false when it cannot be asked for now: later. */
static bool
slot_start(struct pool *pool, struct slot *slot, int64_t now_ns)
{
	int child[3] = {-1, -1, -1};
	struct err err = {0};
	int asked = -1;

	slot->generation++;
	slot->sequence = 0;
	if (slot_open_pipes(pool, slot, child, &err) == -1)
		fall_short(pool, err.text, now_ns);
	else
		asked = nursery_ask(pool->nursery, slot->number,
		    slot->generation, child[0], child[1], child[2]);
	for (int i = 0; i < 3; i++)
		fd_close(&child[i]);
	if (asked == 0) {
		pool->outstanding++;
		pool->births++;
		slot_move(pool, slot, SLOT_STARTING);
		slot_expect(pool, slot, clock_add(now_ns, POOL_READY_WITHIN));
		return true;
	}
	/* It could not be replaced before: try again. */
	if (asked == -1 && nursery_fd(pool->nursery) == -1)
		pool->births_ready = true;
	slot_clear(slot, pool->loop);
	slot->next_start_ns = clock_add(now_ns, POOL_THROTTLE_FIRST);
	return false;
}

/* When may the next one be asked for, as far as all slots are concerned?
 * CLOCK_NEVER: not before one of those on the way is there. */
static int64_t
next_order_ns(const struct pool *pool)
{
	uint32_t most = pool->short_pause_ns > 0 ? 1 : POOL_BIRTHS_AT_ONCE;

	return pool->outstanding < most ? pool->short_until_ns : CLOCK_NEVER;
}

void
births_start(struct pool *pool, int64_t now_ns)
{
	uint32_t active =
	    pool->in_state[SLOT_STARTING] + pool->in_state[SLOT_IDLE] +
	    pool->in_state[SLOT_BUSY] + pool->in_state[SLOT_ASKED];

	for (uint32_t i = 0; i < pool->used && active < pool->want; i++) {
		struct slot *slot = &pool->slots[i];

		if (next_order_ns(pool) > now_ns) {
			if (next_order_ns(pool) < pool->soonest_ns)
				pool->soonest_ns = next_order_ns(pool);
			return;
		}
		if (slot->state != SLOT_EMPTY)
			continue;
		if (slot->next_start_ns > now_ns) {
			if (slot->next_start_ns < pool->soonest_ns)
				pool->soonest_ns = slot->next_start_ns;
			continue;
		}
		if (!slot_start(pool, slot, now_ns)) {
			if (slot->next_start_ns < pool->soonest_ns)
				pool->soonest_ns = slot->next_start_ns;
			return;
		}
		active++;
	}
}

/* A newborn: SIGKILL ends it in no time. */
static void
end_at_once(int pid_fd)
{
	struct pollfd dead = {.fd = pid_fd, .events = POLLIN};

	reap_signal(pid_fd, SIGKILL);
	if (poll(&dead, 1, POOL_END_WITHIN_MS) == 1)
		reap_bury(pid_fd);
}

/* Is its failure no news, because others are there to do the work? Then the
 * slot stays empty for now. */
static bool
take_shortage(struct pool *pool, struct slot *slot, int number, int64_t now_ns)
{
	char why[96];

	if (slot->state != SLOT_STARTING || count_born(pool) == 0)
		return false;
	snprintf(why, sizeof(why), "%s%s", strerror(number),
	    number == EAGAIN ? " (ulimit -u, or pids.max of the cgroup)" : "");
	fall_short(pool, why, now_ns);
	slot_empty(pool, slot, false, now_ns);
	return true;
}

static void
take_birth(struct pool *pool, const struct birth *birth, int64_t now_ns)
{
	struct slot *slot = &pool->slots[birth->slot];
	struct err err = {0};
	int pid_fd = birth->pid_fd;

	pool->outstanding--;
	if (pid_fd != -1)
		pool->short_pause_ns = 0;
	else
		pool->births--;
	if (slot->generation != birth->generation ||
	    slot->state == SLOT_EMPTY) {
		/* Given up before it was born. */
		if (pid_fd != -1)
			end_at_once(pid_fd);
		fd_close(&pid_fd);
		return;
	}
	if (pid_fd == -1 && take_shortage(pool, slot, birth->number, now_ns))
		return;
	slot->pid = birth->pid;
	slot->pid_fd = pid_fd;
	slot->birth_errno = birth->number;
	if (pid_fd == -1 || loop_watch(pool->loop, &slot->pid_watch, pid_fd,
				EPOLLIN, &err) == -1)
		slot->dead = true;
	if (slot->dead || slot->state == SLOT_KILLED)
		slot_tell(pool, slot);
	if (slot->state == SLOT_KILLED && pid_fd != -1)
		reap_signal(pid_fd, SIGKILL);
}

/* Whoever was asked for and not noticed will not come. */
static void
replace_nursery(struct pool *pool, int64_t now_ns)
{
	struct err err = {0};

	log_say(LOG_WARN, "the nursery died; starting another one");
	loop_unwatch(pool->loop, &pool->births_watch);
	for (uint32_t i = 0; i < pool->conf.slots; i++) {
		struct slot *slot = &pool->slots[i];

		if (slot->pid != -1 || slot->state == SLOT_EMPTY)
			continue;
		if (slot->state == SLOT_STARTING) {
			slot_empty(pool, slot, true, now_ns);
			continue;
		}
		/* It spoke before its birth was told, and may have a prompt:
		 * it leaves when its pipes are closed. */
		slot->dead = true;
		slot_tell(pool, slot);
	}
	pool->sweep_wanted = pool->conf.sweeps;
	pool->outstanding = 0;
	if (nursery_reopen(pool->nursery, &err) == -1 ||
	    loop_watch(pool->loop, &pool->births_watch,
		nursery_fd(pool->nursery), EPOLLIN, &err) == -1)
		log_say(LOG_ERROR, "%s", err.text);
}

void
births_take(struct pool *pool, int64_t now_ns)
{
	struct birth birth;
	int got;

	pool->births_ready = false;
	while ((got = nursery_next(pool->nursery, &birth)) == 1)
		take_birth(pool, &birth, now_ns);
	if (got == -1)
		replace_nursery(pool, now_ns);
}

void
births_end(struct pool *pool)
{
	struct pollfd notice = {
	    .fd = nursery_fd(pool->nursery),
	    .events = POLLIN,
	};
	struct birth birth;
	int got = 0;

	while (pool->outstanding > 0 && got != -1 &&
	       poll(&notice, 1, POOL_END_WITHIN_MS) == 1)
		while ((got = nursery_next(pool->nursery, &birth)) == 1)
			take_birth(pool, &birth, 0);
}
