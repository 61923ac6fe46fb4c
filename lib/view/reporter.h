/* SPDX-License-Identifier: ISC */
#ifndef REPORTER_H
#define REPORTER_H

#include <stdbool.h>
#include <stdint.h>

struct err;

/*
 * The report page of a run that goes on, written anew every so often by a
 * process of its own, and a last time when all is over.
 */
struct reporter_conf {
	const char *path; /* of the page; strings are lent */
	int64_t every_ns;
	bool titled; /* as in struct spawn_child */
};

struct reporter;

/* Call before a database is opened. Fails as place_open does: where the page
 * cannot be, that is found now. */
struct reporter *reporter_new(
    const struct reporter_conf *conf, struct err *err);

/* From now on, of this database (path, and what to call it; copied). Takes
 * shut: nobody can read it while the run goes on, so that there is one page, at
 * the end. Fails without memory. */
int reporter_begin(struct reporter *reporter, const char *database,
    const char *called, bool shut, struct err *err);

/* Look after the page that is being written, or begin the next one. Trouble is
 * said here, once. Takes NULL calmly, as all of these do. */
void reporter_tick(struct reporter *reporter, int64_t now_ns);
int64_t reporter_due_ns(const struct reporter *reporter);

/* Give up one that is being written: before the database is closed, so that
 * nobody reads it. */
void reporter_recall(struct reporter *reporter);

/* The last page, of the closed database at a path (NULL: there is none), and
 * free. hurry ends the wait. Fails as report_make. */
int reporter_end(struct reporter *reporter, const char *database,
    bool (*hurry)(void *arg), void *arg, struct err *err);

#endif
