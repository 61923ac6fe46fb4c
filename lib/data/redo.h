/* SPDX-License-Identifier: ISC */
#ifndef REDO_H
#define REDO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

/* Which prompts are to be asked again, though they are through. */
struct redo_range {
	int64_t first; /* ids, inclusive */
	int64_t last;
};

struct redo {
	bool failed;
	bool empty;  /* the answer is "" */
	bool na;     /* the answer is "NA" */
	bool length; /* the answer was cut short by its limit */
	struct redo_range *ranges;
	size_t range_count;
};

/*
 * Read a list of words and ids: "failed,empty,na,length,7,20-30".
 * Takes text, NULL for none. Fails ERR_USAGE naming the word; redo_free in any
 * case.
 */
int redo_parse(struct redo *redo, const char *text, struct err *err);

/* Does it ask for nothing? */
bool redo_is_none(const struct redo *redo);

void redo_free(struct redo *redo);

#endif
