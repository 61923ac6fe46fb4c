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
		if (reader_take_text(reader, &record, err) == -1)
			return -1;
	}
}

int
read_lines(struct reader *reader, struct source *source, struct err *err)
{
	return read_pieces(reader, source, '\n', err);
}

int
read_file(struct reader *reader, struct source *source, const char *name,
    struct err *err)
{
	struct record record = {
	    .file = reader->file, .line = 1, .custom_id = span_of(name)};
	struct span piece;
	struct buf text;
	int done = 0;
	int got;

	/* One byte more, to see that it is too long. */
	buf_init(&text, reader->prompt_max_bytes + 2);
	buf_add(&text, "", 0);
	while ((got = source_next(source, '\n', &piece, err)) > SOURCE_END &&
	       text.size <= reader->prompt_max_bytes) {
		if (got == SOURCE_LONG)
			piece.size = reader->prompt_max_bytes + 1;
		if (piece.size > text.cap - text.size - 1)
			piece.size = text.cap - text.size - 1;
		buf_add(&text, piece.data, piece.size);
		if (!source->torn)
			buf_add_byte(&text, '\n');
	}
	record.text = buf_span(&text);
	if (got == SOURCE_FAILED)
		done = -1;
	else if (text.failed)
		done = err_set_memory(err, "a file");
	else
		done = reader_take_text(reader, &record, err);
	buf_free(&text);
	return done;
}

int
read_nul(struct reader *reader, struct source *source, struct err *err)
{
	return read_pieces(reader, source, '\0', err);
}
