/* SPDX-License-Identifier: ISC */
/*
 * Nothing is guessed: a text that goes on behind what was understood is another
 * one.
 */
#include "chat/when.h"

#include <string.h>
#include <time.h>

#define SECOND_MS ((int64_t)1000)
#define MINUTE_MS (60 * SECOND_MS)

/* Gives how many bytes of text are digits with at most one point. */
static size_t
decimal_size(struct span text)
{
	bool point = false;
	size_t size = 0;

	for (; size < text.size; size++) {
		char byte = text.data[size];

		if (byte == '.' && !point)
			point = true;
		else if (byte < '0' || byte > '9')
			break;
	}
	return size;
}

bool
when_decimal(struct span text, int64_t unit_ms, int64_t *value_ms)
{
	int64_t whole = 0;
	int64_t part = 0;
	int64_t scale = 1;
	bool point = false;
	size_t digits = 0;

	if (decimal_size(text) != text.size)
		return false;
	for (size_t i = 0; i < text.size; i++) {
		char byte = text.data[i];

		point |= byte == '.';
		if (byte == '.')
			continue;
		digits++;
		if (!point && whole < WHEN_MAX_MS) {
			whole = whole * 10 + (byte - '0');
		} else if (point && scale < 1000000) {
			part = part * 10 + (byte - '0');
			scale *= 10;
		}
	}
	if (digits == 0)
		return false;
	*value_ms =
	    whole >= WHEN_MAX_MS / unit_ms
		? WHEN_MAX_MS
		: whole * unit_ms + (part * unit_ms + scale - 1) / scale;
	return true;
}

/* Cut a number and its unit off the front of text. */
static bool
cut_part(struct span *text, int64_t *value_ms)
{
	/* The longer name first. */
	static const struct {
		const char *name;
		int64_t unit_ms;
	} units[] = {
	    {"ms", 1},
	    {"s", SECOND_MS},
	    {"m", MINUTE_MS},
	    {"h", 60 * MINUTE_MS},
	    {"d", 24 * 60 * MINUTE_MS},
	};
	struct span number = {text->data, decimal_size(*text)};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		size_t size = strlen(units[i].name);

		if (text->size < number.size + size ||
		    memcmp(text->data + number.size, units[i].name, size) != 0)
			continue;
		text->data += number.size + size;
		text->size -= number.size + size;
		return when_decimal(number, units[i].unit_ms, value_ms);
	}
	return false;
}

bool
when_duration(struct span text, int64_t *value_ms)
{
	int64_t sum_ms = 0;
	int64_t part_ms;

	if (text.size == 0)
		return false;
	while (text.size > 0) {
		if (!cut_part(&text, &part_ms))
			return false;
		sum_ms += part_ms;
		if (sum_ms > WHEN_MAX_MS)
			sum_ms = WHEN_MAX_MS;
	}
	*value_ms = sum_ms;
	return true;
}

/* Read as strptime does, as UTC. Gives what stands behind it in copy, NULL when
 * the text is another. */
static const char *
read_as(struct span text, const char *form, char copy[64], int64_t *wall_ms)
{
	struct tm tm = {.tm_isdst = 0};
	const char *end;

	if (text.data == NULL || text.size >= 64)
		return NULL;
	memcpy(copy, text.data, text.size);
	copy[text.size] = '\0';
	end = strptime(copy, form, &tm);
	if (end != NULL)
		*wall_ms = (int64_t)timegm(&tm) * SECOND_MS;
	return end;
}

bool
when_date(struct span text, int64_t *wall_ms)
{
	static const char *const forms[] = {
	    "%a, %d %b %Y %H:%M:%S GMT",
	    "%A, %d-%b-%y %H:%M:%S GMT",
	    "%a %b %d %H:%M:%S %Y",
	};
	char copy[64];

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		const char *end = read_as(text, forms[i], copy, wall_ms);

		if (end != NULL && *end == '\0')
			return true;
	}
	return false;
}

/* "Z", or how far its clock is from UTC: "+05:30". */
static bool
read_zone(const char *text, int64_t *ahead_ms)
{
	struct tm tm = {.tm_isdst = 0};
	const char *end;

	*ahead_ms = 0;
	if ((text[0] == 'Z' || text[0] == 'z') && text[1] == '\0')
		return true;
	if (text[0] != '+' && text[0] != '-')
		return false;
	end = strptime(text + 1, "%H:%M", &tm);
	if (end == NULL || *end != '\0')
		return false;
	*ahead_ms = (tm.tm_hour * 60 + tm.tm_min) * MINUTE_MS;
	if (text[0] == '-')
		*ahead_ms = -*ahead_ms;
	return true;
}

bool
when_timestamp(struct span text, int64_t *wall_ms)
{
	char copy[64];
	const char *end = read_as(text, "%Y-%m-%dT%H:%M:%S", copy, wall_ms);
	int64_t part_ms = 0;
	int64_t ahead_ms;
	size_t size = 0;

	if (end == NULL)
		return false;
	if (*end == '.') {
		size = 1 + strspn(end + 1, "0123456789");
		if (!when_decimal(
			(struct span){end, size}, SECOND_MS, &part_ms))
			return false;
	}
	if (!read_zone(end + size, &ahead_ms))
		return false;
	*wall_ms += part_ms - ahead_ms;
	return true;
}
