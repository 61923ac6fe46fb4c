/* SPDX-License-Identifier: ISC */
#ifndef DEADLINE_H
#define DEADLINE_H

#include <stdint.h>

struct hist;

/*
 * A run that has to end at a given time begins no call that would most likely
 * be cut off. Pure.
 */
#define DEADLINE_KNOWS 20 /* answers, before their latencies say anything */

/*
 * How long will a call take? What 95 of 100 answers took at most; before it is
 * known, the smaller of the timeout and a quarter of the time left.
 */
int64_t deadline_call_ns(
    const struct hist *latency, int64_t timeout_ns, int64_t left_ns);

#endif
