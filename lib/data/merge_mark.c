/* SPDX-License-Identifier: ISC */
/*
 * A merged database says what it was made of. As long as nobody has worked on
 * it since, the same merge may take its place: a job that runs again does no
 * harm.
 */
#include <sqlite3.h>

#include "base/err.h"
#include "data/merge_inner.h"
#include "data/share.h"
#include "data/sql.h"

int
merge_mark(struct merger *merger, struct err *err)
{
	struct sqlite3 *db = merger->draft.db;
	struct sqlite3_stmt *stmt = NULL;
	int code = db_run(db, SQL_CREATE_MERGES);

	if (code == SQLITE_OK)
		code = db_prepare(db, SQL_INSERT_MERGE, &stmt);
	for (size_t i = 0; i < merger->count && code == SQLITE_OK; i++) {
		const struct shard *shard = &merger->shards[i];
		char text[SHARE_TEXT_BYTES];

		share_put(shard->pin.share, text);
		db_bind(stmt, ":file", span_of(shard->peek.name));
		db_bind(stmt, ":shard", span_of(*text == '\0' ? NULL : text));
		code = db_finish(stmt);
	}
	sqlite3_finalize(stmt);
	return code == SQLITE_OK ? 0 : merge_fail(merger, code, err);
}

bool
merge_is_untouched(const char *path)
{
	struct err err = {0};
	struct peek peek;
	int64_t merges = 0;
	int64_t later = 0;
	int code;

	if (peek_open(&peek, path, &err) == -1)
		return false;
	code = db_number(peek.db, SQL_HAS_MERGES, &merges);
	if (code == SQLITE_OK && merges > 0)
		code = db_number(peek.db, SQL_RUNS_SINCE_MERGE, &later);
	if (code != SQLITE_OK)
		merges = 0;
	peek_close(&peek);
	return merges > 0 && later == 0;
}
