/* SPDX-License-Identifier: ISC */
#ifndef VERIFY_H
#define VERIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

struct err;

/*
 * Is a database what was written into it? SQLite's own check of the file, the
 * ids without a gap, and the sha256 of every answer.
 */
#define VERIFY_SHOWN 20 /* faults listed of each kind; the rest is counted */

struct verify {
	const char *name; /* lent */
	bool is_seed;	  /* has no sha256 */
	uint64_t prompts;
	uint64_t same; /* answers whose sha256 is the stored one */
	uint64_t
	    unsigned_count; /* results that no answering attempt vouches for */
	uint64_t differ;
	int64_t differing[VERIFY_SHOWN]; /* ids, the first ones */
	int64_t missing;		 /* the first id that is not there; 0 */
	uint64_t faults; /* of the file; SQLite is asked for VERIFY_SHOWN */
	struct buf fault_lines; /* SQLite's words on them, a line each */
};

/*
 * Check it all, in one snapshot.
 * Takes path, lent to verify as its name; verify_free in any case.
 * Fails as peek_open: a file of which nothing can be told. Faults are no
 * failure.
 */
int verify_read(struct verify *verify, const char *path, struct err *err);

/* Was nothing found? */
bool verify_is_sound(const struct verify *verify);

void verify_free(struct verify *verify);

#endif
