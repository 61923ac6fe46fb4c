/* SPDX-License-Identifier: ISC */
#ifndef STORE_INNER_H
#define STORE_INNER_H

#include <sys/stat.h>

#include "data/db.h"
#include "data/lock.h"
#include "data/note.h"
#include "data/prompts.h"
#include "data/schema.h"
#include "data/spill.h"
#include "data/store.h"

/*
 * What the files of the store share. The order in which things happen:
 * store.c opens and closes, load.c brings list and database together,
 * commit.c writes, heal.c waits and spills when that fails, rescue.c finds
 * the file again, rows.c reads.
 */
enum store_stmt {
	STMT_INSERT_ATTEMPT = 0,
	STMT_SET_RESULT = 1,
	STMT_LAST_OUTCOME = 2,
	STMT_READ_RESULT = 3,
	STMT_READ_ATTEMPT = 4,
	STMT_HAS_ATTEMPT = 5,
};
#define STMT_COUNT 6

struct store {
	struct sqlite3 *db; /* NULL: not open at the moment */
	struct sqlite3_stmt *stmts[STMT_COUNT];
	struct lock lock;
	int64_t refresh_ns; /* when the lock is to be */
	char *path;	    /* real; NULL: temporary */
	char *shown;	    /* as given, for people */
	enum db_mode mode;
	enum schema_kind kind; /* as it was found */
	bool resumes;	       /* as in store_conf */
	bool extends;	       /* as in store_conf */
	bool is_loaded;	       /* list and database are one */
	bool is_created;       /* the file, by us */
	bool is_seed;	       /* '' and 'NA' are open */
	bool is_noted;	       /* something was remembered */
	bool is_rescued; /* the file went away; path is where we are now */
	struct db_patience patience; /* before the first call */

	void (*durable)(void *arg, const struct store_durable *what);
	void *arg;

	const struct prompts *prompts; /* of store_load */
	char plan[PLAN_DIGEST_BYTES];
	char settings[PLAN_DIGEST_BYTES]; /* all but the prompts */
	uint32_t count;			  /* prompts in the database */
	struct share share;		  /* of a list, that the prompts are */
	int64_t *ids;	   /* of the prompts, ascending; NULL: the part's */
	uint8_t *reopened; /* 1 per prompt that is done again; NULL: none */
	int64_t run_id;	   /* 0: store_begin_run was not called */

	struct note_queue queue;
	int64_t due_ns;	    /* when the next commit may be */
	int64_t commit_ns;  /* spent in commits */
	int64_t file_bytes; /* of the database, 0 unknown */
	bool is_cut;	    /* somebody cut it off: nothing goes there */
	struct stat wal;    /* which -wal file is ours; st_ino 0 unknown */

	bool in_trouble;
	int64_t trouble_ns; /* since when */
	int64_t retry_ns;   /* next try of the database */
	int64_t backoff_ns;
	char trouble[512];   /* what it is */
	struct spill *spill; /* NULL: --no-db has none */
	int64_t spill_due_ns;
	bool spill_fails;  /* no place took the last batch */
	char health[1024]; /* text of store_health */

	struct buf result;	  /* scratch of note_result */
	struct spill_line parked; /* scratch of store_whole_note */
	struct buf columns;	  /* what store_read_row gave */
};

/* runs.c: write how this run ended. */
void store_end_run(struct store *store, const char *status);

/* store.c: is it a temporary database of which nothing is left? Then there are
 * no prompts in it, nobody reads its digests, and nothing in it is to be
 * durable. */
bool store_is_private(const struct store *store);

/* store.c: what to call the database in messages. */
const char *store_name(const struct store *store);

/* ids.c: which prompt has an id? Where there is none *index is the first behind
 * it, or the count of prompts. */
bool store_index(const struct store *store, int64_t id, uint32_t *index);

/*
 * ids.c: learn the ids of the stored prompts; count prompts in all get some.
 * Fails ERR_INPUT for ids that no list can have; for gaps, unless they are
 * allowed.
 */
int store_learn_ids(struct store *store, uint32_t count, uint32_t *stored,
    bool gaps_allowed, struct err *err);

/* store.c: open the database and prepare all statements; a SQLite code. */
int store_connect(struct store *store);
int store_prepare(struct store *store);
void store_disconnect(struct store *store);

/* commit.c: write a note that has its bytes into the transaction at hand; an
 * earlier run's that is known already changes nothing. *is_news: the result
 * was written. A SQLite code. */
int store_write_note(
    struct store *store, const struct note *note, bool *is_news);

/* heal.c: the note with its bytes, until the next call. NULL: the spill file
 * cannot be read. */
const struct note *store_whole_note(
    struct store *store, const struct note *note);

/* commit.c: tell that the note is durable. */
void store_tell(const struct store *store, const struct note *note);

/* load.c: what the text of a result says by itself (SQL_LOOKS_…). */
bool store_looks_failed(struct span result);
bool store_looks_blank(struct span result);

/* load.c: take in what an earlier run spilled. */
int store_take_in(struct store *store, uint8_t *states,
    struct store_counts *counts, struct err *err);

/* heal.c: the database refused (a SQLite code). */
void store_take_trouble(struct store *store, int code, int64_t now_ns);
/* After a commit: the trouble, if any, is over. */
void store_end_trouble(struct store *store);
/* Write what is fresh into the spill file. */
void store_spill(struct store *store, int64_t now_ns);

/* rescue.c: remember which -wal file is ours, and how long the database is. */
void store_know_files(struct store *store);

/* rescue.c: is the connection open, and does it lead to the file at the path?
 * Mends it where it can. A SQLite code. */
int store_mend(struct store *store);

/* A row of which nothing is known, and what its last attempt says, as
 * SQL_READ_ATTEMPT gives it; spans die with the statement's row. */
void row_init(struct store_row *row, uint32_t index);
void row_read_attempt(struct sqlite3_stmt *stmt, struct store_row *row);

#endif
