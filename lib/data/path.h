/* SPDX-License-Identifier: ISC */
#ifndef PATH_H
#define PATH_H

#include <stdbool.h>

struct err;

/*
 * Where a database is to be: SQLite wants no symbolic link anywhere, people
 * want to see what they typed.
 */

/*
 * Gives the path without links in its directory, and that directory, both to
 * be freed. NULL with err: there is no such directory.
 */
char *path_resolve(const char *path, char **directory, struct err *err);

/*
 * What is at a resolved path may be a plain file or nothing (*exists).
 * Takes shown, what to call it. Fails ERR_INPUT, ERR_SYSTEM.
 */
int path_check(
    const char *real, const char *shown, bool *exists, struct err *err);

#endif
