/* SPDX-License-Identifier: ISC */
/*
 * Spill files that earlier runs left behind: each line that answers a prompt
 * of this list goes into the database, once; then the file goes away. Where
 * the database cannot take it the lines go into the queue, as if this run had
 * spilled them: they are known, and the file stays until they are written.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "data/sql.h"
#include "data/store_inner.h"

#define DIGESTS_MOST 64 /* different settings on one database */

struct intake {
	struct store *store;
	uint8_t *states;
	struct store_counts *counts;
	int code; /* SQLite's, of the line that failed */
	bool into_queue;
	/* Under which settings answers to this list's prompts were asked for:
	 * by this run, and by earlier ones on the database. */
	char digests[DIGESTS_MOST][PLAN_DIGEST_BYTES];
	size_t digest_count;
};

static void
add_digest(struct intake *intake, struct span digest)
{
	if (digest.size != PLAN_DIGEST_BYTES - 1 ||
	    intake->digest_count == DIGESTS_MOST)
		return;
	for (size_t i = 0; i < intake->digest_count; i++)
		if (span_equals(digest, span_of(intake->digests[i])))
			return;
	memcpy(
	    intake->digests[intake->digest_count++], digest.data, digest.size);
}

static int
learn_digests(struct intake *intake)
{
	struct sqlite3_stmt *stmt;
	int code = db_prepare(intake->store->db, SQL_ALL_SETTINGS, &stmt);

	add_digest(intake, span_of(intake->store->settings));
	while (code == SQLITE_OK && (code = sqlite3_step(stmt)) == SQLITE_ROW) {
		struct json *root = json_parse(db_column(stmt, 0), NULL);

		code = SQLITE_OK;
		add_digest(intake, json_string(json_get(root, "requests")));
		json_free(root);
	}
	sqlite3_finalize(stmt);
	return code == SQLITE_DONE ? SQLITE_OK : code;
}

/* Does the line's end say more than what is known of the prompt? */
static bool
is_better(const struct note *note, enum store_state known)
{
	if (note->fact.state == STORE_ANSWERED)
		return !note->fact.no_attempt || known != STORE_ANSWERED;
	return known == STORE_OPEN;
}

static bool
is_ours(const struct intake *intake, const struct spill_line *line)
{
	char request[PLAN_DIGEST_BYTES];
	struct record record =
	    prompts_at(intake->store->prompts, line->note->fact.index);

	for (size_t i = 0; i < intake->digest_count; i++) {
		plan_request_digest(intake->digests[i], &record, request);
		if (strcmp(request, line->request) == 0)
			return true;
	}
	return false;
}

/* Put the note (taken) into the queue, its bytes left where they are. */
static void
enqueue(struct intake *intake, struct spill_line *line)
{
	struct note *note = line->note;

	line->note = NULL;
	note->spot = line->spot;
	note_queue_add(&intake->store->queue, note);
	note_queue_spilled(&intake->store->queue, note);
	note_park(note);
}

static int
take(void *arg, struct spill_line *line)
{
	struct intake *intake = arg;
	struct store *store = intake->store;
	struct note *note = line->note;
	uint8_t *state;
	bool is_news;

	if (!store_index(store, line->id, &note->fact.index) ||
	    !is_ours(intake, line))
		return 0;
	state = &intake->states[note->fact.index];
	note->is_old = true;
	if (note_is_end(note) && !is_better(note, (enum store_state) * state))
		note->fact.state = STORE_OPEN; /* no more than an attempt */
	is_news = note_is_end(note);
	if (!intake->into_queue)
		intake->code = store_write_note(store, note, &is_news);
	if (intake->code != SQLITE_OK)
		return -1;
	if (is_news) {
		intake->counts->spilled += note->fact.state == STORE_ANSWERED;
		*state = (uint8_t)note->fact.state;
		store->is_noted = true; /* it holds what nothing else does */
	}
	if (intake->into_queue)
		enqueue(intake, line);
	return 1;
}

/* Take in what is in a file, in one transaction. Gives 0, with *left the lines
 * that nobody wants, or -1 with err (code is SQLITE_OK: the file's fault). */
static int
take_file(struct intake *intake, size_t place, uint64_t *left, struct err *err)
{
	struct store *store = intake->store;
	int64_t taken;

	intake->code = db_run(store->db, "BEGIN IMMEDIATE");
	if (intake->code != SQLITE_OK)
		return -1;
	taken = spill_read(store->spill, place, take, intake, left, err);
	if (intake->code == SQLITE_OK && taken >= 0)
		intake->code = db_run(store->db, "COMMIT");
	if (!sqlite3_get_autocommit(store->db))
		(void)db_run(store->db, "ROLLBACK");
	return taken < 0 || intake->code != SQLITE_OK ? -1 : 0;
}

/* The file belongs to this run now, and waits for the database. */
static int
queue_file(struct intake *intake, size_t place, struct err *err)
{
	struct spill *spill = intake->store->spill;
	uint64_t left = 0;
	int64_t taken;

	intake->into_queue = true;
	intake->code = SQLITE_OK;
	taken = spill_read(spill, place, take, intake, &left, err);
	if (taken <= 0)
		spill_let_go(spill, place);
	else if (left > 0)
		spill_keep(spill, place);
	return taken < 0 ? -1 : 0;
}

/* The file at one place is in the database; nothing else is held. */
static void
finish_file(struct spill *spill, size_t place, uint64_t left)
{
	if (left == 0) {
		spill_clear(spill);
		return;
	}
	log_say(LOG_WARN,
	    "%s: %" PRIu64 " %s other prompts or damaged; left there",
	    spill_place(spill, place), left,
	    left == 1 ? "line is of" : "lines are of");
	spill_let_go(spill, place);
}

static int
take_place(
    struct intake *intake, size_t place, const uint8_t *before, struct err *err)
{
	struct store *store = intake->store;
	uint32_t before_spilled = intake->counts->spilled;
	uint64_t left = 0;

	if (store->mode == DB_TEMPORARY || intake->into_queue)
		return queue_file(intake, place, err);
	if (take_file(intake, place, &left, err) == 0) {
		finish_file(store->spill, place, left);
		return 0;
	}
	if (intake->code == SQLITE_OK)
		return -1; /* the file's fault: err says it */
	memcpy(intake->states, before, store->count);
	intake->counts->spilled = before_spilled;
	store_take_trouble(store, intake->code, clock_now_ns());
	return queue_file(intake, place, err);
}

int
store_take_in(struct store *store, uint8_t *states, struct store_counts *counts,
    struct err *err)
{
	struct intake intake = {
	    .store = store,
	    .states = states,
	    .counts = counts,
	};
	uint8_t *before = NULL;
	int done = 0;
	int code;

	if (store->spill == NULL)
		return 0;
	code = learn_digests(&intake);
	if (code != SQLITE_OK)
		return db_fail(err, store->db, code, store_name(store));
	for (size_t i = 0; i < SPILL_PLACE_COUNT && done == 0; i++) {
		int held = spill_hold(store->spill, i, err);

		if (held != 1) {
			done = held;
			continue;
		}
		if (before == NULL)
			before = malloc(store->count + 1);
		if (before == NULL) {
			done = err_set_memory(err, "spill file");
			break;
		}
		memcpy(before, states, store->count);
		done = take_place(&intake, i, before, err);
	}
	free(before);
	return done;
}
