/* SPDX-License-Identifier: ISC */
#ifndef CLOCK_H
#define CLOCK_H

#include <stddef.h>
#include <stdint.h>

/*
 * The only door to the clock. Time that decides is monotonic nanoseconds;
 * wall time is for people and rows.
 */
#define CLOCK_MS ((int64_t)1000000)
#define CLOCK_S ((int64_t)1000000000)
#define CLOCK_NEVER INT64_MAX /* "no next moment" */

/* Gives CLOCK_MONOTONIC in ns (stands still while the machine sleeps). */
int64_t clock_now_ns(void);

/* Gives milliseconds since 1970, UTC. */
int64_t clock_wall_ms(void);

/*
 * Write local wall time as strftime says.
 * Takes size bytes at text; Bug if the result does not fit.
 */
void clock_wall_text(const char *format, char *text, size_t size);

/* The same of another moment. */
void clock_wall_text_of(
    int64_t wall_ms, const char *format, char *text, size_t size);

/* The same in UTC, as SQLite's CURRENT_TIMESTAMP has it. Takes size ≥ 20. */
void clock_utc_text(char *text, size_t size);

/* For tests: now_ns answers for clock_now_ns; NULL puts the real one back. */
void clock_set_test(int64_t (*now_ns)(void));

/* Gives a + b, CLOCK_NEVER when either is or the sum would pass it. */
int64_t clock_add(int64_t a_ns, int64_t b_ns);

/* Gives the time until then_ns in ms for poll and epoll: rounded up, 0 when
 * past, -1 for CLOCK_NEVER. */
int clock_wait_ms(int64_t now_ns, int64_t then_ns);

/*
 * Time that a process was stopped (SIGSTOP, suspended job) counts against
 * nobody's deadline. A wait that looks up every look_ns and finds that far
 * more has passed was asleep.
 */
struct clock_nap {
	int64_t seen_ns;
	int64_t look_ns;
};

/* Begin to watch a wait that may take allowed_ns. */
void clock_nap_begin(struct clock_nap *nap, int64_t now_ns, int64_t allowed_ns);

/* Look up. Gives how long we slept since the last look: add it to the
 * deadline; 0 when awake. */
int64_t clock_nap_slept_ns(struct clock_nap *nap, int64_t now_ns);

/* Gives the earlier of then_ns and the next time to look up. */
int64_t clock_nap_next_ns(const struct clock_nap *nap, int64_t then_ns);

#endif
