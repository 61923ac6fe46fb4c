/* SPDX-License-Identifier: ISC */
#ifndef BULLETIN_H
#define BULLETIN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

struct err;
struct stats;
struct survey;

/*
 * How a run stands, for those who cannot look into its database: on a network
 * file system it is locked. DB.status.json, written anew once a second and
 * renamed into place; it goes with the run.
 */
#define BULLETIN_SUFFIX ".status.json"
#define BULLETIN_EVERY_NS INT64_C(1000000000)

struct bulletin;

/*
 * Begin one for the database at path.
 * Takes base: what was in it before this run (name lent, causes, attempts and
 * tokens are this run's alone), copied. Gives NULL with err.
 */
struct bulletin *bulletin_new(
    const char *path, const struct survey *base, struct err *err);

/* Write it, if it is due. What cannot be written is left: nobody waits for it.
 */
void bulletin_tick(
    struct bulletin *bulletin, const struct stats *stats, int64_t now_ns);

/* When is it due? Takes NULL: never. */
int64_t bulletin_due_ns(const struct bulletin *bulletin);

/* Remove the file. Takes NULL calmly. */
void bulletin_end(struct bulletin *bulletin);

/*
 * Append what the run on the database at path says of itself: a block for
 * people, or (json) an object on one line.
 * Gives false when no run is there, or it says nothing.
 */
bool bulletin_read(const char *path, bool json, struct buf *out);

#endif
