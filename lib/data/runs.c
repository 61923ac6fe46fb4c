/* SPDX-License-Identifier: ISC */
/*
 * The row of this run in llm_runs: who, where, with what, and how it ended.
 */
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "data/pin.h"
#include "data/sql.h"
#include "data/store_inner.h"

#define SETTINGS_MAX_BYTES ((size_t)512 << 20)

/* Put the plan's settings, and the digest under which requests are known, in
 * front of the run's own. */
static void
put_settings(struct buf *buf, const struct plan *plan, const char *requests,
    const char *settings)
{
	const char *rest = strchr(settings, '{');

	buf_add_byte(buf, '{');
	json_put_text(buf, "requests", span_of(requests));
	json_put_key(buf, "plan");
	plan_put_settings(buf, plan);
	pin_put_list(buf, plan->prompts);
	rest = rest == NULL ? "}" : rest + 1;
	rest += strspn(rest, " \t\r\n");
	if (*rest != '}')
		buf_add_byte(buf, ',');
	buf_add_text(buf, rest);
}

static int
insert_run(
    struct store *store, const struct store_run *run, struct span settings)
{
	const struct passwd *user = getpwuid(geteuid());
	char *cwd = getcwd(NULL, 0);
	char host[256] = "";
	char shard[SHARE_TEXT_BYTES];
	struct sqlite3_stmt *stmt;
	int code = db_prepare(store->db, SQL_INSERT_RUN, &stmt);

	(void)gethostname(host, sizeof host - 1);
	share_put(store->share, shard);
	if (code == SQLITE_OK) {
		db_bind(stmt, ":version", span_of(run->version));
		db_bind(stmt, ":host", span_of(host));
		db_bind_number(stmt, ":pid", getpid());
		db_bind(stmt, ":user",
		    span_of(user == NULL ? NULL : user->pw_name));
		db_bind(stmt, ":cwd", span_of(cwd));
		db_bind(stmt, ":argv", span_of(run->argv));
		db_bind(stmt, ":slurm_job_id", span_of(getenv("SLURM_JOB_ID")));
		db_bind(stmt, ":plan", span_of(store->plan));
		db_bind(stmt, ":shard", span_of(*shard == '\0' ? NULL : shard));
		db_bind(stmt, ":settings", settings);
		code = db_finish(stmt);
		sqlite3_finalize(stmt);
	}
	free(cwd);
	return code;
}

int
store_begin_run(struct store *store, const struct plan *plan,
    const struct store_run *run, struct err *err)
{
	struct buf settings;
	int code;

	if (store->db == NULL)
		return err_set(err, ERR_BUSY, "%s", store->trouble);
	buf_init(&settings, SETTINGS_MAX_BYTES);
	put_settings(&settings, plan, store->settings,
	    run->settings == NULL ? "{}" : run->settings);
	db_set_patience(store->db, &store->patience);
	code = settings.failed ? SQLITE_NOMEM
			       : db_run(store->db, "BEGIN IMMEDIATE");
	if (code == SQLITE_OK)
		code = db_run(store->db, SQL_END_LOST_RUNS);
	if (code == SQLITE_OK)
		code = insert_run(store, run, buf_span(&settings));
	if (code == SQLITE_OK) {
		store->run_id = sqlite3_last_insert_rowid(store->db);
		code = db_run(store->db, "COMMIT");
	}
	buf_free(&settings);
	db_set_patience(store->db, NULL);
	store_know_files(store); /* SQLite has made it by now */
	if (code == SQLITE_OK)
		return 0;
	store->run_id = 0;
	db_fail(err, store->db, code, store_name(store));
	if (!sqlite3_get_autocommit(store->db))
		(void)db_run(store->db, "ROLLBACK");
	return -1;
}

void
store_end_run(struct store *store, const char *status)
{
	struct sqlite3_stmt *stmt;

	if (store->run_id == 0 ||
	    db_prepare(store->db, SQL_END_RUN, &stmt) != SQLITE_OK)
		return;
	db_bind(stmt, ":status", span_of(status));
	db_bind_number(stmt, ":run_id", store->run_id);
	if (db_finish(stmt) != SQLITE_OK)
		log_say(LOG_WARN, "%s: the end of the run is not noted",
		    store_name(store));
	sqlite3_finalize(stmt);
}
