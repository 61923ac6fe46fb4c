/* SPDX-License-Identifier: ISC */
/*
 * Appending lines so that each batch is there as a whole or not at all: what
 * could be written only in part is cut off again, and the next place is
 * tried.
 */
#include "data/spill.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "data/source.h"
#include "data/spill_line.h"

#define LINE_MAX_BYTES ((size_t)1 << 30) /* six times the largest answer */

struct spill {
	char *places[SPILL_PLACE_COUNT];
	size_t place; /* the one that is open */
	int fd;	      /* -1: none */
	off_t before; /* bytes of it that were there before us */
};

static char *
place_in(const char *directory, const char *name)
{
	char *path;

	if (directory == NULL || *directory == '\0')
		return NULL;
	if (asprintf(&path, "%s/%s" SPILL_SUFFIX, directory, name) == -1)
		return NULL;
	return path;
}

struct spill *
spill_new(const char *db_path, struct err *err)
{
	struct spill *spill = calloc(1, sizeof *spill);
	const char *slash = strrchr(db_path, '/');
	const char *name = slash == NULL ? db_path : slash + 1;
	char *here = getcwd(NULL, 0);

	if (spill == NULL ||
	    asprintf(&spill->places[0], "%s" SPILL_SUFFIX, db_path) == -1) {
		free(spill);
		free(here);
		err_set_memory(err, "spill file");
		return NULL;
	}
	spill->fd = -1;
	spill->places[1] = place_in(here, name);
	spill->places[2] = place_in(getenv("HOME"), name);
	spill->places[3] = place_in(getenv("TMPDIR"), name);
	free(here);
	return spill;
}

void
spill_free(struct spill *spill)
{
	if (spill == NULL)
		return;
	fd_close(&spill->fd);
	for (size_t i = 0; i < SPILL_PLACE_COUNT; i++)
		free(spill->places[i]);
	free(spill);
}

const char *
spill_place(const struct spill *spill, size_t place)
{
	return spill->places[place];
}

const char *
spill_path(const struct spill *spill)
{
	return spill->fd == -1 ? NULL : spill->places[spill->place];
}

/* The name of a new file is durable only with its directory. */
static int
sync_directory_of(const char *path)
{
	char *directory = strdup(path);
	char *slash = directory == NULL ? NULL : strrchr(directory, '/');
	int fd;
	int done;

	if (slash != NULL)
		slash[slash == directory ? 1 : 0] = '\0';
	fd = open(slash == NULL ? "." : directory,
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(directory);
	done = fd == -1 ? -1 : fsync(fd);
	fd_close(&fd);
	return done;
}

/* Open a file that is ours alone; where it ends in a torn line, end that. */
static int
place_open_at(const char *path, off_t *size)
{
	struct stat st;
	char last = '\n';
	int fd = open(path,
	    O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
	    0600);

	if (fd == -1)
		return -1;
	if (fstat(fd, &st) == -1)
		goto fail;
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
	    st.st_nlink != 1) {
		errno = EPERM;
		goto fail;
	}
	if (st.st_size == 0 &&
	    (fchmod(fd, 0600) == -1 || sync_directory_of(path) == -1))
		goto fail;
	if (st.st_size > 0 &&
	    (pread(fd, &last, 1, st.st_size - 1) != 1 ||
		(last != '\n' && fd_write_all(fd, "\n", 1) == -1)))
		goto fail;
	*size = st.st_size + (last == '\n' ? 0 : 1);
	return fd;
fail:
	fd_close(&fd);
	return -1;
}

/* Write a batch behind what is there, or leave no byte of it. */
static int
append_whole(int fd, struct span lines)
{
	off_t before = lseek(fd, 0, SEEK_END);
	int number;

	if (before == -1)
		return -1;
	if (fd_write_all(fd, lines.data, lines.size) == 0 && fsync(fd) == 0)
		return 0;
	number = errno;
	(void)!ftruncate(fd, before);
	errno = number;
	return -1;
}

/* Leave the open place. A file that we made and never filled goes with it. */
static void
place_leave_open(struct spill *spill)
{
	struct stat st;

	if (spill->before == 0 && fstat(spill->fd, &st) == 0 && st.st_size == 0)
		(void)unlink(spill->places[spill->place]);
	fd_close(&spill->fd);
}

int
spill_append(struct spill *spill, struct span lines, struct err *err)
{
	size_t first = spill->fd == -1 ? 0 : spill->place;

	for (size_t i = first; i < SPILL_PLACE_COUNT; i++) {
		if (spill->places[i] == NULL)
			continue;
		if (spill->fd == -1) {
			spill->fd =
			    place_open_at(spill->places[i], &spill->before);
			spill->place = i;
			if (spill->fd != -1 && i == SPILL_PLACE_COUNT - 1)
				log_say(LOG_WARN,
				    "%s: this directory may be emptied when "
				    "the machine or job ends",
				    spill->places[i]);
		}
		if (spill->fd != -1 && append_whole(spill->fd, lines) == 0)
			return 0;
		err_set_errno(err, "cannot write %s", spill->places[i]);
		if (spill->fd != -1)
			place_leave_open(spill);
	}
	return -1;
}

void
spill_clear(struct spill *spill)
{
	if (spill->fd == -1)
		return;
	(void)!ftruncate(spill->fd, spill->before);
	place_leave_open(spill);
}

int64_t
spill_read(const struct spill *spill, size_t place,
    int (*take)(void *arg, const struct spill_line *line), void *arg,
    uint64_t *left, struct err *err)
{
	const char *path = spill->places[place];
	struct source source;
	struct span piece;
	enum source_piece got;
	int64_t taken = 0;
	int fd =
	    path == NULL
		? -1
		: open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	*left = 0;
	if (fd == -1)
		return path == NULL || errno == ENOENT || errno == ENOTDIR
			   ? 0
			   : err_set_errno(err, "cannot read %s", path);
	source_open(&source, fd, LINE_MAX_BYTES);
	while ((got = source_next(&source, '\n', &piece, err)) > SOURCE_END) {
		struct spill_line line;
		int done = 0;

		if (source.torn)
			continue;
		if (got == SOURCE_PIECE && spill_line_read(&line, piece) == 0) {
			done = take(arg, &line);
			spill_line_free(&line);
		}
		if (done == -1) {
			got = SOURCE_FAILED;
			break;
		}
		taken += done;
		*left += done == 0;
	}
	if (got == SOURCE_FAILED)
		err_add(err, "%s", path);
	source_close(&source);
	fd_close(&fd);
	return got == SOURCE_FAILED ? -1 : taken;
}
