/* SPDX-License-Identifier: ISC */
/*
 * Prompts are counted from 0 in here and known by their ids in the database.
 * In one of ours the id follows from the index, and nothing is kept; the seed
 * system may have left gaps, and then the ids stand in an array in their
 * order.
 */
#include <inttypes.h>
#include <stdlib.h>

#include <sqlite3.h>

#include "base/err.h"
#include "data/sql.h"
#include "data/store_inner.h"

#define ID_MOST (INT64_MAX - UINT32_MAX) /* room for a list that grows */

int64_t
store_id(const struct store *store, uint32_t index)
{
	return store->ids == NULL ? share_id(store->share, index)
				  : store->ids[index];
}

bool
store_index(const struct store *store, int64_t id, uint32_t *index)
{
	uint32_t low = 0;
	uint32_t high = store->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (store_id(store, middle) < id)
			low = middle + 1;
		else
			high = middle;
	}
	*index = low;
	return low < store->count && store_id(store, low) == id;
}

struct extent {
	int64_t count;
	int64_t least;
	int64_t most;
};

static int
read_extent(struct sqlite3 *db, struct extent *extent)
{
	struct sqlite3_stmt *stmt;
	int code = db_prepare(db, SQL_COUNT_PROMPTS, &stmt);

	if (code != SQLITE_OK)
		return code;
	code = sqlite3_step(stmt);
	if (code == SQLITE_ROW) {
		extent->count = sqlite3_column_int64(stmt, 0);
		extent->least = sqlite3_column_int64(stmt, 1);
		extent->most = sqlite3_column_int64(stmt, 2);
		code = SQLITE_OK;
	}
	sqlite3_finalize(stmt);
	return code;
}

/* Fill in the ids of the stored prompts, and behind them those to come. */
static int
fill_ids(struct store *store, const struct extent *extent, uint32_t count)
{
	struct sqlite3_stmt *stmt;
	uint32_t at = 0;
	int code = db_prepare(store->db, SQL_IDS, &stmt);

	while (code == SQLITE_OK && (code = sqlite3_step(stmt)) == SQLITE_ROW) {
		code = at < count ? SQLITE_OK : SQLITE_CORRUPT;
		if (code == SQLITE_OK)
			store->ids[at++] = sqlite3_column_int64(stmt, 0);
	}
	sqlite3_finalize(stmt);
	if (code != SQLITE_DONE)
		return code;
	for (int64_t id = extent->most + store->share.count; at < count;
	     id += store->share.count)
		store->ids[at++] = id;
	return SQLITE_OK;
}

/* Are they just those of the part? */
static bool
are_regular(const struct store *store, const struct extent *extent)
{
	return extent->count == 0 ||
	       (extent->least == share_id(store->share, 0) &&
		   extent->most ==
		       share_id(store->share, (uint32_t)extent->count - 1));
}

/* Gives the first id that is not there: those of the part have a gap. */
static int64_t
find_gap(const struct store *store, const struct extent *extent)
{
	uint32_t at = 0;

	while (
	    at < extent->count && store->ids[at] == share_id(store->share, at))
		at++;
	return share_id(store->share, at);
}

int
store_learn_ids(struct store *store, uint32_t count, uint32_t *stored,
    bool gaps_allowed, struct err *err)
{
	struct extent extent = {0};
	int code = read_extent(store->db, &extent);

	if (code != SQLITE_OK)
		return db_fail(err, store->db, code, store_name(store));
	if (extent.count > UINT32_MAX || extent.least < 1 ||
	    extent.most > ID_MOST)
		return err_set(err, ERR_INPUT,
		    "%s: ids from %" PRId64 " to %" PRId64
		    " are none of a list of prompts",
		    store_name(store), extent.least, extent.most);
	*stored = (uint32_t)extent.count;
	if (are_regular(store, &extent))
		return 0;
	if (count < *stored)
		count = *stored;
	store->ids = calloc(count, sizeof *store->ids);
	if (store->ids == NULL)
		return err_set_memory(err, "ids");
	code = fill_ids(store, &extent, count);
	if (code != SQLITE_OK)
		return db_fail(err, store->db, code, store_name(store));
	if (!gaps_allowed)
		return err_set(err, ERR_INPUT,
		    "%s: corrupt (no prompt with id %" PRId64 ")",
		    store_name(store), find_gap(store, &extent));
	return 0;
}
