/* SPDX-License-Identifier: ISC */
#ifndef MERGE_INNER_H
#define MERGE_INNER_H

#include "data/draft.h"
#include "data/merge.h"
#include "data/shard.h"

/*
 * What the files of a merge share: merge.c goes through all runs and prompts,
 * merge_prompt.c makes one prompt of several.
 */
struct merger {
	const struct merge_conf *conf;
	struct merge *merge;
	struct shard *shards;
	size_t count;
	struct draft draft;
	struct sqlite3_stmt *run; /* SQL_MERGE_RUN and so on */
	struct sqlite3_stmt *result;
	struct sqlite3_stmt *input;
	struct sqlite3_stmt *attempt;
	uint64_t next_id; /* the least that may follow without a gap */
	unsigned complaints;
};

/* merge.c: say what a SQLite code of the draft means. Gives always -1. */
int merge_fail(const struct merger *merger, int code, struct err *err);

/* merge_whole.c: do all belong to one plan and one list, and is it all there?
 * Says what is not. Fails ERR_INPUT, unless a part will do. */
int merge_check_whole(struct merger *merger, struct err *err);

/* merge_whole.c: the same of answers that differ. */
int merge_check_conflicts(struct merger *merger, struct err *err);

/* merge_mark.c: write down what the new database is made of. */
int merge_mark(struct merger *merger, struct err *err);

/* merge_mark.c: is it a merge on which nobody has worked since? Who asks has
 * its lock, or wants it next. */
bool merge_is_untouched(const char *path);

/* merge_prompt.c: write the prompt with this id, which a shard has at hand,
 * and step all that have it. */
int merge_prompt(struct merger *merger, int64_t id, struct err *err);

/* merge_prompt.c: write attempts at prompts up to last that no shard has. */
int merge_strays(struct merger *merger, int64_t last, struct err *err);

#endif
