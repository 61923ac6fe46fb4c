/* SPDX-License-Identifier: ISC */
#ifndef LOOK_H
#define LOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "data/store.h"
#include "wire/outcome.h"

struct sqlite3_stmt;

/*
 * From what a result looks like to what the prompt is: one rule for whoever
 * reads a database.
 */

/* What SQL_LOOKS and SQL_SURVEY_RESULTS give. */
enum look {
	LOOK_OPEN = 0,
	LOOK_ANSWERED = 1,
	LOOK_FAILED = 2,
	LOOK_BLANK = 3,
};

/* What is known of a prompt. */
struct look_fact {
	enum store_state state;
	enum outcome outcome; /* of the last attempt, where it was looked at;
				 OUTCOME_COUNT: there is none */
	int64_t run_id;	      /* its run; 0 none */
};

/*
 * Settle what a prompt is; where the text may deceive the last attempt at it
 * decides.
 * Takes last, prepared from SQL_LAST_OUTCOME, or NULL in a database without
 * attempts; id from 1; is_seed: '' and 'NA' mean open.
 * Gives a SQLite code.
 */
int look_settle(struct sqlite3_stmt *last, int64_t id, enum look look,
    bool is_seed, struct look_fact *fact);

#endif
