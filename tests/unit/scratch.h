/* SPDX-License-Identifier: ISC */
#ifndef SCRATCH_H
#define SCRATCH_H

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * A directory of a test's own: made, entered and emptied by cmocka's setup
 * and teardown, so that tests may use bare file names.
 */
static char scratch_path[4096];

static inline int
scratch_enter(void **state)
{
	const char *tmp = getenv("TMPDIR");
	char path[2048];

	(void)state;
	snprintf(path, sizeof path, "%s/llmill-test-XXXXXX",
	    tmp == NULL ? "/tmp" : tmp);
	if (mkdtemp(path) == NULL || realpath(path, scratch_path) == NULL)
		return -1;
	return chdir(scratch_path);
}

static inline int
scratch_leave(void **state)
{
	struct dirent *entry;
	DIR *dir = opendir(scratch_path);

	(void)state;
	while (dir != NULL && (entry = readdir(dir)) != NULL)
		if (unlinkat(dirfd(dir), entry->d_name, 0) == -1)
			(void)unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR);
	if (dir != NULL)
		closedir(dir);
	return chdir("/") == 0 ? rmdir(scratch_path) : -1;
}

/* Write a file whole. */
static inline void
scratch_write(const char *name, const void *data, size_t size)
{
	FILE *file = fopen(name, "we");

	if (file == NULL || fwrite(data, 1, size, file) != size ||
	    fclose(file) != 0)
		abort();
}

/* Gives the size of a file, -1 when there is none. */
static inline long
scratch_size(const char *name)
{
	struct stat st;

	return lstat(name, &st) == -1 ? -1 : (long)st.st_size;
}

#endif
