/* SPDX-License-Identifier: ISC */
#include "data/tariff.h"

#include <stdlib.h>

#include <sqlite3.h>

#include "base/json.h"
#include "data/db.h"
#include "data/sql.h"

static uint64_t
amount(struct json *settings, const char *key)
{
	int64_t amount = json_integer(json_get(settings, key), 0);

	return amount > 0 ? (uint64_t)amount : 0;
}

static int
add(struct tariff *tariff, int64_t run_id, struct span text)
{
	struct json *settings = json_parse(text, NULL);
	struct tariff_run run = {run_id,
	    {amount(settings, PRICE_IN_KEY), amount(settings, PRICE_OUT_KEY)}};
	struct tariff_run *more;

	json_free(settings);
	if (run.price.input == 0 && run.price.output == 0)
		return SQLITE_OK;
	more = reallocarray(tariff->runs, tariff->count + 1, sizeof *more);
	if (more == NULL)
		return SQLITE_NOMEM;
	tariff->runs = more;
	tariff->runs[tariff->count++] = run;
	return SQLITE_OK;
}

int
tariff_read(struct tariff *tariff, struct sqlite3 *db)
{
	struct sqlite3_stmt *stmt;
	int code = db_prepare(db, SQL_SURVEY_SETTINGS, &stmt);

	*tariff = (struct tariff){0};
	while (code == SQLITE_OK && (code = sqlite3_step(stmt)) == SQLITE_ROW)
		code = add(
		    tariff, sqlite3_column_int64(stmt, 0), db_column(stmt, 1));
	sqlite3_finalize(stmt);
	return code == SQLITE_DONE ? SQLITE_OK : code;
}

void
tariff_free(struct tariff *tariff)
{
	free(tariff->runs);
	*tariff = (struct tariff){0};
}

static int
compare(const void *key, const void *run)
{
	int64_t a = *(const int64_t *)key;
	int64_t b = ((const struct tariff_run *)run)->run_id;

	return a < b ? -1 : a > b;
}

uint64_t
tariff_cost(struct tariff *tariff, int64_t run_id, const struct tokens *tokens)
{
	const struct tariff_run *run;

	if (tariff->count == 0)
		return 0;
	/* One run's attempts stand one behind the other. */
	run = &tariff->runs[tariff->last];
	if (run->run_id != run_id)
		run = bsearch(
		    &run_id, tariff->runs, tariff->count, sizeof *run, compare);
	if (run == NULL)
		return 0;
	tariff->last = (size_t)(run - tariff->runs);
	return price_of(&run->price, tokens);
}
