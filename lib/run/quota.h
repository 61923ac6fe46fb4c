/* SPDX-License-Identifier: ISC */
#ifndef QUOTA_H
#define QUOTA_H

#include <stdbool.h>
#include <stdint.h>

/*
 * What a server says is left until a moment (x-ratelimit-remaining-…), and how
 * fast to go by that: at full speed while there is plenty, spread over the time
 * until then when little is left. Pure.
 */
struct quota {
	bool known;
	uint64_t serial;   /* of the request whose answer said so */
	int64_t remaining; /* requests, when it had come in */
	int64_t reset_ns;  /* then there is more */
};

/* However far off that moment is: the server may err, or refuse if it means
 * it. */
#define QUOTA_PAUSE_MAX_NS ((int64_t)60000000000)

/* Take what the answer to the request with this serial number said. Of what
 * is known that of the latest request holds. */
void quota_take(struct quota *quota, uint64_t serial, int64_t remaining,
    int64_t reset_ns, int64_t now_ns);

/* From when on may the next request go? Takes how many went out so far, the
 * last one when, and how many are out. 0: from now on. */
int64_t quota_due_ns(
    const struct quota *quota, uint64_t sent, int64_t last_ns, uint64_t out);

#endif
