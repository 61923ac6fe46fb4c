/* SPDX-License-Identifier: ISC */
#ifndef LINE_H
#define LINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

struct hist;

/*
 * Lines of a label and a text, as summary and status have them. A list is
 * collected in a buf, its items with a comma between.
 */
#define LINE_INDENT 10	    /* columns of the labels */
#define LINE_LIST_CAP 16384 /* bytes of one list */

/* Append "N word" to a list, in its singular or plural; nothing for none. */
void line_add(
    struct buf *list, uint64_t count, const char *one, const char *many);

/* Append "p50 340 ms, p95 2.1 s, p99 4.0 s" to a list; nothing for none. */
void line_add_latency(struct buf *list, const struct hist *latency);

/* Where lines go, and how wide they may be. */
struct line_page {
	struct buf *out;
	unsigned columns;
};

/* Begin a page for a terminal so wide; 0: for no terminal. */
struct line_page line_page(struct buf *out, unsigned columns);

/* Append a label (may be empty) and a text, which goes on in a new line where
 * it gets too wide: at a blank, in a list behind a comma where items fit.
 * Nothing for an empty text. */
void line_put(const struct line_page *page, const char *label, struct span text,
    bool is_list);

/* Why the first prompt of a cause failed; foreign text. */
struct line_example {
	int64_t id;	    /* of the prompt, from 1 */
	struct span reason; /* none: unknown */
};

/* Append "8 timed out; prompt 17: no answer within 60 s", cut at the end of
 * the line. */
void line_put_failure(const struct line_page *page, const char *label,
    uint64_t count, const char *words, const struct line_example *example);

#endif
