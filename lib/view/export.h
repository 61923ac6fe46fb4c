/* SPDX-License-Identifier: ISC */
#ifndef EXPORT_H
#define EXPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

struct columns;
struct err;
struct store;
struct store_row;

/*
 * Answers in prompt order, as they become ready. The place in the list is all
 * that is kept: what a slow reader has not taken yet lies in the database.
 */
enum export_format {
	EXPORT_AUTO = 0, /* txt on a terminal, jsonl elsewhere */
	EXPORT_JSONL = 1,
	EXPORT_TXT = 2,
	EXPORT_TERMINAL = 3, /* txt with terminal controls escaped: what txt
				becomes on a terminal */
	EXPORT_NUL = 4,	     /* answers with a NUL behind each */
	EXPORT_CSV = 5,
	EXPORT_TSV = 6,
	EXPORT_BATCH = 7, /* as OpenAI's batches give them */
};

struct export_style {
	enum export_format format;
	unsigned only; /* 1 << enum store_state of rows to write; 0: all */
	bool csv_safe; /* what a spreadsheet would compute is made a text */
};

/* Append one row. Pure. columns: of a table; of jsonl the chosen members,
 * NULL: all. Bug if the format is EXPORT_AUTO.
 * Gives 0; -1 with err (ERR_INPUT) for what the format cannot hold. */
int export_put_row(struct buf *buf, const struct export_style *style,
    const struct columns *columns, const struct store_row *row,
    struct err *err);

/* Append a table's row of names. */
void export_put_names(struct buf *buf, const struct export_style *style,
    const struct columns *columns);

/* Where rows come from: reads one, as store_read_row does. */
struct export_rows {
	int (*read)(
	    void *arg, uint32_t index, struct store_row *row, struct err *err);
	void *arg;
};

struct export_rows export_rows_of(struct store *store);

struct export;

/*
 * Begin an output: path "-" is descriptor 1, else FILE grows as FILE.part; a
 * device or named pipe is written as it stands. columns are lent.
 * Fails ERR_SYSTEM naming the file.
 */
struct export *export_open(const char *path, const struct export_style *style,
    const struct columns *columns, struct export_rows rows, uint32_t count,
    struct err *err);

/*
 * Write what is ready: rows from the current place on, as long as states says
 * that they are no longer open. Never blocks: a full pipe is tried again at
 * the next call, and so is a row that the store cannot give now. Stops after
 * 1 MiB. states NULL: to the end of the list, open ones with result null.
 * Gives 1 when there is more to write now, 0 when not; -1 when the reader went
 * away ("output closed", EPIPE), the disk is full or the format cannot hold a
 * row (err says which; later calls do nothing and give 0). SIGPIPE must be
 * ignored or blocked.
 */
int export_follow(
    struct export *export, const uint8_t *states, struct err *err);

/* Gives where it grows, the path of FILE.part, lent; NULL for no FILE. */
const char *export_part_path(const struct export *export);

/* Has export_follow said that it broke? Takes NULL calmly. */
bool export_is_broken(const struct export *export);

/* Gives the descriptor to wait on for writing, -1 when not waiting. */
int export_wait_fd(const struct export *export);

/* Does it go to a terminal, where other lines stand too? */
bool export_is_on_terminal(const struct export *export);

/*
 * End it and free it. whole: write the rest too, open ones with result null,
 * and rename FILE.part to FILE; else finish the line that was begun and leave
 * .part. Waits for a reader at most 1 s at a time: who knows that one is slow
 * calls export_follow until nothing is left. Takes NULL calmly.
 * Gives 0, or -1 with err when not all that was asked for is written; a reader
 * that went away before is no failure any more.
 */
int export_close(struct export *export, bool whole, struct err *err);

#endif
