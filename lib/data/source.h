/* SPDX-License-Identifier: ISC */
#ifndef SOURCE_H
#define SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

struct err;

/*
 * A descriptor → pieces of bytes that end with a delimiter, read as they
 * come: only the piece at hand is in memory.
 */
struct source {
	int fd;		       /* lent */
	struct buf buf;	       /* what was read and not given yet */
	size_t at;	       /* where in buf the next piece starts */
	size_t piece_max;      /* bytes; a longer piece is skipped */
	uint64_t piece_count;  /* pieces given or skipped so far */
	int64_t dropped;       /* bytes in front of buf */
	int64_t piece_at;      /* where the last piece given began */
	bool may_be_packed;    /* gzip or zstd, by the first bytes */
	bool keeps_mark;       /* a byte order mark at its start is data */
	struct unpack *unpack; /* NULL: not packed */
	struct buf packed;     /* bytes of the descriptor, with unpack */
	bool ended;	       /* nothing more to read */
	bool torn;	       /* the last piece had no delimiter behind it */
};

enum source_piece {
	SOURCE_FAILED = -1,
	SOURCE_END = 0,
	SOURCE_PIECE = 1,
	SOURCE_LONG = 2, /* over piece_max, skipped */
};

/* Begin to read fd. A UTF-8 byte order mark at its start is dropped. Who sets
 * may_be_packed before the first piece gets the bytes that were packed, who
 * sets keeps_mark the mark, too. */
void source_open(struct source *source, int fd, size_t piece_max);
void source_close(struct source *source);

/*
 * Gives the next piece without its delimiter; it dies at the next call.
 * Fails ERR_SYSTEM with the reason alone: the caller knows the name.
 */
enum source_piece source_next(
    struct source *source, char delimiter, struct span *piece, struct err *err);

/*
 * Look at the first line that is not blank, without taking anything.
 * Gives 0 with *line (none when there is no such line up to piece_max).
 */
int source_peek(struct source *source, struct span *line, struct err *err);

#endif
