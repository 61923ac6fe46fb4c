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

/* What SQLite and the store put beside a database. */
static const char *const beside[] = {
    "-wal", "-shm", "-journal", ".lock", ".spill.jsonl", ".status.json"};
#define BESIDE_COUNT (sizeof(beside) / sizeof(beside[0]))

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

/* Where -o grows until it is whole. */
static int
add_part(struct opts *opts, struct identities *all, struct llmill_err *err)
{
	const char *output = opts->conf.output;
	const char *path;
	char *part;

	if (!output || strcmp(output, "-") == 0)
		return 0;
	path = opts_own(
	    opts, asprintf(&part, "%s.part", output) < 0 ? NULL : part, err);
	if (!path)
		return -1;
	add(all, "-o", path, true);
	return 0;
}

/* What lies beside the database, or may lie there. Two of these are never the
 * same file, whatever its name. */
static int
add_db(struct opts *opts, struct identities *all, struct llmill_err *err)
{
	const char *db = opts->conf.db;
	char *real;

	if (!db)
		return 0;
	add(all, opts->command == OPTS_RESUME ? "DB" : "--db", db, true);
	/* They are beside what a link leads to. */
	real = realpath(db, NULL);
	if (real && !(db = opts_own(opts, real, err)))
		return -1;
	for (size_t i = 0; i < BESIDE_COUNT; i++) {
		char *text;
		const char *path = opts_own(opts,
		    asprintf(&text, "%s%s", db, beside[i]) < 0 ? NULL : text,
		    err);

		if (!path)
			return -1;
		add(all, "the database's own", path, true);
	}
	return 0;
}

/* Files that options name with @FILE; in "KEY=@FILE" behind the sign. */
static void
add_named(struct identities *all, const char *label, const struct list *list,
    bool keyed)
{
	for (size_t i = 0; i < list->count; i++) {
		const char *text = list->items[i];

		if (keyed) {
			text = strchr(text, '=');
			text = text ? text + 1 : "";
		}
		if (*text == '@')
			add(all, label, text + 1, false);
	}
}

int
paths_check(struct opts *opts, struct llmill_err *err)
{
	const struct list system = {&opts->system, opts->system ? 1 : 0};
	const struct list template = {&opts->template, opts->template ? 1 : 0};
	struct identities all = {0};
	bool resumes = opts->command == OPTS_RESUME;
	int result = -1;

	/* -o and its .part, --db, --log, --metrics, --report, --key-file,
	 * --cacert, -s, -t */
	all.items = calloc(opts->inputs.count + opts->params.count +
			       opts->headers.count + BESIDE_COUNT + 10,
	    sizeof(all.items[0]));
	if (!all.items)
		return say_no_memory(err);
	add(&all, "-o", opts->conf.output, true);
	if (add_part(opts, &all, err) < 0 || add_db(opts, &all, err) < 0)
		goto out;
	add(&all, "--log", opts->conf.log_path, true);
	add(&all, "--metrics", opts->conf.metrics, true);
	add(&all, "--report", opts->conf.report, true);
	add(&all, "--key-file", opts->conf.key_file, false);
	add(&all, "--cacert", opts->conf.cacert, false);
	add_named(&all, "-s", &system, false);
	add_named(&all, "-t", &template, false);
	add_named(&all, "-p", &opts->params, true);
	add_named(&all, "-H", &opts->headers, false);
	for (size_t i = 0; i < opts->inputs.count && !resumes; i++)
		add(&all, "INPUT", opts->inputs.items[i], false);
	result = compare(&all, err);
out:
	for (size_t i = 0; i < all.count; i++)
		free(all.items[i].real);
	free(all.items);
	return result;
}
