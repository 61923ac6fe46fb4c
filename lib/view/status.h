/* SPDX-License-Identifier: ISC */
#ifndef STATUS_H
#define STATUS_H

#include "base/buf.h"

struct survey;
struct verify;

/*
 * What a database holds, as text for people and as JSON for scripts. Pure:
 * numbers in, words out; foreign text is escaped.
 */
#define STATUS_MAX_BYTES ((size_t)1 << 20) /* of one database's text */

/* Append one block, the database's name first, for a terminal so wide (0: for
 * none). */
void status_render(
    const struct survey *survey, unsigned columns, struct buf *out);

/* Append one JSON object and a newline, in which nothing is left out. */
void status_render_json(const struct survey *survey, struct buf *out);

/* Append what a check found, likewise a block. */
void status_render_verify(const struct verify *verify, struct buf *out);

#endif
