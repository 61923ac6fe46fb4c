/* SPDX-License-Identifier: ISC */
/*
 * Numbers with units. All of it is integer arithmetic with one overflow check
 * per digit: strtod would take "nan", "0x1p3", " 5" and a locale's comma.
 */
#include "value.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)

struct unit {
	const char *name;
	int64_t scale;
};

static const struct unit durations[] = {
    {"h", 3600 * NS_PER_S},
    {"m", 60 * NS_PER_S},
    {"s", NS_PER_S},
    {"ms", NS_PER_MS},
    {"", NS_PER_S},
    {NULL, 0},
};

static const struct unit sizes[] = {
    {"G", INT64_C(1) << 30},
    {"M", INT64_C(1) << 20},
    {"K", INT64_C(1) << 10},
    {"", 1},
    {"g", INT64_C(1) << 30},
    {"m", INT64_C(1) << 20},
    {"k", INT64_C(1) << 10},
    {NULL, 0},
};

/* No "m": after durations it would be taken for a thousandth or a minute. */
static const struct unit counts[] = {
    {"M", 1000000},
    {"k", 1000},
    {"K", 1000},
    {"", 1},
    {NULL, 0},
};

/* Gives 0 when there is no such unit. */
static int64_t
unit_scale(const struct unit *units, const char *name)
{
	for (; units->name; units++)
		if (strcmp(units->name, name) == 0)
			return units->scale;
	return 0;
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Read digits at *text and move past them. False: none, or too many. */
static bool
read_digits(const char **text, int64_t *value)
{
	const char *at = *text;
	int64_t sum = 0;

	for (; is_digit(*at); at++)
		if (__builtin_mul_overflow(sum, 10, &sum) ||
		    __builtin_add_overflow(sum, *at - '0', &sum))
			return false;
	if (at == *text)
		return false;
	*text = at;
	*value = sum;
	return true;
}

/* Read the decimals behind a point, as billionths. */
static bool
read_billionths(const char **text, int64_t *billionths)
{
	int64_t place = NS_PER_S / 10;

	*billionths = 0;
	if (!is_digit(**text))
		return false;
	for (; is_digit(**text); (*text)++) {
		*billionths += (**text - '0') * place;
		place /= 10;
	}
	return true;
}

/* Read "12", "0.5" or ".5". */
static bool
read_decimal(const char **text, int64_t *whole, int64_t *billionths)
{
	*whole = 0;
	*billionths = 0;
	if (**text != '.' && !read_digits(text, whole))
		return false;
	if (**text != '.')
		return true;
	(*text)++;
	return read_billionths(text, billionths);
}

bool
value_duration(const char *text, int64_t *ns)
{
	int64_t whole;
	int64_t billionths;
	int64_t scale;

	if (!read_decimal(&text, &whole, &billionths))
		return false;
	scale = unit_scale(durations, text);
	if (scale == 0 || __builtin_mul_overflow(whole, scale, &whole))
		return false;
	/* scale is a multiple of a million: scaled down first, the product
	 * stays below 2^63 and loses nothing. */
	billionths = billionths * (scale / NS_PER_MS) / (NS_PER_S / NS_PER_MS);
	if (__builtin_add_overflow(whole, billionths, &whole))
		return false;
	*ns = whole;
	return true;
}

bool
value_money(const char *text, uint64_t *millionths)
{
	int64_t whole;
	int64_t billionths;
	int64_t sum;

	if (!read_decimal(&text, &whole, &billionths))
		return false;
	if (*text != '\0' || billionths % 1000 != 0 ||
	    __builtin_mul_overflow(whole, INT64_C(1000000), &sum) ||
	    __builtin_add_overflow(sum, billionths / 1000, &sum))
		return false;
	*millionths = (uint64_t)sum;
	return true;
}

static bool
read_scaled(const char *text, const struct unit *units, uint64_t *value)
{
	int64_t number;
	int64_t scale;

	if (!read_digits(&text, &number))
		return false;
	scale = unit_scale(units, text);
	if (scale == 0 || __builtin_mul_overflow(number, scale, &number))
		return false;
	*value = (uint64_t)number;
	return true;
}

bool
value_size(const char *text, uint64_t *bytes)
{
	return read_scaled(text, sizes, bytes);
}

bool
value_count(const char *text, uint64_t *count)
{
	return read_scaled(text, counts, count);
}

bool
value_percent(const char *text, double *percent)
{
	char *end;
	double value;

	if (text[strspn(text, "0123456789.")] != '%')
		return false;
	value = strtod(text, &end);
	if (end == text || strcmp(end, "%") != 0 || !(value > 0) || value > 100)
		return false;
	*percent = value;
	return true;
}

/* Read digits up to the byte end, and go behind it. */
static bool
read_whole(const char **text, char end, uint64_t most, uint64_t *value)
{
	char *stop;

	if (**text < '0' || **text > '9')
		return false;
	errno = 0;
	*value = strtoull(*text, &stop, 10);
	if (errno != 0 || *stop != end || *value > most)
		return false;
	*text = stop + (end != '\0');
	return true;
}

bool
value_sample(const char *text, uint32_t *count, uint64_t *seed)
{
	const bool has_seed = strchr(text, ':') != NULL;
	uint64_t many;
	uint64_t chosen = 1;

	if (!read_whole(&text, has_seed ? ':' : '\0', UINT32_MAX, &many) ||
	    many == 0)
		return false;
	if (has_seed && !read_whole(&text, '\0', UINT64_MAX, &chosen))
		return false;
	*count = (uint32_t)many;
	*seed = chosen;
	return true;
}

/* Read one end of a range up to the byte end; nothing there leaves 0. */
static bool
read_range_end(const char **text, char end, uint32_t *value)
{
	int64_t number;

	*value = 0;
	if (**text == end)
		return true;
	if (!read_digits(text, &number) || **text != end)
		return false;
	if (number < 1 || number > UINT32_MAX)
		return false;
	*value = (uint32_t)number;
	return true;
}

bool
value_range(const char *text, uint32_t *first, uint32_t *last)
{
	uint32_t from;
	uint32_t to;

	if (!read_range_end(&text, ':', &from))
		return false;
	text++;
	if (!read_range_end(&text, '\0', &to))
		return false;
	if ((from == 0 && to == 0) || (to != 0 && from > to))
		return false;
	*first = from;
	*last = to;
	return true;
}

/* Move past "-12", as JSON writes the whole part of a number. */
static bool
skip_json_whole(const char **text)
{
	if (**text == '-')
		(*text)++;
	if (!is_digit(**text) || (**text == '0' && is_digit((*text)[1])))
		return false;
	*text += strspn(*text, "0123456789");
	return true;
}

bool
value_is_number(const char *text)
{
	if (!skip_json_whole(&text))
		return false;
	if (*text == '.') {
		text++;
		if (!is_digit(*text))
			return false;
		text += strspn(text, "0123456789");
	}
	if (*text == 'e' || *text == 'E') {
		text++;
		if (*text == '+' || *text == '-')
			text++;
		if (!is_digit(*text))
			return false;
		text += strspn(text, "0123456789");
	}
	return *text == '\0';
}

bool
value_is_integer(const char *text)
{
	const char *end = text;

	if (!skip_json_whole(&end) || *end != '\0')
		return false;
	errno = 0;
	strtoll(text, NULL, 10);
	return errno == 0;
}

/* Units are listed from the largest: the first that divides is the one. */
static const char *
put_scaled(const struct unit *units, int64_t value, char *out, size_t size)
{
	const char *name = "";

	if (value != 0) {
		while (value % units->scale != 0 && units[1].scale != 0)
			units++;
		value /= units->scale;
		name = units->name;
	}
	snprintf(out, size, "%" PRId64 "%s", value, name);
	return out;
}

const char *
value_duration_text(int64_t ns, char *out, size_t size)
{
	return put_scaled(durations, ns, out, size);
}

const char *
value_size_text(uint64_t bytes, char *out, size_t size)
{
	return put_scaled(sizes, (int64_t)bytes, out, size);
}
