/* SPDX-License-Identifier: ISC */
/*
 * Spill files that earlier runs left behind: each line that answers a prompt
 * of this list goes into the database, once; then the file goes away.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/err.h"
#include "base/log.h"
#include "data/store_inner.h"

struct intake {
	struct store *store;
	uint8_t *states;
	struct store_counts *counts;
	int code; /* SQLite's, of the line that failed */
};

/* Does the line's end say more than what is known of the prompt? */
static bool
is_better(const struct note *note, enum store_state known)
{
	if (!note_is_end(note))
		return false;
	if (note->fact.state == STORE_ANSWERED)
		return !note->fact.no_attempt || known != STORE_ANSWERED;
	return known == STORE_OPEN;
}

static int
take(void *arg, const struct spill_line *line)
{
	struct intake *intake = arg;
	struct store *store = intake->store;
	struct note *note = line->note;
	uint32_t index;
	char request[PLAN_DIGEST_BYTES];
	struct record record;
	bool is_new = true;

	if (!store_index(store, line->id, &index))
		return 0;
	note->fact.index = index;
	record = prompts_at(store->prompts, index);
	plan_request_digest(store->settings, &record, request);
	if (strcmp(request, line->request) != 0)
		return 0;
	if (!note->fact.no_attempt)
		intake->code = store_write_attempt(store, note, &is_new);
	/* Known already: its result is there, or a newer one. */
	if (intake->code == SQLITE_OK && is_new &&
	    is_better(note, (enum store_state)intake->states[index])) {
		intake->code = store_write_result(store, note);
		intake->states[index] = (uint8_t)note->fact.state;
		intake->counts->spilled += note->fact.state == STORE_ANSWERED;
		store->is_noted = true; /* it holds what nothing else does */
	}
	return intake->code == SQLITE_OK ? 1 : -1;
}

/* Take in the file at one place, in one transaction. */
static int
take_place(struct intake *intake, size_t place, struct err *err)
{
	struct store *store = intake->store;
	const char *path = spill_place(store->spill, place);
	uint64_t left = 0;
	int64_t taken;

	intake->code = db_run(store->db, "BEGIN IMMEDIATE");
	if (intake->code != SQLITE_OK)
		return db_fail(err, store->db, intake->code, store_name(store));
	taken = spill_read(store->spill, place, take, intake, &left, err);
	if (intake->code == SQLITE_OK && taken >= 0)
		intake->code = db_run(store->db, "COMMIT");
	if (intake->code != SQLITE_OK)
		db_fail(err, store->db, intake->code, store_name(store));
	if (!sqlite3_get_autocommit(store->db))
		(void)db_run(store->db, "ROLLBACK");
	if (taken < 0 || intake->code != SQLITE_OK)
		return -1;
	if (left > 0)
		log_say(LOG_WARN,
		    "%s: %" PRIu64 " lines answer other prompts or are "
		    "damaged; left there",
		    path, left);
	else
		(void)unlink(path);
	return 0;
}

int
store_take_in(struct store *store, uint8_t *states, struct store_counts *counts,
    struct err *err)
{
	struct intake intake = {
	    .store = store, .states = states, .counts = counts};

	if (store->spill == NULL || store->mode == DB_TEMPORARY)
		return 0;
	for (size_t i = 0; i < SPILL_PLACE_COUNT; i++) {
		const char *path = spill_place(store->spill, i);

		if (path == NULL || access(path, F_OK) == -1)
			continue;
		if (take_place(&intake, i, err) == -1)
			return -1;
	}
	return 0;
}
