/* SPDX-License-Identifier: ISC */
/*
 * One buffer that slides over a descriptor. It holds the rest of the last
 * read; a piece longer than that makes it grow, up to the cap.
 */
#include "data/source.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/err.h"
#include "base/fd.h"
#include "data/unpack.h"

#define CHUNK_BYTES ((size_t)256 << 10)

void
source_open(struct source *source, int fd, size_t piece_max)
{
	const size_t most = SIZE_MAX / 2 - 3 * CHUNK_BYTES;

	*source = (struct source){.fd = fd};
	source->piece_max = piece_max < most ? piece_max : most;
	buf_init(&source->buf, source->piece_max + 2 * CHUNK_BYTES);
	buf_init(&source->packed, 2 * CHUNK_BYTES);
}

void
source_close(struct source *source)
{
	unpack_free(source->unpack);
	buf_free(&source->packed);
	buf_free(&source->buf);
}

/* Read the descriptor once. Gives bytes read, 0 at its end, -1 with err. */
static ssize_t
read_some(struct source *source, struct buf *buf, struct err *err)
{
	struct pollfd wait = {.fd = source->fd, .events = POLLIN};
	ssize_t got;

	while ((got = fd_read(source->fd, buf, CHUNK_BYTES)) == -1) {
		if (errno == EAGAIN)
			(void)poll(&wait, 1, -1);
		else if (errno != EINTR)
			return err_set_errno(err, "cannot be read");
	}
	return got;
}

/* Unpack a chunk. Gives 0 (ended may be true now), -1 with err. */
static int
unpack_chunk(struct source *source, struct err *err)
{
	const size_t before = source->buf.size;

	while (source->buf.size == before) {
		struct span packed = buf_span(&source->packed);

		if (unpack_some(source->unpack, &packed, &source->buf,
			CHUNK_BYTES, err) == -1)
			return -1;
		buf_drop(&source->packed, source->packed.size - packed.size);
		if (source->buf.size > before || source->packed.size > 0)
			continue;
		switch (read_some(source, &source->packed, err)) {
		case -1:
			return -1;
		case 0:
			source->ended = true;
			return unpack_end(source->unpack, err);
		}
	}
	return 0;
}

/* Read once more. Gives 0 (ended may be true now), -1 with err. */
static int
source_read(struct source *source, struct err *err)
{
	ssize_t got;

	if (source->unpack != NULL)
		return unpack_chunk(source, err);
	got = read_some(source, &source->buf, err);
	source->ended = got == 0;
	return got == -1 ? -1 : 0;
}

/* If the first bytes say that they are packed, begin anew with what they
 * hold. Gives 0, or -1 with err. */
static int
begin_unpacking(struct source *source, struct err *err)
{
	source->unpack = unpack_new(unpack_find(buf_span(&source->buf)), err);
	if (source->unpack == NULL)
		return -1;
	if (buf_add(&source->packed, source->buf.data, source->buf.size) == -1)
		return err_set_memory(err, "unpacking");
	buf_clear(&source->buf);
	source->ended = false;
	return 0;
}

/* Read until there are enough bytes to know what they are. Gives 0, or -1 with
 * err. */
static int
source_read_first(struct source *source, struct err *err)
{
	for (;;) {
		while (!source->ended && source->buf.size < UNPACK_MAGIC_BYTES)
			if (source_read(source, err) == -1)
				return -1;
		if (!source->may_be_packed || source->unpack != NULL ||
		    unpack_find(buf_span(&source->buf)) == UNPACK_NONE)
			return 0;
		if (begin_unpacking(source, err) == -1)
			return -1;
	}
}

/* Drop what was given, read more. */
static int
source_fill(struct source *source, struct err *err)
{
	static const char mark[] = "\xEF\xBB\xBF";
	bool first = source->buf.data == NULL;

	if (source->at > 0) {
		buf_drop(&source->buf, source->at);
		source->dropped += (int64_t)source->at;
		source->at = 0;
	}
	if ((first ? source_read_first : source_read)(source, err) == -1)
		return -1;
	if (first && !source->keeps_mark && source->buf.size >= 3 &&
	    memcmp(source->buf.data, mark, 3) == 0)
		source->at = 3;
	return 0;
}

/* Read on to the end of a piece that is too long, keeping nothing. */
static enum source_piece
source_skip(struct source *source, char delimiter, struct err *err)
{
	const char *end = NULL;

	while (end == NULL) {
		source->at = source->buf.size;
		source->torn = source->ended;
		if (source->ended)
			return SOURCE_LONG;
		if (source_fill(source, err) == -1)
			return SOURCE_FAILED;
		if (source->buf.size > 0)
			end = memchr(
			    source->buf.data, delimiter, source->buf.size);
	}
	source->at = (size_t)(end + 1 - source->buf.data);
	return SOURCE_LONG;
}

enum source_piece
source_next(
    struct source *source, char delimiter, struct span *piece, struct err *err)
{
	size_t scanned = 0;

	if (source->buf.data == NULL && source_fill(source, err) == -1)
		return SOURCE_FAILED;
	for (;;) {
		const char *start = source->buf.data + source->at;
		size_t size = source->buf.size - source->at;
		const char *end = NULL;

		if (size > scanned)
			end =
			    memchr(start + scanned, delimiter, size - scanned);
		if (end != NULL || (source->ended && size > 0)) {
			source->torn = end == NULL;
			piece->data = start;
			source->piece_at =
			    source->dropped + (int64_t)source->at;
			piece->size =
			    end != NULL ? (size_t)(end - start) : size;
			source->at += piece->size + (end != NULL ? 1 : 0);
			source->piece_count++;
			return piece->size > source->piece_max ? SOURCE_LONG
							       : SOURCE_PIECE;
		}
		if (source->ended)
			return SOURCE_END;
		if (size > source->piece_max) {
			source->piece_count++;
			return source_skip(source, delimiter, err);
		}
		scanned = size;
		if (source_fill(source, err) == -1)
			return SOURCE_FAILED;
	}
}

int
source_peek(struct source *source, struct span *line, struct err *err)
{
	*line = (struct span){NULL, 0};
	if (source->buf.data == NULL && source_fill(source, err) == -1)
		return -1;
	for (;;) {
		const char *start = source->buf.data + source->at;
		size_t size = source->buf.size - source->at;
		size_t blank = 0;
		const char *end = NULL;

		while (blank < size && strchr(" \t\r\n", start[blank]) &&
		       start[blank] != '\0')
			blank++;
		if (blank < size)
			end = memchr(start + blank, '\n', size - blank);
		if (end != NULL || (source->ended && blank < size)) {
			line->data = start + blank;
			line->size = end != NULL ? (size_t)(end - line->data)
						 : size - blank;
			return 0;
		}
		if (source->ended || size > source->piece_max)
			return 0;
		if (source_fill(source, err) == -1)
			return -1;
	}
}
