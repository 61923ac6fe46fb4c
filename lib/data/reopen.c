/* SPDX-License-Identifier: ISC */
/*
 * Prompts that are through are opened again, in memory alone: in the database
 * the old text stays until a new answer takes its place.
 */
#include <inttypes.h>
#include <stdlib.h>

#include <sqlite3.h>

#include "base/err.h"
#include "data/redo.h"
#include "data/sql.h"
#include "data/store_inner.h"

static void
open_again(struct store *store, uint8_t *states, uint32_t index,
    struct store_counts *counts)
{
	switch (states[index]) {
	case STORE_ANSWERED:
		counts->answered--;
		break;
	case STORE_FAILED:
		counts->failed--;
		break;
	default:
		return; /* it is open */
	}
	store->reopened[index] = 1;
	states[index] = STORE_OPEN;
	counts->open++;
	counts->reopened++;
}

/* Open those whose ids a statement gives. */
static int
open_found(struct store *store, const char *sql, uint8_t *states,
    struct store_counts *counts)
{
	struct sqlite3_stmt *stmt;
	int code = db_prepare(store->db, sql, &stmt);

	while (code == SQLITE_OK && (code = sqlite3_step(stmt)) == SQLITE_ROW) {
		uint32_t index;

		code = SQLITE_OK;
		if (store_index(store, sqlite3_column_int64(stmt, 0), &index) &&
		    states[index] == STORE_ANSWERED)
			open_again(store, states, index, counts);
	}
	sqlite3_finalize(stmt);
	return code == SQLITE_DONE ? SQLITE_OK : code;
}

static int
open_range(struct store *store, const struct redo_range *range, uint8_t *states,
    struct store_counts *counts, struct err *err)
{
	int64_t most = store_id(store, store->count - 1);
	uint32_t index;
	bool found = store_index(store, range->first, &index);

	for (; index < store->count && store_id(store, index) <= range->last;
	     index++) {
		open_again(store, states, index, counts);
		found = true;
	}
	if (found && range->last <= most)
		return 0;
	return err_set(err, ERR_USAGE,
	    "--redo: there is no prompt %" PRId64 " in %s",
	    found ? range->last : range->first, store_name(store));
}

/* Open those whose answers are of a kind. */
static int
open_kinds(struct store *store, const struct redo *redo, uint8_t *states,
    struct store_counts *counts)
{
	int code = SQLITE_OK;

	if (redo->failed)
		for (uint32_t i = 0; i < store->count; i++)
			if (states[i] == STORE_FAILED)
				open_again(store, states, i, counts);
	if (redo->empty)
		code = open_found(store, SQL_FIND_EMPTY, states, counts);
	if (redo->na && code == SQLITE_OK)
		code = open_found(store, SQL_FIND_NA, states, counts);
	if (redo->length && code == SQLITE_OK)
		code = open_found(store, SQL_FIND_LENGTH, states, counts);
	return code;
}

int
store_reopen(struct store *store, const struct redo *redo, uint8_t *states,
    struct store_counts *counts, struct err *err)
{
	int code;

	if (redo_is_none(redo))
		return 0;
	if (store->db == NULL)
		return err_set(err, ERR_BUSY, "%s", store->trouble);
	store->reopened = calloc(store->count, 1);
	if (store->reopened == NULL)
		return err_set_memory(err, "prompts to do again");
	code = open_kinds(store, redo, states, counts);
	if (code != SQLITE_OK)
		return db_fail(err, store->db, code, store_name(store));
	for (size_t i = 0; i < redo->range_count; i++)
		if (open_range(store, &redo->ranges[i], states, counts, err) ==
		    -1)
			return -1;
	return 0;
}

bool
store_has_id(const struct store *store, int64_t id, uint32_t *index)
{
	return store_index(store, id, index);
}

int
store_retry(
    struct store *store, uint32_t index, enum outcome *outcome, struct err *err)
{
	struct store_row row;

	if (store->reopened == NULL)
		store->reopened = calloc(store->count, 1);
	if (store->reopened == NULL)
		return err_set_memory(err, "prompts to do again");
	if (store_read_row(store, index, &row, err) == -1)
		return -1;
	if (row.outcome.data == NULL ||
	    !outcome_by_name(row.outcome.data, outcome))
		*outcome = OUTCOME_CRASH;
	store->reopened[index] = 1;
	return 0;
}
