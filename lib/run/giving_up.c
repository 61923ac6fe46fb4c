/* SPDX-License-Identifier: ISC */
/*
 * Calls that are ended before their time, all of them or one, and the look at
 * who is at work that goes before it.
 */
#include "base/clock.h"
#include "run/pool_impl.h"

static bool
is_out(const struct slot *slot)
{
	return slot->state == SLOT_BUSY || slot->state == SLOT_ASKED;
}

static void
give_up(struct pool *pool, struct slot *slot, int64_t grace_ns, int64_t now_ns)
{
	slot->verdict = OUTCOME_INTERRUPTED;
	if (grace_ns == 0) {
		slot_kill(pool, slot, OUTCOME_INTERRUPTED, now_ns);
		return;
	}
	if (slot->state == SLOT_BUSY) {
		slot_send_stop(pool, slot);
		slot_move(pool, slot, SLOT_ASKED);
	}
	slot_expect(pool, slot, clock_add(now_ns, grace_ns));
}

void
pool_give_up(struct pool *pool, int64_t grace_ns, int64_t now_ns)
{
	for (uint32_t i = 0; i < pool->conf.slots; i++)
		if (is_out(&pool->slots[i]))
			give_up(pool, &pool->slots[i], grace_ns, now_ns);
}

bool
pool_give_up_one(
    struct pool *pool, uint32_t index, int64_t grace_ns, int64_t now_ns)
{
	for (uint32_t i = 0; i < pool->conf.slots; i++) {
		struct slot *slot = &pool->slots[i];

		if (!is_out(slot) || !slot->has_job || slot->index != index)
			continue;
		give_up(pool, slot, grace_ns, now_ns);
		return true;
	}
	return false;
}

bool
pool_kill(struct pool *pool, uint32_t number, int64_t now_ns)
{
	struct slot *slot = &pool->slots[number];

	if (number >= pool->conf.slots || slot->state == SLOT_EMPTY ||
	    slot->state == SLOT_KILLED)
		return false;
	slot_kill(pool, slot, OUTCOME_INTERRUPTED, now_ns);
	return true;
}

void
pool_count(const struct pool *pool, struct pool_census *census)
{
	*census = (struct pool_census){
	    .starting = pool->in_state[SLOT_STARTING],
	    .idle = pool->in_state[SLOT_IDLE],
	    .busy = pool->in_state[SLOT_BUSY],
	    .late = pool->in_state[SLOT_ASKED] + pool->in_state[SLOT_KILLED],
	    .oldest_slot = UINT32_MAX,
	};
	for (uint32_t i = 0; i < pool->conf.slots; i++) {
		const struct slot *slot = &pool->slots[i];

		if (!is_out(slot) || (census->oldest_slot != UINT32_MAX &&
					 slot->started_ns >= census->oldest_ns))
			continue;
		census->oldest_slot = slot->number;
		census->oldest_index = slot->index;
		census->oldest_ns = slot->started_ns;
	}
}
