/* SPDX-License-Identifier: ISC */
#ifndef SCHEMA_H
#define SCHEMA_H

struct err;
struct sqlite3;

/* Whose database a file is. */
enum schema_kind {
	SCHEMA_EMPTY = 0, /* nothing in it yet */
	SCHEMA_OURS = 1,
	SCHEMA_SEED = 2, /* llm_results alone, as the seed system made it */
};

/*
 * Look whose database it is; changes nothing.
 * Fails ERR_INPUT for another program's, or one of a newer llmill (name, what
 * to do); as db_fail else.
 */
int schema_look(struct sqlite3 *db, const char *name, enum schema_kind *kind,
    struct err *err);

/* Make it ours, in one transaction: create what is missing. */
int schema_make(struct sqlite3 *db, const char *name, enum schema_kind kind,
    struct err *err);

#endif
