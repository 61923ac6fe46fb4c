/* SPDX-License-Identifier: ISC */
#ifndef WORKER_H
#define WORKER_H

#include <stddef.h>

struct chat_conf;
struct err;
struct reply;
struct spawn_child;

/*
 * A worker's life: open the backend, say HELLO, take one JOB at a time,
 * answer DONE, leave on STOP or at the end of the pipe.
 */

#define WORKER_CUT_BYTES ((size_t)65536) /* kept of an answer too long */

/* The live function of a heritage whose arg is a const struct chat_conf.
 * Gives the exit status: 0 left as told, 1 could not begin. */
int worker_live(const struct spawn_child *child, void *conf);

/* The prepare function of the same heritage. */
int worker_prepare(void *conf, struct err *err);

/*
 * What holds for the replies of all backends. Pure: an answer over
 * conf->answer_cap_bytes fails as too_long, and of one too long the start is
 * kept, cut at a character; an empty one fails unless conf allows it; a reply
 * has an answer or a reason, never both but when too long.
 */
void worker_settle(const struct chat_conf *conf, struct reply *reply);

#endif
