/* SPDX-License-Identifier: ISC */
#ifndef SCRATCH_H
#define SCRATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "data/lock.h"

struct err;

/*
 * A database that lives far away, on a file system without locks or a slow
 * one, and is worked on near by: brought here at the start, copied home every
 * so often and at the end. Home has a lock all the while. What a dead node can
 * lose is what came since the last copy.
 */
struct scratch_conf {
	const char *home;
	const char *directory; /* on this node */
	bool create_only;      /* as in store_conf */
	const struct lock_wish *wish;
	int64_t every_ns;
	bool titled; /* as in struct spawn_child */
};

struct scratch;

/*
 * Lock home, and find what to work on: what a killed run left here, if home
 * knows nothing newer; else a copy of home; else nothing yet. What was left
 * and is not gone on with is set aside, and that is said.
 * Call before a database is opened.
 * Fails as store_open does for home; ERR_USAGE for a directory that is none,
 * cannot be written, or lies on a network itself. Nothing is left.
 */
struct scratch *scratch_open(const struct scratch_conf *conf, struct err *err);

/* Gives the path to work at, and what to call it. */
const char *scratch_path(const struct scratch *scratch);
const char *scratch_name(const struct scratch *scratch);

/* Gives home's path without links. */
const char *scratch_home(const struct scratch *scratch);

/* Say in home's lock file where orders are taken. Takes NULL calmly. */
void scratch_show_socket(const struct scratch *scratch, const char *path);

/* Was there a database, at home or here? */
bool scratch_is_old(const struct scratch *scratch);

/* There is something to bring home from now on. */
void scratch_begin(struct scratch *scratch);

/* Look after the lock and the copy that is under way, or send the next one;
 * trouble is said here, and tried again. */
void scratch_tick(struct scratch *scratch, int64_t now_ns);
int64_t scratch_due_ns(const struct scratch *scratch);

/* Gives how long before a deadline the last copy is to begin: twice what the
 * longest one took so far. */
int64_t scratch_takes_ns(const struct scratch *scratch);

/* Give up a copy that is under way: another will follow. Before the database
 * here is closed, so that nobody reads it. Takes NULL calmly. */
void scratch_recall(struct scratch *scratch);

/*
 * The database here is closed: bring it home, take it away here, let go of the
 * lock, free. hurry ends the wait (NULL: as long as it takes).
 * Gives 0; -1 with err when it is not home: then it stays here. Takes NULL
 * calmly.
 */
int scratch_close(struct scratch *scratch, bool (*hurry)(void *arg), void *arg,
    struct err *err);

#endif
