/* SPDX-License-Identifier: ISC */
/*
 * One form after the other is tried; each has to take the whole text.
 */
#include "base/moment.h"

#include <string.h>
#include <time.h>

#define SECOND_MS INT64_C(1000)
#define MINUTE_MS (60 * SECOND_MS)
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)
#define DIGITS_MOST 12		 /* of a number: in seconds nothing overflows */
#define SPAN_DIGITS 9		 /* nor in days */
#define MOST_MS (36525 * DAY_MS) /* from now on: then not even in ns */

/* Take a number from the text. Gives false when there is none, or more digits
 * than make sense. */
static bool
take_number(const char **text, size_t digits_most, int64_t *number)
{
	size_t count = strspn(*text, "0123456789");

	if (count == 0 || count > digits_most)
		return false;
	*number = 0;
	for (size_t i = 0; i < count; i++)
		*number = *number * 10 + ((*text)[i] - '0');
	*text += count;
	return true;
}

static bool
take_byte(const char **text, char byte)
{
	if (**text != byte)
		return false;
	++*text;
	return true;
}

/* "18:30", "18:30:15". */
static bool
take_clock(
    const char **text, int64_t *hours, int64_t *minutes, int64_t *seconds)
{
	*seconds = 0;
	return take_number(text, 4, hours) && take_byte(text, ':') &&
	       take_number(text, 2, minutes) && *minutes < 60 &&
	       (!take_byte(text, ':') ||
		   (take_number(text, 2, seconds) && *seconds < 60));
}

/* "8h", "30m", "90", "1-12:00:00", "08:00:00". */
static bool
read_span(const char *text, int64_t *span_ms)
{
	static const struct {
		const char *unit;
		int64_t ms;
	} units[] = {{"", SECOND_MS}, {"s", SECOND_MS}, {"m", MINUTE_MS},
	    {"min", MINUTE_MS}, {"h", HOUR_MS}, {"d", DAY_MS}};
	const char *at = text;
	int64_t days = 0;
	int64_t hours;
	int64_t minutes;
	int64_t seconds;
	int64_t number;

	if (take_number(&at, SPAN_DIGITS, &number))
		for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
			if (strcmp(at, units[i].unit) == 0) {
				*span_ms = number * units[i].ms;
				return true;
			}
	at = text;
	if (take_number(&at, 4, &days) && take_byte(&at, '-'))
		text = at;
	else
		days = 0;
	if (!take_clock(&text, &hours, &minutes, &seconds) || *text != '\0')
		return false;
	*span_ms = days * DAY_MS + hours * HOUR_MS + minutes * MINUTE_MS +
		   seconds * SECOND_MS;
	return true;
}

/* The next time that the clock says so. */
static bool
read_clock(const char *text, int64_t now_ms, int64_t *moment_ms)
{
	time_t now = (time_t)(now_ms / SECOND_MS);
	int64_t hours;
	int64_t minutes;
	int64_t seconds;
	struct tm local;

	if (!take_clock(&text, &hours, &minutes, &seconds) || *text != '\0' ||
	    hours > 23 || localtime_r(&now, &local) == NULL)
		return false;
	for (int tries = 0; tries < 2; tries++) {
		struct tm then = local;

		then.tm_mday += tries;
		then.tm_hour = (int)hours;
		then.tm_min = (int)minutes;
		then.tm_sec = (int)seconds;
		then.tm_isdst = -1;
		*moment_ms = (int64_t)mktime(&then) * SECOND_MS;
		if (*moment_ms > now_ms)
			return true;
	}
	return false;
}

static bool
read_date(const char *text, int64_t *moment_ms)
{
	int64_t year;
	int64_t month;
	int64_t day;
	int64_t hours;
	int64_t minutes;
	int64_t seconds;
	struct tm then = {.tm_isdst = -1};
	struct tm back;
	time_t moment;

	if (!take_number(&text, 4, &year) || year < 1970 ||
	    !take_byte(&text, '-') || !take_number(&text, 2, &month) ||
	    !take_byte(&text, '-') || !take_number(&text, 2, &day) ||
	    (!take_byte(&text, 'T') && !take_byte(&text, ' ')) ||
	    !take_clock(&text, &hours, &minutes, &seconds) || *text != '\0' ||
	    hours > 23)
		return false;
	then.tm_year = (int)year - 1900;
	then.tm_mon = (int)month - 1;
	then.tm_mday = (int)day;
	then.tm_hour = (int)hours;
	then.tm_min = (int)minutes;
	then.tm_sec = (int)seconds;
	back = then;
	moment = mktime(&then);
	*moment_ms = (int64_t)moment * SECOND_MS;
	/* The 31st of February would be a day in March. */
	return moment != -1 && then.tm_mon == back.tm_mon &&
	       then.tm_mday == back.tm_mday;
}

static bool
read_any(const char *text, int64_t now_ms, int64_t *moment_ms)
{
	int64_t number;

	if (take_byte(&text, '@')) {
		if (!take_number(&text, DIGITS_MOST, &number) || *text != '\0')
			return false;
		*moment_ms = number * SECOND_MS;
		return true;
	}
	if (take_byte(&text, '+')) {
		if (!read_span(text, &number))
			return false;
		*moment_ms = now_ms + number;
		return true;
	}
	return read_clock(text, now_ms, moment_ms) ||
	       read_date(text, moment_ms);
}

bool
moment_read(const char *text, int64_t now_ms, int64_t *moment_ms)
{
	return read_any(text, now_ms, moment_ms) &&
	       *moment_ms - now_ms <= MOST_MS;
}
