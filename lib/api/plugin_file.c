/* SPDX-License-Identifier: ISC */
/*
 * Whoever can write a plugin runs as us.
 */
#include "api/plugin_file.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"

/* Is it a directory in which strangers may put files of their own? The sticky
 * bit keeps them from others'. */
static bool
is_open_to_all(const struct stat *st)
{
	return (st->st_mode & S_IWOTH) != 0 && (st->st_mode & S_ISVTX) == 0;
}

/* Gives 0, or -1 with err. */
static int
judge(const char *name, const char *path, struct err *err)
{
	struct stat file;
	struct stat directory;
	char *parent = strdup(path);
	int done;

	if (parent == NULL)
		return err_set_memory(err, "--plugin");
	strrchr(parent, '/')[1] = '\0';
	done = stat(path, &file) == 0 && stat(parent, &directory) == 0;
	free(parent);
	if (!done)
		return err_set(
		    err, ERR_USAGE, "--plugin %.300s: cannot be read", name);
	if (!S_ISREG(file.st_mode))
		return err_set(
		    err, ERR_USAGE, "--plugin %.300s: that is no file", name);
	if (file.st_mode & S_IWOTH)
		return err_set(err, ERR_USAGE,
		    "--plugin %.300s: all users can change it; chmod o-w",
		    name);
	if (is_open_to_all(&directory))
		return err_set(err, ERR_USAGE,
		    "--plugin %.300s: all users can put another file in its "
		    "place; chmod o-w its directory",
		    name);
	return 0;
}

char *
plugin_file_find(const char *name, struct err *err)
{
	char *path = realpath(name, NULL);

	if (path == NULL && errno == ENOMEM) {
		err_set_memory(err, "--plugin");
	} else if (path == NULL) {
		err_set(err, ERR_USAGE, "--plugin %.300s: %s", name,
		    strerror(errno));
	} else if (judge(name, path, err) == -1) {
		free(path);
		path = NULL;
	}
	return path;
}
