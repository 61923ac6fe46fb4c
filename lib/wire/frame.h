/* SPDX-License-Identifier: ISC */
#ifndef FRAME_H
#define FRAME_H

#include <stdint.h>

#include "base/buf.h"

/*
 * Framing alone: u32 length of what follows, u16 kind, u16 version, payload;
 * little-endian. It knows no message.
 */
#define FRAME_HEAD_BYTES 8
#define FRAME_VERSION 1
#define FRAME_CAP_BYTES ((size_t)64 << 20) /* upwards; raised by nothing */

struct frame {
	uint16_t kind;
	struct span payload; /* lent by the buffer it was cut from */
};

enum frame_result {
	FRAME_MORE = 0, /* not whole yet */
	FRAME_WHOLE = 1,
	FRAME_GARBAGE = 2, /* over the cap, other version: the stream is lost */
};

/* Look at the front of bytes: is there a whole frame? On FRAME_WHOLE frame
 * is filled and *taken is its size with the head. */
enum frame_result frame_cut(
    struct span bytes, size_t cap_bytes, struct frame *frame, size_t *taken);

/*
 * Begin a frame in buf, fill its payload with the put functions, end it.
 * frame_begin gives the mark that frame_end wants. Failures are sticky in buf;
 * of a frame that failed, or is over FRAME_CAP_BYTES, frame_end leaves nothing.
 */
size_t frame_begin(struct buf *buf, uint16_t kind);
void frame_end(struct buf *buf, size_t mark);

void frame_put_u8(struct buf *buf, uint8_t value);
void frame_put_u32(struct buf *buf, uint32_t value);
void frame_put_u64(struct buf *buf, uint64_t value);
void frame_put_i64(struct buf *buf, int64_t value);
void frame_put_bytes(struct buf *buf, struct span bytes); /* u32 + bytes;
							     none ≠ empty */

/*
 * Read fields from a payload in order. Past its end everything is 0 and bad
 * stays true: check once, with frame_done, that nothing is left over.
 */
struct frame_cursor {
	struct span rest;
	bool bad;
};

uint8_t frame_get_u8(struct frame_cursor *cursor);
uint32_t frame_get_u32(struct frame_cursor *cursor);
uint64_t frame_get_u64(struct frame_cursor *cursor);
int64_t frame_get_i64(struct frame_cursor *cursor);
struct span frame_get_bytes(struct frame_cursor *cursor);
bool frame_done(const struct frame_cursor *cursor);

#endif
