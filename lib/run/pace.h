/* SPDX-License-Identifier: ISC */
#ifndef PACE_H
#define PACE_H

#include <stdbool.h>
#include <stdint.h>

#include "run/learn.h"
#include "run/quota.h"
#include "wire/outcome.h"
#include "wire/reply.h"

/*
 * When may anybody be sent at all? One cool-down for the whole run after a
 * rate limit, and a rate learned from it; and waiting for a server that is not
 * there: one worker probes, the rest waits. Pure.
 */
struct pace {
	int64_t wait_first_ns;	/* for a server, before the first answer */
	int64_t wait_later_ns;	/* after it */
	int64_t cool_until_ns;	/* hand out nothing before; 0 none */
	int64_t down_since_ns;	/* -1: the server is there */
	int64_t probe_at_ns;	/* next probe while down */
	int64_t probe_pause_ns; /* 1 s (with others 5 s) doubling to 60 s */
	bool probing;		/* one is out */
	uint32_t probe_index;	/* its prompt */
	bool answered;		/* ever */
	bool learns; /* a server: its rate is learned, and a refusal that names
			no time holds all for PACE_HOLD_NS */
	bool has_others;    /* prompts can go elsewhere: one that fails is away,
			       too */
	uint32_t failures;  /* in a row */
	struct learn learn; /* the rate that is allowed */

	/* what the server says is left */
	struct quota requests;
	struct quota tokens;
	double tokens_each; /* of a request, on average; 0 unknown */
	uint64_t sent;
	uint64_t back;
	int64_t sent_ns; /* the last one */
};

/* After a refusal that names no time. */
#define PACE_HOLD_NS ((int64_t)500000000)
#define PACE_HOLD_LEAST_NS ((int64_t)250000000)
#define PACE_PROBE_FIRST_NS ((int64_t)1000000000)
#define PACE_REST_FIRST_NS ((int64_t)5000000000) /* the same, with others */
#define PACE_FAILURES_IN_A_ROW 3
#define PACE_PROBE_MAX_NS ((int64_t)60000000000)

void pace_init(struct pace *pace, int64_t wait_first_ns, int64_t wait_later_ns);

/* May one go out now? */
bool pace_may_send(const struct pace *pace, int64_t now_ns);

/* This prompt went out: while the server is down it is the probe. */
void pace_sent(struct pace *pace, uint32_t index, int64_t now_ns);

/* An attempt that went out at started_ns came back. */
void pace_report(struct pace *pace, uint32_t index, enum outcome outcome,
    int64_t retry_after_ns, int64_t started_ns, int64_t now_ns);

/* The answer to a request says what is left; serial is what sent was when it
 * had gone out. */
void pace_take_quota(struct pace *pace, uint64_t serial,
    const struct reply *reply, int64_t now_ns);

/* From when on may one go out? 0: from now on; CLOCK_NEVER: not before the
 * probe that is out comes back. */
int64_t pace_due_ns(const struct pace *pace);

/* Has the server been away for longer than allowed? */
bool pace_gave_up(const struct pace *pace, int64_t now_ns);

/* When will that be so? CLOCK_NEVER while it is there, or a probe is out. */
int64_t pace_gives_up_ns(const struct pace *pace);

/* We were stopped for that long: nobody could look for the server meanwhile. A
 * pause that a server asked for ran on, by its clock. */
void pace_shift(struct pace *pace, int64_t slept_ns);

/* Is it waiting (down or cooling)? */
bool pace_waits(const struct pace *pace, int64_t now_ns);

#endif
