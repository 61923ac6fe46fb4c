/* SPDX-License-Identifier: ISC */
/*
 * Counting what is in a database: one pass over the results, one over the
 * attempts, nothing sorted and nothing kept. Only what failed costs a look at
 * its last attempt.
 */
#include "data/survey.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/text.h"
#include "data/look.h"
#include "data/peek.h"
#include "data/pin.h"
#include "data/spill.h"
#include "data/sql.h"
#include "data/tariff.h"

#define SECOND_MS 1000 /* what a run's row knows its times to */

/* When the last run was at work. */
struct span_of_work {
	int64_t first_ms; /* since 1970 */
	int64_t last_ms;
};

static void
copy_text(char *out, size_t size, struct span text)
{
	snprintf(out, size, "%.*s", (int)(text.size < size ? text.size : size),
	    text.data == NULL ? "" : text.data);
}

/* Keep why the first prompt of a cause failed, without what all begin with. */
static void
keep_example(struct survey_cause *cause, int64_t id, struct span result)
{
	const char *reason = memmem(result.data, result.size, ": ", 2);
	struct buf line;

	if (reason != NULL) /* the one in "Error: Failed" */
		reason = memmem(reason + 2,
		    (size_t)(result.data + result.size - reason - 2), ": ", 2);
	if (reason != NULL)
		result = (struct span){reason + 2,
		    (size_t)(result.data + result.size - reason - 2)};
	cause->id = id;
	buf_init(&line, SURVEY_EXAMPLE_BYTES);
	text_one_line(&line, result, SURVEY_EXAMPLE_BYTES - 8);
	copy_text(cause->reason, sizeof cause->reason, buf_span(&line));
	buf_free(&line);
}

static void
count_prompt(struct survey *survey, int64_t id, const struct look_fact *fact,
    struct span result)
{
	unsigned outcome = fact->outcome;
	struct survey_cause *cause;

	survey->total++;
	survey->answered += fact->state == STORE_ANSWERED;
	survey->open += fact->state == STORE_OPEN;
	if (fact->state != STORE_FAILED)
		return;
	survey->failed++;
	cause = &survey->causes[outcome];
	if (cause->count++ == 0)
		keep_example(cause, id, result);
	if (survey->last.id != 0 && fact->run_id == survey->last.id)
		survey->last.done++;
}

static int
read_results(const struct peek *peek, struct survey *survey)
{
	struct sqlite3_stmt *stmt;
	struct sqlite3_stmt *last = NULL;
	int code = db_prepare(peek->db, SQL_SURVEY_RESULTS, &stmt);

	if (code == SQLITE_OK && peek->kind == SCHEMA_OURS)
		code = db_prepare(peek->db, SQL_LAST_OUTCOME, &last);
	while (code == SQLITE_OK && (code = sqlite3_step(stmt)) == SQLITE_ROW) {
		int64_t id = sqlite3_column_int64(stmt, 0);
		struct look_fact fact;

		code = look_settle(last, id,
		    (enum look)sqlite3_column_int(stmt, 1), peek->is_seed,
		    &fact);
		if (code == SQLITE_OK)
			count_prompt(survey, id, &fact, db_column(stmt, 2));
	}
	sqlite3_finalize(last);
	sqlite3_finalize(stmt);
	return code == SQLITE_DONE ? SQLITE_OK : code;
}

/* Gives a column's number, 0 when it is none or no sensible one. */
static int64_t
positive(struct sqlite3_stmt *stmt, int column)
{
	int64_t number = sqlite3_column_int64(stmt, column);

	return number > 0 ? number : 0;
}

static void
count_attempt(struct survey *survey, struct sqlite3_stmt *stmt,
    struct span_of_work *work, struct tariff *tariff)
{
	const struct tokens tokens = {
	    (uint64_t)positive(stmt, 4), (uint64_t)positive(stmt, 5)};
	const char *name = db_column(stmt, 1).data;
	int64_t started_ms = positive(stmt, 2);
	int64_t duration_ms = positive(stmt, 3);
	enum outcome outcome;
	bool answers = false;

	survey->attempts++;
	if (name != NULL && outcome_by_name(name, &outcome)) {
		answers = outcome_trait(outcome)->answers;
		survey->attempts_by[outcome]++;
	} else {
		survey->attempts_by[SURVEY_UNKNOWN]++;
	}
	survey->input_tokens += tokens.input;
	survey->output_tokens += tokens.output;
	survey->cost = price_add(survey->cost,
	    tariff_cost(tariff, sqlite3_column_int64(stmt, 0), &tokens));
	/* Longer than that is nonsense, and nonsense must not overflow. */
	if (duration_ms > INT64_MAX / CLOCK_MS)
		duration_ms = 0;
	if (answers && sqlite3_column_type(stmt, 3) != SQLITE_NULL)
		hist_add(&survey->latency, duration_ms * CLOCK_MS);
	if (survey->last.id == 0 ||
	    sqlite3_column_int64(stmt, 0) != survey->last.id)
		return;
	survey->last.done += answers;
	if (started_ms == 0)
		return;
	if (work->first_ms == 0 || started_ms < work->first_ms)
		work->first_ms = started_ms;
	if (clock_add(started_ms, duration_ms) > work->last_ms)
		work->last_ms = clock_add(started_ms, duration_ms);
}

static int
read_attempts(
    const struct peek *peek, struct survey *survey, struct span_of_work *work)
{
	struct sqlite3_stmt *stmt = NULL;
	struct tariff tariff;
	int code = tariff_read(&tariff, peek->db);

	survey->has_price = tariff.count > 0;
	if (code == SQLITE_OK)
		code = db_prepare(peek->db, SQL_SURVEY_ATTEMPTS, &stmt);
	while (code == SQLITE_OK && (code = sqlite3_step(stmt)) == SQLITE_ROW) {
		count_attempt(survey, stmt, work, &tariff);
		code = SQLITE_OK;
	}
	sqlite3_finalize(stmt);
	tariff_free(&tariff);
	return code == SQLITE_DONE ? SQLITE_OK : code;
}

/* Read the row of the last run; its times are to the second. */
static int
read_last_run(const struct peek *peek, struct survey_run *run)
{
	struct sqlite3_stmt *stmt;
	int code = db_prepare(peek->db, SQL_SURVEY_LAST_RUN, &stmt);

	if (code != SQLITE_OK)
		return code;
	code = sqlite3_step(stmt);
	run->took_ms = -1;
	if (code == SQLITE_ROW) {
		int64_t seconds = sqlite3_column_int64(stmt, 5) -
				  sqlite3_column_int64(stmt, 4);

		run->id = sqlite3_column_int64(stmt, 0);
		copy_text(run->status, sizeof run->status, db_column(stmt, 1));
		copy_text(run->started_at, sizeof run->started_at,
		    db_column(stmt, 2));
		copy_text(
		    run->ended_at, sizeof run->ended_at, db_column(stmt, 3));
		if (*run->ended_at != '\0' && seconds >= 0)
			run->took_ms = seconds * 1000;
		copy_text(
		    run->version, sizeof run->version, db_column(stmt, 6));
		copy_text(run->host, sizeof run->host, db_column(stmt, 7));
		run->pid = sqlite3_column_int64(stmt, 8);
		code = SQLITE_DONE;
	}
	sqlite3_finalize(stmt);
	return code == SQLITE_DONE ? SQLITE_OK : code;
}

/* The run's row knows its times to the second, the attempts theirs to the
 * millisecond, and know them of a run that never came to say its end, too. */
static void
settle_last_run(struct survey *survey, const struct span_of_work *work)
{
	struct survey_run *run = &survey->last;
	bool goes_on = strcmp(run->status, "running") == 0;
	int64_t end_ms = work->last_ms;

	survey->is_lost = goes_on && !survey->is_running;
	if (goes_on && survey->is_running)
		end_ms = clock_wall_ms();
	if (work->first_ms > 0 && end_ms >= work->first_ms) {
		int64_t worked_ms = end_ms - work->first_ms;

		/* A run that said its end may have waited at both ends. */
		if (run->took_ms < worked_ms + SECOND_MS)
			run->took_ms = worked_ms;
	}
}

int
survey_read(struct survey *survey, const char *path, struct err *err)
{
	struct span_of_work work = {0};
	struct pin pin = {.share = SHARE_WHOLE};
	int64_t runs = 0;
	struct peek peek;
	int code = SQLITE_OK;

	memset(survey, 0, sizeof *survey);
	if (peek_open(&peek, path, err) == -1)
		return -1;
	survey->name = path;
	survey->is_seed = peek.kind == SCHEMA_SEED;
	survey->is_running = peek.is_running;
	survey->holder = peek.holder;
	survey->spill = spill_find(peek.path);
	if (!survey->is_seed) {
		code = read_last_run(&peek, &survey->last);
		if (code == SQLITE_OK)
			code = pin_read(&pin, peek.db);
		if (code == SQLITE_OK)
			code = db_number(peek.db, SQL_SURVEY_RUNS, &runs);
		if (code == SQLITE_OK)
			code = read_attempts(&peek, survey, &work);
	}
	if (code == SQLITE_OK)
		code = read_results(&peek, survey);
	share_put(pin.share, survey->shard);
	survey->runs = (uint64_t)runs;
	survey->cut_short = survey->attempts_by[OUTCOME_LENGTH];
	settle_last_run(survey, &work);
	if (code != SQLITE_OK)
		peek_fail(&peek, code, err);
	peek_close(&peek);
	return code == SQLITE_OK ? 0 : -1;
}

void
survey_free(struct survey *survey)
{
	free(survey->spill);
	survey->spill = NULL;
}
