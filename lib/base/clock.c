/* SPDX-License-Identifier: ISC */
/*
 * Where time comes from. A test can put its own monotonic clock in; wall time
 * decides nothing and needs no such door.
 */
#include "base/clock.h"

#include <limits.h>
#include <time.h>

#include "base/must.h"

static int64_t (*test_now_ns)(void);

static int64_t
read_ns(clockid_t clock)
{
	struct timespec now;

	MUST(clock_gettime(clock, &now) == 0);
	return (int64_t)now.tv_sec * CLOCK_S + now.tv_nsec;
}

int64_t
clock_now_ns(void)
{
	return test_now_ns != NULL ? test_now_ns() : read_ns(CLOCK_MONOTONIC);
}

int64_t
clock_wall_ms(void)
{
	return read_ns(CLOCK_REALTIME) / CLOCK_MS;
}

void
clock_wall_text(const char *format, char *text, size_t size)
{
	clock_wall_text_of(clock_wall_ms(), format, text, size);
}

void
clock_wall_text_of(int64_t wall_ms, const char *format, char *text, size_t size)
{
	time_t seconds = (time_t)(wall_ms / 1000);
	struct tm local;

	MUST(localtime_r(&seconds, &local) != NULL);
	MUST(strftime(text, size, format, &local) > 0);
}

void
clock_utc_text(char *text, size_t size)
{
	time_t seconds = (time_t)(clock_wall_ms() / 1000);
	struct tm utc;

	MUST(gmtime_r(&seconds, &utc) != NULL);
	MUST(strftime(text, size, "%Y-%m-%d %H:%M:%S", &utc) > 0);
}

void
clock_set_test(int64_t (*now_ns)(void))
{
	test_now_ns = now_ns;
}

int64_t
clock_add(int64_t a_ns, int64_t b_ns)
{
	int64_t sum;

	if (a_ns == CLOCK_NEVER || b_ns == CLOCK_NEVER)
		return CLOCK_NEVER;
	if (__builtin_add_overflow(a_ns, b_ns, &sum))
		return a_ns > 0 ? CLOCK_NEVER : INT64_MIN;
	return sum;
}

int
clock_wait_ms(int64_t now_ns, int64_t then_ns)
{
	int64_t left;

	if (then_ns == CLOCK_NEVER)
		return -1;
	if (then_ns <= now_ns)
		return 0;
	if (__builtin_sub_overflow(then_ns, now_ns, &left) ||
	    left > (INT_MAX - 1) * CLOCK_MS)
		return INT_MAX;
	return (int)((left + CLOCK_MS - 1) / CLOCK_MS);
}

/* Often enough to see a nap that matters beside the time allowed, seldom
 * enough that thousands of idle waits cost nothing. */
#define NAP_LOOK_LEAST (50 * CLOCK_MS)
#define NAP_LOOK_MOST (5 * CLOCK_S)

void
clock_nap_begin(struct clock_nap *nap, int64_t now_ns, int64_t allowed_ns)
{
	nap->seen_ns = now_ns;
	nap->look_ns = allowed_ns / 4;
	if (nap->look_ns < NAP_LOOK_LEAST)
		nap->look_ns = NAP_LOOK_LEAST;
	if (nap->look_ns > NAP_LOOK_MOST)
		nap->look_ns = NAP_LOOK_MOST;
}

int64_t
clock_nap_slept_ns(struct clock_nap *nap, int64_t now_ns)
{
	int64_t passed_ns = now_ns - nap->seen_ns;

	nap->seen_ns = now_ns;
	return passed_ns > 2 * nap->look_ns ? passed_ns : 0;
}

int64_t
clock_nap_next_ns(const struct clock_nap *nap, int64_t then_ns)
{
	int64_t look_ns = clock_add(nap->seen_ns, nap->look_ns);

	return look_ns < then_ns ? look_ns : then_ns;
}
