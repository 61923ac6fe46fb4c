/* SPDX-License-Identifier: ISC */
#ifndef COLUMNS_H
#define COLUMNS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "view/row_key.h"

struct err;

/*
 * The columns of a table that goes out: all own members of the records, each
 * once, in the order in which they come, and then our keys; or those that
 * --fields names. A name of ours that is taken gets the prefix llmill_.
 */
#define COLUMN_OURS SIZE_MAX

struct column {
	char *name;	  /* as it goes out */
	size_t own;	  /* which of the records' names; COLUMN_OURS: none */
	enum row_key key; /* of ours */
};

struct columns {
	struct column *list;
	size_t count;
	struct span *own; /* names that records have, each once */
	size_t own_count;
	size_t last; /* which of them was met last */
	struct buf scratch;
	bool failed;
};

void columns_init(struct columns *columns);
void columns_free(struct columns *columns);

/* Learn the names of a record's raw JSON object, none: it has none. */
void columns_learn(struct columns *columns, struct span fields);

/* Find a record's values, raw, one per own name; none where it has none. */
void columns_find(const struct columns *columns, struct span fields,
    struct buf *scratch, struct span *values);

/*
 * Behind the last record: choose. Takes "a,new=old,…", or NULL for all.
 * Fails ERR_USAGE for a name that there is not, listing those that there are;
 * ERR_INPUT when all are wanted and no table can hold one; ERR_MEMORY.
 */
int columns_choose(
    struct columns *columns, const char *fields, struct err *err);

#endif
