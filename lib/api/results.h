/* SPDX-License-Identifier: ISC */
#ifndef RESULTS_H
#define RESULTS_H

#include "base/buf.h"
#include "llmill.h"

struct err;

/*
 * The results of a run as the caller of the library gets them.
 */

/* Room for count results, all open. Gives NULL without memory. */
struct llmill_results *results_new(size_t count);

/* Put a copy of one. Gives 0, -1 without memory. Bug beyond count. */
int results_put(struct llmill_results *results, size_t index,
    enum llmill_state state, struct span text);

/* They are not all saved: keep a copy of why. */
void results_set_trouble(struct llmill_results *results, const char *why);

#endif
