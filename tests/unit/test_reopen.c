/* SPDX-License-Identifier: ISC */
/*
 * Prompts that are done again, and what stays until they are.
 */
#include "data/redo.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"

#include "store_room.h"

#define LATER (1000000 * CLOCK_S)

/* One prompt of each kind, ids 1 to 6. */
static void
fill(struct room *room)
{
	room_init(room, 6);
	assert_int_equal(room_open(room), 0);
	room_answer(room, 0, "fine");
	room_note(room, 1, STORE_FAILED, OUTCOME_REFUSED, span_of("no"));
	room_note(room, 2, STORE_ANSWERED, OUTCOME_OK, span_of(""));
	room_answer(room, 3, "NA");
	room_note(room, 4, STORE_ANSWERED, OUTCOME_LENGTH, span_of("cut sho"));
	room_close(room);
}

/* Open again what the list says. Gives 0, -1 with room->err. */
static int
reopen(struct room *room, const char *list)
{
	struct redo redo;
	int done;

	assert_int_equal(room_open(room), 0);
	assert_int_equal(redo_parse(&redo, list, &room->err), 0);
	done = store_reopen(
	    room->store, &redo, room->states, &room->counts, &room->err);
	redo_free(&redo);
	return done;
}

static void
each_word_opens_its_kind(void **state)
{
	static const struct {
		const char *list;
		const char *open; /* o where a prompt is to be done */
	} cases[] = {
	    {"failed", ".o...o"},
	    {"empty", "..o..o"},
	    {"na", "...o.o"},
	    {"length", "....oo"},
	    {"1", "o....o"},
	    {"2-4", ".ooo.o"},
	    {"6", ".....o"},
	    {"failed,empty,na,length,1-6,1", "oooooo"},
	};
	struct room room;

	(void)state;
	fill(&room);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		uint32_t open = 0;

		assert_int_equal(reopen(&room, cases[i].list), 0);
		for (size_t p = 0; p < 6; p++) {
			bool is_open = room.states[p] == STORE_OPEN;

			open += is_open;
			if (is_open != (cases[i].open[p] == 'o'))
				fail_msg(
				    "%s: prompt %zu", cases[i].list, p + 1);
		}
		assert_int_equal(room.counts.open, open);
		assert_int_equal(room.counts.reopened, open - 1);
		assert_int_equal(room.counts.open + room.counts.answered +
				     room.counts.failed,
		    6);
		room_close(&room);
	}
	room_free(&room);
}

static void
an_id_that_is_not_there_is_refused(void **state)
{
	static const char *const lists[] = {"7", "7-9", "5-7", "4294967297"};
	struct room room;

	(void)state;
	fill(&room);
	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
		assert_int_equal(reopen(&room, lists[i]), -1);
		assert_says(&room, ERR_USAGE, "--redo: there is no prompt ");
		room_close(&room);
	}
	room_free(&room);
}

static void
the_old_text_stays_until_a_new_answer(void **state)
{
	static const char *const texts =
	    "SELECT group_concat(quote(result)) FROM llm_results WHERE id < 6";
	struct store_row row;
	struct room room;

	(void)state;
	fill(&room);
	assert_int_equal(reopen(&room, "1-5"), 0);
	assert_int_equal(room_close(&room), STORE_HEALTHY);
	assert_sql("runs.db", texts,
	    "'fine','Error: Failed after 2 attempts: no','','NA','cut sho'");
	assert_int_equal(reopen(&room, "1-5"), 0);
	for (uint32_t i = 0; i < 4; i++)
		room_note(
		    &room, i, STORE_FAILED, OUTCOME_CRASH, span_of("boom"));
	room_answer(&room, 4, "whole");
	store_commit(room.store, LATER, true);
	assert_int_equal(room.told_count, 5);
	assert_int_equal(room.told[0].state, STORE_FAILED);
	assert_int_equal(store_read_row(room.store, 0, &row, &room.err), 0);
	assert_int_equal(row.state, STORE_ANSWERED);
	room_close(&room);
	assert_sql("runs.db", texts,
	    "'fine','Error: Failed after 2 attempts: no','','NA','whole'");
	assert_sql("runs.db", "SELECT count(*) FROM llm_attempts", "10");
	/* Nor does another run think otherwise. */
	assert_int_equal(room_open(&room), 0);
	assert_int_equal(room.states[0], STORE_ANSWERED);
	assert_int_equal(room.states[1], STORE_FAILED);
	assert_int_equal(room.states[2], STORE_ANSWERED);
	room_free(&room);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    IN_SCRATCH(each_word_opens_its_kind),
	    IN_SCRATCH(an_id_that_is_not_there_is_refused),
	    IN_SCRATCH(the_old_text_stays_until_a_new_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
