/* SPDX-License-Identifier: ISC */
/*
 * The last bytes of a stream. A kilobyte is moved at most, so there is no need
 * for a ring.
 */
#include "base/tail.h"

#include <stdbool.h>
#include <string.h>

void
tail_keep(struct tail *tail, const char *data, size_t size)
{
	size_t kept = tail->size;

	if (size > TAIL_BYTES) {
		data += size - TAIL_BYTES;
		size = TAIL_BYTES;
	}
	if (kept > TAIL_BYTES - size)
		kept = TAIL_BYTES - size;
	memmove(tail->data, tail->data + tail->size - kept, kept);
	memcpy(tail->data + kept, data, size);
	tail->size = kept + size;
}

struct span
tail_span(const struct tail *tail)
{
	struct span span = {tail->data, tail->size};
	bool cut = tail->size == TAIL_BYTES;

	while (cut && span.size > 0 && (span.data[0] & 0xc0) == 0x80) {
		span.data++;
		span.size--;
	}
	return span;
}
