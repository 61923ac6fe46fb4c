/* SPDX-License-Identifier: ISC */
#ifndef PIN_H
#define PIN_H

#include <stdbool.h>

#include "base/buf.h"
#include "data/prompts.h"

struct err;
struct sqlite3;

/*
 * Which part of which list a database holds, as its last run wrote it down:
 * llm_runs.shard, and in llm_runs.settings the key "list".
 */
struct pin {
	bool is_known;	    /* there was a run */
	struct share share; /* all of a list, if nothing else is said */
	struct prompts_list list;
};

/* Read it. What is not there, or cannot be understood, is not known. Gives a
 * SQLite code. */
int pin_read(struct pin *pin, struct sqlite3 *db);

/*
 * Does the database hold that part of that list? extends: of a list that only
 * grew.
 * Takes the name of the database for messages. Fails ERR_USAGE.
 */
int pin_check(const struct pin *pin, const struct prompts *prompts,
    bool extends, const char *name, struct err *err);

/* Append ,"list":{…} where the prompts are a part of one. */
void pin_put_list(struct buf *buf, const struct prompts *prompts);

#endif
