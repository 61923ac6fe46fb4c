/* SPDX-License-Identifier: ISC */
#ifndef COPY_H
#define COPY_H

#include <stdbool.h>

#include "data/db.h"

struct err;

/*
 * One database becomes another file, which appears whole or not at all, durable
 * and in place of what was there.
 */
struct copy {
	const char *from;   /* absolute */
	const char *called; /* by people; NULL: from */
	enum db_mode mode;  /* to read it with: DB_LOCAL while somebody writes;
			       DB_NETWORK, DB_ALONE: what a journal beside it
			       holds goes into it first */
	const char *to;	    /* keeps the mode of a file that is there; else it
			       has 0600 */
	bool (*hurry)(void *arg); /* give up? NULL: never */
	/* Asked before it is put in place; NULL: it may. */
	bool (*may_replace)(void *arg);
	void *arg;
};

/* Fails as db_fail; ERR_BUSY when given up, or when it may not be put in place;
 * what was at to is as it was. */
int copy_make(const struct copy *copy, struct err *err);

#endif
