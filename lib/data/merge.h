/* SPDX-License-Identifier: ISC */
#ifndef MERGE_H
#define MERGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct err;

/*
 * Several databases become one, prompt by prompt: an answer goes before a
 * failure, a failure before an open prompt, and of equal ones the first named
 * database's. All runs and all attempts are kept, those of the one that was
 * taken behind the others, so that what the last attempt says stays true. (One
 * is left out, where it must be: that of a prompt which was opened again by
 * hand, beside a failure that has no attempt itself.)
 * Open is NULL, also where a seed's database had '' or 'NA'.
 */
#define MERGE_SHOWN 20 /* conflicts listed; the rest is counted */
#define MERGE_LACKING_BYTES ((size_t)16 << 20) /* for a million shards */

/* Two databases answer one prompt with different texts. Names are lent. */
struct merge_conflict {
	int64_t id;
	const char *taken;
	const char *other; /* the first that differs from it */
};

struct merge {
	const char *name; /* of the database made, lent */
	size_t shards;
	uint64_t answered;
	uint64_t failed;
	uint64_t open;
	uint64_t runs;
	uint64_t attempts;
	uint64_t conflicts;
	struct merge_conflict shown[MERGE_SHOWN];
	uint64_t missing;      /* ids from 1 to the last that are in none */
	int64_t first_missing; /* 0: none is */
	bool plans_differ;     /* of the last runs */
	struct buf lacking;    /* "3,7,9-12": shards that are not there or not
				  finished; empty: none */
};

struct merge_conf {
	const char *path;	       /* where it goes; nothing may be there */
	const char *const *shards;     /* one or more, then NULL */
	bool partial;		       /* what there is, whatever is lacking */
	bool (*is_stopped)(void *arg); /* asked often; NULL: never */
	void *arg;
};

/*
 * Make one database of all. A merge at path on which nobody has worked since is
 * replaced. What is doubtful but no failure is logged as a warning: answers in
 * spill files, ids that are missing; with partial all that is lacking, too.
 * Fails, with nothing left: ERR_INPUT for a shard that cannot be read, for two
 * that have different prompts under one id, and, each logged, for plans or
 * answers that differ, shards that are not of one list, not finished or not
 * there; ERR_USAGE when something else is at
 * path or a shard is named twice; ERR_BUSY when a shard is being worked on, and
 * when stopped; ERR_SYSTEM when it cannot be written.
 * Cost: one walk over every shard, constant memory for each.
 */
int merge_make(
    struct merge *merge, const struct merge_conf *conf, struct err *err);

/* In any case. */
void merge_free(struct merge *merge);

#endif
