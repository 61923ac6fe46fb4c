/* SPDX-License-Identifier: ISC */
/*
 * Servers count a request when it comes, and say at that moment or when they
 * answer what is left; so an answer tells the truth about the time of its
 * request, and what went out since then is to be taken off.
 */
#include "run/quota.h"

#include "base/clock.h"

void
quota_take(struct quota *quota, uint64_t serial, int64_t remaining,
    int64_t reset_ns, int64_t now_ns)
{
	bool is_over = quota->known && quota->reset_ns <= now_ns;

	if (quota->known && !is_over && serial < quota->serial)
		return;
	*quota = (struct quota){
	    .known = true,
	    .serial = serial,
	    .remaining = remaining,
	    .reset_ns = reset_ns,
	};
}

int64_t
quota_due_ns(
    const struct quota *quota, uint64_t sent, int64_t last_ns, uint64_t out)
{
	int64_t left = quota->remaining - (int64_t)(sent - quota->serial);
	int64_t wait_ns = quota->reset_ns - last_ns;

	/* Twice as much as is out: nobody is near the end. */
	if (!quota->known || wait_ns <= 0 || left > (int64_t)(2 * out))
		return 0;
	if (left > 0)
		wait_ns /= left;
	if (wait_ns > QUOTA_PAUSE_MAX_NS)
		wait_ns = QUOTA_PAUSE_MAX_NS;
	return clock_add(last_ns, wait_ns);
}
