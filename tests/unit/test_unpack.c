/* SPDX-License-Identifier: ISC */
/*
 * What was packed comes out whole, however the bytes are cut; what is broken
 * is never taken for an end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "base/err.h"
#include "data/unpack.h"

#define PLAIN_BYTES 300000
#define ROOM_BYTES ((size_t)1 << 20)

static char plain[PLAIN_BYTES];

static void
fill_plain(void)
{
	uint32_t state = 1;

	for (size_t i = 0; i < sizeof(plain); i++) {
		state = state * 1664525 + 1013904223;
		plain[i] = (char)('a' + (state >> 24) % 20);
	}
}

static void
pack_gzip(struct buf *out, const char *data, size_t size)
{
	z_stream stream = {.zalloc = Z_NULL};
	size_t room = size + 1000;

	assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8,
			     Z_DEFAULT_STRATEGY),
	    Z_OK);
	stream.next_in = (Bytef *)(uintptr_t)data;
	stream.avail_in = (uInt)size;
	stream.next_out = (Bytef *)buf_reserve(out, room);
	stream.avail_out = (uInt)room;
	assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
	buf_grow(out, room - stream.avail_out);
	deflateEnd(&stream);
}

static void
pack_zstd(struct buf *out, const char *data, size_t size)
{
	size_t room = ZSTD_compressBound(size);
	char *place = buf_reserve(out, room);
	size_t made = ZSTD_compress(place, room, data, size, 3);

	assert_false(ZSTD_isError(made));
	buf_grow(out, made);
}

static void
pack(enum unpack_kind kind, struct buf *out, const char *data, size_t size)
{
	(kind == UNPACK_GZIP ? pack_gzip : pack_zstd)(out, data, size);
}

/* Unpack in pieces of so many bytes, to so many at a time. Gives 0 when the
 * end was one. */
static int
unpack_all(enum unpack_kind kind, struct span packed, size_t piece, size_t room,
    struct buf *out, struct err *err)
{
	struct unpack *unpack = unpack_new(kind, err);
	int done = 0;

	assert_non_null(unpack);
	while (done == 0) {
		struct span given = {
		    packed.data, packed.size < piece ? packed.size : piece};
		size_t before = out->size;
		size_t size = given.size;

		done = unpack_some(unpack, &given, out, room, err);
		packed.data += size - given.size;
		packed.size -= size - given.size;
		if (packed.size == 0 && out->size == before)
			break;
	}
	if (done == 0)
		done = unpack_end(unpack, err);
	unpack_free(unpack);
	return done;
}

static const enum unpack_kind kinds[] = {UNPACK_GZIP, UNPACK_ZSTD};

static void
packed_bytes_come_out_whole_however_they_are_cut(void **state)
{
	static const size_t pieces[] = {1, 7, 4096, SIZE_MAX};

	(void)state;
	for (size_t k = 0; k < 2; k++)
		for (size_t i = 0; i < 4; i++) {
			struct buf packed;
			struct buf out;

			buf_init(&packed, ROOM_BYTES);
			buf_init(&out, ROOM_BYTES);
			/* Three members, one of them empty. */
			pack(kinds[k], &packed, plain, 100000);
			pack(kinds[k], &packed, plain, 0);
			pack(kinds[k], &packed, plain + 100000,
			    sizeof(plain) - 100000);
			assert_int_equal(
			    unpack_find(buf_span(&packed)), kinds[k]);
			assert_int_equal(
			    unpack_all(kinds[k], buf_span(&packed), pieces[i],
				i == 0 ? 13 : 100000, &out, NULL),
			    0);
			assert_int_equal(out.size, sizeof(plain));
			assert_memory_equal(out.data, plain, sizeof(plain));
			buf_free(&packed);
			buf_free(&out);
		}
}

static void
a_cut_anywhere_is_seen(void **state)
{
	(void)state;
	for (size_t k = 0; k < 2; k++) {
		struct buf packed;
		size_t whole;

		buf_init(&packed, ROOM_BYTES);
		pack(kinds[k], &packed, plain, 300);
		whole = packed.size;
		for (size_t size = 1; size < whole; size++) {
			struct err err = {0};
			struct buf out;

			buf_init(&out, ROOM_BYTES);
			assert_int_equal(unpack_all(kinds[k],
					     (struct span){packed.data, size},
					     SIZE_MAX, 4096, &out, &err),
			    -1);
			assert_int_equal(err.class, ERR_SYSTEM);
			assert_non_null(strstr(err.text, "is cut off"));
			buf_free(&out);
		}
		buf_free(&packed);
	}
}

static void
a_flipped_bit_is_seen(void **state)
{
	(void)state;
	for (size_t k = 0; k < 2; k++) {
		struct buf packed;
		size_t seen = 0;

		buf_init(&packed, ROOM_BYTES);
		pack(kinds[k], &packed, plain, 3000);
		/* Behind the head: of gzip's not all is looked at; zstd has
		 * no sum here, so that what comes out may only differ. */
		for (size_t at = 10; at < packed.size; at++) {
			struct buf out;
			int done;

			buf_init(&out, ROOM_BYTES);
			packed.data[at] ^= 16;
			done = unpack_all(kinds[k], buf_span(&packed), SIZE_MAX,
			    4096, &out, NULL);
			packed.data[at] ^= 16;
			/* Some bits are padding. */
			if (k == 0 && done == 0)
				assert_memory_equal(out.data, plain, 3000);
			seen += done == -1;
			buf_free(&out);
		}
		if (k == 0)
			assert_in_range(seen, packed.size - 12, packed.size);
		buf_free(&packed);
	}
}

static void
other_bytes_are_not_packed(void **state)
{
	(void)state;
	assert_int_equal(unpack_find(span_of("")), UNPACK_NONE);
	assert_int_equal(unpack_find(span_of("\x1f\x8b\x08")), UNPACK_NONE);
	assert_int_equal(unpack_find(span_of("hello")), UNPACK_NONE);
	assert_int_equal(unpack_find(span_of("Q*M\x18")), UNPACK_ZSTD);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(packed_bytes_come_out_whole_however_they_are_cut),
	    cmocka_unit_test(a_cut_anywhere_is_seen),
	    cmocka_unit_test(a_flipped_bit_is_seen),
	    cmocka_unit_test(other_bytes_are_not_packed),
	};

	fill_plain();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
