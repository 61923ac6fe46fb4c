/* SPDX-License-Identifier: ISC */
#include "data/path.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"

char *
path_resolve(const char *path, char **directory, struct err *err)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash == NULL ? path : slash + 1;
	char *given =
	    slash == NULL ? strdup(".") : strndup(path, (size_t)(name - path));
	char *real;

	*directory = given == NULL ? NULL : realpath(given, NULL);
	free(given);
	if (*directory == NULL) {
		err_set_errno(err, "cannot open %s", path);
		return NULL;
	}
	if (asprintf(&real, "%s/%s",
		strcmp(*directory, "/") == 0 ? "" : *directory, name) != -1)
		return real;
	free(*directory);
	*directory = NULL;
	err_set_memory(err, "path");
	return NULL;
}

int
path_check(const char *real, const char *shown, bool *exists, struct err *err)
{
	struct stat st;

	*exists = lstat(real, &st) == 0;
	if (!*exists)
		return errno == ENOENT
			   ? 0
			   : err_set_errno(err, "cannot open %s", shown);
	if (S_ISREG(st.st_mode))
		return 0;
	return err_set(err, ERR_INPUT, "%s: %s, not a database", shown,
	    S_ISDIR(st.st_mode)	  ? "a directory"
	    : S_ISLNK(st.st_mode) ? "a symbolic link"
				  : "a special file");
}
