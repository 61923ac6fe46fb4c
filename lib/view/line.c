/* SPDX-License-Identifier: ISC */
/*
 * The layout of what people read when it is over: a label on the left and a
 * list or a sentence beside it, inside the width of a page.
 */
#include "view/line.h"

#include <inttypes.h>

#include "base/hist.h"
#include "base/text.h"

#define LINE_REASON_LOOK 240  /* bytes of a reason: two lines */
#define LINE_COLUMNS 80	      /* a page is not wider: long lines read badly */
#define LINE_COLUMNS_LEAST 24 /* labels and a word */

struct line_page
line_page(struct buf *out, unsigned columns)
{
	if (columns == 0 || columns > LINE_COLUMNS)
		columns = LINE_COLUMNS;
	if (columns < LINE_COLUMNS_LEAST)
		columns = LINE_COLUMNS_LEAST;
	return (struct line_page){out, columns};
}

void
line_add(struct buf *list, uint64_t count, const char *one, const char *many)
{
	char text[32];

	if (count == 0)
		return;
	buf_printf(list, "%s%s %s", list->size > 0 ? ", " : "",
	    text_count(count, text, sizeof(text)), count == 1 ? one : many);
}

static void
list_add_duration(struct buf *list, const char *name, int64_t duration_ns)
{
	char text[32];

	buf_printf(list, "%s%s %s", list->size > 0 ? ", " : "", name,
	    text_duration(duration_ns, text, sizeof(text)));
}

/* Gives the size of the first piece of text: up to a blank; in a list up to
 * the blank after a comma. */
static size_t
piece_size(struct span text, bool is_list)
{
	for (size_t i = 1; i < text.size; i++)
		if (text.data[i] == ' ' &&
		    (!is_list || text.data[i - 1] == ','))
			return i;
	return text.size;
}

/* The same as a span; an item that no line could hold goes word by word. */
static struct span
next_piece(struct span text, bool is_list, size_t columns_most)
{
	struct span piece = {text.data, piece_size(text, is_list)};

	if (is_list && text_columns(piece) > columns_most)
		piece.size = piece_size(text, false);
	return piece;
}

void
line_put(const struct line_page *page, const char *label, struct span text,
    bool is_list)
{
	struct buf *out = page->out;
	size_t column = *label == '\0' ? 0 : LINE_INDENT;

	if (text.size == 0)
		return;
	buf_printf(out, "%-*s", (int)column, label);
	for (size_t at = 0; at < text.size; at++) {
		struct span piece = {text.data + at, text.size - at};
		size_t columns;

		piece = next_piece(piece, is_list, page->columns - LINE_INDENT);
		columns = text_columns(piece);
		if (at > 0 && column + 1 + columns > page->columns) {
			buf_printf(out, "\n%*s", LINE_INDENT, "");
			column = LINE_INDENT;
		} else if (at > 0) {
			buf_add_byte(out, ' ');
			column++;
		}
		buf_add(out, piece.data, piece.size);
		column += columns;
		at += piece.size;
	}
	buf_add_byte(out, '\n');
}

void
line_add_latency(struct buf *list, const struct hist *latency)
{
	if (latency->count == 0)
		return;
	list_add_duration(list, "p50", hist_share_ns(latency, 0.50));
	list_add_duration(list, "p95", hist_share_ns(latency, 0.95));
	list_add_duration(list, "p99", hist_share_ns(latency, 0.99));
}

void
line_put_failure(const struct line_page *page, const char *label,
    uint64_t count, const char *words, const struct line_example *example)
{
	size_t columns = page->columns - LINE_INDENT;
	struct span fit;
	struct buf line;
	struct buf text;

	buf_init(&line, LINE_LIST_CAP);
	buf_init(&text, LINE_LIST_CAP);
	line_add(&text, count, words, words);
	if (example->reason.size > 0) {
		buf_printf(&text, "; prompt %" PRId64 ": ", example->id);
		text_one_line(&line, example->reason, LINE_REASON_LOOK);
		text_escape(&text, buf_span(&line), 0);
	}
	fit = text_fit(buf_span(&text), columns);
	if (fit.size < text.size)
		fit = text_fit(buf_span(&text), columns - 1);
	buf_printf(page->out, "%-*s%.*s%s\n", LINE_INDENT, label, (int)fit.size,
	    fit.data, fit.size < text.size ? "…" : "");
	buf_free(&text);
	buf_free(&line);
}
