/* SPDX-License-Identifier: ISC */
/*
 * Notes on their way to the disk: a queue in order, and buckets by prompt for
 * those that an export asks for before the database has them.
 */
#include "data/note.h"

#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "base/sha256.h"
#include "base/text.h"

#define REASON_MAX_BYTES 4096 /* of the reason in llm_results */

static const struct {
	const char *name;
	size_t offset;
} parts[NOTE_PART_COUNT] = {
    {"text", offsetof(struct reply, text)},
    {"error", offsetof(struct reply, error)},
    {"request_id", offsetof(struct reply, request_id)},
    {"model", offsetof(struct reply, model)},
    {"finish_reason", offsetof(struct reply, finish_reason)},
    {"reasoning", offsetof(struct reply, reasoning)},
    {"refusal", offsetof(struct reply, refusal)},
    {"raw", offsetof(struct reply, raw)},
};

const char *
note_part_name(size_t part)
{
	return parts[part].name;
}

struct span *
note_part(struct reply *reply, size_t part)
{
	return (struct span *)(void *)((char *)reply + parts[part].offset);
}

struct note *
note_new(const struct store_note *fact, int64_t run_id)
{
	struct reply reply = *fact->reply;
	size_t size = 1; /* never NULL */
	struct note *note;
	char *at;

	for (size_t i = 0; i < NOTE_PART_COUNT; i++)
		size += note_part(&reply, i)->size;
	note = calloc(1, sizeof *note);
	at = malloc(size);
	if (note == NULL || at == NULL) {
		free(note);
		free(at);
		return NULL;
	}
	note->bytes = at;
	for (size_t i = 0; i < NOTE_PART_COUNT; i++) {
		struct span *part = note_part(&reply, i);

		if (part->data == NULL)
			continue;
		if (part->size > 0)
			memcpy(at, part->data, part->size);
		part->data = at;
		at += part->size;
	}
	note->fact = *fact;
	note->reply = reply;
	note->fact.reply = &note->reply;
	note->run_id = run_id;
	return note;
}

void
note_take_digest(struct note *note)
{
	if (outcome_trait(note->reply.outcome)->answers)
		sha256_of(note->reply.text, note->sha256);
}

void
note_free(struct note *note)
{
	if (note == NULL)
		return;
	free(note->bytes);
	free(note);
}

void
note_park(struct note *note)
{
	MUST(note->spilled);
	free(note->bytes);
	note->bytes = NULL;
	for (size_t i = 0; i < NOTE_PART_COUNT; i++)
		*note_part(&note->reply, i) = (struct span){NULL, 0};
}

static struct note_bucket *
bucket_of(const struct note_queue *queue, uint32_t index)
{
	return (struct note_bucket *)&queue->by_index[index % NOTE_BUCKETS];
}

void
note_queue_init(struct note_queue *queue)
{
	memset(queue, 0, sizeof *queue);
	STAILQ_INIT(&queue->list);
}

void
note_queue_add(struct note_queue *queue, struct note *note)
{
	STAILQ_INSERT_TAIL(&queue->list, note, next);
	LIST_INSERT_HEAD(bucket_of(queue, note->fact.index), note, same_bucket);
	queue->fresh_count++;
}

void
note_queue_spilled(struct note_queue *queue, struct note *note)
{
	MUST(!note->spilled);
	note->spilled = true;
	queue->fresh_count--;
	queue->spilled_count++;
}

struct note *
note_queue_take(struct note_queue *queue)
{
	struct note *note = STAILQ_FIRST(&queue->list);

	MUST(note != NULL);
	STAILQ_REMOVE_HEAD(&queue->list, next);
	LIST_REMOVE(note, same_bucket);
	if (note->spilled)
		queue->spilled_count--;
	else
		queue->fresh_count--;
	return note;
}

bool
note_queue_is_empty(const struct note_queue *queue)
{
	return STAILQ_EMPTY(&queue->list);
}

const struct note *
note_queue_find(const struct note_queue *queue, uint32_t index)
{
	struct note *note;

	if (queue->spilled_count == 0)
		return NULL;
	LIST_FOREACH(note, bucket_of(queue, index), same_bucket)
	if (note->fact.index == index && note->spilled && note_is_end(note))
		return note;
	return NULL;
}

uint32_t
note_queue_attempts(const struct note_queue *queue, uint32_t index)
{
	struct note *note;
	uint32_t count = 0;

	LIST_FOREACH(note, bucket_of(queue, index), same_bucket)
	if (note->fact.index == index && note->spilled &&
	    !note->fact.no_attempt)
		count++;
	return count;
}

void
note_queue_free(struct note_queue *queue)
{
	while (!note_queue_is_empty(queue))
		note_free(note_queue_take(queue));
}

bool
note_is_end(const struct note *note)
{
	return note->fact.state != STORE_OPEN;
}

struct span
note_result(const struct note *note, struct buf *scratch)
{
	const struct reply *reply = &note->reply;
	struct span reason = reply->error;

	if (note->fact.state == STORE_ANSWERED)
		return reply->text.data != NULL ? reply->text : span_of("");
	if (reason.size == 0)
		reason = span_of(outcome_trait(reply->outcome)->words);
	buf_clear(scratch);
	buf_printf(scratch, "Error: Failed after %u attempts: ",
	    /* What was charged, and there was at least one attempt. */
	    note->fact.tries > 0 ? (unsigned)note->fact.tries : 1);
	/* It must be text: as a BLOB it would look like an answer. */
	if (text_is_utf8(reason, NULL))
		text_one_line(scratch, reason, REASON_MAX_BYTES);
	else
		text_escape(scratch, reason, REASON_MAX_BYTES);
	return buf_span(scratch);
}

struct span
note_raw(const struct note *note)
{
	const struct reply *reply = &note->reply;

	if (reply->raw.data == NULL && note->fact.state != STORE_ANSWERED &&
	    !outcome_trait(reply->outcome)->answers && reply->text.size > 0)
		return reply->text;
	return reply->raw;
}
