/* SPDX-License-Identifier: ISC */
/*
 * Lengths, widths and byte order, and nothing else. Numbers are put together
 * from single bytes, so that neither alignment nor the machine's own order
 * matters.
 */
#include "wire/frame.h"

#include <string.h>

#include "base/must.h"

#define FRAME_LENGTH_BYTES 4  /* what the length does not count */
#define FRAME_NONE UINT32_MAX /* the length of bytes that are none */

static uint64_t
load(const char *at, size_t width)
{
	uint64_t value = 0;

	for (size_t i = width; i-- > 0;)
		value = value << 8 | (unsigned char)at[i];
	return value;
}

static void
store(char *at, uint64_t value, size_t width)
{
	for (size_t i = 0; i < width; i++, value >>= 8)
		at[i] = (char)(value & 0xFF);
}

enum frame_result
frame_cut(
    struct span bytes, size_t cap_bytes, struct frame *frame, size_t *taken)
{
	size_t size;

	if (bytes.size < FRAME_LENGTH_BYTES)
		return FRAME_MORE;
	size = (size_t)load(bytes.data, 4);
	if (size < FRAME_HEAD_BYTES - FRAME_LENGTH_BYTES || size > cap_bytes)
		return FRAME_GARBAGE;
	if (bytes.size < FRAME_HEAD_BYTES)
		return FRAME_MORE;
	if (load(bytes.data + 6, 2) != FRAME_VERSION)
		return FRAME_GARBAGE;
	size += FRAME_LENGTH_BYTES;
	if (bytes.size < size)
		return FRAME_MORE;
	frame->kind = (uint16_t)load(bytes.data + 4, 2);
	frame->payload.data = bytes.data + FRAME_HEAD_BYTES;
	frame->payload.size = size - FRAME_HEAD_BYTES;
	*taken = size;
	return FRAME_WHOLE;
}

static void
put(struct buf *buf, uint64_t value, size_t width)
{
	char bytes[8];

	store(bytes, value, width);
	buf_add(buf, bytes, width);
}

size_t
frame_begin(struct buf *buf, uint16_t kind)
{
	size_t mark = buf->size;

	put(buf, 0, 4);
	put(buf, kind, 2);
	put(buf, FRAME_VERSION, 2);
	return mark;
}

void
frame_end(struct buf *buf, size_t mark)
{
	size_t size;

	MUST(mark <= buf->size);
	size = buf->size - mark;
	if (!buf->failed && size - FRAME_LENGTH_BYTES > FRAME_CAP_BYTES)
		buf->failed = true;
	if (!buf->failed) {
		MUST(size >= FRAME_HEAD_BYTES);
		store(buf->data + mark, size - FRAME_LENGTH_BYTES, 4);
	} else if (size > 0) {
		buf->size = mark;
		buf->data[mark] = '\0';
	}
}

void
frame_put_u8(struct buf *buf, uint8_t value)
{
	put(buf, value, 1);
}

void
frame_put_u32(struct buf *buf, uint32_t value)
{
	put(buf, value, 4);
}

void
frame_put_u64(struct buf *buf, uint64_t value)
{
	put(buf, value, 8);
}

void
frame_put_i64(struct buf *buf, int64_t value)
{
	put(buf, (uint64_t)value, 8);
}

void
frame_put_bytes(struct buf *buf, struct span bytes)
{
	if (bytes.data == NULL) {
		put(buf, FRAME_NONE, 4);
	} else if (bytes.size >= FRAME_NONE) {
		buf->failed = true;
	} else {
		put(buf, bytes.size, 4);
		buf_add(buf, bytes.data, bytes.size);
	}
}

/* Gives the next size bytes, or NULL with bad set. */
static const char *
take(struct frame_cursor *cursor, size_t size)
{
	const char *at = cursor->rest.data;

	if (cursor->bad || size > cursor->rest.size) {
		cursor->bad = true;
		return NULL;
	}
	cursor->rest.data += size;
	cursor->rest.size -= size;
	return at;
}

static uint64_t
get(struct frame_cursor *cursor, size_t width)
{
	const char *at = take(cursor, width);

	return at == NULL ? 0 : load(at, width);
}

uint8_t
frame_get_u8(struct frame_cursor *cursor)
{
	return (uint8_t)get(cursor, 1);
}

uint32_t
frame_get_u32(struct frame_cursor *cursor)
{
	return (uint32_t)get(cursor, 4);
}

uint64_t
frame_get_u64(struct frame_cursor *cursor)
{
	return get(cursor, 8);
}

int64_t
frame_get_i64(struct frame_cursor *cursor)
{
	return (int64_t)get(cursor, 8);
}

struct span
frame_get_bytes(struct frame_cursor *cursor)
{
	uint32_t size = frame_get_u32(cursor);
	struct span bytes = {NULL, 0};

	if (size == FRAME_NONE || cursor->bad)
		return bytes;
	bytes.data = take(cursor, size);
	bytes.size = bytes.data == NULL ? 0 : size;
	return bytes;
}

bool
frame_done(const struct frame_cursor *cursor)
{
	return !cursor->bad && cursor->rest.size == 0;
}
