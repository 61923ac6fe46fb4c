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
 * which request it answers, so that it is never taken for another's.
 */
#define SPILL_SUFFIX ".spill.jsonl"
#define SPILL_PLACE_COUNT 4

struct spill;

/* Work out the places for a database. Opens nothing. */
struct spill *spill_new(const char *db_path, struct err *err);
void spill_free(struct spill *spill);

/* Append a note as one line. */
void spill_put_note(struct buf *lines, int64_t id, const char *settings,
    const struct note *note, const struct record *record);

/*
 * Write lines behind what is there and sync them; at the first place that
 * takes them. On failure (ERR_SYSTEM) no line of them remains.
 */
int spill_append(struct spill *spill, struct span lines, struct err *err);

/* Gives the path of the file written to since the last spill_clear, else
 * NULL. */
const char *spill_path(const struct spill *spill);

/* Everything written is in the database: take it away again. */
void spill_clear(struct spill *spill);

/* Gives the path of place 0 … SPILL_PLACE_COUNT − 1, or NULL. */
const char *spill_place(const struct spill *spill, size_t place);

/* A line as it was read. */
struct spill_line {
	struct note *note; /* lent to the taker; its index is not known */
	int64_t id;	   /* of the prompt, in the database */
	char request[PLAN_DIGEST_BYTES]; /* whose answer it is */
};

/*
 * Hand every whole and sound line of the file at a place to take; it gives 1
 * when it took the line, 0 when it belongs elsewhere, -1 to stop.
 * A torn last line was never acknowledged and is passed over.
 * Gives the lines taken, 0 without a file, -1 with err; *left is how many
 * were not taken.
 */
int64_t spill_read(const struct spill *spill, size_t place,
    int (*take)(void *arg, const struct spill_line *line), void *arg,
    uint64_t *left, struct err *err);

#endif
