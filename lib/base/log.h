/* SPDX-License-Identifier: ISC */
#ifndef LOG_H
#define LOG_H

#include <stdbool.h>

#include "base/buf.h"

/*
 * Lines for people who look for a cause. Two sinks: a file (--log, level
 * debug) and the screen (level by -q and -v). One line each:
 *   2026-11-23T18:30:00.123 warn  mill[1234] what happened key=value
 * on the screen without time, pid and level. Foreign text is escaped; no
 * secret and no result ever goes here. Nobody is waited for: a line that is
 * not taken at once (a pipe that nobody reads, a stopped terminal) is lost,
 * and how many there were is said where there is room again. That a terminal
 * never makes us wait needs a descriptor that is non-blocking.
 */
enum log_level {
	LOG_ERROR = 0,
	LOG_WARN = 1,
	LOG_NOTE = 2, /* what everybody wants to know: "going on with x.db" */
	LOG_INFO = 3,
	LOG_DEBUG = 4,
};

/*
 * Send lines up to level to the descriptor screen_fd (lent; -1: no screen).
 * before is called before and after a line is written there (may be NULL):
 * the progress line moves out of its way (true) and comes back (false).
 */
void log_set_screen(int screen_fd, enum log_level level,
    void (*before)(void *arg, bool writing), void *arg);

/* Other lines than before, on the same screen. */
void log_set_level(enum log_level level);

/* "error", "warn", "note", "info", "debug". Gives false for others. */
bool log_level_by_name(struct span name, enum log_level *level);

/* Send all lines to file_fd too (lent; -1: no file). One that cannot be written
 * is said on the screen, the first time. */
void log_set_file(int file_fd);

/* Name the process in lines to come: "mill", "nursery", "worker 3". */
void log_set_role(const char *role);

/* Is a line of this level wanted by anybody? */
bool log_wants(enum log_level level);

void log_say(enum log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
