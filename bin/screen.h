/* SPDX-License-Identifier: ISC */
#ifndef BIN_SCREEN_H
#define BIN_SCREEN_H

#include <stdbool.h>

/*
 * A run on the whole terminal: drawn every second, and told what to do by keys.
 * Needs a terminal at stdin and stdout.
 */

/* Watch the run on a database until it ends or q is typed. Gives false when
 * there is none to watch (nothing was drawn); else *quit says which it was. */
bool screen_watch(const char *db, bool *quit);

#endif
