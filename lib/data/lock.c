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
#include "base/log.h"
#include "base/text.h"

#define LOCK_PATIENCE_NS                                                       \
	CLOCK_S /* a dying holder's children are gone by then */
#define LOCK_NAP_MS 20
#define LOCK_LONG_NAP_MS 500
#define LOCK_SIGN_S 10	 /* from its making to its text */
#define LOCK_STALE_S 600 /* refreshed every minute by those who live */
#define HOLDER_MAX_BYTES 640

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

/* Who we are to others. Of the tasks of one job step each is somebody else. */
static void
know_ourselves(struct lock_holder *self)
{
	const char *job = getenv("SLURM_JOB_ID");
	const char *task = getenv("SLURM_PROCID");
	bool in_step = getenv("SLURM_STEP_ID") != NULL && task != NULL;

	*self = (struct lock_holder){.pid = getpid()};
	(void)gethostname(self->host, sizeof self->host - 1);
	if (job != NULL && *job != '\0' && strpbrk(job, " \t\r\n") == NULL)
		snprintf(self->job, sizeof self->job, "%s%s%s", job,
		    in_step ? "." : "", in_step ? task : "");
}

/* Read what the holder wrote. */
static void
read_holder(int fd, struct lock_holder *holder)
{
	char text[HOLDER_MAX_BYTES + 1];
	ssize_t size = fd == -1 ? -1 : pread(fd, text, HOLDER_MAX_BYTES, 0);

	*holder = (struct lock_holder){0};
	text[size > 0 ? size : 0] = '\0';
	(void)sscanf(text,
	    "pid=%" SCNd64 " host=%255s job=%63s socket=%107[^\n]",
	    &holder->pid, holder->host, holder->job, holder->socket);
	if (strcmp(holder->job, "-") == 0)
		holder->job[0] = '\0';
}

/* Seconds since the holder last showed that it lives. */
static int64_t
age_s(int fd)
{
	struct stat st;

	return fstat(fd, &st) == -1 ? 0 : clock_wall_ms() / 1000 - st.st_mtime;
}

/*
 * The kernel gives us the lock, but may know nothing of other hosts. Does the
 * file say that one of them works on the database?
 */
static bool
is_foreign(const struct lock *lock, const struct lock_wish *wish)
{
	struct lock_holder self;
	struct lock_holder other;

	if (!wish->shared)
		return false;
	know_ourselves(&self);
	read_holder(lock->fd, &other);
	if (other.host[0] == '\0' || strcmp(other.host, self.host) == 0)
		return false;
	/* The same job, started again on another node. */
	if (other.job[0] != '\0' && strcmp(other.job, self.job) == 0)
		return false;
	if (wish->steal || age_s(lock->fd) >= LOCK_STALE_S) {
		log_say(LOG_WARN,
		    "%s: taken over from pid %" PRId64
		    " on %s, which was last seen %" PRId64 " s ago",
		    lock->path, other.pid, other.host, age_s(lock->fd));
		return false;
	}
	return true;
}

enum grab {
	GRAB_FAILED = -1, /* errno */
	GRAB_BUSY = 0,	  /* somebody on this host has it, or as good as */
	GRAB_DONE = 1,
	GRAB_FOREIGN = 2, /* another host has it */
};

/* Whoever made the file has the lock. Does it say that they are alive? */
static enum grab
judge_file(const struct lock *lock, const struct lock_wish *wish)
{
	struct lock_holder self;
	struct lock_holder other;
	char proc[40];

	know_ourselves(&self);
	read_holder(lock->fd, &other);
	if (other.pid == 0 && age_s(lock->fd) < LOCK_SIGN_S)
		return GRAB_BUSY; /* just being signed */
	if (wish->steal)
		return GRAB_DONE;
	if (strcmp(other.host, self.host) != 0)
		return is_foreign(lock, wish) ? GRAB_FOREIGN : GRAB_DONE;
	snprintf(proc, sizeof proc, "/proc/%" PRId64, other.pid);
	return other.pid == self.pid || access(proc, F_OK) == -1 ? GRAB_DONE
								 : GRAB_BUSY;
}

/* Write who we are. Only people read it, and other hosts: a full disk is no
 * reason to stop. */
static void
lock_sign(const struct lock *lock, const char *socket)
{
	struct lock_holder self;
	char text[HOLDER_MAX_BYTES];
	int size;

	know_ourselves(&self);
	size =
	    snprintf(text, sizeof text, "pid=%" PRId64 " host=%s job=%s%s%s\n",
		self.pid, self.host, self.job[0] == '\0' ? "-" : self.job,
		socket != NULL ? " socket=" : "", socket != NULL ? socket : "");
	if (ftruncate(lock->fd, 0) == 0)
		(void)!pwrite(lock->fd, text, (size_t)size, 0);
}

/*
 * Where the kernel has no locks: to make the file is to have it. One that a
 * dead holder left is removed, and then made anew by whoever is first; two
 * that do so at once see by the nap that theirs is gone.
 */
static enum grab
file_try(struct lock *lock, const struct lock_wish *wish)
{
	enum grab got = judge_file(lock, wish);

	if (got != GRAB_DONE)
		return got;
	if (is_in_place(lock))
		(void)unlink(lock->path);
	fd_close(&lock->fd);
	lock->fd = lock_open(lock->path, O_RDWR | O_CREAT | O_EXCL);
	if (lock->fd == -1)
		return errno == EEXIST ? GRAB_BUSY : GRAB_FAILED;
	lock_sign(lock, NULL);
	(void)poll(NULL, 0, LOCK_NAP_MS);
	if (is_in_place(lock))
		return GRAB_DONE;
	fd_close(&lock->fd);
	return GRAB_BUSY;
}

static bool
is_lockless(int number)
{
	return number == ENOSYS || number == ENOLCK || number == EOPNOTSUPP;
}

static enum grab
lock_try(struct lock *lock, const struct lock_wish *wish)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	bool is_new = false;

	if (wish->by_file)
		fd_close(&lock->fd); /* it may be another by now */
	if (lock->fd == -1) {
		lock->fd = lock_open(lock->path, O_RDWR | O_CREAT | O_EXCL);
		is_new = lock->fd != -1;
	}
	if (lock->fd == -1 && errno == EEXIST)
		lock->fd = lock_open(lock->path, O_RDWR | O_CREAT);
	if (lock->fd == -1)
		return GRAB_FAILED;
	if (fcntl(lock->fd, F_OFD_SETLK, &whole) == -1) {
		lock->is_file = wish->by_file && is_lockless(errno);
		if (lock->is_file)
			return is_new ? GRAB_DONE : file_try(lock, wish);
		return errno == EAGAIN || errno == EACCES ? GRAB_BUSY
							  : GRAB_FAILED;
	}
	if (!is_in_place(lock)) {
		fd_close(&lock->fd);
		return GRAB_BUSY;
	}
	if (!is_foreign(lock, wish))
		return GRAB_DONE;
	whole.l_type = F_UNLCK;
	(void)fcntl(lock->fd, F_OFD_SETLK, &whole);
	return GRAB_FOREIGN;
}

void
lock_show_socket(const struct lock *lock, const char *path)
{
	if (lock->fd != -1)
		lock_sign(lock, path);
}

void
lock_refresh(const struct lock *lock)
{
	if (lock->fd != -1)
		(void)futimens(lock->fd, NULL);
}

/* Append what the lock file says. */
static void
put_holder(struct buf *out, const struct lock *lock)
{
	char text[HOLDER_MAX_BYTES];
	ssize_t size =
	    lock->fd == -1 ? -1 : pread(lock->fd, text, sizeof text, 0);

	while (size > 0 && text[size - 1] == '\n')
		size--;
	if (size > 0)
		text_escape(out, (struct span){text, (size_t)size}, 0);
	else
		buf_add_text(out, "it does not say which");
}

/* Say who holds it. */
static int
say_busy(
    const struct lock *lock, const char *db_path, bool foreign, struct err *err)
{
	struct buf holder;

	buf_init(&holder, 4 * HOLDER_MAX_BYTES);
	put_holder(&holder, lock);
	if (foreign)
		err_set(err, ERR_BUSY,
		    "%s: another llmill worked on it %" PRId64
		    " s ago (%s); --wait-lock waits for it, --steal-lock takes "
		    "it from one that is dead",
		    db_path, age_s(lock->fd), buf_span(&holder).data);
	else
		err_set(err, ERR_BUSY, "%s: another llmill works on it (%s)",
		    db_path, buf_span(&holder).data);
	buf_free(&holder);
	return -1;
}

static int
say_failed(const struct lock *lock, struct err *err)
{
	if (is_lockless(errno))
		return err_set(err, ERR_SYSTEM,
		    "%s: this file system has no locks (%s; Lustre: mount it "
		    "with -o flock); --scratch DIR works on the node's own "
		    "disk and copies to it",
		    lock->path, strerror(errno));
	return err_set_errno(err, "cannot lock %s", lock->path);
}

/* Said once. */
static void
say_waiting(const struct lock *lock, const char *db_path, int64_t wait_ns)
{
	struct buf holder;
	char text[32];

	buf_init(&holder, 4 * HOLDER_MAX_BYTES);
	put_holder(&holder, lock);
	log_say(LOG_NOTE,
	    "%s: another llmill works on it (%s); waiting, %s at most", db_path,
	    buf_span(&holder).data, text_duration(wait_ns, text, sizeof text));
	buf_free(&holder);
}

/* Try until it is ours, or has taken too long. */
static enum grab
grab(struct lock *lock, const char *db_path, const struct lock_wish *wish)
{
	int64_t from_ns = clock_now_ns();
	bool said = false;

	for (;;) {
		enum grab got = lock_try(lock, wish);
		int64_t passed_ns = clock_now_ns() - from_ns;
		int64_t wait_ns =
		    got == GRAB_FOREIGN ? wish->wait_foreign_ns : wish->wait_ns;
		int number = errno;

		if (wait_ns < LOCK_PATIENCE_NS && got == GRAB_BUSY)
			wait_ns = LOCK_PATIENCE_NS;
		if (got == GRAB_DONE || got == GRAB_FAILED ||
		    passed_ns >= wait_ns ||
		    (wish->hurry != NULL && wish->hurry(wish->arg))) {
			errno = number;
			return got;
		}
		if (!said && passed_ns >= LOCK_PATIENCE_NS) {
			say_waiting(lock, db_path, wait_ns);
			said = true;
		}
		(void)poll(NULL, 0,
		    passed_ns < LOCK_PATIENCE_NS ? LOCK_NAP_MS
						 : LOCK_LONG_NAP_MS);
	}
}

int
lock_take_as(struct lock *lock, const char *db_path,
    const struct lock_wish *wish, struct err *err)
{
	enum grab got;

	lock->fd = -1;
	lock->path = lock_path(db_path);
	if (lock->path == NULL)
		return err_set_memory(err, "lock file");
	got = grab(lock, db_path, wish);
	if (got == GRAB_DONE) {
		lock_sign(lock, NULL);
		return 0;
	}
	if (got == GRAB_FAILED)
		say_failed(lock, err);
	else
		say_busy(lock, db_path, got == GRAB_FOREIGN, err);
	fd_close(&lock->fd);
	free(lock->path);
	lock->path = NULL;
	return -1;
}

int
lock_take(struct lock *lock, const char *db_path, struct err *err)
{
	const struct lock_wish wish = {0};

	return lock_take_as(lock, db_path, &wish, err);
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
	char *path = lock_path(db_path);
	int fd = path == NULL ? -1 : lock_open(path, O_RDONLY);

	read_holder(fd, holder);
	fd_close(&fd);
	free(path);
	return lock_is_held(db_path) != 0;
}

struct lock_token
lock_token(const struct lock *lock)
{
	struct stat st;

	if (fstat(lock->fd, &st) == -1)
		return (struct lock_token){0};
	return (struct lock_token){st.st_dev, st.st_ino};
}

bool
lock_token_holds(const struct lock_token *token, const char *db_path)
{
	char *path = lock_path(db_path);
	struct stat st;
	bool holds = path != NULL && stat(path, &st) == 0 &&
		     st.st_dev == token->device && st.st_ino == token->inode;

	free(path);
	return holds;
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
