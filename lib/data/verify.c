/* SPDX-License-Identifier: ISC */
/*
 * One walk over all results in the order of their ids, and beside it one over
 * the attempts, which an index holds in the same order. An answer is vouched
 * for by the last attempt that answered; a text without one (a failure, a
 * seed's answer) is counted, not judged.
 */
#include "data/verify.h"

#include <stdio.h>
#include <string.h>

#include <sqlite3.h>

#include "base/err.h"
#include "base/sha256.h"
#include "base/text.h"
#include "data/peek.h"
#include "data/sql.h"

#define FAULTS_MAX_BYTES 65536
#define FAULT_LOOK 300 /* bytes of one fault */

/* Keep one row of SQLite's check. */
static void
keep_fault(struct verify *verify, struct span text)
{
	if (span_equals(text, span_of("ok")))
		return;
	verify->faults++;
	text_escape(&verify->fault_lines, text, FAULT_LOOK);
	buf_add_byte(&verify->fault_lines, '\n');
}

static int
check_file(const struct peek *peek, struct verify *verify)
{
	struct sqlite3_stmt *stmt;
	int code = db_prepare(peek->db, SQL_VERIFY_FILE, &stmt);

	while (code == SQLITE_OK && (code = sqlite3_step(stmt)) == SQLITE_ROW) {
		keep_fault(verify, db_column(stmt, 0));
		code = SQLITE_OK;
	}
	sqlite3_finalize(stmt);
	return code == SQLITE_DONE ? SQLITE_OK : code;
}

/* The walk over the attempts that answered, beside that over the results. */
struct vouchers {
	struct sqlite3_stmt *stmt; /* NULL: a seed's database has none */
	int64_t next_id;	   /* of the row at hand; INT64_MAX: the end */
	char sha256[SHA256_HEX_BYTES]; /* of the last one taken */
};

static int
vouchers_step(struct vouchers *vouchers)
{
	int code = sqlite3_step(vouchers->stmt);

	vouchers->next_id = code == SQLITE_ROW
				? sqlite3_column_int64(vouchers->stmt, 0)
				: INT64_MAX;
	return code == SQLITE_ROW || code == SQLITE_DONE ? SQLITE_OK : code;
}

/* Walk up to the prompt. *found: sha256 is that of the last attempt that
 * answered it. */
static int
vouchers_find(struct vouchers *vouchers, int64_t id, bool *found)
{
	int code = SQLITE_OK;

	*found = false;
	while (code == SQLITE_OK && vouchers->next_id <= id) {
		struct span sha256 = db_column(vouchers->stmt, 1);

		*found = vouchers->next_id == id;
		snprintf(vouchers->sha256, sizeof vouchers->sha256, "%.*s",
		    (int)sizeof vouchers->sha256 - 1, sha256.data);
		code = vouchers_step(vouchers);
	}
	return code;
}

static void
check_answer(
    struct verify *verify, int64_t id, struct span result, const char *sha256)
{
	char digest[SHA256_HEX_BYTES];

	verify->prompts++;
	if (verify->missing == 0 && id != (int64_t)verify->prompts)
		verify->missing = (int64_t)verify->prompts;
	if (result.data == NULL)
		return;
	if (sha256 == NULL) {
		verify->unsigned_count++;
		return;
	}
	sha256_of(result, digest);
	if (strcmp(digest, sha256) == 0)
		verify->same++;
	else if (verify->differ++ < VERIFY_SHOWN)
		verify->differing[verify->differ - 1] = id;
}

static int
check_answers(const struct peek *peek, struct verify *verify)
{
	struct vouchers vouchers = {.next_id = INT64_MAX};
	struct sqlite3_stmt *stmt;
	int code = db_prepare(peek->db, SQL_VERIFY_RESULTS, &stmt);

	if (code == SQLITE_OK && !verify->is_seed) {
		code =
		    db_prepare(peek->db, SQL_VERIFY_ATTEMPTS, &vouchers.stmt);
		if (code == SQLITE_OK)
			code = vouchers_step(&vouchers);
	}
	while (code == SQLITE_OK && (code = sqlite3_step(stmt)) == SQLITE_ROW) {
		int64_t id = sqlite3_column_int64(stmt, 0);
		bool found;

		code = vouchers_find(&vouchers, id, &found);
		if (code == SQLITE_OK)
			check_answer(verify, id, db_column(stmt, 1),
			    found ? vouchers.sha256 : NULL);
	}
	sqlite3_finalize(vouchers.stmt);
	sqlite3_finalize(stmt);
	return code == SQLITE_DONE ? SQLITE_OK : code;
}

int
verify_read(struct verify *verify, const char *path, struct err *err)
{
	struct peek peek;
	int code;

	*verify = (struct verify){.name = path};
	buf_init(&verify->fault_lines, FAULTS_MAX_BYTES);
	if (peek_open(&peek, path, err) == -1)
		return -1;
	verify->is_seed = peek.kind == SCHEMA_SEED;
	code = check_file(&peek, verify);
	/* What is left of a broken file is still worth a look. */
	if (code == SQLITE_OK)
		code = check_answers(&peek, verify);
	if (verify->faults > 0 && (code & 0xFF) == SQLITE_CORRUPT)
		code = SQLITE_OK;
	if (code != SQLITE_OK)
		peek_fail(&peek, code, err);
	peek_close(&peek);
	return code == SQLITE_OK ? 0 : -1;
}

bool
verify_is_sound(const struct verify *verify)
{
	return verify->faults == 0 && verify->differ == 0 &&
	       verify->missing == 0;
}

void
verify_free(struct verify *verify)
{
	buf_free(&verify->fault_lines);
}
