/* SPDX-License-Identifier: ISC */
#ifndef DRAFT_H
#define DRAFT_H

#include "base/place.h"
#include "data/lock.h"

struct err;
struct sqlite3;

/*
 * A new database that is there whole or not at all. It is written beside its
 * place, under the lock that a coordinator there would hold, in one
 * transaction; what a dead process left of such a file is taken away.
 */
struct draft {
	const char *name; /* as given, lent */
	struct lock lock;
	struct place place;
	bool replaces;
	struct sqlite3 *db; /* with our tables, in its transaction */
};

/*
 * Begin a database at path (lent). may_replace (NULL: never) says whether what
 * is there may go.
 * Fails ERR_USAGE when it may not, ERR_BUSY when another llmill is
 * about to be (pid, host), ERR_SYSTEM when it cannot be written. draft_leave in
 * any case.
 */
int draft_open(struct draft *draft, const char *path,
    bool (*may_replace)(const char *path), struct err *err);

/* Say what a SQLite code means, as db_fail, with the system's reason where
 * SQLite only knows that there is one. Gives always -1. */
int draft_fail(const struct draft *draft, int code, struct err *err);

/*
 * Put it into its place, durably. All statements must be finalized.
 * Fails ERR_SYSTEM, also when something came to be there meanwhile, which
 * stays.
 */
int draft_commit(struct draft *draft, struct err *err);

/* Let go; what was not committed is gone. Takes a draft that did not open
 * calmly. */
void draft_leave(struct draft *draft);

#endif
