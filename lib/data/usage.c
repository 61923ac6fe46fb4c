/* SPDX-License-Identifier: ISC */
/*
 * What all runs of a database have asked for so far, attempt by attempt.
 * Whoever has a limit adds it up.
 */
#include <sqlite3.h>

#include "base/err.h"
#include "data/sql.h"
#include "data/store_inner.h"

/* Gives false for an outcome that this version does not know. */
static bool
read_attempt(struct sqlite3_stmt *stmt, struct reply *reply)
{
	const char *name = (const char *)sqlite3_column_text(stmt, 1);

	reply_init(reply);
	if (sqlite3_column_type(stmt, 2) != SQLITE_NULL)
		reply->input_tokens = sqlite3_column_int64(stmt, 2);
	if (sqlite3_column_type(stmt, 3) != SQLITE_NULL)
		reply->output_tokens = sqlite3_column_int64(stmt, 3);
	return name != NULL && outcome_by_name(name, &reply->outcome);
}

int
store_each_attempt(struct store *store,
    void (*take)(void *arg, uint32_t index, const struct reply *reply),
    void *arg, struct err *err)
{
	struct sqlite3_stmt *stmt;
	struct reply reply;
	uint32_t index;
	int code;

	if (store->db == NULL)
		return 0;
	code = db_prepare(store->db, SQL_USAGE, &stmt);
	while (code == SQLITE_OK && (code = sqlite3_step(stmt)) == SQLITE_ROW) {
		code = SQLITE_OK;
		if (read_attempt(stmt, &reply) &&
		    store_index(store, sqlite3_column_int64(stmt, 0), &index))
			take(arg, index, &reply);
	}
	sqlite3_finalize(stmt);
	return code == SQLITE_DONE
		   ? 0
		   : db_fail(err, store->db, code, store_name(store));
}
