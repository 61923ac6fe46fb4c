/* SPDX-License-Identifier: ISC */
/*
 * Which files of a command line are one and the same. Each path becomes an
 * identity once; only what is written is compared with the rest.
 */
#include "paths.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bsd/string.h>

#include "say.h"

struct identity {
	const char *label;
	const char *path; /* as typed */
	bool written;
	bool exists;
	bool regular; /* two may share a terminal or /dev/null */
	dev_t device;
	ino_t inode;
	char *real; /* of a file that does not exist yet; NULL else */
};

struct identities {
	struct identity *items;
	size_t count;
};

/* Gives the real directory and the name, to be freed; NULL when there is no
 * such directory: then the file cannot be made either. */
static char *
real_path(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	char directory[PATH_MAX] = ".";
	char *real;
	char *whole = NULL;

	if (slash && (size_t)(name - path) >= sizeof(directory))
		return NULL;
	if (slash)
		strlcpy(directory, path, (size_t)(name - path) + 1);
	real = realpath(directory, NULL);
	if (real && asprintf(&whole, "%s/%s", real, name) < 0)
		whole = NULL;
	free(real);
	return whole;
}

/* Add a path; "-" is the descriptor that it stands for. */
static void
add(struct identities *all, const char *label, const char *path, bool written)
{
	struct identity *item = &all->items[all->count];
	struct stat st;
	int result;

	if (!path)
		return;
	if (strcmp(path, "-") == 0)
		result = fstat(written ? STDOUT_FILENO : STDIN_FILENO, &st);
	else
		result = stat(path, &st);
	*item =
	    (struct identity){.label = label, .path = path, .written = written};
	if (result == 0) {
		item->exists = true;
		item->regular = S_ISREG(st.st_mode);
		item->device = st.st_dev;
		item->inode = st.st_ino;
	} else {
		item->real = real_path(path);
	}
	all->count++;
}

static bool
is_same(const struct identity *a, const struct identity *b)
{
	if (a->exists && b->exists)
		return a->regular && a->device == b->device &&
		       a->inode == b->inode;
	return a->real && b->real && strcmp(a->real, b->real) == 0;
}

static int
compare(const struct identities *all, struct llmill_err *err)
{
	for (size_t i = 0; i < all->count; i++) {
		const struct identity *one = &all->items[i];

		for (size_t j = 0; one->written && j < all->count; j++) {
			const struct identity *other = &all->items[j];

			/* Of two that are written, each pair once. */
			if (j == i || (other->written && j < i) ||
			    !is_same(one, other))
				continue;
			return say_refuse(err,
			    "%s %s and %s %s are the same file", one->label,
			    one->path, other->label, other->path);
		}
	}
	return 0;
}

/* Where -o grows until it is whole. Gives NULL for none. */
static char *
part_path(const struct opts *opts)
{
	char *part;

	if (!opts->conf.output || strcmp(opts->conf.output, "-") == 0 ||
	    asprintf(&part, "%s.part", opts->conf.output) < 0)
		return NULL;
	return part;
}

int
paths_check(const struct opts *opts, struct llmill_err *err)
{
	struct identities all = {0};
	bool resumes = opts->command == OPTS_RESUME;
	char *part = part_path(opts);
	int result;

	/* -o and its .part, --db, --log, --key-file */
	all.items = calloc(opts->inputs.count + 5, sizeof(all.items[0]));
	if (!all.items) {
		free(part);
		return say_no_memory(err);
	}
	add(&all, "-o", opts->conf.output, true);
	add(&all, "-o", part, true);
	add(&all, resumes ? "DB" : "--db", opts->conf.db, true);
	add(&all, "--log", opts->conf.log_path, true);
	add(&all, "--key-file", opts->conf.key_file, false);
	for (size_t i = 0; i < opts->inputs.count && !resumes; i++)
		add(&all, "INPUT", opts->inputs.items[i], false);
	result = compare(&all, err);
	for (size_t i = 0; i < all.count; i++)
		free(all.items[i].real);
	free(all.items);
	free(part);
	return result;
}
