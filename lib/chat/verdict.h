/* SPDX-License-Identifier: ISC */
#ifndef VERDICT_H
#define VERDICT_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/outcome.h"

struct buf;
struct death;
struct errand;
struct tail;

/*
 * What is said of a command that gave no answer: the outcome, and a reason
 * appended to error. The same for one that is run per prompt and for one that
 * stays.
 */

/* Enough for a reason with a tail, escaped. */
#define VERDICT_MAX_BYTES ((size_t)8192)

/* It was not started: errno number, in exec or already before it. */
enum outcome verdict_of_start(
    struct buf *error, const char *name, int number, bool in_exec);

/* Was it we who ended it? Then gives true with *outcome; awaited is what there
 * was none of within patience_ns ("answer"). */
bool verdict_of_ending(struct buf *error, const struct errand *errand,
    const char *awaited, int64_t patience_ns, enum outcome *outcome);

/* Did it end with what shells say when there is nothing to run? */
bool verdict_cannot_run(const struct death *death);

/* Append ": " and its last words as one line of clean text, if there are
 * any. */
void verdict_put_words(struct buf *error, const struct tail *tail);

#endif
