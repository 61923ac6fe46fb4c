/* SPDX-License-Identifier: ISC */
#ifndef RECALL_H
#define RECALL_H

#include "base/buf.h"
#include "data/peek.h"
#include "data/prompts.h"
#include "data/store.h"

struct err;

/*
 * What a database knows by itself, for a run that goes on without its input:
 * the prompts in the order of their ids, and what the last run was told.
 */
struct recall {
	struct peek peek;
};

/*
 * Open the database at path. A write that was cut short is undone first.
 * Fails as peek_open, and ERR_BUSY naming the holder while a coordinator works
 * on it; recall_close is not needed then.
 */
int recall_open(struct recall *recall, const char *path, struct err *err);

/* The same for one that may be worked on meanwhile. */
int recall_look(struct recall *recall, const char *path, struct err *err);

/* Tell of every prompt, with what stood beside it in its input, and the name
 * of that, NULL: unknown. Gives -1 when take does; fails as recall_prompts. */
int recall_records(struct recall *recall,
    int (*take)(void *arg, const struct record *record, const char *file,
	struct err *err),
    void *arg, struct err *err);

/*
 * Append all prompts, with what stood beside them in their input.
 * Fails ERR_INPUT for a database without any, or a prompt that is no text;
 * ERR_MEMORY.
 */
int recall_prompts(
    struct recall *recall, struct prompts *prompts, struct err *err);

/* How many prompts are there? Fails as db_fail. */
int recall_count(struct recall *recall, size_t *count, struct err *err);

/* Tell of every prompt's result, in the order of their ids; none for an open
 * one. Fails as db_fail. */
int recall_results(struct recall *recall,
    void (*take)(void *arg, enum store_state state, struct span text),
    void *arg, struct err *err);

/* Append llm_runs.settings of the last run; nothing where there was none. */
int recall_settings(
    struct recall *recall, struct buf *settings, struct err *err);

void recall_close(struct recall *recall);

#endif
