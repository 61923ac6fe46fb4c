/* SPDX-License-Identifier: ISC */
/*
 * One prompt and all shards that have it: one row is taken, and the attempts
 * of all are written in an order in which the last one still says what the
 * prompt is (look.c, view llm_status) and still vouches for its answer
 * (verify.c).
 */
#include <inttypes.h>

#include <sqlite3.h>

#include "base/err.h"
#include "base/text.h"
#include "data/merge_inner.h"

#define SHOWN_BYTES 40 /* of a prompt in a message */

/* ---- who is taken ---- */

static bool
holds(const struct shard *shard, int64_t id)
{
	return shard->has_row && shard->id == id;
}

static void
put_shown(struct buf *buf, const struct shard *shard)
{
	buf_printf(buf, "%s (\"", shard->peek.name);
	text_escape(buf, shard_prompt(shard), SHOWN_BYTES);
	buf_add_text(buf, "\")");
}

static int
say_prompts_differ(
    const struct shard *a, const struct shard *b, struct err *err)
{
	struct buf shown;

	buf_init(&shown, ERR_TEXT_MAX * 8);
	put_shown(&shown, a);
	buf_add_text(&shown, " than in ");
	put_shown(&shown, b);
	err_set(err, ERR_INPUT,
	    "prompt %" PRId64 " is another one in %s: they are no parts of "
	    "one list",
	    a->id, buf_span(&shown).data);
	buf_free(&shown);
	return -1;
}

static int
say_bodies_differ(const struct shard *a, const struct shard *b, struct err *err)
{
	return err_set(err, ERR_INPUT,
	    "prompt %" PRId64 " has other messages or parameters in %s than "
	    "in %s: they are no parts of one list",
	    a->id, a->peek.name, b->peek.name);
}

/* Who stands at one id. */
struct group {
	struct shard *winner;
	const struct shard *input; /* whose llm_inputs is kept; NULL: none */
};

/* Is a better than b, of the same prompt? */
static bool
is_better(const struct shard *a, const struct shard *b)
{
	static const uint8_t worth[] = {
	    [STORE_OPEN] = 0, [STORE_FAILED] = 1, [STORE_ANSWERED] = 2};

	return worth[a->state] > worth[b->state];
}

/* Find the winner; all must have the same prompt. */
static int
form_group(const struct merger *merger, int64_t id, struct group *group,
    struct err *err)
{
	const struct shard *first = NULL;
	const struct shard *knower = NULL; /* of the body */

	*group = (struct group){0};
	for (size_t i = 0; i < merger->count; i++) {
		struct shard *shard = &merger->shards[i];

		if (!holds(shard, id))
			continue;
		if (first == NULL)
			first = shard;
		if (!span_equals(shard_prompt(first), shard_prompt(shard)))
			return say_prompts_differ(first, shard, err);
		if (knower == NULL && shard_knows_body(shard))
			knower = shard;
		if (shard_knows_body(shard) &&
		    !span_equals(shard_body(knower), shard_body(shard)))
			return say_bodies_differ(knower, shard, err);
		if (shard_has_input(shard) &&
		    (group->input == NULL || shard == knower))
			group->input = shard;
		if (group->winner == NULL || is_better(shard, group->winner))
			group->winner = shard;
	}
	return 0;
}

/* Does it say the same of the prompt as the winner? */
static bool
agrees(const struct shard *shard, const struct shard *winner)
{
	return holds(shard, winner->id) && shard->state == winner->state &&
	       span_equals(shard_result(shard), shard_result(winner));
}

static void
note_conflict(struct merger *merger, const struct shard *winner)
{
	struct merge *merge = merger->merge;

	for (size_t i = 0; i < merger->count; i++) {
		const struct shard *shard = &merger->shards[i];

		if (!holds(shard, winner->id) ||
		    shard->state != STORE_ANSWERED || agrees(shard, winner))
			continue;
		if (merge->conflicts < MERGE_SHOWN)
			merge->shown[merge->conflicts] =
			    (struct merge_conflict){winner->id,
				winner->peek.name, shard->peek.name};
		merge->conflicts++;
		return;
	}
}

static void
count_prompt(struct merger *merger, const struct shard *winner)
{
	struct merge *merge = merger->merge;
	uint64_t id = (uint64_t)winner->id;

	merge->answered += winner->state == STORE_ANSWERED;
	merge->failed += winner->state == STORE_FAILED;
	merge->open += winner->state == STORE_OPEN;
	if (winner->id < 1)
		return;
	if (id > merger->next_id && merge->first_missing == 0)
		merge->first_missing = (int64_t)merger->next_id;
	merge->missing += id - merger->next_id;
	merger->next_id = id + 1;
}

static int
write_prompt(struct merger *merger, const struct group *group, struct err *err)
{
	int code = shard_bind_result(group->winner, merger->result);

	if (group->winner->state == STORE_OPEN)
		db_bind(merger->result, ":result", (struct span){NULL, 0});
	if (code == SQLITE_OK)
		code = db_finish(merger->result);
	if (code == SQLITE_OK && group->input != NULL) {
		code = shard_bind_input(group->input, merger->input);
		if (code == SQLITE_OK)
			code = db_finish(merger->input);
	}
	return code == SQLITE_OK ? 0 : merge_fail(merger, code, err);
}

/* ---- attempts ---- */

/* What an attempt may say of its prompt where it is not the winner's. */
enum voice {
	VOICE_FULL = 0,
	VOICE_MUTE = 1, /* its sha256 is not that of the text that stands */
	VOICE_NONE = 2, /* it would make an answer of a failure */
};

/*
 * Where the winner has an attempt that answered, that one is the last and
 * vouches for it. Where it has none (a seed's answer, a failure), an attempt
 * that answered something else must not be taken for its own.
 */
static int
find_voice(const struct shard *shard, struct shard *winner, enum voice *voice,
    struct err *err)
{
	bool is_vouched;

	*voice = VOICE_FULL;
	if (!shard_attempt_answers(shard) || agrees(shard, winner))
		return 0;
	if (shard_find_voucher(winner, &is_vouched, err) == -1)
		return -1;
	if (is_vouched)
		return 0;
	*voice = VOICE_MUTE;
	if (winner->state == STORE_FAILED &&
	    (!winner->has_attempt || winner->attempt_id != winner->id))
		*voice = VOICE_NONE;
	return 0;
}

static int
copy_attempt(struct merger *merger, const struct shard *shard, enum voice voice,
    struct err *err)
{
	int code;

	if (voice == VOICE_NONE)
		return 0;
	code = shard_bind_attempt(shard, merger->attempt);
	if (voice == VOICE_MUTE)
		db_bind(merger->attempt, ":sha256", (struct span){NULL, 0});
	if (code == SQLITE_OK)
		code = db_finish(merger->attempt);
	merger->merge->attempts++;
	return code == SQLITE_OK ? 0 : merge_fail(merger, code, err);
}

/* Copy a shard's attempts at prompts up to last; winner: of that prompt, NULL
 * where it is the shard itself. */
static int
copy_attempts(struct merger *merger, struct shard *shard, int64_t last,
    struct shard *winner, struct err *err)
{
	while (shard->has_attempt && shard->attempt_id <= last) {
		enum voice voice = VOICE_FULL;

		if (winner != NULL &&
		    find_voice(shard, winner, &voice, err) == -1)
			return -1;
		if (copy_attempt(merger, shard, voice, err) == -1 ||
		    shard_next_attempt(shard, err) == -1)
			return -1;
	}
	return 0;
}

/* Attempts at prompts that no shard has: nobody's, but kept. */
int
merge_strays(struct merger *merger, int64_t last, struct err *err)
{
	for (size_t i = 0; i < merger->count; i++)
		if (copy_attempts(
			merger, &merger->shards[i], last, NULL, err) == -1)
			return -1;
	return 0;
}

/* The winner's last. */
static int
copy_group_attempts(
    struct merger *merger, struct shard *winner, struct err *err)
{
	for (size_t i = 0; i < merger->count; i++) {
		struct shard *shard = &merger->shards[i];

		if (shard != winner &&
		    copy_attempts(merger, shard, winner->id, winner, err) == -1)
			return -1;
	}
	return copy_attempts(merger, winner, winner->id, NULL, err);
}

int
merge_prompt(struct merger *merger, int64_t id, struct err *err)
{
	struct group group;

	if (id > INT64_MIN && merge_strays(merger, id - 1, err) == -1)
		return -1;
	if (form_group(merger, id, &group, err) == -1)
		return -1;
	count_prompt(merger, group.winner);
	note_conflict(merger, group.winner);
	if (write_prompt(merger, &group, err) == -1 ||
	    copy_group_attempts(merger, group.winner, err) == -1)
		return -1;
	for (size_t i = 0; i < merger->count; i++)
		if (holds(&merger->shards[i], id) &&
		    shard_next_row(&merger->shards[i], err) == -1)
			return -1;
	return 0;
}
