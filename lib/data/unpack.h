/* SPDX-License-Identifier: ISC */
#ifndef UNPACK_H
#define UNPACK_H

#include <stdbool.h>

#include "base/buf.h"

struct err;

/*
 * Bytes of a gzip or zstd file → the bytes that were packed, as they come.
 * Several members or frames, one behind the other, are one stream.
 */
enum unpack_kind {
	UNPACK_NONE = 0,
	UNPACK_GZIP = 1,
	UNPACK_ZSTD = 2,
};

#define UNPACK_MAGIC_BYTES 4 /* by which a kind is known */

/* What are these first bytes the beginning of? Fewer than UNPACK_MAGIC_BYTES
 * are that of nothing. */
enum unpack_kind unpack_find(struct span bytes);

struct unpack;

/* Gives NULL with err. Bug if kind is UNPACK_NONE. */
struct unpack *unpack_new(enum unpack_kind kind, struct err *err);
void unpack_free(struct unpack *unpack); /* takes NULL calmly */

/*
 * Append at most size unpacked bytes to out, taking what that needs from the
 * front of *packed. Nothing appended: more packed bytes are needed.
 * Gives 0; -1 with err, ERR_SYSTEM with the reason alone.
 */
int unpack_some(struct unpack *unpack, struct span *packed, struct buf *out,
    size_t size, struct err *err);

/* May the packed bytes end here? Fails as unpack_some. */
int unpack_end(const struct unpack *unpack, struct err *err);

#endif
