/* SPDX-License-Identifier: ISC */
#ifndef SHIM_H
#define SHIM_H

#include <dlfcn.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * What the shims share. Each stands in front of the C library or of SQLite by
 * LD_PRELOAD, and takes its orders from the environment.
 */

/* Fill in a pointer to the function that we stand in front of. */
#define REAL(name)                                                             \
	do {                                                                   \
		if (real_##name == NULL)                                       \
			*(void **)&real_##name = dlsym(RTLD_NEXT, #name);      \
	} while (0)

/* The path that a descriptor is open on; "" for none. */
static inline const char *
shim_path_of(int fd, char path[PATH_MAX])
{
	char link[64];
	ssize_t size;

	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	size = readlink(link, path, PATH_MAX - 1);
	path[size > 0 ? size : 0] = '\0';
	return path;
}

#endif
