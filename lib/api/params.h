/* SPDX-License-Identifier: ISC */
#ifndef PARAMS_H
#define PARAMS_H

#include "base/buf.h"

struct err;

/*
 * "KEY=VALUE" items → one raw JSON object with sorted keys; a later item
 * replaces an earlier one of the same key. VALUE is JSON where it starts with
 * { [ " or is a number, true, false or null; @FILE is the file's content by
 * the same rule; anything else is a string.
 * Takes items, NULL-terminated, or NULL. out stays empty when there are none.
 * Fails ERR_USAGE naming the item (no =, bad JSON, a key that has an option
 * of its own).
 */
int params_build(const char *const *items, struct buf *out, struct err *err);

#endif
