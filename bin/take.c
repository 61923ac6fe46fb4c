/* SPDX-License-Identifier: ISC */
/*
 * A value by its kind → the option's field. Each kind has one reader, and one
 * sentence that says what it takes.
 */
#include "take.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "say.h"
#include "value.h"

static int
refuse_value(struct llmill_err *err, const struct opt *opt, const char *value,
    const char *takes)
{
	char label[OPTS_LABEL_SIZE];

	return say_refuse(err, "%s: \"%.80s\" is not allowed; it takes %s",
	    opts_label(opt, label), value, takes);
}

static bool
is_within(const struct opt *opt, uint64_t value)
{
	return value >= (uint64_t)opt->least && value <= (uint64_t)opt->most;
}

static int
take_count(struct llmill_err *err, const struct opt *opt, const char *value,
    uint64_t *count)
{
	char takes[128];

	if (value_count(value, count) && is_within(opt, *count))
		return 0;
	snprintf(takes, sizeof(takes),
	    "a count from %" PRId64 " to %" PRId64 "%s", opt->least, opt->most,
	    opt->most > 1000000 ? ", also as 10k or 2M" : "");
	return refuse_value(err, opt, value, takes);
}

static int
take_size(struct llmill_err *err, const struct opt *opt, const char *value,
    uint64_t *bytes)
{
	char least[24];
	char most[24];
	char takes[128];

	if (value_size(value, bytes) && is_within(opt, *bytes))
		return 0;
	snprintf(takes, sizeof(takes),
	    "a size from %s to %s, as bytes, 64K, 2M or 1G",
	    value_size_text((uint64_t)opt->least, least, sizeof(least)),
	    value_size_text((uint64_t)opt->most, most, sizeof(most)));
	return refuse_value(err, opt, value, takes);
}

static int
take_duration(struct llmill_err *err, const struct opt *opt, const char *value,
    int64_t *ns)
{
	char least[24];
	char most[24];
	char takes[128];

	if (value_duration(value, ns) && is_within(opt, (uint64_t)*ns))
		return 0;
	snprintf(takes, sizeof(takes),
	    "a time from %s to %s, as 500ms, 30s, 5m, 1h or plain seconds",
	    value_duration_text(opt->least, least, sizeof(least)),
	    value_duration_text(opt->most, most, sizeof(most)));
	return refuse_value(err, opt, value, takes);
}

static int
take_money(struct llmill_err *err, const struct opt *opt, const char *value,
    uint64_t *millionths)
{
	char takes[128];

	if (value_money(value, millionths) && is_within(opt, *millionths))
		return 0;
	snprintf(takes, sizeof(takes),
	    "an amount up to %" PRId64 " with at most six decimals, such as "
	    "0.15",
	    opt->most / 1000000);
	return refuse_value(err, opt, value, takes);
}

static int
take_number(struct llmill_err *err, const struct opt *opt, const char *value)
{
	char takes[128];

	if (value_is_number(value)) {
		double number = strtod(value, NULL);

		if (number >= (double)opt->least && number <= (double)opt->most)
			return 0;
	}
	snprintf(takes, sizeof(takes),
	    "a number from %" PRId64 " to %" PRId64 ", such as 0.7", opt->least,
	    opt->most);
	return refuse_value(err, opt, value, takes);
}

static int
take_integer(struct llmill_err *err, const struct opt *opt, const char *value)
{
	if (value_is_integer(value))
		return 0;
	return refuse_value(err, opt, value, "an integer of at most 64 bits");
}

static int
take_range(struct llmill_err *err, const struct opt *opt, const char *value,
    struct opts_range *range)
{
	if (value_range(value, &range->first, &range->last))
		return 0;
	return refuse_value(
	    err, opt, value, "A:B, A: or :B, counted from 1, A not above B");
}

/* "lines, nul or jsonl". */
static void
list_choices(const struct opts_choice *at, char *out, size_t size)
{
	size_t used = 0;

	for (; at->name && used < size; at++)
		used +=
		    (size_t)snprintf(out + used, size - used, "%s%s", at->name,
			!at[1].name  ? ""
			: at[2].name ? ", "
				     : " or ");
}

/* "N", "N:SEED". */
static int
take_sample(struct llmill_err *err, const struct opt *opt, const char *value,
    struct opts_sample *sample)
{
	if (value_sample(value, &sample->count, &sample->seed))
		return 0;
	return refuse_value(err, opt, value,
	    "how many, from 1, or N:SEED with a number that chooses which");
}

static int
take_moment(struct llmill_err *err, const struct opt *opt, const char *value,
    int64_t *moment_ms)
{
	char label[OPTS_LABEL_SIZE];

	*moment_ms = 0;
	if (strcmp(value, "none") == 0)
		return 0;
	*moment_ms = llmill_moment(value);
	if (*moment_ms < 0)
		return refuse_value(err, opt, value,
		    "a moment such as 18:30, 2026-11-23T18:30, @EPOCH, +8h or "
		    "+08:00:00, or none");
	if (*moment_ms > llmill_moment("+0"))
		return 0;
	return say_refuse(
	    err, "%s: %.80s is past", opts_label(opt, label), value);
}

static int
take_choice(struct llmill_err *err, const struct opt *opt, const char *value,
    unsigned *choice)
{
	const struct opts_choice *at = opt->choices;
	char all[256];

	while (opt->arg && at->name && strcmp(at->name, value) != 0)
		at++;
	if (!at->name) {
		list_choices(opt->choices, all, sizeof(all));
		return refuse_value(err, opt, value, all);
	}
	*choice = at->value;
	return 0;
}

/* A count, or a percentage. */
static int
take_share(struct llmill_err *err, const struct opt *opt, const char *value,
    struct opts_share *share)
{
	size_t size = strlen(value);

	if (size == 0 || value[size - 1] != '%')
		return take_count(err, opt, value, &share->count);
	share->count = 0;
	if (!value_percent(value, &share->percent))
		return refuse_value(
		    err, opt, value, "more than 0% and at most 100%");
	return 0;
}

int
take_value(struct opts *opts, const struct opt *opt, const char *value,
    struct llmill_err *err)
{
	void *field = (char *)opts + opt->at;
	uint64_t number = 0;
	int result = 0;

	switch (opt->kind) {
	case OPTS_FLAG:
		*(bool *)field = true;
		break;
	case OPTS_QUIET:
		*(int *)field = -1;
		break;
	case OPTS_VERBOSE:
		*(int *)field = *(int *)field <= 0 ? 1 : 2;
		break;
	case OPTS_TEXT:
		*(const char **)field = value;
		break;
	case OPTS_LIST:
		if (list_add(field, value) < 0)
			result = say_no_memory(err);
		break;
	case OPTS_COUNT:
		result = take_count(err, opt, value, &number);
		*(uint32_t *)field = (uint32_t)number;
		break;
	case OPTS_AMOUNT:
		result = take_count(err, opt, value, field);
		break;
	case OPTS_MONEY:
		result = take_money(err, opt, value, field);
		break;
	case OPTS_SHARE:
		result = take_share(err, opt, value, field);
		break;
	case OPTS_TOKENS:
		result = take_count(err, opt, value, &number);
		*(int64_t *)field = (int64_t)number;
		break;
	case OPTS_SIZE:
		result = take_size(err, opt, value, field);
		break;
	case OPTS_DURATION:
		result = take_duration(err, opt, value, field);
		break;
	case OPTS_NUMBER:
		result = take_number(err, opt, value);
		*(const char **)field = value;
		break;
	case OPTS_INTEGER:
		result = take_integer(err, opt, value);
		*(const char **)field = value;
		break;
	case OPTS_SAMPLE:
		result = take_sample(err, opt, value, field);
		break;
	case OPTS_MOMENT:
		result = take_moment(err, opt, value, field);
		break;
	case OPTS_RANGE:
		result = take_range(err, opt, value, field);
		break;
	case OPTS_CHOICE:
		result = take_choice(err, opt, value, field);
		break;
	}
	return result;
}
