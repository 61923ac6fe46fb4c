/* SPDX-License-Identifier: ISC */
/*
 * How long a call will take, by those before.
 */
#include "run/deadline.h"

#include "base/hist.h"

int64_t
deadline_call_ns(
    const struct hist *latency, int64_t timeout_ns, int64_t left_ns)
{
	if (latency->count >= DEADLINE_KNOWS)
		return hist_share_ns(latency, 0.95);
	return timeout_ns < left_ns / 4 ? timeout_ns : left_ns / 4;
}
