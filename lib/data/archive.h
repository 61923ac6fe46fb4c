/* SPDX-License-Identifier: ISC */
#ifndef ARCHIVE_H
#define ARCHIVE_H

#include "data/peek.h"
#include "data/store.h"

struct err;
struct sqlite3_stmt;

/*
 * The rows of a database that is only looked at, one after the other, as a
 * run gives them: for who comes later.
 */
struct archive {
	struct peek peek;
	struct sqlite3_stmt *rows;
	struct sqlite3_stmt *attempt; /* NULL: there are none */
	struct sqlite3_stmt *last;
	uint32_t next; /* index of the row behind the one that rows is at */
	uint32_t count;
};

/* Open the database at path. Fails as peek_open; archive_close is not needed
 * then. */
int archive_open(struct archive *archive, const char *path, struct err *err);

/* Tell of every record's own members, none where it has none. Fails as
 * db_fail. */
int archive_each_fields(struct archive *archive,
    void (*take)(void *arg, struct span fields), void *arg, struct err *err);

/* Read a row: the next one, or that of the last call again. Its spans die at
 * the next call. Gives 0, or -1 with err. */
int archive_read(struct archive *archive, uint32_t index, struct store_row *row,
    struct err *err);

/* The same, of which only id, state, prompt and result are wanted; the rest is
 * looked up for a failed one, and where all is. */
int archive_read_some(struct archive *archive, uint32_t index, bool all,
    struct store_row *row, struct err *err);

void archive_close(struct archive *archive);

#endif
