/* SPDX-License-Identifier: ISC */
#ifndef COORD_IMPL_H
#define COORD_IMPL_H

#include "base/clock.h"
#include "run/coord.h"
#include "run/held.h"
#include "run/route.h"
#include "run/stop.h"
#include "run/watch.h"
#include "run/width.h"
#include "view/panel.h"

/*
 * What coord.c (the loop), attempts.c (to whom an attempt matters), servers.c
 * (who gets prompts) and hear.c (signals) share.
 */
#define COORD_WHY_BYTES 512 /* of an attempt's reason, in messages */

struct buf;
struct control;
struct json;
struct store_note;

struct coord {
	struct coord_conf conf;
	struct loop *loop;
	struct pool *pool;
	struct sched *sched;
	struct route route;
	struct limit limit;
	struct width width;
	struct watch watch;
	struct loop_watch signals_watch;
	struct loop_watch stop_watch;
	struct held *held;
	struct held *unproven; /* failed before the first answer */
	struct clock_nap nap;
	struct control *control; /* NULL: nobody can give orders */
	uint32_t workers;	 /* that are wanted now */
	bool is_paused;		 /* by an order */
	struct panel_error errors[PANEL_ERRORS]; /* the last, a ring */
	unsigned error_count;			 /* of all */
	bool continued;				 /* SIGCONT came */
	enum stop_phase phase;			 /* that we have acted on */
	int64_t now_ns;
	int64_t too_late_ns;   /* to begin a call before the deadline; with none
				  to   begin: to end those that are out */
	int64_t call_ns;       /* that it most likely takes, */
	int64_t call_known_ns; /* looked up again then */
	bool no_memory;
	struct buf signed_reason;
	char server_error[COORD_WHY_BYTES]; /* the last that blames one */
	char note[COORD_WHY_BYTES + 64];
};

/* orders.c: somebody tells the run what to do. As control_open wants it. */
void coord_take_order(void *arg, struct json *words, struct buf *out);

/* attempts.c: one that was to be done is not, after all. */
void coord_uncount(struct coord *coord, uint32_t index);

/* obey.c: does something end the run? Then what that means begins. */
void coord_obey(struct coord *coord);

/* What do people read beside the counts? NULL: nothing. */
const char *coord_say_note(struct coord *coord);

/* Take the signals that came by now; without any nothing happens. */
void coord_hear_signals(struct coord *coord);
int coord_watch_signals(struct coord *coord, struct err *err);

/* How many tokens may a prompt cost? */
struct tokens coord_estimate(const struct coord *coord, uint32_t index);

/* At the begin of a turn: were we stopped from outside? */
void coord_forgive_sleep(struct coord *coord);

/* A worker's report came: tell everybody to whom it matters. */
void coord_take_report(struct coord *coord, struct pool_report *report);

/* Put the name of the server before a reason where there are several. Gives
 * it, in scratch or as it was. */
struct span coord_sign_reason(
    struct coord *coord, uint32_t end, struct span reason, struct buf *scratch);

/* An attempt came back: its server's pace hears of it. */
void coord_tell_servers(struct coord *coord, const struct pool_report *report,
    int64_t retry_after_ns, const char *why);

/* Does an attempt blame the run where it can only be its server's, because
 * others are left? */
bool coord_blames_server(
    const struct coord *coord, const struct pool_report *report);

/* A prompt is held for that server's word: one that blames the run three times
 * in a row is set aside. */
void coord_judge_server(struct coord *coord, uint32_t end, const char *why);

/* Set a server aside if others are left. Gives false if not. */
bool coord_can_do_without(struct coord *coord, uint32_t end, const char *why);

/* Nothing is left but what is held: others may do it. */
void coord_move_held(struct coord *coord);

/* Gives for whom all wait. */
const char *coord_say_wait(struct coord *coord);

/* The run is over: whose fault were the prompts that were held? */
void coord_judge_held(struct coord *coord);

/* Remember a note, and the same for all prompts that its answer is for. */
void coord_remember(struct coord *coord, const struct store_note *note);

/* The latter alone: nothing for a note that ends no prompt. */
void coord_copy(struct coord *coord, const struct store_note *note);

/* At the start: copy what the database has an answer to. Fails as
 * store_read_row. */
int coord_copy_answered(struct coord *coord, struct err *err);

#endif
