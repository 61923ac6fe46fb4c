/* SPDX-License-Identifier: ISC */
#ifndef SHAPE_H
#define SHAPE_H

#include <stdbool.h>

#include "base/buf.h"

struct err;
struct template;

/*
 * How records become prompts: by the templates of -t and -s, where there are
 * such. What a name stands for is looked up in the record's own members.
 */
struct shape_half {
	const char *option;	   /* "-t", for people */
	struct template *template; /* NULL: none */
	bool *seen;		   /* per name: some record had it */
	struct span *values;
	struct buf text; /* what was rendered last */
};

struct shape {
	struct shape_half prompt;
	struct shape_half system;
	struct buf scratch;
	struct buf known; /* names that a record without ours had */
	char why[200];
};

/* Takes templates, lent, NULL: none; a system text without braces is none.
 * cap_bytes: of what is rendered. Fails ERR_USAGE, naming the option. */
int shape_open(struct shape *shape, const char *prompt, const char *system,
    size_t cap_bytes, struct err *err);
void shape_close(struct shape *shape);

/* Is there anything to fill in? */
bool shape_is_active(const struct shape *shape);

/*
 * Fill in a record's raw JSON object; prompt.text and system.text have the
 * result until the next call.
 * Gives NULL, or what is wrong with the record.
 */
const char *shape_fill(struct shape *shape, struct span record);

/* Was the last one too long, or memory wanting? */
bool shape_is_too_long(const struct shape *shape);

/* Behind the last record: a name that none of them had is a mistake. Fails
 * ERR_USAGE, naming those that there are. */
int shape_check(const struct shape *shape, struct err *err);

#endif
