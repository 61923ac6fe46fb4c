/* SPDX-License-Identifier: ISC */
#ifndef EXPORT_INNER_H
#define EXPORT_INNER_H

#include "view/columns.h"
#include "view/export.h"

/*
 * What the writers of rows share with export_row.c, which chooses among them.
 * Each appends one row; failure is sticky in buf.
 */

/* Values with separators between. Fails ERR_INPUT for what a table cannot
 * hold. */
int export_put_values(struct buf *buf, const struct export_style *style,
    const struct columns *columns, const struct store_row *row,
    struct err *err);

/* A JSON object of the chosen columns. */
void export_put_chosen(struct buf *buf, const struct columns *columns,
    const struct store_row *row);

/* A line as OpenAI's batches give them. */
void export_put_response(struct buf *buf, const struct store_row *row);

#endif
