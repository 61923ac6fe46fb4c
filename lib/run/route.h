/* SPDX-License-Identifier: ISC */
#ifndef ROUTE_H
#define ROUTE_H

#include <stdbool.h>
#include <stdint.h>

#include "run/pace.h"
#include "wire/msg.h"
#include "wire/outcome.h"

/*
 * Which of several servers gets the next prompt, and when may one get any.
 * Each has a pace of its own; one that fails is left alone for a while, and
 * its prompts go to the others. With a single one all is as its pace says.
 * Pure.
 */
#define ROUTE_ENDS_MAX MSG_ENDPOINTS_MAX
#define ROUTE_NONE UINT32_MAX

struct route_conf {
	const char *name; /* for people: "gpu1:8000"; lent */
	uint32_t weight;  /* ≥ 1: its share of the prompts in flight */
	uint32_t out_max; /* in flight at a time; 0: any number */
};

struct route_end {
	struct route_conf conf;
	struct pace pace;
	bool aside;	 /* never again: it cannot serve this run */
	uint32_t out;	 /* in flight */
	uint32_t blames; /* of the run, in a row, no answer between */
};

struct route {
	struct route_end *ends;
	uint32_t count;
	uint32_t left;	 /* not aside */
	uint8_t *failed; /* per prompt: 1 + where it failed last, 0 nowhere;
			    NULL with a single server */
};

/* Takes pace: what all of them begin with. Gives 0, or -1 without memory. */
int route_init(struct route *route, const struct route_conf *ends,
    uint32_t count, uint32_t prompts, const struct pace *pace);
void route_free(struct route *route);

/* From when on may somebody get one? 0: from now on; CLOCK_NEVER: not before
 * something comes back. */
int64_t route_due_ns(const struct route *route);

/* Who gets this prompt now: the one with the least in flight for its weight,
 * but rather not the one where it failed last. ROUTE_NONE: nobody. */
uint32_t route_pick(const struct route *route, uint32_t index, int64_t now_ns);

/* It went out there. */
void route_sent(
    struct route *route, uint32_t end, uint32_t index, int64_t now_ns);

/* It came back. As pace_report. */
void route_report(struct route *route, uint32_t end, uint32_t index,
    enum outcome outcome, int64_t retry_after_ns, int64_t started_ns,
    int64_t now_ns);

/* Its answer says what is left; serial is how many had been sent there when it
 * went out. */
void route_take_quota(struct route *route, uint32_t end, uint64_t serial,
    const struct reply *reply, int64_t now_ns);

/* This one gets nothing any more. Bug if it is the last. */
void route_set_aside(struct route *route, uint32_t end);

/* Is that server away? */
bool route_is_down(const struct route *route, uint32_t end);

/* Are all of them waited for (away or cooling)? */
bool route_waits(const struct route *route, int64_t now_ns);

/* Are all of them away? */
bool route_all_down(const struct route *route);

/* How long will nobody get anything, because all asked for a pause? */
int64_t route_pause_ns(const struct route *route, int64_t now_ns);

/* Has any server ever answered? */
bool route_answered(const struct route *route);

/* When have all of them been away for longer than allowed? CLOCK_NEVER while
 * one is there, or a probe is out. */
int64_t route_gives_up_ns(const struct route *route);

/* We were stopped for that long. */
void route_shift(struct route *route, int64_t slept_ns);

#endif
