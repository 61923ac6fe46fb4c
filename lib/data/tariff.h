/* SPDX-License-Identifier: ISC */
#ifndef TARIFF_H
#define TARIFF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/price.h"

struct sqlite3;

/*
 * What tokens cost in each run of a database, as its settings have it.
 */
struct tariff_run {
	int64_t run_id;
	struct price price;
};

struct tariff {
	struct tariff_run *runs; /* those that have a price, by run_id */
	size_t count;
	size_t last; /* that was asked for */
};

/* A SQLite code; tariff wants tariff_free in any case. */
int tariff_read(struct tariff *tariff, struct sqlite3 *db);
void tariff_free(struct tariff *tariff);

/* What did these tokens of a run cost? 0 where nobody knows. */
uint64_t tariff_cost(
    struct tariff *tariff, int64_t run_id, const struct tokens *tokens);

#endif
