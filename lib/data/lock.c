/* SPDX-License-Identifier: ISC */
/*
 * The lock is the kernel's, on an open file description: it goes with the
 * last process that has it open. The file's content is for people.
 */
#include "data/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/text.h"

#define LOCK_PATIENCE_NS                                                       \
	CLOCK_S /* a dying holder's children are gone by then */
#define LOCK_NAP_MS 20
#define HOLDER_MAX_BYTES 512

static char *
lock_path(const char *db_path)
{
	char *path;

	return asprintf(&path, "%s.lock", db_path) == -1 ? NULL : path;
}

static int
lock_open(const char *path, int flags)
{
	return open(path, flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
}

/* Is the locked file still the one at the path? The last holder removes it,
 * and somebody else may have made another since we opened ours. */
static bool
is_in_place(const struct lock *lock)
{
	struct stat ours;
	struct stat there;

	return fstat(lock->fd, &ours) == 0 && stat(lock->path, &there) == 0 &&
	       ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
}

/* Try once. Gives 1 held, 0 somebody else has it, -1 with errno. */
static int
lock_try(struct lock *lock)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	if (lock->fd == -1)
		lock->fd = lock_open(lock->path, O_RDWR | O_CREAT);
	if (lock->fd == -1)
		return -1;
	if (fcntl(lock->fd, F_OFD_SETLK, &whole) == -1)
		return errno == EAGAIN || errno == EACCES ? 0 : -1;
	if (is_in_place(lock))
		return 1;
	fd_close(&lock->fd);
	return 0;
}

/* Write who we are. Only people read it: a full disk is no reason to stop. */
static void
lock_sign(const struct lock *lock)
{
	const char *job = getenv("SLURM_JOB_ID");
	char host[256] = "";
	char text[HOLDER_MAX_BYTES];
	int size;

	(void)gethostname(host, sizeof host - 1);
	size = snprintf(text, sizeof text, "pid=%ld host=%s job=%s\n",
	    (long)getpid(), host, job == NULL ? "-" : job);
	if (size >= (int)sizeof text)
		size = (int)sizeof text - 1;
	if (ftruncate(lock->fd, 0) == 0)
		(void)!pwrite(lock->fd, text, (size_t)size, 0);
}

/* Say who holds it. */
static int
say_busy(const struct lock *lock, const char *db_path, struct err *err)
{
	char text[HOLDER_MAX_BYTES];
	struct buf holder;
	ssize_t size = pread(lock->fd, text, sizeof text, 0);

	buf_init(&holder, 4 * HOLDER_MAX_BYTES);
	while (size > 0 && text[size - 1] == '\n')
		size--;
	if (size > 0)
		text_escape(&holder, (struct span){text, (size_t)size}, 0);
	err_set(err, ERR_BUSY, "%s: another llmill works on it (%s)", db_path,
	    holder.size > 0 ? buf_span(&holder).data : "it does not say which");
	buf_free(&holder);
	return -1;
}

static int
say_failed(const struct lock *lock, struct err *err)
{
	if (errno == ENOSYS || errno == ENOLCK || errno == EOPNOTSUPP)
		return err_set(err, ERR_SYSTEM,
		    "%s: this file system has no locks (Lustre: mount it with "
		    "-o flock); put --db on another one",
		    lock->path);
	return err_set_errno(err, "cannot lock %s", lock->path);
}

int
lock_take(struct lock *lock, const char *db_path, struct err *err)
{
	int64_t until_ns = clock_add(clock_now_ns(), LOCK_PATIENCE_NS);
	int got;

	lock->fd = -1;
	lock->path = lock_path(db_path);
	if (lock->path == NULL)
		return err_set_memory(err, "lock file");
	for (;;) {
		got = lock_try(lock);
		if (got == 1) {
			lock_sign(lock);
			return 0;
		}
		if (got == -1 || clock_now_ns() >= until_ns)
			break;
		(void)poll(NULL, 0, LOCK_NAP_MS);
	}
	if (got == -1)
		say_failed(lock, err);
	else
		say_busy(lock, db_path, err);
	fd_close(&lock->fd);
	free(lock->path);
	lock->path = NULL;
	return -1;
}

int
lock_is_held(const char *db_path)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char *path = lock_path(db_path);
	int fd = path == NULL ? -1 : lock_open(path, O_RDONLY);
	int held = fd == -1 && errno != ENOENT;

	if (fd != -1)
		held = fcntl(fd, F_OFD_GETLK, &whole) == -1 ||
		       whole.l_type != F_UNLCK;
	fd_close(&fd);
	free(path);
	return held;
}

bool
lock_find_holder(const char *db_path, struct lock_holder *holder)
{
	char text[HOLDER_MAX_BYTES + 1];
	char *path = lock_path(db_path);
	int fd = path == NULL ? -1 : lock_open(path, O_RDONLY);
	ssize_t size = fd == -1 ? -1 : pread(fd, text, HOLDER_MAX_BYTES, 0);

	*holder = (struct lock_holder){0};
	text[size > 0 ? size : 0] = '\0';
	if (sscanf(text, "pid=%" SCNd64 " host=%255s job=%63s", &holder->pid,
		holder->host, holder->job) == 3 &&
	    strcmp(holder->job, "-") == 0)
		holder->job[0] = '\0';
	fd_close(&fd);
	free(path);
	return lock_is_held(db_path) != 0;
}

void
lock_release(struct lock *lock)
{
	if (lock->fd != -1 && is_in_place(lock))
		(void)unlink(lock->path);
	fd_close(&lock->fd);
	free(lock->path);
	lock->path = NULL;
}
