/* SPDX-License-Identifier: ISC */
#ifndef PEEK_H
#define PEEK_H

#include "data/db.h"
#include "data/lock.h"
#include "data/schema.h"

struct err;

/*
 * A database that is only looked at: one snapshot of it, of which nothing is
 * changed, not even its directory, whoever else works on it.
 */
struct peek {
	struct sqlite3 *db;
	struct db_patience patience;
	const char *name;	   /* as given, lent, for people */
	char *path;		   /* real */
	enum schema_kind kind;	   /* SCHEMA_OURS or SCHEMA_SEED */
	bool is_seed;		   /* '' and 'NA' are open */
	bool is_running;	   /* its coordinator's lock was held */
	bool is_cut_short;	   /* a dead writer's journal is in the way */
	struct lock_holder holder; /* who that is */
};

/*
 * Open the database at path and begin its snapshot.
 * Fails ERR_INPUT for what is no database of prompts (no file, a directory,
 * another program's, corrupt, not readable: one sentence each), ERR_BUSY when
 * it stays locked for 2 s; peek_close is not needed then.
 */
int peek_open(struct peek *peek, const char *path, struct err *err);

/* Say what a SQLite code means, as db_fail. Gives always -1. */
int peek_fail(const struct peek *peek, int code, struct err *err);

void peek_close(struct peek *peek);

#endif
