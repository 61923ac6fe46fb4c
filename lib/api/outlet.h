/* SPDX-License-Identifier: ISC */
#ifndef OUTLET_H
#define OUTLET_H

#include "llmill_run.h"
#include "view/columns.h"
#include "view/export.h"

struct err;

/*
 * How answers go out, from the options that say so: for a run, which has its
 * records in memory, and for a database that is only looked at.
 */
struct outlet {
	struct export_style style;
	struct columns columns;
	bool has_columns; /* they are wanted: learn them, then choose */
};

/* Takes path, where they go, "-" or NULL; its ending says the format where conf
 * does not. Fails ERR_USAGE for what does not go together. Wants outlet_free
 * always. */
int outlet_init(struct outlet *outlet, const struct llmill_output *conf,
    const char *path, struct err *err);
void outlet_free(struct outlet *outlet);

/* Gives the columns for export_open, NULL where none are wanted. */
const struct columns *outlet_columns(const struct outlet *outlet);

#endif
