/* SPDX-License-Identifier: ISC */
/*
 * Prompts that are the same request: what one of them is through with the
 * others are, too. A copy is an attempt with the number 0, which cost nothing,
 * and says whose it is.
 */
#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "data/store.h"
#include "data/twins.h"
#include "run/coord_impl.h"

/* Remember the same for one prompt, if it is still open. */
static void
copy_to(struct coord *coord, const struct store_note *note, uint32_t index)
{
	struct reply reply = *note->reply;
	struct store_note copy = *note;
	char mark[48];

	if (coord->conf.states[index] != STORE_OPEN)
		return;
	snprintf(mark, sizeof(mark), "copy of prompt %jd",
	    (intmax_t)store_id(coord->conf.store, note->index));
	if (note->state == STORE_ANSWERED)
		reply.error = span_of(mark);
	reply.duration_ms = -1;
	reply.first_byte_ms = -1;
	reply.input_tokens = -1;
	reply.output_tokens = -1;
	reply.raw = span_of(NULL);
	copy.index = index;
	copy.attempt = 0;
	copy.no_attempt = false;
	copy.started_wall_ms = clock_wall_ms();
	copy.reply = &reply;
	coord_remember(coord, &copy);
}

void
coord_copy(struct coord *coord, const struct store_note *note)
{
	const struct twins *twins = coord->conf.twins;
	uint32_t next;

	if (twins == NULL || note->state == STORE_OPEN || note->attempt == 0)
		return;
	for (next = twins->next[note->index]; next != 0;
	     next = twins->next[next - 1])
		copy_to(coord, note, next - 1);
}

/* Copy an answer that the database has already. Gives 0, or -1 with err. */
static int
copy_old(struct coord *coord, uint32_t first, struct err *err)
{
	struct store_row row;
	struct reply reply;
	struct store_note note = {
	    .index = first,
	    .attempt = 1,
	    .state = STORE_ANSWERED,
	    .tries = 1,
	    .reply = &reply,
	};

	if (store_read_row(coord->conf.store, first, &row, err) == -1)
		return -1;
	reply_init(&reply);
	reply.outcome = OUTCOME_OK;
	if (row.outcome.data != NULL)
		(void)outcome_by_name(row.outcome.data, &reply.outcome);
	reply.text = row.result;
	reply.model = row.model;
	reply.finish_reason = row.finish_reason;
	reply.reasoning = row.reasoning;
	coord_copy(coord, &note);
	return 0;
}

int
coord_copy_answered(struct coord *coord, struct err *err)
{
	const struct twins *twins = coord->conf.twins;

	for (uint32_t i = 0; twins != NULL && i < coord->conf.count; i++)
		if (twins->next[i] != 0 && twins->first[i] == 0 &&
		    coord->conf.states[i] == STORE_ANSWERED &&
		    copy_old(coord, i, err) == -1)
			return -1;
	return 0;
}
