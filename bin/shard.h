/* SPDX-License-Identifier: ISC */
#ifndef SHARD_H
#define SHARD_H

#include "opts.h"

/*
 * --shard K/N, or auto/N, where the batch system's environment says which task
 * of an array, or which rank of a step, this is. {shard} in --db and -o becomes
 * 003of016.
 * Fails LLMILL_EXIT_USAGE.
 */
int shard_settle(struct opts *opts, struct llmill_err *err);

#define SHARD_MARK "{shard}"

/* Read the N of auto/N where nobody knows yet which one it is; 0 for NULL.
 * Fails LLMILL_EXIT_USAGE. */
int shard_read_auto(const char *text, uint32_t *count, struct llmill_err *err);

#endif
