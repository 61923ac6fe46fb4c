/* SPDX-License-Identifier: ISC */
/*
 * Appending lines so that each batch is there as a whole or not at all: what
 * could be written only in part is cut off again, and the next place is
 * tried. A file is opened once and stays open, with the kernel's lock on it,
 * until it is cleared.
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

#define NO_PLACE SPILL_PLACE_COUNT

struct spill_file {
	char *path;   /* NULL: no such place, or the same as another */
	int fd;	      /* -1: not open */
	off_t before; /* bytes of it that are not ours to clear */
};

struct spill {
	struct spill_file files[SPILL_PLACE_COUNT];
	size_t now; /* the one that takes; NO_PLACE */
};

static char *
place_in(const char *directory, const char *name)
{
	char *real = NULL;
	char *path = NULL;

	if (directory != NULL && *directory != '\0')
		real = realpath(directory, NULL);
	if (real != NULL && asprintf(&path, "%s/%s" SPILL_SUFFIX,
				strcmp(real, "/") == 0 ? "" : real, name) == -1)
		path = NULL;
	free(real);
	return path;
}

/* Each file once: a lock of ours would keep ourselves out. */
static void
drop_twins(struct spill *spill)
{
	for (size_t i = 1; i < SPILL_PLACE_COUNT; i++) {
		char *path = spill->files[i].path;

		for (size_t j = 0; j < i && path != NULL; j++)
			if (spill->files[j].path != NULL &&
			    strcmp(spill->files[j].path, path) == 0)
				path = NULL;
		if (path == NULL) {
			free(spill->files[i].path);
			spill->files[i].path = NULL;
		}
	}
}

struct spill *
spill_new(const char *db_path, struct err *err)
{
	struct spill *spill = calloc(1, sizeof *spill);
	const char *slash = strrchr(db_path, '/');
	const char *name = slash == NULL ? db_path : slash + 1;

	if (spill == NULL ||
	    asprintf(&spill->files[0].path, "%s" SPILL_SUFFIX, db_path) == -1) {
		free(spill);
		err_set_memory(err, "spill file");
		return NULL;
	}
	spill->now = NO_PLACE;
	spill->files[1].path = place_in(".", name);
	spill->files[2].path = place_in(getenv("HOME"), name);
	spill->files[3].path = place_in(getenv("TMPDIR"), name);
	for (size_t i = 0; i < SPILL_PLACE_COUNT; i++)
		spill->files[i].fd = -1;
	drop_twins(spill);
	return spill;
}

void
spill_free(struct spill *spill)
{
	if (spill == NULL)
		return;
	for (size_t i = 0; i < SPILL_PLACE_COUNT; i++) {
		fd_close(&spill->files[i].fd);
		free(spill->files[i].path);
	}
	free(spill);
}

const char *
spill_place(const struct spill *spill, size_t place)
{
	return spill->files[place].path;
}

const char *
spill_path(const struct spill *spill)
{
	return spill->now == NO_PLACE ? NULL : spill->files[spill->now].path;
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

/* Lock it, for as long as it is open. Where there are no locks, there are
 * none. */
static int
lock_file(int fd)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	if (fcntl(fd, F_OFD_SETLK, &whole) == 0 || errno == ENOLCK ||
	    errno == ENOSYS || errno == EOPNOTSUPP)
		return 0;
	errno = EBUSY;
	return -1;
}

/* Is it ours alone, and still at its path? */
static int
check_file(int fd, struct stat *st)
{
	if (fstat(fd, st) == -1)
		return -1;
	if (S_ISREG(st->st_mode) && st->st_uid == geteuid() &&
	    st->st_nlink == 1)
		return 0;
	errno = EPERM;
	return -1;
}

/* Open and lock a file. */
static int
file_open(struct spill_file *file, int flags)
{
	struct stat st;
	int number;

	file->fd = open(file->path,
	    O_RDWR | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | flags,
	    0600);
	if (file->fd == -1)
		return -1;
	if (check_file(file->fd, &st) == -1 || lock_file(file->fd) == -1 ||
	    check_file(file->fd, &st) == -1)
		goto fail;
	if (st.st_size == 0 && (fchmod(file->fd, 0600) == -1 ||
				   sync_directory_of(file->path) == -1))
		goto fail;
	file->before = st.st_size;
	return 0;
fail:
	number = errno;
	fd_close(&file->fd);
	errno = number;
	return -1;
}

/* Close it. A file in which nothing is goes with it. */
static void
file_leave(struct spill_file *file)
{
	struct stat st;

	if (file->before == 0 && fstat(file->fd, &st) == 0 && st.st_size == 0)
		(void)unlink(file->path);
	fd_close(&file->fd);
}

/* A torn line at the end of a file gets its end. */
static int
end_torn_line(int fd, off_t *size)
{
	char last = '\n';

	if (*size > 0 && fd_read_at(fd, &last, 1, *size - 1) == -1)
		return -1;
	if (last == '\n')
		return 0;
	++*size;
	return fd_write_all(fd, "\n", 1);
}

/* Write a batch behind what is there, or leave no byte of it. */
static int
append_whole(int fd, struct span lines, int64_t *offset)
{
	off_t before = lseek(fd, 0, SEEK_END);
	int number;

	if (before == -1 || end_torn_line(fd, &before) == -1)
		return -1;
	*offset = before;
	if (fd_write_all(fd, lines.data, lines.size) == 0 && fsync(fd) == 0)
		return 0;
	number = errno;
	(void)!ftruncate(fd, before);
	errno = number;
	return -1;
}

/* Append at one place. */
static int
append_at(struct spill *spill, size_t place, struct span lines, int64_t *offset,
    struct err *err)
{
	struct spill_file *file = &spill->files[place];

	if (file->path == NULL)
		return -1;
	if (file->fd == -1) {
		if (file_open(file, O_CREAT) == -1)
			return err_set_errno(
			    err, "cannot write %s", file->path);
		if (place == SPILL_PLACE_COUNT - 1)
			log_say(LOG_WARN,
			    "%s: this directory may be emptied when the "
			    "machine or job ends",
			    file->path);
	}
	if (append_whole(file->fd, lines, offset) == 0)
		return 0;
	err_set_errno(err, "cannot write %s", file->path);
	if (lseek(file->fd, 0, SEEK_END) == file->before)
		file_leave(file); /* nothing of ours is in it */
	return -1;
}

int
spill_append(struct spill *spill, struct span lines, size_t *place,
    int64_t *offset, struct err *err)
{
	size_t first = spill->now == NO_PLACE ? 0 : spill->now;

	for (size_t i = 0; i < SPILL_PLACE_COUNT; i++) {
		*place = (first + i) % SPILL_PLACE_COUNT;
		if (append_at(spill, *place, lines, offset, err) == 0) {
			spill->now = *place;
			return 0;
		}
	}
	return -1;
}

void
spill_clear(struct spill *spill)
{
	for (size_t i = 0; i < SPILL_PLACE_COUNT; i++) {
		struct spill_file *file = &spill->files[i];

		if (file->fd == -1)
			continue;
		(void)!ftruncate(file->fd, file->before);
		file_leave(file);
	}
	spill->now = NO_PLACE;
}

static int
say_unusable(const struct spill_file *file, struct err *err)
{
	return err_set_errno(
	    err, "answers wait in %s, which cannot be used", file->path);
}

int
spill_hold(struct spill *spill, size_t place, struct err *err)
{
	struct spill_file *file = &spill->files[place];

	if (file->path == NULL)
		return 0;
	if (file_open(file, 0) == 0) {
		file->before = 0;
		spill->now = place;
		return 1;
	}
	switch (errno) {
	case ENOENT:
	case ENOTDIR:
		return 0;
	case EBUSY:
		log_say(LOG_WARN, "%s is in use by another llmill; left there",
		    file->path);
		return 0;
	case EACCES:
		if (access(file->path, F_OK) == 0)
			return say_unusable(file, err);
		log_say(LOG_WARN, "%s cannot be looked for: %s", file->path,
		    strerror(EACCES));
		return 0;
	case EPERM:
	case ELOOP:
		log_say(LOG_WARN,
		    "%s is no file of ours alone; left there, not read",
		    file->path);
		return 0;
	default:
		return say_unusable(file, err);
	}
}

void
spill_keep(struct spill *spill, size_t place)
{
	struct spill_file *file = &spill->files[place];

	file->before = lseek(file->fd, 0, SEEK_END);
}

void
spill_let_go(struct spill *spill, size_t place)
{
	fd_close(&spill->files[place].fd);
	if (spill->now == place)
		spill->now = NO_PLACE;
}

/* Hand one line to take. Gives what it gave, 0 for a line that is not sound.
 */
static int
hand_over(struct span piece, const struct spill_spot *spot,
    int (*take)(void *arg, struct spill_line *line), void *arg)
{
	struct spill_line line;
	int done;

	if (spill_line_read(&line, piece) == -1)
		return 0;
	line.spot = *spot;
	done = take(arg, &line);
	spill_line_free(&line);
	return done;
}

int64_t
spill_read(struct spill *spill, size_t place,
    int (*take)(void *arg, struct spill_line *line), void *arg, uint64_t *left,
    struct err *err)
{
	struct spill_file *file = &spill->files[place];
	enum source_piece got = SOURCE_FAILED;
	struct source source;
	struct span piece;
	int64_t taken = 0;
	int done = 0;

	*left = 0;
	if (lseek(file->fd, 0, SEEK_SET) == -1)
		return err_set_errno(err, "cannot read %s", file->path);
	source_open(&source, file->fd, LINE_MAX_BYTES);
	while (done != -1 &&
	       (got = source_next(&source, '\n', &piece, err)) > SOURCE_END) {
		const struct spill_spot spot = {
		    place, source.piece_at, piece.size + 1};

		if (source.torn)
			continue;
		done = got == SOURCE_PIECE ? hand_over(piece, &spot, take, arg)
					   : 0;
		taken += done == 1;
		*left += done == 0;
	}
	source_close(&source);
	if (got != SOURCE_END || done == -1)
		return err_add(err, "%s", file->path);
	return taken;
}

int
spill_read_back(
    struct spill *spill, const struct spill_spot *spot, struct spill_line *line)
{
	char *text = malloc(spot->size);
	int done = -1;

	if (text != NULL && fd_read_at(spill->files[spot->place].fd, text,
				spot->size, spot->offset) == 0) {
		done =
		    spill_line_read(line, (struct span){text, spot->size - 1});
		if (done == -1)
			errno = EIO;
	}
	free(text);
	return done;
}

char *
spill_find(const char *db_path)
{
	struct spill *spill = spill_new(db_path, NULL);
	char *found = NULL;

	for (size_t i = 0; spill != NULL && i < SPILL_PLACE_COUNT; i++) {
		const char *place = spill_place(spill, i);

		if (found == NULL && place != NULL && access(place, F_OK) == 0)
			found = strdup(place);
	}
	spill_free(spill);
	return found;
}

int
spill_peek(const char *path, struct spill_line *line)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct source source;
	struct span piece;
	struct stat st;
	int done = -1;

	if (fd == -1)
		return -1;
	source_open(&source, fd, LINE_MAX_BYTES);
	if (check_file(fd, &st) == 0)
		while (done == -1 &&
		       source_next(&source, '\n', &piece, NULL) == SOURCE_PIECE)
			done = spill_line_read(line, piece);
	source_close(&source);
	fd_close(&fd);
	return done;
}
