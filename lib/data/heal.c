/* SPDX-License-Identifier: ISC */
/*
 * While the database refuses: wait longer and longer, say so once, and after
 * a while let the spill file stand in for it. The notes stay in the queue
 * until the database has them.
 */
#include <stdio.h>
#include <string.h>

#include <bsd/string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "data/spill_line.h"
#include "data/store_inner.h"

#define BACKOFF_FIRST_NS (50 * CLOCK_MS)
#define BACKOFF_MAX_NS (5 * CLOCK_S)
#define SPILL_RETRY_NS CLOCK_S /* after no place took it */
#define SPILL_PACE 4	       /* as commits: one fifth of the time */
#define SPILL_CAP_BYTES ((size_t)2 << 30)
#define SPILL_PIECE_BYTES ((size_t)4 << 20) /* written and synced together */

void
store_take_trouble(struct store *store, int code, int64_t now_ns)
{
	struct err err = {0};

	db_fail(&err, store->db, code, store_name(store));
	strlcpy(store->trouble, err.text, sizeof store->trouble);
	if (store->in_trouble) {
		store->backoff_ns *= 2;
		if (store->backoff_ns > BACKOFF_MAX_NS)
			store->backoff_ns = BACKOFF_MAX_NS;
	} else {
		store->in_trouble = true;
		store->trouble_ns = now_ns;
		store->backoff_ns = BACKOFF_FIRST_NS;
		log_say(LOG_WARN, "%s; answers wait in memory", store->trouble);
	}
	store->retry_ns = clock_add(now_ns, store->backoff_ns);
	if (db_is_broken(code))
		store_disconnect(store);
}

void
store_end_trouble(struct store *store)
{
	if (store->in_trouble) {
		store->in_trouble = false;
		log_say(
		    LOG_NOTE, "%s: can be written again", store_name(store));
	}
	if (store->mode != DB_TEMPORARY && store->spill != NULL &&
	    store->queue.spilled_count == 0)
		spill_clear(store->spill);
}

/* Append a note's line; its spot is counted from the first line's for now. */
static void
put_line(const struct store *store, struct buf *lines, struct note *note)
{
	struct record record = prompts_at(store->prompts, note->fact.index);

	note->spot.offset = (int64_t)lines->size;
	spill_put_note(lines, store_id(store, note->fact.index),
	    store->settings, note, &record);
	note->spot.size = lines->size - (size_t)note->spot.offset;
}

/*
 * Spill some of what is fresh, from *at on; *at is where to go on, NULL at
 * the end. Gives 0, or -1 with nothing of it spilled.
 */
static int
spill_piece(struct store *store, struct note **at, struct buf *lines)
{
	struct note *first = *at;
	struct note *note = first;
	struct err err = {0};
	int64_t offset;
	size_t place;
	int done;

	buf_clear(lines);
	for (; note != NULL && lines->size < SPILL_PIECE_BYTES;
	     note = STAILQ_NEXT(note, next))
		if (!note->spilled)
			put_line(store, lines, note);
	*at = note;
	if (lines->size == 0)
		return 0;
	if (lines->failed)
		done = err_set_memory(&err, "spill file");
	else
		done = spill_append(
		    store->spill, buf_span(lines), &place, &offset, &err);
	if (done == -1) {
		if (!store->spill_fails)
			log_say(
			    LOG_ERROR, "%s; answers wait in memory", err.text);
		if (!store->in_trouble)
			strlcpy(
			    store->trouble, err.text, sizeof store->trouble);
		return -1;
	}
	for (; first != note; first = STAILQ_NEXT(first, next)) {
		if (first->spilled)
			continue;
		first->spot.place = place;
		first->spot.offset += offset;
		note_queue_spilled(&store->queue, first);
		store_tell(store, first);
		note_park(first);
	}
	return 0;
}

const struct note *
store_whole_note(struct store *store, const struct note *note)
{
	struct note *whole;

	if (note->bytes != NULL)
		return note;
	spill_line_free(&store->parked);
	if (spill_read_back(store->spill, &note->spot, &store->parked) == -1)
		return NULL;
	whole = store->parked.note;
	whole->fact.index = note->fact.index;
	whole->fact.state = note->fact.state;
	whole->is_old = note->is_old;
	return whole;
}

void
store_spill(struct store *store, int64_t now_ns)
{
	bool first = spill_path(store->spill) == NULL;
	struct note *at = STAILQ_FIRST(&store->queue.list);
	int64_t from_ns = clock_now_ns();
	int64_t took_ns;
	struct buf lines;
	int done = 0;

	buf_init(&lines, SPILL_CAP_BYTES);
	while (done == 0 && at != NULL)
		done = spill_piece(store, &at, &lines);
	buf_free(&lines);
	store->spill_fails = done == -1;
	took_ns = clock_now_ns() - from_ns;
	store->spill_due_ns = clock_add(
	    now_ns, done == -1 ? SPILL_RETRY_NS : (1 + SPILL_PACE) * took_ns);
	if (first && spill_path(store->spill) != NULL)
		log_say(LOG_WARN, "answers are kept in %s for now",
		    spill_path(store->spill));
}

enum store_health
store_health(const struct store *store, const char **text)
{
	struct store *writable = (struct store *)store; /* the text alone */
	const char *spilled = store_spill_path(store);
	enum store_health health = STORE_HEALTHY;
	char *out = writable->health;
	size_t size = sizeof store->health;

	if ((store->in_trouble || store->spill_fails) &&
	    store->queue.fresh_count > 0) {
		health = STORE_TROUBLED;
		snprintf(out, size, "%s; %zu %s in memory", store->trouble,
		    store->queue.fresh_count,
		    store->queue.fresh_count == 1 ? "note waits"
						  : "notes wait");
	} else if (spilled != NULL) {
		health = STORE_SPILLED;
		snprintf(out, size,
		    "answers are in %s; the next run on the database takes "
		    "them in",
		    spilled);
	} else if (store->is_rescued) {
		health = STORE_SPILLED;
		snprintf(out, size,
		    "the database was moved away; all answers are in %s",
		    store->path);
	} else {
		snprintf(out, size, "%s: healthy", store_name(store));
	}
	if (text != NULL)
		*text = out;
	return health;
}
