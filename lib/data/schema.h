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
 * Fails ERR_INPUT for another program's, one whose llm_results cannot be used
 * (says what it lacks), or one of a newer llmill; as db_fail else.
 */
int schema_look(struct sqlite3 *db, const char *name, enum schema_kind *kind,
    struct err *err);

/* Make it ours: create what is missing, in the transaction at hand. Gives a
 * SQLite code. */
int schema_make(struct sqlite3 *db, enum schema_kind kind);

#endif
