/* SPDX-License-Identifier: ISC */
/*
 * Server-sent events: the same bytes are the same events, however they are cut;
 * an event holds no more than what came.
 */
#include "fuzz.h"

#include <string.h>

#include "chat/sse.h"

#define SMALL_CAP_BYTES 16

struct heard {
	struct buf text; /* all events, one after the other */
	size_t size;
	size_t most; /* of one of them */
};

static void
take(void *arg, const struct sse_event *event)
{
	struct heard *heard = arg;

	HOLDS(event->name.data != NULL || event->name.size == 0);
	HOLDS(memchr(event->name.data, '\n', event->name.size) == NULL);
	HOLDS(memchr(event->data.data, '\r', event->data.size) == NULL);
	buf_printf(
	    &heard->text, "%zu %zu ", event->name.size, event->data.size);
	buf_add(&heard->text, event->name.data, event->name.size);
	buf_add(&heard->text, event->data.data, event->data.size);
	heard->size += event->data.size;
	if (event->data.size > heard->most)
		heard->most = event->data.size;
}

static int
hear(
    struct span bytes, enum fuzz_cut cut, size_t cap_bytes, struct heard *heard)
{
	struct sse sse;
	int result = 0;

	*heard = (struct heard){.size = 0};
	buf_init(&heard->text, SIZE_MAX / 4);
	sse_init(&sse, cap_bytes);
	while (result == 0 && bytes.size > 0) {
		size_t size = fuzz_piece(cut, bytes);
		/* A copy: reading past its end is seen. */
		char *piece = malloc(size);

		HOLDS(piece != NULL);
		memcpy(piece, bytes.data, size);
		result =
		    sse_feed(&sse, (struct span){piece, size}, take, heard);
		free(piece);
		bytes.data += size;
		bytes.size -= size;
	}
	if (result == 0)
		result = sse_end(&sse, take, heard);
	sse_free(&sse);
	return result;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span bytes = {(const char *)data, size};
	struct heard first;
	struct heard other;

	HOLDS(hear(bytes, FUZZ_WHOLE, 4 * size + 64, &first) == 0);
	HOLDS(first.size <= size);
	for (int cut = FUZZ_WHOLE + 1; cut < FUZZ_CUTS; cut++) {
		HOLDS(hear(bytes, (enum fuzz_cut)cut, 4 * size + 64, &other) ==
		      0);
		HOLDS(
		    span_equals(buf_span(&first.text), buf_span(&other.text)));
		buf_free(&other.text);
	}
	for (int cut = FUZZ_WHOLE; cut < FUZZ_CUTS; cut++) {
		hear(bytes, (enum fuzz_cut)cut, SMALL_CAP_BYTES, &other);
		/* A line of "error:" is lent as it lies. */
		HOLDS(other.most <=
		      (size > SMALL_CAP_BYTES ? size : SMALL_CAP_BYTES));
		buf_free(&other.text);
	}
	buf_free(&first.text);
	return 0;
}
