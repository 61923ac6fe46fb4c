/* SPDX-License-Identifier: ISC */
#ifndef WIDTH_H
#define WIDTH_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/outcome.h"

/*
 * How many calls may be out at once. Pure.
 *
 * At the start of a run it opens within half a second, so that a server
 * neither gets thousands of connections at one moment, nor refuses most of
 * them where it has a limit. Adaptive, it then follows the server: doubled per
 * round until the first overload (slow start), half at each episode of them,
 * and one more per round in between (AIMD, RFC 5681).
 */
struct width {
	uint32_t least; /* of an adaptive one, ≥ 1 */
	uint32_t most;	/* ≥ least */
	bool opens;	/* at the start */
	bool adapts;
	bool slow_start;  /* no overload yet */
	double now;	  /* of an adaptive one */
	int64_t begun_ns; /* -1: nothing was sent yet */
	int64_t cut_ns;	  /* the last; -1 none */
};

#define WIDTH_FIRST 16 /* at once, and what they meet is waited for */
#define WIDTH_WAITS_NS ((int64_t)100000000)
#define WIDTH_DOUBLES_NS ((int64_t)30000000) /* then each */

/* Takes opens: a server is called that can have enough. */
void width_init(struct width *width, uint32_t least, uint32_t most, bool opens,
    bool adapts);

/* From now on at most, and without adapting always, so many. */
void width_set(struct width *width, uint32_t most);

uint32_t width_at(const struct width *width, int64_t now_ns);

/* When does it grow by itself? CLOCK_NEVER: not any more. */
int64_t width_grows_ns(const struct width *width, int64_t now_ns);

/* One went out. */
void width_sent(struct width *width, int64_t now_ns);

/* One that went out at started_ns came back, out of so many that were out. */
void width_report(struct width *width, enum outcome outcome, uint32_t out,
    int64_t started_ns, int64_t now_ns);

#endif
