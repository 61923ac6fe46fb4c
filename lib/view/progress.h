/* SPDX-License-Identifier: ISC */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

struct stats;

/*
 * One line about a run that goes on: redrawn in place on a terminal, at most
 * 10 times a second; a plain line every 10 s elsewhere. A screen that takes
 * nothing now (stopped, full, gone) misses a line; nobody waits for it.
 */
enum progress_mode {
	PROGRESS_AUTO = 0, /* bar on a terminal that is not dumb, else plain */
	PROGRESS_BAR = 1,
	PROGRESS_PLAIN = 2,
	PROGRESS_NONE = 3,
};

struct progress;

/* Takes fd, lent (-1: none). Gives NULL without memory; all other functions
 * take NULL calmly. */
struct progress *progress_new(int fd, enum progress_mode mode);
void progress_free(struct progress *progress);

/* Draw if it is time. note is what else to say ("waiting for the server",
 * "finishing 4 calls"), or NULL. */
void progress_tick(struct progress *progress, const struct stats *stats,
    const char *note, int64_t now_ns);

/* When does it want to draw next? */
int64_t progress_due_ns(const struct progress *progress);

/* Take the line away (true), draw it again (false): for log lines. The
 * signature is log_set_screen's. */
void progress_step_aside(void *progress, bool aside);

/* Draw the last state and end the line; nothing is written after it. Plain
 * lines just stop: the summary follows. */
void progress_end(
    struct progress *progress, const struct stats *stats, int64_t now_ns);

/*
 * The pure half: append the line for a width of columns, never wider. What
 * does not fit is left out, the least important first: tokens, in flight,
 * retried, the bar, the rate, the time left, failed, the note; done/total
 * becomes a percentage when even that is too wide.
 * colour: SGR sequences may be used (they take no column).
 */
void progress_render(const struct stats *stats, const char *note,
    int64_t now_ns, unsigned columns, bool colour, struct buf *line);

/* The same as a plain line for logs. */
void progress_render_plain(const struct stats *stats, const char *note,
    int64_t now_ns, struct buf *line);

#endif
