/* SPDX-License-Identifier: ISC */
#ifndef COURIER_H
#define COURIER_H

#include <stdbool.h>

#include "data/copy.h"

struct courier;
struct err;

/*
 * A process that copies a database while its writer goes on: nobody waits for
 * a slow file system. Each journey is a process of its own, forked from one
 * that never had a database open.
 */

/*
 * Call before a database is opened. The copy is as it is now, its strings
 * too; titled as in struct spawn_child.
 * Gives NULL with err.
 */
struct courier *courier_new(
    const struct copy *copy, bool titled, struct err *err);

/* Set out. Fails ERR_SYSTEM. Bug if it is under way. */
int courier_send(struct courier *courier, struct err *err);

bool courier_is_out(const struct courier *courier);

/* Has it come back since it was sent? Gives 1 when the copy is in place, -1
 * with err when it is not, 0 while it is under way. */
int courier_look(struct courier *courier, struct err *err);

/* End one that is under way: what was at copy.to stays. */
void courier_recall(struct courier *courier);

/* Ends one that is under way. Takes NULL calmly. */
void courier_free(struct courier *courier);

#endif
