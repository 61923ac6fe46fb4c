/* SPDX-License-Identifier: ISC */
/*
 * List and database become one: what is there is compared (at a glance when
 * the last run had the same plan, else row by row), what is new is inserted,
 * and the states are read. One transaction; a refusal changes nothing.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/text.h"
#include "data/look.h"
#include "data/peek.h"
#include "data/pin.h"
#include "data/sql.h"
#include "data/store_inner.h"

#define SHOWN_MAX_BYTES 40 /* of a prompt in a message */
#define FAILED_TEXT "Error: Failed after "

bool
store_looks_failed(struct span result)
{
	size_t size = strlen(FAILED_TEXT);

	return result.size >= size &&
	       memcmp(result.data, FAILED_TEXT, size) == 0;
}

bool
store_looks_blank(struct span result)
{
	return result.size == 0 || span_equals(result, span_of("NA"));
}

static int
fail(struct store *store, int code, struct err *err)
{
	return db_fail(err, store->db, code, store_name(store));
}

static int
say_differs(
    const struct store *store, int64_t id, struct span prompt, struct err *err)
{
	struct buf shown;

	buf_init(&shown, 16 * SHOWN_MAX_BYTES);
	text_escape(&shown, prompt, SHOWN_MAX_BYTES);
	err_set(err, ERR_USAGE,
	    "prompt %" PRId64 " differs from the one in %s (%s); give "
	    "another --db",
	    id, store_name(store), buf_span(&shown).data);
	buf_free(&shown);
	return -1;
}

/* Compare the row at hand with the list. */
static int
compare_row(const struct store *store, struct sqlite3_stmt *stmt,
    const struct record *record, struct err *err)
{
	int64_t id = sqlite3_column_int64(stmt, 0);
	struct span prompt = db_column(stmt, 1);
	struct span body = db_column(stmt, 2);

	if (!span_equals(prompt, record->text))
		return say_differs(store, id, prompt, err);
	/* The seed kept nothing but the prompt. */
	if (!store->is_seed && !span_equals(body, record->body))
		return say_differs(store, id, prompt, err);
	return 0;
}

/* Do the stored prompts begin the list? */
static int
compare_prompts(struct store *store, const struct plan *plan, uint32_t stored,
    struct err *err)
{
	uint32_t count = prompts_count(plan->prompts);
	struct sqlite3_stmt *stmt;
	int code = db_prepare(store->db, SQL_PROMPTS, &stmt);
	int done = 0;

	for (uint32_t i = 0; code == SQLITE_OK && done == 0; i++) {
		struct record record;

		code = sqlite3_step(stmt);
		if (code != SQLITE_ROW || i == count)
			break;
		code = SQLITE_OK;
		record = prompts_at(plan->prompts, i);
		done = compare_row(store, stmt, &record, err);
	}
	sqlite3_finalize(stmt);
	if (done == -1)
		return -1;
	if (code != SQLITE_DONE && code != SQLITE_ROW)
		return fail(store, code, err);
	if (stored > count)
		return err_set(err, ERR_USAGE,
		    "%s holds %" PRIu32 " prompts, this list only %" PRIu32
		    "; give another --db",
		    store_name(store), stored, count);
	return 0;
}

/* Compare the settings that the last run had. */
static int
compare_settings(const struct plan *plan, struct span settings, struct err *err)
{
	struct json *root = json_parse(settings, NULL);
	struct json *old = json_get(root, "plan");
	int done = 0;

	if (old != NULL)
		done = plan_compare(plan, json_text(old), err);
	json_free(root);
	return done;
}

/*
 * Is what is stored the beginning of this plan?
 * The digest of the last run answers for all prompts at once.
 */
static int
compare_plan(struct store *store, const struct plan *plan, uint32_t stored,
    struct err *err)
{
	struct sqlite3_stmt *stmt;
	int code = db_prepare(store->db, SQL_LAST_PLAN, &stmt);
	int done = 0;

	if (code != SQLITE_OK)
		return fail(store, code, err);
	code = sqlite3_step(stmt);
	if (code != SQLITE_ROW && code != SQLITE_DONE)
		done = fail(store, code, err);
	else if (code == SQLITE_DONE ||
		 stored != prompts_count(plan->prompts) ||
		 !span_equals(db_column(stmt, 0), span_of(store->plan)))
		done = compare_prompts(store, plan, stored, err);
	if (done == 0 && code == SQLITE_ROW && !store->resumes)
		done = compare_settings(plan, db_column(stmt, 1), err);
	sqlite3_finalize(stmt);
	return done;
}

static int
insert_record(const struct plan *plan, uint32_t index, int64_t id,
    struct sqlite3_stmt *prompt, struct sqlite3_stmt *input)
{
	struct record record = prompts_at(plan->prompts, index);
	int code;

	db_bind_number(prompt, ":id", id);
	db_bind(prompt, ":prompt", record.text);
	code = db_finish(prompt);
	if (code != SQLITE_OK ||
	    (record.custom_id.data == NULL && record.fields.data == NULL &&
		record.body.data == NULL && record.line == 0))
		return code;
	db_bind_number(input, ":id", id);
	db_bind(input, ":custom_id", record.custom_id);
	db_bind(input, ":file",
	    span_of(prompts_input_name(plan->prompts, record.file)));
	db_bind_known(input, ":line", (int64_t)record.line, 0);
	db_bind(input, ":fields", record.fields);
	db_bind(input, ":body", record.body);
	return db_finish(input);
}

/* Insert all prompts from first on. */
static int
insert_new(struct store *store, const struct plan *plan, uint32_t first,
    struct err *err)
{
	uint32_t count = prompts_count(plan->prompts);
	struct sqlite3_stmt *now = NULL;
	struct sqlite3_stmt *prompt = NULL;
	struct sqlite3_stmt *input = NULL;
	int code = db_prepare(store->db, SQL_NOW, &now);

	if (code == SQLITE_OK)
		code = db_prepare(store->db, SQL_INSERT_PROMPT, &prompt);
	if (code == SQLITE_OK)
		code = db_prepare(store->db, SQL_INSERT_INPUT, &input);
	if (code == SQLITE_OK && sqlite3_step(now) == SQLITE_ROW)
		db_bind(prompt, ":created_at", db_column(now, 0));
	for (uint32_t i = first; code == SQLITE_OK && i < count; i++)
		code =
		    insert_record(plan, i, store_id(store, i), prompt, input);
	sqlite3_finalize(input);
	sqlite3_finalize(prompt);
	sqlite3_finalize(now);
	return code == SQLITE_OK ? 0 : fail(store, code, err);
}

/* Turn a look at the result into a state. */
static int
find_state(struct store *store, uint32_t index, enum look look, uint8_t *state)
{
	struct look_fact fact;
	int code = look_settle(store->stmts[STMT_LAST_OUTCOME],
	    store_id(store, index), look, store->is_seed, &fact);

	*state = (uint8_t)fact.state;
	return code;
}

/* Fill states with what all results say: most look like an answer. */
static int
read_states(struct store *store, uint8_t *states, struct err *err)
{
	struct sqlite3_stmt *stmt;
	int code = db_prepare(store->db, SQL_LOOKS, &stmt);

	memset(states, STORE_ANSWERED, store->count);
	while (code == SQLITE_OK && (code = sqlite3_step(stmt)) == SQLITE_ROW) {
		int64_t id = sqlite3_column_int64(stmt, 0);
		uint32_t index;

		code = SQLITE_CORRUPT;
		if (store_index(store, id, &index))
			code = find_state(store, index,
			    (enum look)sqlite3_column_int(stmt, 1),
			    &states[index]);
	}
	sqlite3_finalize(stmt);
	return code == SQLITE_DONE ? 0 : fail(store, code, err);
}

/* Is it this part of this list? */
static int
check_pin(struct store *store, const struct plan *plan, struct err *err)
{
	struct pin pin;
	int code = pin_read(&pin, store->db);

	if (code != SQLITE_OK)
		return fail(store, code, err);
	return pin_check(
	    &pin, plan->prompts, store->extends, store_name(store), err);
}

/* All of the loading that is one transaction. */
static int
load_all(struct store *store, const struct plan *plan, uint8_t *states,
    struct store_counts *counts, struct err *err)
{
	uint32_t count = prompts_count(plan->prompts);
	uint32_t stored = 0;
	int code = schema_make(store->db, store->kind);

	if (code == SQLITE_OK)
		code = store_prepare(store);
	if (code != SQLITE_OK)
		return fail(store, code, err);
	store->share = prompts_share(plan->prompts);
	if (check_pin(store, plan, err) == -1 ||
	    store_learn_ids(store, count, &stored,
		store->is_seed || store->resumes, err) == -1 ||
	    (stored > 0 && compare_plan(store, plan, stored, err) == -1))
		return -1;
	counts->is_new = stored == 0;
	counts->added = count - stored;
	if (!store_is_private(store) &&
	    insert_new(store, plan, stored, err) == -1)
		return -1;
	store->prompts = plan->prompts;
	plan_settings_digest(plan, store->settings);
	store->count = count;
	if (!store_is_private(store))
		return read_states(store, states, err);
	memset(states, STORE_OPEN, count);
	return 0;
}

static void
count_states(const uint8_t *states, uint32_t count, struct store_counts *counts)
{
	for (uint32_t i = 0; i < count; i++) {
		counts->answered += states[i] == STORE_ANSWERED;
		counts->failed += states[i] == STORE_FAILED;
		counts->open += states[i] == STORE_OPEN;
	}
}

/* What is open is known: whatever happens to the database from now on is
 * trouble to be lived with. */
static void
begin_writing(struct store *store)
{
	int code;

	if (store->db == NULL)
		return;
	/* Only now: a bulk insert is written once without WAL. */
	code = db_enter_journal(store->db, store->mode);
	db_set_patience(store->db, NULL);
	if (code != SQLITE_OK)
		store_take_trouble(store, code, clock_now_ns());
}

int
store_load(struct store *store, const struct plan *plan, uint8_t *states,
    struct store_counts *counts, struct err *err)
{
	int code;
	int done;

	*counts = (struct store_counts){0};
	plan_digest(plan, store->plan);
	db_set_patience(store->db, &store->patience);
	code = db_run(store->db, "BEGIN IMMEDIATE");
	if (code != SQLITE_OK)
		return fail(store, code, err);
	done = load_all(store, plan, states, counts, err);
	if (done == 0) {
		code = db_run(store->db, "COMMIT");
		done = code == SQLITE_OK ? 0 : fail(store, code, err);
	}
	if (!sqlite3_get_autocommit(store->db))
		(void)db_run(store->db, "ROLLBACK");
	store->is_loaded = done == 0;
	if (done == 0)
		db_settle(store->db);
	if (done == 0)
		done = store_take_in(store, states, counts, err);
	if (done == 0)
		begin_writing(store);
	count_states(states, store->count, counts);
	return done;
}

/* Compare and read what load_all would; nothing is made or inserted. */
static int
preview(struct store *store, const struct plan *plan, uint8_t *states,
    struct store_counts *counts, struct err *err)
{
	uint32_t count = prompts_count(plan->prompts);
	bool is_ours = store->kind == SCHEMA_OURS;
	uint32_t stored = 0;
	int code;

	/* In a seed's database what is asked of ours is empty. */
	code = is_ours ? db_prepare(store->db, SQL_LAST_OUTCOME,
			     &store->stmts[STMT_LAST_OUTCOME])
		       : db_run(store->db, SQL_EMPTY_INPUTS);
	if (code != SQLITE_OK)
		return fail(store, code, err);
	store->share = prompts_share(plan->prompts);
	if ((is_ours && check_pin(store, plan, err) == -1) ||
	    store_learn_ids(store, count, &stored,
		store->is_seed || store->resumes, err) == -1)
		return -1;
	if (stored > 0 &&
	    (is_ours ? compare_plan(store, plan, stored, err)
		     : compare_prompts(store, plan, stored, err)) == -1)
		return -1;
	store->count = count;
	if (read_states(store, states, err) == -1)
		return -1;
	memset(states + stored, STORE_OPEN, count - stored);
	counts->is_new = stored == 0;
	counts->added = count - stored;
	count_states(states, count, counts);
	return 0;
}

int
store_preview(const struct store_conf *conf, const struct plan *plan,
    const struct redo *redo, uint8_t *states, struct store_counts *counts,
    struct err *err)
{
	struct store store = {
	    .lock.fd = -1,
	    .resumes = conf->resumes,
	    .extends = conf->extends,
	    .share = SHARE_WHOLE,
	};
	const char *path = conf->path;
	struct peek peek;
	struct stat st;
	int done;

	*counts = (struct store_counts){0};
	if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode))
		return err_set(err, ERR_INPUT,
		    "%s: a symbolic link, not a database", path);
	if (access(path, W_OK) == -1) {
		int number = errno;

		return err_set(err, ERR_INPUT, "cannot %s %s: %s",
		    access(path, R_OK) == 0 ? "write" : "read", path,
		    strerror(number));
	}
	if (peek_open(&peek, path, err) == -1)
		return -1;
	store.shown = (char *)path; /* only read */
	store.db = peek.db;
	store.kind = peek.kind;
	store.is_seed = peek.is_seed;
	plan_digest(plan, store.plan);
	if (peek.is_running)
		done = err_set(err, ERR_BUSY,
		    "%s: another llmill works on it (pid %" PRId64 " on %s)",
		    path, peek.holder.pid, peek.holder.host);
	else
		done = preview(&store, plan, states, counts, err);
	if (done == 0)
		done = store_reopen(&store, redo, states, counts, err);
	sqlite3_finalize(store.stmts[STMT_LAST_OUTCOME]);
	free(store.reopened);
	free(store.ids);
	peek_close(&peek);
	return done;
}
