/* SPDX-License-Identifier: ISC */
/*
 * An answer may begin like a failure, and be empty: then the last attempt at
 * the prompt knows. Nearly all results look like an answer and cost nothing.
 */
#include "data/look.h"

#include <sqlite3.h>

#include "data/db.h"

static int
read_last(struct sqlite3_stmt *last, int64_t id, struct look_fact *fact)
{
	int code;

	db_bind_number(last, ":id", id);
	code = sqlite3_step(last);
	if (code == SQLITE_ROW) {
		const char *name = db_column(last, 0).data;

		if (name == NULL || !outcome_by_name(name, &fact->outcome))
			fact->outcome = OUTCOME_COUNT;
		fact->run_id = sqlite3_column_int64(last, 1);
		code = SQLITE_DONE;
	}
	sqlite3_reset(last);
	return code == SQLITE_DONE ? SQLITE_OK : code;
}

int
look_settle(struct sqlite3_stmt *last, int64_t id, enum look look, bool is_seed,
    struct look_fact *fact)
{
	bool answers =
	    look == LOOK_ANSWERED || (look == LOOK_BLANK && !is_seed);
	int code = SQLITE_OK;

	*fact = (struct look_fact){.outcome = (enum outcome)OUTCOME_COUNT};
	if (look != LOOK_OPEN && !answers && last != NULL) {
		code = read_last(last, id, fact);
		answers = fact->outcome != OUTCOME_COUNT &&
			  outcome_trait(fact->outcome)->answers;
	}
	if (answers)
		fact->state = STORE_ANSWERED;
	else
		fact->state = look == LOOK_FAILED ? STORE_FAILED : STORE_OPEN;
	return code;
}
