/* SPDX-License-Identifier: ISC */
#ifndef LINEAGE_H
#define LINEAGE_H

#include <stdbool.h>

#include "data/db.h"

struct err;

/*
 * Two files that were one database once: the one at home, and the one that a
 * killed run left in its scratch. What a journal beside them holds is put into
 * them first.
 */

/* *has: does the one at path have all that home has? False for one that cannot
 * be read. Fails as db_fail for home. */
int lineage_has_all(const char *path, const char *home, enum db_mode home_mode,
    bool *has, struct err *err);

/* Give the one at path another name, and say so. Fails ERR_SYSTEM. */
int lineage_set_aside(const char *path, const char *home, struct err *err);

/* Take away the journals beside a database that is gone: they are worth nothing
 * alone, and another one at its path would take them for its own. */
void lineage_remove_sides(const char *path);

#endif
