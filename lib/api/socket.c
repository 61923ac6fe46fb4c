/* SPDX-License-Identifier: ISC */
/*
 * A socket works for processes of one host, wherever its name lies; but not
 * every file system that others mount too can have one, and a name may have
 * 107 bytes at most.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/mill.h"
#include "base/hash.h"
#include "data/fskind.h"
#include "data/path.h"
#include "data/scratch.h"
#include "llmill_run.h"

static bool
fits(const char *path)
{
	return path != NULL && strlen(path) < LOCK_SOCKET_BYTES;
}

/* Beside the database, NULL where that cannot be. */
static char *
beside(const char *db, const char *directory)
{
	char *path;

	if (fskind_network(directory) != NULL ||
	    asprintf(&path, "%s.sock", db) == -1)
		return NULL;
	if (fits(path))
		return path;
	free(path);
	return NULL;
}

/* Where the user's own sockets lie, or else what is temporary. */
static char *
among_own(const char *db)
{
	static const char *const variables[] = {"XDG_RUNTIME_DIR", "TMPDIR"};
	uint64_t hash = hash_add(HASH_START, span_of(db));
	const char *directory = NULL;
	char *path;

	for (size_t i = 0; directory == NULL && i < 2; i++) {
		directory = getenv(variables[i]);
		if (directory != NULL && *directory != '/')
			directory = NULL;
	}
	if (asprintf(&path, "%s/llmill-%016" PRIx64 ".sock",
		directory != NULL ? directory : "/tmp", hash) == -1)
		return NULL;
	if (fits(path))
		return path;
	free(path);
	return NULL;
}

void
mill_find_socket(struct mill *mill)
{
	const char *shown =
	    mill->scratch != NULL ? scratch_home(mill->scratch) : mill->db_path;
	char *directory;
	char *real;

	if (!mill->conf->own_process || shown == NULL || mill->stands_in)
		return;
	real = path_resolve(shown, &directory, NULL);
	if (real == NULL)
		return;
	mill->socket = beside(real, directory);
	if (mill->socket == NULL)
		mill->socket = among_own(real);
	free(directory);
	free(real);
}
