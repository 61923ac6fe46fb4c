/* SPDX-License-Identifier: ISC */
/*
 * Two libraries that do the same behind two faces. Between members the
 * decoder is set back, so that what pigz, bgzip and pzstd write, and cat puts
 * together, is read to its end.
 */
#include "data/unpack.h"

#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>
#include <zstd.h>

#include "base/err.h"
#include "base/must.h"

#define ZSTD_WINDOW_MAX 31	   /* log2 of bytes */
#define GZIP_ONLY (16 + MAX_WBITS) /* for inflateInit2 */

struct unpack {
	enum unpack_kind kind;
	bool between; /* members, or before the first */
	z_stream gzip;
	ZSTD_DStream *zstd;
};

enum unpack_kind
unpack_find(struct span bytes)
{
	if (bytes.size < UNPACK_MAGIC_BYTES)
		return UNPACK_NONE;
	if (memcmp(bytes.data, "\x1f\x8b\x08", 3) == 0)
		return UNPACK_GZIP;
	/* The second is a frame to skip, with which pzstd begins. */
	if (memcmp(bytes.data, "\x28\xb5\x2f\xfd", 4) == 0 ||
	    ((bytes.data[0] & 0xf0) == 0x50 &&
		memcmp(bytes.data + 1, "\x2a\x4d\x18", 3) == 0))
		return UNPACK_ZSTD;
	return UNPACK_NONE;
}

struct unpack *
unpack_new(enum unpack_kind kind, struct err *err)
{
	struct unpack *unpack = calloc(1, sizeof(*unpack));
	bool opened = false;

	MUST(kind != UNPACK_NONE);
	if (unpack == NULL)
		goto no_memory;
	unpack->kind = kind;
	unpack->between = true;
	if (kind == UNPACK_GZIP) {
		opened = inflateInit2(&unpack->gzip, GZIP_ONLY) == Z_OK;
	} else {
		unpack->zstd = ZSTD_createDStream();
		opened = unpack->zstd != NULL;
		/* As zstd --long makes them. */
		if (opened)
			ZSTD_DCtx_setParameter(
			    unpack->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_MAX);
	}
	if (opened)
		return unpack;
	free(unpack);
no_memory:
	err_set_memory(err, "unpacking");
	return NULL;
}

void
unpack_free(struct unpack *unpack)
{
	if (unpack == NULL)
		return;
	if (unpack->kind == UNPACK_GZIP)
		inflateEnd(&unpack->gzip);
	ZSTD_freeDStream(unpack->zstd);
	free(unpack);
}

static unsigned
at_most(size_t size)
{
	return size < UINT_MAX ? (unsigned)size : UINT_MAX;
}

static void
skip(struct span *packed, size_t size)
{
	packed->data += size;
	packed->size -= size;
}

/* Gives 0 with *wrote, or -1 with why. */
static int
gzip_some(struct unpack *unpack, struct span *packed, char *out, size_t size,
    size_t *wrote, const char **why)
{
	z_stream *gzip = &unpack->gzip;
	unsigned given;
	int result;

	if (unpack->between) {
		/* What gzip itself takes for padding. */
		while (packed->size > 0 && packed->data[0] == '\0')
			skip(packed, 1);
		inflateReset(gzip);
	}
	given = at_most(packed->size);
	gzip->next_in = (Bytef *)(uintptr_t)packed->data;
	gzip->avail_in = given;
	gzip->next_out = (Bytef *)out;
	gzip->avail_out = at_most(size);
	result = inflate(gzip, Z_NO_FLUSH);
	skip(packed, given - gzip->avail_in);
	*wrote = at_most(size) - gzip->avail_out;
	if (given > 0)
		unpack->between = result == Z_STREAM_END;
	if (result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR)
		return 0;
	*why = gzip->msg != NULL ? gzip->msg : zError(result);
	return -1;
}

static int
zstd_some(struct unpack *unpack, struct span *packed, char *out, size_t size,
    size_t *wrote, const char **why)
{
	ZSTD_inBuffer in = {packed->data, packed->size, 0};
	ZSTD_outBuffer unpacked = {out, size, 0};
	size_t result = ZSTD_decompressStream(unpack->zstd, &unpacked, &in);

	if (ZSTD_isError(result)) {
		*why = ZSTD_getErrorName(result);
		return -1;
	}
	if (in.pos > 0 || unpacked.pos > 0)
		unpack->between = result == 0;
	skip(packed, in.pos);
	*wrote = unpacked.pos;
	return 0;
}

int
unpack_some(struct unpack *unpack, struct span *packed, struct buf *out,
    size_t size, struct err *err)
{
	const bool is_gzip = unpack->kind == UNPACK_GZIP;
	const char *why = NULL;
	size_t wrote = 0;
	size_t before;
	char *place;

	place = buf_reserve(out, size);
	if (place == NULL)
		return err_set_memory(err, "unpacking");
	/* A member may come to its end without giving a byte. */
	do {
		before = packed->size;
		if ((is_gzip ? gzip_some : zstd_some)(
			unpack, packed, place, size, &wrote, &why) == -1)
			return err_set(err, ERR_SYSTEM,
			    "is no good %s file: %s", is_gzip ? "gzip" : "zstd",
			    why);
	} while (wrote == 0 && packed->size > 0 && packed->size < before);
	buf_grow(out, wrote);
	return 0;
}

int
unpack_end(const struct unpack *unpack, struct err *err)
{
	if (unpack->between)
		return 0;
	return err_set(err, ERR_SYSTEM, "is cut off: its %s data have no end",
	    unpack->kind == UNPACK_GZIP ? "gzip" : "zstd");
}
