/* SPDX-License-Identifier: ISC */
#ifndef TAIL_H
#define TAIL_H

#include "base/buf.h"

/*
 * The last bytes of a stream: what somebody said before they died.
 */
#define TAIL_BYTES ((size_t)1024)

struct tail {
	char data[TAIL_BYTES];
	size_t size; /* in use */
};

/* More came: keep the end of it all. */
void tail_keep(struct tail *tail, const char *data, size_t size);

/* Gives what is kept; a character cut at the front is left out. */
struct span tail_span(const struct tail *tail);

#endif
