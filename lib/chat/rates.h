/* SPDX-License-Identifier: ISC */
#ifndef RATES_H
#define RATES_H

#include <stdint.h>

#include "base/buf.h"
#include "wire/reply.h"

/*
 * What a server says of the limits by which it counts. Pure.
 */
struct rates_facts {
	/* Gives a header, or none. */
	struct span (*header)(void *arg, const char *name);
	void *arg;
	int64_t wall_ms; /* now; a Date header says it better */
};

/* Fill what is left of requests and of tokens; unknown where the server does
 * not say both how much and until when. */
void rates_read(const struct rates_facts *facts, struct reply_quota *requests,
    struct reply_quota *tokens);

#endif
