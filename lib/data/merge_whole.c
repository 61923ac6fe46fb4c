/* SPDX-License-Identifier: ISC */
/*
 * Does everything belong together, and is it all? Each thing that is not is
 * said, so that one look tells what is left to do; then nothing is made, unless
 * a part will do.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "data/merge_inner.h"
#include "data/plan.h"

#define LINE_BYTES 1024
#define SHOWN_BYTES 240 /* of a list of shards in a sentence */

enum shard_state {
	SHARD_MISSING = 0,
	SHARD_UNFINISHED = 1,
	SHARD_FINISHED = 2,
};

/* Say what is amiss. */
static void __attribute__((format(printf, 2, 3)))
complain(struct merger *merger, const char *format, ...)
{
	char line[LINE_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof line, format, args);
	va_end(args);
	log_say(merger->conf->partial ? LOG_WARN : LOG_ERROR, "%s", line);
	merger->complaints++;
}

/* ---- plans ---- */

/* Gives the one whose plan the last run has. */
static const struct shard *
find_newest(const struct merger *merger)
{
	const struct shard *newest = &merger->shards[0];

	for (size_t i = 1; i < merger->count; i++)
		if (shard_plan_began_s(&merger->shards[i]) >=
		    shard_plan_began_s(newest))
			newest = &merger->shards[i];
	return newest;
}

static void
complain_of_plans(
    struct merger *merger, const struct shard *a, const struct shard *b)
{
	struct buf differences;

	buf_init(&differences, ERR_TEXT_MAX * 8);
	plan_put_differences(
	    &differences, shard_settings(a), shard_settings(b));
	/* Of shards each has prompts of its own. */
	if (differences.size == 0 && a->pin.share.count > 1) {
		buf_free(&differences);
		return;
	}
	if (differences.size == 0)
		buf_add_text(&differences, "one list is longer, or another");
	merger->merge->plans_differ = true;
	complain(merger,
	    "%s and %s were not run with the same plan (%s); who goes on with "
	    "%s has to use that of the newest run, in %s",
	    a->peek.name, b->peek.name, buf_span(&differences).data,
	    merger->conf->path, find_newest(merger)->peek.name);
	buf_free(&differences);
}

/* One line about the first two that differ is enough. */
static void
compare_plans(struct merger *merger)
{
	const struct shard *base = NULL;

	for (size_t i = 0; i < merger->count && !merger->merge->plans_differ;
	     i++) {
		const struct shard *shard = &merger->shards[i];

		if (!shard->has_plan)
			continue;
		if (base == NULL)
			base = shard;
		if (!span_equals(shard_plan(base), shard_plan(shard)))
			complain_of_plans(merger, base, shard);
	}
}

/* ---- shards ---- */

/* Gives one that is a shard, NULL when none is. */
static const struct shard *
find_shard(const struct merger *merger)
{
	for (size_t i = 0; i < merger->count; i++)
		if (merger->shards[i].pin.share.count > 1)
			return &merger->shards[i];
	return NULL;
}

static void
put_share(const struct shard *shard, char *text, size_t size)
{
	char digits[SHARE_TEXT_BYTES];

	share_put(shard->pin.share, digits);
	snprintf(text, size, "%s%s",
	    *digits == '\0' ? "a whole list" : "shard ", digits);
}

/* Are they cut out of one list, and in the same way? */
static bool
belong_together(
    struct merger *merger, const struct shard *a, const struct shard *b)
{
	char one[SHARE_TEXT_BYTES + 16];
	char other[SHARE_TEXT_BYTES + 16];

	put_share(a, one, sizeof one);
	put_share(b, other, sizeof other);
	if (a->pin.share.count != b->pin.share.count) {
		complain(merger, "%s holds %s, %s holds %s", a->peek.name, one,
		    b->peek.name, other);
		return false;
	}
	if (strcmp(a->pin.list.digest, b->pin.list.digest) == 0)
		return true;
	complain(merger,
	    "%s is %s of a list of %" PRIu64 " prompts, %s is %s of one of "
	    "%" PRIu64 "%s",
	    a->peek.name, one, a->pin.list.count, b->peek.name, other,
	    b->pin.list.count,
	    a->pin.list.count == b->pin.list.count
		? ", another"
		: "; if it grew, run the shorter one again with --extend");
	return false;
}

/* Append "3,7,9-12": the numbers of those that have not come so far. */
static void
put_before(struct buf *list, const uint8_t *states, uint32_t count,
    enum shard_state state)
{
	for (uint32_t i = 0; i < count; i++) {
		uint32_t last = i;

		if (states[i] >= state)
			continue;
		while (last + 1 < count && states[last + 1] < state)
			last++;
		buf_printf(
		    list, "%s%u", list->size > 0 ? "," : "", (unsigned)i);
		if (last > i)
			buf_printf(list, "-%u", (unsigned)last);
		i = last;
	}
}

static void
complain_of_missing(struct merger *merger, const uint8_t *states,
    uint32_t count, uint32_t shares)
{
	struct buf list;
	uint32_t missing = 0;
	int shown;

	for (uint32_t i = 0; i < count; i++)
		missing += states[i] == SHARD_MISSING;
	if (missing == 0)
		return;
	buf_init(&list, MERGE_LACKING_BYTES);
	put_before(&list, states, count, SHARD_UNFINISHED);
	shown = (int)list.size;
	if (shown > SHOWN_BYTES)
		for (shown = SHOWN_BYTES; list.data[shown - 1] != ',';)
			shown--;
	complain(merger, "%u of %u shards %s missing: %.*s%s",
	    (unsigned)missing, (unsigned)shares, missing == 1 ? "is" : "are",
	    shown, buf_span(&list).data, (size_t)shown < list.size ? "…" : "");
	buf_free(&list);
}

/* Mark what is there. */
static void
survey(struct merger *merger, uint8_t *states, uint32_t count)
{
	for (size_t i = 0; i < merger->count; i++) {
		const struct shard *shard = &merger->shards[i];
		uint32_t number = shard->pin.share.number;

		if (number >= count)
			continue;
		if (shard->open == 0)
			states[number] = SHARD_FINISHED;
		else if (states[number] == SHARD_MISSING)
			states[number] = SHARD_UNFINISHED;
	}
	for (size_t i = 0; i < merger->count; i++) {
		const struct shard *shard = &merger->shards[i];
		uint32_t number = shard->pin.share.number;

		if (number < count && states[number] == SHARD_UNFINISHED)
			complain(merger,
			    "%s: %" PRIu64 " %s of shard %u %s still open",
			    shard->peek.name, shard->open,
			    shard->open == 1 ? "prompt" : "prompts",
			    (unsigned)number, shard->open == 1 ? "is" : "are");
	}
}

/* Fails only without memory. */
static int
check_shards(struct merger *merger, struct err *err)
{
	const struct shard *base = find_shard(merger);
	uint32_t count;
	uint8_t *states;

	if (base == NULL)
		return 0;
	for (size_t i = 0; i < merger->count; i++)
		if (!belong_together(merger, base, &merger->shards[i]))
			return 0;
	/* Of fewer prompts than shards the last have none. */
	count = base->pin.share.count;
	if (base->pin.list.count < count)
		count = (uint32_t)base->pin.list.count;
	states = calloc(count > 0 ? count : 1, 1);
	if (states == NULL)
		return err_set_memory(err, "shards");
	survey(merger, states, count);
	complain_of_missing(merger, states, count, base->pin.share.count);
	put_before(&merger->merge->lacking, states, count, SHARD_FINISHED);
	free(states);
	return 0;
}

/* ---- the verdict ---- */

static int
refuse(const struct merger *merger, struct err *err)
{
	const struct buf *lacking = &merger->merge->lacking;

	if (merger->conf->partial || merger->complaints == 0)
		return 0;
	/* Half a list would be taken for all of it. */
	if (lacking->size > SHOWN_BYTES)
		return err_set(err, ERR_INPUT,
		    "%s was not made; --partial merges what there is, and with "
		    "--json lists the shards that are left (shards_lacking)",
		    merger->conf->path);
	if (lacking->size > 0)
		return err_set(err, ERR_INPUT,
		    "%s was not made; `sbatch --array=%s` of the same job does "
		    "what is left, --partial merges what there is",
		    merger->conf->path, lacking->data);
	return err_set(err, ERR_INPUT,
	    "%s was not made; --partial makes it all the same",
	    merger->conf->path);
}

int
merge_check_whole(struct merger *merger, struct err *err)
{
	compare_plans(merger);
	if (check_shards(merger, err) == -1)
		return -1;
	return refuse(merger, err);
}

int
merge_check_conflicts(struct merger *merger, struct err *err)
{
	const struct merge *merge = merger->merge;

	if (merge->conflicts == 0)
		return 0;
	for (size_t i = 0;
	     i < MERGE_SHOWN && i < merge->conflicts && !merger->conf->partial;
	     i++)
		log_say(LOG_ERROR,
		    "prompt %" PRId64 ": %s and %s have different answers",
		    merge->shown[i].id, merge->shown[i].taken,
		    merge->shown[i].other);
	if (merger->conf->partial)
		return 0;
	return err_set(err, ERR_INPUT,
	    "%s was not made: %" PRIu64 " %s two different answers; --partial "
	    "takes those of the database that is named first",
	    merger->conf->path, merge->conflicts,
	    merge->conflicts == 1 ? "prompt has" : "prompts have");
}
