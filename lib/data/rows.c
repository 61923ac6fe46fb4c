/* SPDX-License-Identifier: ISC */
/*
 * One prompt with its answer, from the database, or from the queue while the
 * database does not have it yet. Everything is copied, so that no statement
 * stays open and holds up a checkpoint.
 */
#include <string.h>

#include <sqlite3.h>

#include "base/err.h"
#include "base/must.h"
#include "data/store_inner.h"

#define SPAN_COUNT 8

/* The spans of a row that the database fills. */
static void
row_spans(struct store_row *row, struct span *spans[SPAN_COUNT])
{
	spans[0] = &row->result;
	spans[1] = &row->outcome;
	spans[2] = &row->error;
	spans[3] = &row->model;
	spans[4] = &row->finish_reason;
	spans[5] = &row->reasoning;
	spans[6] = &row->request_id;
	spans[7] = &row->raw;
}

/* Move what the spans point to into the store's own buffer. */
static int
keep_spans(struct store *store, struct store_row *row)
{
	struct span *spans[SPAN_COUNT];
	size_t size = 0;

	row_spans(row, spans);
	for (size_t i = 0; i < SPAN_COUNT; i++)
		size += spans[i]->size + 1;
	buf_clear(&store->columns);
	if (buf_reserve(&store->columns, size) == NULL)
		return -1;
	for (size_t i = 0; i < SPAN_COUNT; i++) {
		const char *at = store->columns.data + store->columns.size;

		if (spans[i]->data == NULL)
			continue;
		buf_add(&store->columns, spans[i]->data, spans[i]->size);
		buf_add_byte(&store->columns, '\0');
		spans[i]->data = at;
	}
	return 0;
}

static int64_t
column_known(struct sqlite3_stmt *stmt, int column)
{
	return sqlite3_column_type(stmt, column) == SQLITE_NULL
		   ? -1
		   : sqlite3_column_int64(stmt, column);
}

void
row_init(struct store_row *row, uint32_t index)
{
	*row = (struct store_row){.index = index,
	    .id = (int64_t)index + 1,
	    .duration_ms = -1,
	    .input_tokens = -1,
	    .output_tokens = -1};
}

void
row_read_attempt(struct sqlite3_stmt *stmt, struct store_row *row)
{
	row->outcome = db_column(stmt, 0);
	row->error = db_column(stmt, 1);
	row->model = db_column(stmt, 2);
	row->finish_reason = db_column(stmt, 3);
	row->reasoning = db_column(stmt, 4);
	row->duration_ms = column_known(stmt, 5);
	row->input_tokens = column_known(stmt, 6);
	row->output_tokens = column_known(stmt, 7);
	row->attempts = (uint32_t)sqlite3_column_int64(stmt, 8);
	row->http_status = sqlite3_column_int(stmt, 9);
	row->request_id = db_column(stmt, 10);
	row->raw = db_column(stmt, 11);
}

/* The same rule as when the states are loaded, and as view llm_status. */
static enum store_state
state_of(const struct store *store, const struct store_row *row)
{
	enum outcome outcome;

	if (row->result.data == NULL)
		return STORE_OPEN;
	if (row->outcome.data != NULL &&
	    outcome_by_name(row->outcome.data, &outcome) &&
	    outcome_trait(outcome)->answers)
		return STORE_ANSWERED;
	if (store_looks_failed(row->result))
		return STORE_FAILED;
	if (store->is_seed && store_looks_blank(row->result))
		return STORE_OPEN;
	return STORE_ANSWERED;
}

static int
read_database(struct store *store, struct store_row *row, struct err *err)
{
	struct sqlite3_stmt *result = store->stmts[STMT_READ_RESULT];
	struct sqlite3_stmt *attempt = store->stmts[STMT_READ_ATTEMPT];
	int code;
	int done = 0;

	if (store->db == NULL)
		return err_set(err, ERR_BUSY, "%s", store->trouble);
	db_bind_number(result, ":id", row->id);
	db_bind_number(attempt, ":id", row->id);
	code = sqlite3_step(result);
	if (code == SQLITE_ROW) {
		row->result = db_column(result, 0);
		code = sqlite3_step(attempt);
		if (code == SQLITE_ROW)
			row_read_attempt(attempt, row);
	}
	if (code != SQLITE_ROW && code != SQLITE_DONE)
		done = db_fail(err, store->db, code, store_name(store));
	else if (keep_spans(store, row) == -1)
		done = err_set_memory(err, "a row");
	sqlite3_reset(attempt);
	sqlite3_reset(result);
	return done;
}

/* Put what the queue knows over what the database said. */
static int
read_note(struct store *store, const struct note *queued, struct store_row *row,
    struct err *err)
{
	const struct note *note = store_whole_note(store, queued);
	const struct reply *reply;

	if (note == NULL)
		return err_set_errno(
		    err, "cannot read %s", spill_path(store->spill));
	reply = &note->reply;

	row->state = note->fact.state;
	row->result = note_result(note, &store->result);
	row->outcome = span_of(outcome_trait(reply->outcome)->name);
	row->error = reply->error;
	row->model = reply->model;
	row->finish_reason = reply->finish_reason;
	row->reasoning = reply->reasoning;
	row->duration_ms = reply->duration_ms;
	row->input_tokens = reply->input_tokens;
	row->output_tokens = reply->output_tokens;
	row->http_status = reply->http_status;
	row->request_id = reply->request_id;
	row->raw = reply->raw;
	row->attempts += note_queue_attempts(&store->queue, row->index);
	return 0;
}

int
store_read_row(
    struct store *store, uint32_t index, struct store_row *row, struct err *err)
{
	const struct note *note = note_queue_find(&store->queue, index);
	struct record record;
	int done;

	MUST(index < store->count && store->prompts != NULL);
	record = prompts_at(store->prompts, index);
	row_init(row, index);
	row->id = store_id(store, index);
	done = read_database(store, row, note == NULL ? err : NULL);
	if (done == -1 && note == NULL)
		return -1;
	row->state = state_of(store, row);
	if (note != NULL && read_note(store, note, row, err) == -1)
		return -1;
	row->prompt = record.text;
	row->custom_id = record.custom_id;
	row->fields = record.fields;
	return 0;
}
