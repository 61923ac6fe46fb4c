/* SPDX-License-Identifier: ISC */
/*
 * One prompt per line, or per NUL: the piece is the prompt, byte for byte.
 */
#include "base/err.h"
#include "data/reader.h"
#include "data/source.h"

static int
read_pieces(struct reader *reader, struct source *source, char delimiter,
    struct err *err)
{
	struct span piece;

	for (;;) {
		enum source_piece got =
		    source_next(source, delimiter, &piece, err);
		struct record record = {.file = reader->file};

		if (got == SOURCE_FAILED)
			return -1;
		if (got == SOURCE_END)
			return 0;
		record.line = source->piece_count;
		if (got == SOURCE_LONG) {
			if (reader_refuse(reader, record.line, err,
				"longer than %zu bytes (--max-prompt-bytes)",
				reader->prompt_max_bytes) == -1)
				return -1;
			continue;
		}
		if (delimiter == '\n' && piece.size > 0 &&
		    piece.data[piece.size - 1] == '\r')
			piece.size--;
		if (piece.size == 0) {
			reader->facts->empty_count++;
			continue;
		}
		record.text = piece;
		if (reader_take(reader, &record, err) == -1)
			return -1;
	}
}

int
read_lines(struct reader *reader, struct source *source, struct err *err)
{
	return read_pieces(reader, source, '\n', err);
}

int
read_nul(struct reader *reader, struct source *source, struct err *err)
{
	return read_pieces(reader, source, '\0', err);
}
