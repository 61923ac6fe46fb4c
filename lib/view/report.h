/* SPDX-License-Identifier: ISC */
#ifndef REPORT_H
#define REPORT_H

#include <stdbool.h>
#include <stdint.h>

struct err;

/*
 * One page about one or several databases: plots, totals, failures, and a table
 * of the prompts. It needs nothing but itself, and loads nothing: whatever a
 * prompt or an answer says, it is text there.
 */
#define REPORT_ROWS                                                            \
	100000 /* of a database; of more a sample and all failures             \
		  are shown, and that is said */

struct report_conf {
	const char *path;	      /* of the page */
	const char *const *databases; /* one or more, then NULL */
	const char *called; /* of a single one, by people; NULL: its path */
	/* The page reads itself anew after so long while a run goes on; 0: it
	 * does not. */
	int64_t again_ms;
	bool (*hurry)(void *arg); /* give up? NULL: never */
	void *arg;
};

/*
 * Write it; it appears whole, in place of what was there.
 * Fails as peek_open for a database; ERR_SYSTEM for the page; ERR_BUSY when
 * given up.
 */
int report_make(const struct report_conf *conf, struct err *err);

#endif
