/* SPDX-License-Identifier: ISC */
#ifndef MERGED_H
#define MERGED_H

#include "base/buf.h"

struct merge;

/*
 * What became of databases that were merged, as text for people and as JSON
 * for scripts. Pure: numbers in, words out; names are escaped.
 */

/* Append one block, the new database's name first. */
void merged_render(
    const struct merge *merge, unsigned columns, struct buf *out);

/* Append one JSON object and a newline, in which nothing is left out. */
void merged_render_json(const struct merge *merge, struct buf *out);

#endif
