/* SPDX-License-Identifier: ISC */
/*
 * Framing: bytes on the wire, caps, cuts anywhere, fields past the end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/frame.h"

static void
frame_bytes_are_little_endian_and_never_change(void **state)
{
	static const unsigned char wanted[] = {33, 0, 0, 0, 0x34, 0x12, 1, 0,
	    0xAB, 4, 3, 2, 1, 8, 7, 6, 5, 4, 3, 2, 1, 0xFE, 0xFF, 0xFF, 0xFF,
	    0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0};
	struct buf buf;
	size_t mark;

	(void)state;
	buf_init(&buf, 1000);
	mark = frame_begin(&buf, 0x1234);
	frame_put_u8(&buf, 0xAB);
	frame_put_u32(&buf, 0x01020304);
	frame_put_u64(&buf, UINT64_C(0x0102030405060708));
	frame_put_i64(&buf, -2);
	frame_put_bytes(&buf, (struct span){NULL, 0});
	frame_put_bytes(&buf, span_of(""));
	frame_end(&buf, mark);
	assert_int_equal(buf.size, sizeof(wanted));
	assert_memory_equal(buf.data, wanted, sizeof(wanted));
	buf_free(&buf);
}

static void
frame_fields_come_back_as_they_were_put(void **state)
{
	static const int64_t numbers[] = {0, 1, -1, INT64_MAX, INT64_MIN};
	struct frame_cursor cursor;
	struct frame frame;
	struct span bytes;
	struct buf buf;
	size_t taken;
	size_t mark;

	(void)state;
	buf_init(&buf, 1000);
	for (size_t i = 0; i < 5; i++) {
		buf_clear(&buf);
		mark = frame_begin(&buf, UINT16_MAX);
		frame_put_u8(&buf, (uint8_t)numbers[i]);
		frame_put_u32(&buf, (uint32_t)numbers[i]);
		frame_put_u64(&buf, (uint64_t)numbers[i]);
		frame_put_i64(&buf, numbers[i]);
		frame_put_bytes(&buf, (struct span){"a\0b", 3});
		frame_put_bytes(&buf, span_of(""));
		frame_put_bytes(&buf, (struct span){NULL, 0});
		frame_end(&buf, mark);
		assert_int_equal(
		    frame_cut(buf_span(&buf), FRAME_CAP_BYTES, &frame, &taken),
		    FRAME_WHOLE);
		assert_int_equal(frame.kind, UINT16_MAX);
		assert_int_equal(taken, buf.size);
		cursor = (struct frame_cursor){.rest = frame.payload};
		assert_int_equal(frame_get_u8(&cursor), (uint8_t)numbers[i]);
		assert_int_equal(frame_get_u32(&cursor), (uint32_t)numbers[i]);
		assert_true(frame_get_u64(&cursor) == (uint64_t)numbers[i]);
		assert_true(frame_get_i64(&cursor) == numbers[i]);
		bytes = frame_get_bytes(&cursor);
		assert_true(span_equals(bytes, (struct span){"a\0b", 3}));
		bytes = frame_get_bytes(&cursor);
		assert_true(bytes.data != NULL && bytes.size == 0);
		assert_false(frame_done(&cursor)); /* something is left over */
		assert_null(frame_get_bytes(&cursor).data);
		assert_true(frame_done(&cursor));
	}
	buf_free(&buf);
}

/* A frame by hand: length, kind 7, version, payload of zeros. */
static struct span
forge(unsigned char *out, uint32_t length, uint16_t version, size_t size)
{
	memset(out, 0, size);
	for (size_t i = 0; i < 4; i++)
		out[i] = (unsigned char)(length >> (8 * i));
	out[4] = 7;
	out[6] = (unsigned char)version;
	out[7] = (unsigned char)(version >> 8);
	return (struct span){(const char *)out, size};
}

static enum frame_result
cut(struct span bytes, size_t cap)
{
	struct frame frame = {0};
	size_t taken = 0;
	enum frame_result result = frame_cut(bytes, cap, &frame, &taken);

	if (result == FRAME_WHOLE) {
		assert_int_equal(frame.kind, 7);
		assert_in_range(taken, FRAME_HEAD_BYTES, bytes.size);
		assert_int_equal(frame.payload.size, taken - FRAME_HEAD_BYTES);
	}
	return result;
}

static void
frame_asks_for_more_at_every_cut(void **state)
{
	unsigned char bytes[32];

	(void)state;
	for (size_t size = 0; size <= 32; size++) {
		struct span whole = forge(bytes, 16, FRAME_VERSION, 32);
		enum frame_result wanted = size < 20 ? FRAME_MORE : FRAME_WHOLE;
		char *copy = malloc(size + 1); /* ASan watches its end */

		assert_non_null(copy);
		memcpy(copy, whole.data, size);
		assert_int_equal(
		    cut((struct span){copy, size}, FRAME_CAP_BYTES), wanted);
		free(copy);
	}
	assert_int_equal(cut((struct span){NULL, 0}, 10), FRAME_MORE);
}

static void
frame_refuses_length_over_cap(void **state)
{
	unsigned char bytes[32];

	(void)state;
	assert_int_equal(
	    cut(forge(bytes, 16, FRAME_VERSION, 20), 16), FRAME_WHOLE);
	assert_int_equal(
	    cut(forge(bytes, 17, FRAME_VERSION, 21), 16), FRAME_GARBAGE);
	assert_int_equal(cut((struct span){(char *)bytes, 4}, 16),
	    FRAME_GARBAGE); /* known as soon as the length is */
	assert_int_equal(cut(forge(bytes, FRAME_CAP_BYTES, FRAME_VERSION, 8),
			     FRAME_CAP_BYTES),
	    FRAME_MORE);
	assert_int_equal(
	    cut(forge(bytes, FRAME_CAP_BYTES + 1, FRAME_VERSION, 8),
		FRAME_CAP_BYTES),
	    FRAME_GARBAGE);
	assert_int_equal(
	    cut(forge(bytes, UINT32_MAX, FRAME_VERSION, 8), FRAME_CAP_BYTES),
	    FRAME_GARBAGE);
}

static void
frame_refuses_length_under_head(void **state)
{
	unsigned char bytes[32];

	(void)state;
	for (uint32_t length = 0; length < 4; length++)
		assert_int_equal(
		    cut(forge(bytes, length, FRAME_VERSION, 32), 100),
		    FRAME_GARBAGE);
	assert_int_equal(
	    cut(forge(bytes, 4, FRAME_VERSION, 8), 100), FRAME_WHOLE);
}

static void
frame_refuses_other_versions(void **state)
{
	static const uint16_t versions[] = {0, 2, 256, 257, UINT16_MAX};
	unsigned char bytes[32];

	(void)state;
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(
		    cut(forge(bytes, 16, versions[i], 8), 100), FRAME_GARBAGE);
}

static void
frame_cursor_stays_bad_past_the_end(void **state)
{
	struct frame_cursor cursor = {.rest = {"\1\2\3", 3}};

	(void)state;
	assert_int_equal(frame_get_u32(&cursor), 0);
	assert_true(cursor.bad);
	assert_int_equal(frame_get_u8(&cursor), 0); /* though one is there */
	assert_int_equal(frame_get_u64(&cursor), 0);
	assert_int_equal(frame_get_i64(&cursor), 0);
	assert_null(frame_get_bytes(&cursor).data);
	assert_false(frame_done(&cursor));
}

static void
frame_bytes_longer_than_what_is_left_are_bad(void **state)
{
	static const char *const lengths[] = {"\4\0\0\0abc",
	    "\xFE\xFF\xFF\xFF"
	    "abc",
	    "\0\0\0\x80"
	    "abc"};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct frame_cursor cursor = {.rest = {lengths[i], 7}};
		struct span bytes = frame_get_bytes(&cursor);

		assert_null(bytes.data);
		assert_int_equal(bytes.size, 0);
		assert_true(cursor.bad);
	}
}

static void
frame_that_fails_leaves_those_before_it_whole(void **state)
{
	struct frame frame;
	struct buf buf;
	size_t taken;
	size_t mark;

	(void)state;
	for (size_t cap = 13; cap < 26; cap++) {
		buf_init(&buf, cap);
		mark = frame_begin(&buf, 1);
		frame_put_u32(&buf, 5);
		frame_put_u8(&buf, 5);
		frame_end(&buf, mark);
		assert_int_equal(buf.size, 13);
		mark = frame_begin(&buf, 2);
		frame_put_u8(&buf, 5);
		frame_put_u32(&buf, 5);
		frame_end(&buf, mark);
		assert_true(buf.failed);
		assert_int_equal(buf.size, 13);
		assert_int_equal(frame_cut(buf_span(&buf), 100, &frame, &taken),
		    FRAME_WHOLE);
		assert_int_equal(frame.kind, 1);
		mark = frame_begin(&buf, 3);
		frame_end(&buf, mark); /* as if nothing had been asked for */
		assert_int_equal(buf.size, 13);
		buf_free(&buf);
	}
}

static void
frame_over_the_cap_is_never_made(void **state)
{
	char *bytes = calloc(1, FRAME_CAP_BYTES);
	struct frame frame;
	struct buf buf;
	size_t taken;

	(void)state;
	assert_non_null(bytes);
	buf_init(&buf, 2 * FRAME_CAP_BYTES);
	for (size_t over = 0; over < 2; over++) {
		size_t mark = frame_begin(&buf, 1);

		/* kind, version and the length of the bytes count too */
		frame_put_bytes(
		    &buf, (struct span){bytes, FRAME_CAP_BYTES - 8 + over});
		frame_end(&buf, mark);
		assert_int_equal(buf.failed, over == 1);
		assert_int_equal(
		    frame_cut(buf_span(&buf), FRAME_CAP_BYTES, &frame, &taken),
		    over == 1 ? FRAME_MORE : FRAME_WHOLE);
		buf_clear(&buf);
	}
	buf_free(&buf);
	free(bytes);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(frame_bytes_are_little_endian_and_never_change),
	    cmocka_unit_test(frame_fields_come_back_as_they_were_put),
	    cmocka_unit_test(frame_asks_for_more_at_every_cut),
	    cmocka_unit_test(frame_refuses_length_over_cap),
	    cmocka_unit_test(frame_refuses_length_under_head),
	    cmocka_unit_test(frame_refuses_other_versions),
	    cmocka_unit_test(frame_cursor_stays_bad_past_the_end),
	    cmocka_unit_test(frame_bytes_longer_than_what_is_left_are_bad),
	    cmocka_unit_test(frame_that_fails_leaves_those_before_it_whole),
	    cmocka_unit_test(frame_over_the_cap_is_never_made),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
