/* SPDX-License-Identifier: ISC */
/*
 * Whoever looks at the path finds the old file or the whole new one. What can
 * be known to fail at the end is refused at the beginning, before an answer
 * has been paid for.
 */
#include "base/place.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/must.h"

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1 /* linux/fs.h, where the C library lacks it */
#endif

static void
forget(struct place *place)
{
	fd_close(&place->fd);
	free(place->path);
	free(place->part_path);
	place->path = NULL;
	place->part_path = NULL;
}

/* Fill in the paths. A link is followed now: the file it leads to is replaced,
 * not the link (/dev/stdout is one). */
static int
name_paths(struct place *place, const char *path, struct err *err)
{
	struct stat now;

	if (stat(path, &now) == 0 && !S_ISREG(now.st_mode))
		return err_set(err, ERR_SYSTEM,
		    "cannot write %s: it is there and no regular file", path);
	place->path = realpath(path, NULL);
	if (place->path == NULL && errno == ENOENT)
		place->path = strdup(path);
	if (place->path == NULL)
		return err_set_errno(err, "cannot write %s", path);
	if (asprintf(&place->part_path, "%s.part", place->path) == -1) {
		place->part_path = NULL;
		return err_set_memory(err, "path");
	}
	return 0;
}

/* Open without waiting for a reader, should it be a pipe, and look at what it
 * is before anything in it is cut off. */
static int
open_part(struct place *place, struct err *err)
{
	const int flags =
	    O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	struct stat now;

	place->fd = open(place->part_path, flags, 0666);
	if (place->fd == -1 && errno == ELOOP)
		return err_set(err, ERR_SYSTEM,
		    "cannot write %s: it is a symbolic link; remove it",
		    place->part_path);
	if (place->fd == -1 || fstat(place->fd, &now) == -1)
		return err_set_errno(err, "cannot write %s", place->part_path);
	if (!S_ISREG(now.st_mode))
		return err_set(err, ERR_SYSTEM,
		    "cannot write %s: it is there and no regular file",
		    place->part_path);
	if (ftruncate(place->fd, 0) == -1 ||
	    fd_set_nonblocking(place->fd, false) == -1)
		return err_set_errno(err, "cannot write %s", place->part_path);
	return 0;
}

int
place_open(struct place *place, const char *path, struct err *err)
{
	*place = (struct place){.fd = -1};
	if (name_paths(place, path, err) == 0 && open_part(place, err) == 0)
		return 0;
	forget(place);
	return -1;
}

int
place_open_new(struct place *place, const char *path, struct err *err)
{
	const int flags =
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC;

	*place = (struct place){.fd = -1, .is_new = true};
	if (name_paths(place, path, err) == -1)
		goto fail;
	(void)unlink(place->part_path);
	place->fd = open(place->part_path, flags, 0600);
	if (place->fd != -1)
		return 0;
	err_set_errno(err, "cannot write %s", place->part_path);
fail:
	forget(place);
	return -1;
}

/* Make the new name survive a power cut. */
static int
sync_directory(const char *path, struct err *err)
{
	char *copy = strdup(path);
	const char *directory;
	int status = 0;
	int fd;

	if (copy == NULL)
		return err_set_memory(err, "path");
	directory = dirname(copy);
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* Some network file systems cannot sync a directory (EINVAL), and one
	 * that may be written but not read cannot be opened (EACCES). */
	if ((fd == -1 && errno != EACCES) ||
	    (fd != -1 && fsync(fd) == -1 && errno != EINVAL))
		status = err_set_errno(err, "cannot sync %s", directory);
	fd_close(&fd);
	free(copy);
	return status;
}

static int
close_synced(struct place *place, struct err *err)
{
	int fd = place->fd;

	if (fsync(fd) == -1)
		return err_set_errno(err, "cannot sync %s", place->part_path);
	place->fd = -1;
	/* A network file system may tell of a full disk only now. */
	if (close(fd) == -1 && errno != EINTR)
		return err_set_errno(err, "cannot close %s", place->part_path);
	return 0;
}

/* Rename, but replace nothing. Not every file system can do that in one (NFS
 * cannot): there a look must do. */
static int
rename_new(const char *from, const char *to)
{
	struct stat there;

	if (syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to,
		RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -1;
	if (lstat(to, &there) == 0) {
		errno = EEXIST;
		return -1;
	}
	return rename(from, to);
}

int
place_move(const char *from, const char *to, struct err *err)
{
	if (rename(from, to) == 0)
		return 0;
	return err_set_errno(err, "cannot rename %s to %s", from, to);
}

static int
rename_part(const struct place *place, struct err *err)
{
	int done = place->is_new && !place->replaces
		       ? rename_new(place->part_path, place->path)
		       : rename(place->part_path, place->path);

	return done == 0 ? 0
			 : err_set_errno(err, "cannot rename %s to %s",
			       place->part_path, place->path);
}

int
place_show(struct place *place)
{
	int done;

	MUST(place->fd >= 0);
	fd_close(&place->fd);
	done = rename(place->part_path, place->path);
	if (done == -1)
		(void)unlink(place->part_path);
	forget(place);
	return done;
}

int
place_commit(struct place *place, struct err *err)
{
	int status = -1;

	MUST(place->fd >= 0);
	if (close_synced(place, err) == 0 && rename_part(place, err) == 0)
		status = sync_directory(place->path, err);
	else if (place->is_new)
		(void)unlink(place->part_path);
	forget(place);
	return status;
}

void
place_discard(struct place *place)
{
	if (place->fd != -1)
		(void)unlink(place->part_path);
	forget(place);
}

void
place_leave(struct place *place)
{
	if (place->is_new && place->fd != -1)
		(void)unlink(place->part_path);
	forget(place);
}
