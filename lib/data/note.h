/* SPDX-License-Identifier: ISC */
#ifndef NOTE_H
#define NOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bsd/sys/queue.h>

#include "data/plan.h"
#include "data/spill.h"
#include "data/store.h"

/*
 * One attempt as it waits: a copy of what was lent. In the queue it stands in
 * order; by_index finds the newest of a prompt. Once it is in the spill file
 * its bytes stay there, or the memory would fill up while a database is away.
 */
struct note {
	STAILQ_ENTRY(note) next;
	LIST_ENTRY(note) same_bucket;
	struct store_note fact;		/* fact.reply is &reply */
	struct reply reply;		/* its spans lie in bytes */
	char *bytes;			/* NULL: read it back from spot */
	int64_t run_id;			/* 0 none */
	char sha256[PLAN_DIGEST_BYTES]; /* of an answer, else "" */
	bool spilled;			/* durable in the spill file, at spot */
	bool is_old;			/* an earlier run's */
	struct spill_spot spot;
};

#define NOTE_BUCKETS 1024 /* chains stay short: only trouble makes many */

struct note_queue {
	STAILQ_HEAD(note_list, note) list;
	LIST_HEAD(note_bucket, note) by_index[NOTE_BUCKETS];
	size_t fresh_count;   /* not spilled */
	size_t spilled_count; /* spilled, not in the database yet */
};

/* The byte strings of a reply, one after the other, with their names. */
#define NOTE_PART_COUNT 8
const char *note_part_name(size_t part);
struct span *note_part(struct reply *reply, size_t part);

/* Copy what is lent, without a digest. Gives NULL without memory. */
struct note *note_new(const struct store_note *fact, int64_t run_id);
/* Fill in the sha256 of an answer. */
void note_take_digest(struct note *note);
void note_free(struct note *note);

/* It is in the spill file: keep no more than what it is about. */
void note_park(struct note *note);

void note_queue_init(struct note_queue *queue);
void note_queue_add(struct note_queue *queue, struct note *note);
/* The note is in the spill file now. */
void note_queue_spilled(struct note_queue *queue, struct note *note);
/* Take the oldest out. Bug if empty. */
struct note *note_queue_take(struct note_queue *queue);
bool note_queue_is_empty(const struct note_queue *queue);
/* Gives the newest note that is durable and ends the prompt, or NULL. */
const struct note *note_queue_find(
    const struct note_queue *queue, uint32_t index);
/* How many spilled attempts at the prompt are in it. */
uint32_t note_queue_attempts(const struct note_queue *queue, uint32_t index);
void note_queue_free(struct note_queue *queue);

/* Does it end its prompt, so that the result changes? */
bool note_is_end(const struct note *note);

/*
 * Gives what llm_results shows: the answer, or "Error: Failed after N
 * attempts: reason", put together in scratch.
 */
struct span note_result(const struct note *note, struct buf *scratch);

/* Gives what llm_attempts.raw keeps: the body, or the start of an answer that
 * was too long to be one. */
struct span note_raw(const struct note *note);

#endif
