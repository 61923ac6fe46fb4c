/* SPDX-License-Identifier: ISC */
/*
 * Two passes: when did each run begin and end; then each attempt goes into the
 * bins that it touches.
 */
#include "data/chronicle.h"

#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "data/peek.h"
#include "data/sql.h"

#define LONGEST_MS (INT64_C(100) * 366 * 86400000) /* more is nonsense */

/* When one run was at work, and where that lies in working time. */
struct stretch {
	int64_t run_id;
	int64_t first_ms;
	int64_t offset_ms;
	int64_t jobs_max; /* of a worker; 0: any */
};

/* What is known of a worker so far. */
struct lane {
	int64_t run_id; /* 0: nobody */
	int64_t jobs;
};

struct reader {
	struct chronicle *chronicle;
	struct stretch *stretches; /* by run_id */
	size_t count;
	size_t last; /* found last */
	struct lane lanes[CHRONICLE_LANES];
};

static int
add_stretch(struct reader *reader, struct sqlite3_stmt *stmt, int64_t *total_ms)
{
	struct json *settings = json_parse(db_column(stmt, 3), NULL);
	struct stretch one = {
	    .run_id = sqlite3_column_int64(stmt, 0),
	    .first_ms = sqlite3_column_int64(stmt, 1),
	    .offset_ms = *total_ms,
	    .jobs_max = json_integer(json_get(settings, "worker_jobs"), 0),
	};
	int64_t last_ms = sqlite3_column_int64(stmt, 2);
	struct stretch *more =
	    reallocarray(reader->stretches, reader->count + 1, sizeof *more);

	json_free(settings);
	if (more == NULL)
		return SQLITE_NOMEM;
	reader->stretches = more;
	reader->stretches[reader->count++] = one;
	if (last_ms > one.first_ms && last_ms - one.first_ms < LONGEST_MS)
		*total_ms = clock_add(*total_ms, last_ms - one.first_ms);
	return SQLITE_OK;
}

static int
read_stretches(struct reader *reader, struct sqlite3 *db, int64_t *total_ms)
{
	struct sqlite3_stmt *stmt;
	int code = db_prepare(db, SQL_CHRONICLE_RUNS, &stmt);

	while (code == SQLITE_OK && (code = sqlite3_step(stmt)) == SQLITE_ROW)
		code = add_stretch(reader, stmt, total_ms);
	sqlite3_finalize(stmt);
	return code == SQLITE_DONE ? SQLITE_OK : code;
}

static int
compare(const void *key, const void *stretch)
{
	int64_t a = *(const int64_t *)key;
	int64_t b = ((const struct stretch *)stretch)->run_id;

	return a < b ? -1 : a > b;
}

static const struct stretch *
find_stretch(struct reader *reader, int64_t run_id)
{
	const struct stretch *found = &reader->stretches[reader->last];

	if (reader->count == 0)
		return NULL;
	if (found->run_id != run_id)
		found = bsearch(&run_id, reader->stretches, reader->count,
		    sizeof *found, compare);
	if (found != NULL)
		reader->last = (size_t)(found - reader->stretches);
	return found;
}

static int
make_bins(struct chronicle *chronicle, int64_t total_ms)
{
	chronicle->bin_ms = total_ms / CHRONICLE_BINS + 1;
	if (chronicle->bin_ms < CHRONICLE_BIN_MS_LEAST)
		chronicle->bin_ms = CHRONICLE_BIN_MS_LEAST;
	chronicle->bin_count = (unsigned)(total_ms / chronicle->bin_ms) + 1;
	chronicle->bins = calloc(chronicle->bin_count, sizeof *chronicle->bins);
	return chronicle->bins != NULL ? SQLITE_OK : SQLITE_NOMEM;
}

static unsigned
bin_at(const struct chronicle *chronicle, int64_t at_ms)
{
	int64_t bin = at_ms / chronicle->bin_ms;

	if (bin < 0)
		return 0;
	return bin < chronicle->bin_count ? (unsigned)bin
					  : chronicle->bin_count - 1;
}

/* A call's time, bin by bin. */
static void
spread(
    struct chronicle *chronicle, int64_t from_ms, int64_t to_ms, int64_t worker)
{
	unsigned last = bin_at(chronicle, to_ms);

	for (unsigned i = bin_at(chronicle, from_ms); i <= last; i++) {
		struct chronicle_bin *bin = &chronicle->bins[i];
		int64_t begin_ms = i * chronicle->bin_ms;
		int64_t end_ms = begin_ms + chronicle->bin_ms;
		int64_t part_ms = (to_ms < end_ms ? to_ms : end_ms) -
				  (from_ms > begin_ms ? from_ms : begin_ms);

		if (part_ms <= 0)
			continue;
		bin->busy_ms += (double)part_ms;
		if (worker >= 0 && worker < CHRONICLE_LANES)
			bin->lane_ms[worker] += (float)part_ms;
	}
}

static void
add_event(struct chronicle *chronicle, int64_t worker, int64_t at_ms,
    enum chronicle_kind kind)
{
	if (chronicle->event_count < CHRONICLE_EVENTS)
		chronicle->events[chronicle->event_count++] =
		    (struct chronicle_event){(uint32_t)worker, kind, at_ms};
}

/* Its births are written nowhere, but its calls and its obituary are. */
static void
follow_worker(struct reader *reader, const struct stretch *stretch,
    int64_t worker, int64_t from_ms, int64_t to_ms, struct span error)
{
	struct lane *lane;

	if (worker < 0)
		return;
	if (worker < UINT32_MAX && worker + 1 > reader->chronicle->workers)
		reader->chronicle->workers = (uint32_t)worker + 1;
	if (worker >= CHRONICLE_LANES)
		return;
	lane = &reader->lanes[worker];
	if (lane->run_id != stretch->run_id) {
		add_event(reader->chronicle, worker, from_ms, CHRONICLE_START);
		*lane = (struct lane){.run_id = stretch->run_id};
	}
	lane->jobs++;
	if (error.data != NULL &&
	    (strncmp(error.data, "worker died", 11) == 0 ||
		strstr(error.data, "worker killed") != NULL ||
		strncmp(error.data, "worker broke", 12) == 0)) {
		add_event(reader->chronicle, worker, to_ms, CHRONICLE_DEATH);
		lane->run_id = 0;
	} else if (stretch->jobs_max > 0 && lane->jobs >= stretch->jobs_max) {
		add_event(reader->chronicle, worker, to_ms, CHRONICLE_REPLACED);
		lane->run_id = 0;
	}
}

static int64_t
known(struct sqlite3_stmt *stmt, int column)
{
	int64_t number = sqlite3_column_int64(stmt, column);

	return number > 0 ? number : 0;
}

/* Columns as SQL_CHRONICLE_ATTEMPTS has them. */
static void
take_attempt(struct reader *reader, struct sqlite3_stmt *stmt)
{
	struct chronicle *chronicle = reader->chronicle;
	const struct stretch *stretch =
	    find_stretch(reader, sqlite3_column_int64(stmt, 0));
	const char *name = db_column(stmt, 2).data;
	int64_t took_ms = known(stmt, 4);
	struct chronicle_bin *bin;
	enum outcome outcome;
	int64_t from_ms;

	if (stretch == NULL || name == NULL || took_ms > LONGEST_MS ||
	    !outcome_by_name(name, &outcome))
		return;
	from_ms = known(stmt, 3) - stretch->first_ms + stretch->offset_ms;
	spread(chronicle, from_ms, from_ms + took_ms,
	    sqlite3_column_int64(stmt, 1));
	bin = &chronicle->bins[bin_at(chronicle, from_ms + took_ms)];
	bin->ended[outcome]++;
	bin->input_tokens += (uint64_t)known(stmt, 5);
	bin->output_tokens += (uint64_t)known(stmt, 6);
	if (outcome_trait(outcome)->answers) {
		hist_add(&bin->latency, took_ms * CLOCK_MS);
		hist_add(&chronicle->latency, took_ms * CLOCK_MS);
	}
	follow_worker(reader, stretch, sqlite3_column_int64(stmt, 1), from_ms,
	    from_ms + took_ms, db_column(stmt, 7));
}

static int
read_attempts(struct reader *reader, struct sqlite3 *db)
{
	struct sqlite3_stmt *stmt;
	int code = db_prepare(db, SQL_CHRONICLE_ATTEMPTS, &stmt);

	while (code == SQLITE_OK && (code = sqlite3_step(stmt)) == SQLITE_ROW) {
		take_attempt(reader, stmt);
		code = SQLITE_OK;
	}
	sqlite3_finalize(stmt);
	return code == SQLITE_DONE ? SQLITE_OK : code;
}

static int
read_tries(struct chronicle *chronicle, struct sqlite3 *db)
{
	struct sqlite3_stmt *stmt;
	int code = db_prepare(db, SQL_CHRONICLE_TRIES, &stmt);

	while (code == SQLITE_OK && (code = sqlite3_step(stmt)) == SQLITE_ROW) {
		int64_t tries = known(stmt, 0);

		if (tries > CHRONICLE_TRIES)
			tries = CHRONICLE_TRIES;
		if (tries > 0)
			chronicle->tries[tries - 1] += (uint64_t)known(stmt, 1);
		code = SQLITE_OK;
	}
	sqlite3_finalize(stmt);
	return code == SQLITE_DONE ? SQLITE_OK : code;
}

int
chronicle_read(
    struct chronicle *chronicle, const struct peek *peek, struct err *err)
{
	struct reader reader = {.chronicle = chronicle};
	int64_t total_ms = 0;
	int code;

	memset(chronicle, 0, sizeof *chronicle);
	if (peek->kind == SCHEMA_SEED)
		return 0;
	code = read_stretches(&reader, peek->db, &total_ms);
	if (code == SQLITE_OK)
		code = make_bins(chronicle, total_ms);
	if (code == SQLITE_OK)
		code = read_attempts(&reader, peek->db);
	if (code == SQLITE_OK)
		code = read_tries(chronicle, peek->db);
	free(reader.stretches);
	return code == SQLITE_OK ? 0 : peek_fail(peek, code, err);
}

void
chronicle_free(struct chronicle *chronicle)
{
	free(chronicle->bins);
	chronicle->bins = NULL;
}
