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

#define CHUNK_BYTES ((size_t)256 << 10)

void
source_open(struct source *source, int fd, size_t piece_max)
{
	const size_t most = SIZE_MAX / 2 - 3 * CHUNK_BYTES;

	*source = (struct source){.fd = fd};
	source->piece_max = piece_max < most ? piece_max : most;
	buf_init(&source->buf, source->piece_max + 2 * CHUNK_BYTES);
}

void
source_close(struct source *source)
{
	buf_free(&source->buf);
}

/* Read once more. Gives 0 (ended may be true now), -1 with errno. */
static int
source_read(struct source *source)
{
	struct pollfd wait = {.fd = source->fd, .events = POLLIN};
	ssize_t got;

	for (;;) {
		got = fd_read(source->fd, &source->buf, CHUNK_BYTES);
		if (got >= 0)
			break;
		if (errno == EAGAIN)
			(void)poll(&wait, 1, -1);
		else if (errno != EINTR)
			return -1;
	}
	if (got == 0)
		source->ended = true;
	return 0;
}

/* Drop what was given, read once more. */
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
	do {
		if (source_read(source) == -1)
			return err_set_errno(err, "cannot be read");
	} while (first && !source->ended && source->buf.size < 3);
	if (first && source->buf.size >= 3 &&
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
