/* SPDX-License-Identifier: ISC */
/*
 * The lock is at home, the work is here, and the courier goes to and fro. What
 * is here when a run begins was left by one that was killed.
 */
#include "data/scratch.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/place.h"
#include "base/text.h"
#include "data/copy.h"
#include "data/courier.h"
#include "data/db.h"
#include "data/fskind.h"
#include "data/lineage.h"
#include "data/path.h"

#define LOOK_NS (250 * CLOCK_MS) /* at a copy that is under way */
#define AGAIN_NS (30 * CLOCK_S)	 /* after one that failed */
#define NAP_MS 20		 /* between looks at the last one */

struct scratch {
	struct lock lock;
	struct lock_token token;
	enum db_mode home_mode; /* to open home with */
	char *home;		/* real */
	char *path;
	char *name;  /* for people */
	char *title; /* of the process that copies */
	struct courier *courier;
	int64_t every_ns;
	bool is_old;
	bool is_brought; /* from home, just now */
	bool has_begun;
	int64_t due_ns;	    /* of the next copy, or look at one */
	int64_t refresh_ns; /* of the lock */
	int64_t sent_ns;
	int64_t longest_ns;
	struct timespec sent_wrote;  /* what last_write gave then; 0: too near
					to be told from a later one */
	struct timespec saved_wrote; /* and for what is at home */
	char trouble[ERR_TEXT_MAX];  /* that was said last */
};

/* ---- finding out ---- */

static int
check_directory(const char *directory, struct err *err)
{
	const char *kind = fskind_seen(directory);
	struct stat st;

	if (stat(directory, &st) == -1)
		return err_set(err, ERR_USAGE, "--scratch %s: %s", directory,
		    strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return err_set(
		    err, ERR_USAGE, "--scratch %s: no directory", directory);
	if (access(directory, W_OK | X_OK) == -1)
		return err_set(err, ERR_USAGE, "--scratch %s: %s", directory,
		    strerror(errno));
	if (kind != NULL)
		return err_set(err, ERR_USAGE,
		    "--scratch %s lies on %s itself; name a directory on the "
		    "node's own disk",
		    directory, kind);
	return 0;
}

/* Databases of many directories can be worked on in one. SQLite wants no
 * symbolic link on the way. */
static int
name_files(
    struct scratch *scratch, const struct scratch_conf *conf, struct err *err)
{
	char *near = realpath(conf->directory, NULL);
	uint64_t hash = hash_add(HASH_START, span_of(scratch->home));
	const char *base = strrchr(scratch->home, '/') + 1;

	if (near == NULL)
		return err_set_errno(err, "--scratch %s", conf->directory);
	if (asprintf(&scratch->path, "%s/llmill-%016" PRIx64 "-%s", near, hash,
		base) == -1)
		scratch->path = NULL;
	free(near);
	if (asprintf(&scratch->name, "%s in %s", conf->home, conf->directory) ==
	    -1)
		scratch->name = NULL;
	if (scratch->path == NULL || scratch->name == NULL)
		return err_set_memory(err, "scratch");
	return 0;
}

/* A file of somebody else's in a directory of all is not ours to believe. */
static int
check_own(const struct scratch *scratch, struct err *err)
{
	struct stat st;

	if (stat(scratch->path, &st) == 0 && st.st_uid != geteuid())
		return err_set(err, ERR_INPUT, "%s: belongs to somebody else",
		    scratch->path);
	return 0;
}

static int
take_lock(struct scratch *scratch, const struct scratch_conf *conf,
    const char *directory, struct err *err)
{
	struct lock_wish wish = *conf->wish;

	wish.shared = fskind_network(directory) != NULL;
	wish.by_file = true;
	if (lock_take_as(&scratch->lock, scratch->home, &wish, err) == -1)
		return -1;
	scratch->token = lock_token(&scratch->lock);
	scratch->home_mode = scratch->lock.is_file ? DB_ALONE : DB_NETWORK;
	return 0;
}

/* ---- at the start ---- */

static int
bring(struct scratch *scratch, const struct scratch_conf *conf, struct err *err)
{
	const struct copy copy = {
	    .from = scratch->home,
	    .called = conf->home,
	    .mode = scratch->home_mode,
	    .to = scratch->path,
	    .hurry = conf->wish->hurry,
	    .arg = conf->wish->arg,
	};

	if (euidaccess(scratch->home, R_OK | W_OK) == -1)
		return err_set_errno(err, "cannot write %s", conf->home);
	scratch->is_brought = true;
	return copy_make(&copy, err);
}

/* An empty file is a new database. */
static bool
is_something(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && st.st_size > 0;
}

/* Where nothing is yet, see now whether there can be something. */
static int
try_home(const struct scratch *scratch, struct err *err)
{
	struct place place;

	if (place_open_new(&place, scratch->home, err) == -1)
		return -1;
	place_leave(&place);
	return 0;
}

static int
choose(struct scratch *scratch, const struct scratch_conf *conf, bool exists,
    struct err *err)
{
	bool at_home = exists && is_something(scratch->home);
	bool here = is_something(scratch->path);
	bool newer = true;

	if (try_home(scratch, err) == -1)
		return -1;
	if (here && at_home &&
	    lineage_has_all(scratch->path, scratch->home, scratch->home_mode,
		&newer, err) == -1)
		return -1;
	if (here && !newer &&
	    lineage_set_aside(scratch->path, scratch->home, err) == -1)
		return -1;
	scratch->is_old = here || at_home;
	if (here && newer)
		log_say(LOG_NOTE,
		    "%s: going on with what a run that was killed left here",
		    scratch->path);
	else if (at_home)
		return bring(scratch, conf, err);
	if (!at_home)
		lineage_remove_sides(scratch->home);
	return 0;
}

static bool
may_replace(void *arg)
{
	const struct scratch *scratch = arg;

	return lock_token_holds(&scratch->token, scratch->home);
}

/* In the courier. */
static int
copy_home(void *arg, const char *word, struct err *err)
{
	struct scratch *scratch = arg;
	const struct copy copy = {
	    .from = scratch->path,
	    .called = scratch->name,
	    .mode = DB_LOCAL,
	    .to = scratch->home,
	    .may_replace = may_replace,
	    .arg = scratch,
	};

	(void)word;
	return copy_make(&copy, err);
}

static int
make_courier(
    struct scratch *scratch, const struct scratch_conf *conf, struct err *err)
{
	struct courier_conf courier = {
	    .work = copy_home,
	    .arg = scratch,
	    .path = scratch->home,
	    .titled = conf->titled,
	};

	if (asprintf(&scratch->title, "copies to %s", scratch->home) == -1) {
		scratch->title = NULL;
		return err_set_memory(err, "scratch");
	}
	courier.title = scratch->title;
	scratch->courier = courier_new(&courier, err);
	return scratch->courier != NULL ? 0 : -1;
}

static void
scratch_free(struct scratch *scratch)
{
	courier_free(scratch->courier);
	lock_release(&scratch->lock);
	free(scratch->home);
	free(scratch->path);
	free(scratch->name);
	free(scratch->title);
	free(scratch);
}

static int
open_both(
    struct scratch *scratch, const struct scratch_conf *conf, struct err *err)
{
	char *directory = NULL;
	bool exists = false;
	int done = -1;

	scratch->home = path_resolve(conf->home, &directory, err);
	if (scratch->home == NULL ||
	    path_check(scratch->home, conf->home, &exists, err) == -1)
		goto out;
	if (exists && conf->create_only) {
		errno = EEXIST;
		err_set_errno(err, "cannot create %s", conf->home);
		goto out;
	}
	if (check_directory(conf->directory, err) == -1 ||
	    name_files(scratch, conf, err) == -1 ||
	    take_lock(scratch, conf, directory, err) == -1 ||
	    check_own(scratch, err) == -1 ||
	    choose(scratch, conf, exists, err) == -1)
		goto out;
	done = make_courier(scratch, conf, err);
out:
	if (done == -1 && exists && !conf->create_only && err != NULL &&
	    err->class == ERR_SYSTEM)
		err->class = ERR_INPUT; /* as in store.c */
	free(directory);
	return done;
}

struct scratch *
scratch_open(const struct scratch_conf *conf, struct err *err)
{
	struct scratch *scratch = calloc(1, sizeof *scratch);
	char every[32];

	if (scratch == NULL) {
		err_set_memory(err, "scratch");
		return NULL;
	}
	scratch->lock.fd = -1;
	scratch->every_ns = conf->every_ns;
	if (open_both(scratch, conf, err) == -1) {
		if (scratch->is_brought)
			(void)unlink(scratch->path);
		scratch_free(scratch);
		return NULL;
	}
	text_duration(conf->every_ns, every, sizeof every);
	log_say(LOG_NOTE,
	    "answers are kept in %s and copied to %s every %s: should this "
	    "node die, that much is lost at most, and what came during one "
	    "copy",
	    conf->directory, conf->home, every);
	return scratch;
}

const char *
scratch_path(const struct scratch *scratch)
{
	return scratch->path;
}

const char *
scratch_name(const struct scratch *scratch)
{
	return scratch->name;
}

const char *
scratch_home(const struct scratch *scratch)
{
	return scratch->home;
}

void
scratch_show_socket(const struct scratch *scratch, const char *path)
{
	if (scratch != NULL)
		lock_show_socket(&scratch->lock, path);
}

bool
scratch_is_old(const struct scratch *scratch)
{
	return scratch->is_old;
}

/* ---- meanwhile ---- */

/* When was something written last, here? */
static struct timespec
last_write(const struct scratch *scratch)
{
	struct timespec last = {0};
	char *wal = NULL;
	struct stat st;

	if (stat(scratch->path, &st) == 0)
		last = st.st_mtim;
	if (asprintf(&wal, "%s-wal", scratch->path) == -1)
		return last;
	if (stat(wal, &st) == 0 && (st.st_mtim.tv_sec > last.tv_sec ||
				       (st.st_mtim.tv_sec == last.tv_sec &&
					   st.st_mtim.tv_nsec > last.tv_nsec)))
		last = st.st_mtim;
	free(wal);
	return last;
}

static bool
is_same(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

void
scratch_begin(struct scratch *scratch)
{
	scratch->has_begun = true;
}

int64_t
scratch_due_ns(const struct scratch *scratch)
{
	if (scratch == NULL || !scratch->has_begun)
		return CLOCK_NEVER;
	return scratch->due_ns < scratch->refresh_ns ? scratch->due_ns
						     : scratch->refresh_ns;
}

int64_t
scratch_takes_ns(const struct scratch *scratch)
{
	return scratch == NULL ? 0 : 2 * scratch->longest_ns;
}

/* Each kind of trouble is said once. */
static void
say_trouble(struct scratch *scratch, const struct err *err)
{
	if (strcmp(scratch->trouble, err->text) == 0)
		return;
	snprintf(scratch->trouble, sizeof scratch->trouble, "%s", err->text);
	log_say(LOG_WARN, "%s; answers are kept in %s, and it is tried again",
	    err->text, scratch->path);
}

/* The courier is back. */
static void
note_arrival(struct scratch *scratch, int64_t now_ns)
{
	int64_t took_ns = now_ns - scratch->sent_ns;
	char took[32];

	scratch->saved_wrote = scratch->sent_wrote;
	if (took_ns > scratch->longest_ns)
		scratch->longest_ns = took_ns;
	if (scratch->trouble[0] != '\0')
		log_say(LOG_NOTE, "%s is up to date again", scratch->home);
	scratch->trouble[0] = '\0';
	log_say(LOG_INFO, "copied to %s in %s", scratch->home,
	    text_duration(took_ns, took, sizeof took));
}

static void
look_after(struct scratch *scratch, int64_t now_ns)
{
	struct err err = {0};
	int back = courier_look(scratch->courier, &err);

	scratch->due_ns = clock_add(now_ns, LOOK_NS);
	if (back == 0)
		return;
	scratch->due_ns = clock_add(scratch->sent_ns, scratch->every_ns);
	if (back == 1) {
		note_arrival(scratch, now_ns);
		return;
	}
	if (scratch->every_ns > AGAIN_NS)
		scratch->due_ns = clock_add(now_ns, AGAIN_NS);
	say_trouble(scratch, &err);
}

static int
send(struct scratch *scratch, int64_t now_ns, struct err *err)
{
	scratch->sent_wrote = last_write(scratch);
	if (clock_wall_ms() / 1000 <= scratch->sent_wrote.tv_sec + 1)
		scratch->sent_wrote = (struct timespec){0};
	scratch->sent_ns = now_ns;
	return courier_send(scratch->courier, "", err);
}

void
scratch_tick(struct scratch *scratch, int64_t now_ns)
{
	struct err err = {0};

	if (now_ns < scratch_due_ns(scratch)) /* also without any */
		return;
	if (now_ns >= scratch->refresh_ns) {
		lock_refresh(&scratch->lock);
		scratch->refresh_ns = clock_add(now_ns, LOCK_REFRESH_NS);
	}
	if (now_ns < scratch->due_ns)
		return;
	if (courier_is_out(scratch->courier)) {
		look_after(scratch, now_ns);
		return;
	}
	scratch->due_ns = clock_add(now_ns, scratch->every_ns);
	if (is_same(last_write(scratch), scratch->saved_wrote))
		return;
	if (send(scratch, now_ns, &err) == -1)
		say_trouble(scratch, &err);
	else
		scratch->due_ns = clock_add(now_ns, LOOK_NS);
}

/* ---- at the end ---- */

void
scratch_recall(struct scratch *scratch)
{
	if (scratch != NULL)
		courier_recall(scratch->courier);
}

/* Gives 1 when the courier is back with its copy in place, -1 with err. */
static int
await(struct scratch *scratch, bool (*hurry)(void *arg), void *arg,
    struct err *err)
{
	int back;

	while ((back = courier_look(scratch->courier, err)) == 0) {
		if (hurry != NULL && hurry(arg))
			return err_set(err, ERR_BUSY,
			    "the copy to %s was interrupted", scratch->home);
		(void)poll(NULL, 0, NAP_MS);
	}
	return back;
}

static int
go_home(struct scratch *scratch, bool (*hurry)(void *arg), void *arg,
    struct err *err)
{
	scratch_recall(scratch);
	if (send(scratch, clock_now_ns(), err) == -1)
		return -1;
	return await(scratch, hurry, arg, err) == 1 ? 0 : -1;
}

int
scratch_close(struct scratch *scratch, bool (*hurry)(void *arg), void *arg,
    struct err *err)
{
	bool is_there;
	int done = 0;

	if (scratch == NULL)
		return 0;
	is_there = is_something(scratch->path);
	if (scratch->has_begun && is_there)
		done = go_home(scratch, hurry, arg, err);
	if (done == -1)
		err_add(err, "%s is not up to date, all answers are in %s",
		    scratch->home, scratch->path);
	/* What was not begun with is as it was found: a copy goes. */
	else if (scratch->has_begun || scratch->is_brought || !is_there) {
		(void)unlink(scratch->path);
		lineage_remove_sides(scratch->path);
	}
	scratch_free(scratch);
	return done;
}
