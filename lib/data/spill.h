/* SPDX-License-Identifier: ISC */
#ifndef SPILL_H
#define SPILL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "data/plan.h"

struct err;
struct note;
struct record;

/*
 * The file that takes answers while the database cannot: DB.spill.jsonl
 * beside it, else in the current directory, in $HOME, in $TMPDIR. One JSON
 * line per note, written and synced as a whole or not at all; a line says
 * which request it answers, so that it is never taken for another's. Whoever
 * works with the file has it locked.
 */
#define SPILL_SUFFIX ".spill.jsonl"
#define SPILL_PLACE_COUNT 4

struct spill;

/* Work out the places for a database. Opens nothing. */
struct spill *spill_new(const char *db_path, struct err *err);
void spill_free(struct spill *spill);

/* Where a line is. */
struct spill_spot {
	size_t place;
	int64_t offset;
	size_t size; /* bytes with the line's end */
};

/* Append a note as one line. */
void spill_put_note(struct buf *lines, int64_t id, const char *settings,
    const struct note *note, const struct record *record);

/*
 * Write lines behind what is there and sync them; at the first place that
 * takes them. *place and *offset are where they begin.
 * On failure (ERR_SYSTEM) no line of them remains.
 */
int spill_append(struct spill *spill, struct span lines, size_t *place,
    int64_t *offset, struct err *err);

/* Gives the path of the file that is written to, or was held last, since the
 * last spill_clear; else NULL. */
const char *spill_path(const struct spill *spill);

/* Everything written since a file was opened, or held, is in the database:
 * take it away again. */
void spill_clear(struct spill *spill);

/* Gives the path of place 0 … SPILL_PLACE_COUNT − 1, or NULL. */
const char *spill_place(const struct spill *spill, size_t place);

/* Gives the path of the first spill file that a database has, to be freed, or
 * NULL. */
char *spill_find(const char *db_path);

/*
 * Take hold of the file that an earlier run left at a place: all of it is
 * ours now, to read, to append to, to clear.
 * Gives 1; 0 when there is none, or none that is ours alone, or another
 * process has it (said as a warning); -1 with err.
 */
int spill_hold(struct spill *spill, size_t place, struct err *err);

/* What is there now stays, whatever is cleared. */
void spill_keep(struct spill *spill, size_t place);

/* Let go of it as it is. */
void spill_let_go(struct spill *spill, size_t place);

/* A line as it was read. */
struct spill_line {
	struct note *note; /* its index is not known; a taker that keeps it
			      puts NULL here */
	int64_t id;	   /* of the prompt, in the database */
	char request[PLAN_DIGEST_BYTES]; /* whose answer it is */
	struct spill_spot spot;
};

/*
 * Hand every whole and sound line of a file that is held to take; it gives 1
 * when it took the line, 0 when it belongs elsewhere, -1 to stop.
 * A torn last line was never acknowledged and is passed over.
 * Gives the lines taken, -1 with err; *left is how many were not taken.
 */
int64_t spill_read(struct spill *spill, size_t place,
    int (*take)(void *arg, struct spill_line *line), void *arg, uint64_t *left,
    struct err *err);

/* Read one line again. Gives 0 with *line (free with spill_line_free), or -1
 * with errno. */
int spill_read_back(struct spill *spill, const struct spill_spot *spot,
    struct spill_line *line);

#endif
