/* SPDX-License-Identifier: ISC */
/*
 * What the line about a run says. It is a row of parts; each has a place
 * (left to right) and an importance. They are let in by importance as long as
 * the width allows, and written by place; the bar takes what is left over.
 */
#include "view/progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "view/stats.h"

#define PROGRESS_NOTE_CAP 16384 /* bytes of a note made safe */
#define PROGRESS_NOTE_LOOK 1024 /* bytes of a note that are looked at */
#define PROGRESS_NOTE_MIN 12	/* columns; cut shorter it says nothing */
#define PROGRESS_NOTE_MAX 120	/* columns */

/* The bar grows in steps: else it would tremble with every digit. */
#define PROGRESS_BAR_STEP 10
#define PROGRESS_BAR_MAX 40

#define PROGRESS_RED "\x1b[31m"
#define PROGRESS_YELLOW "\x1b[33m"
#define PROGRESS_PLAIN_AGAIN "\x1b[0m"

/* By place, left to right; the bar stands in front of them. */
enum part_place {
	PART_DONE = 0,
	PART_NOTE = 1,
	PART_FAILED = 2,
	PART_RETRIED = 3,
	PART_FLIGHT = 4,
	PART_RATE = 5,
	PART_ETA = 6,
	PART_TOKENS = 7,
	PART_COUNT = 8,
};

/* By importance, up to PART_COUNT. */
static const enum part_place before_bar[] = {
    PART_NOTE,
    PART_FAILED,
    PART_ETA,
    PART_RATE,
    PART_COUNT,
};
static const enum part_place after_bar[] = {
    PART_RETRIED,
    PART_FLIGHT,
    PART_TOKENS,
    PART_COUNT,
};

struct part {
	char text[512]; /* empty: nothing to say */
	const char *colour;
	bool shown;
};

static uint64_t
done_count(const struct stats *stats)
{
	return stats->answered + stats->failed;
}

static const char *
eta_text(int64_t eta_ns, char *out, size_t size)
{
	int64_t seconds = eta_ns / CLOCK_S + (eta_ns % CLOCK_S != 0);

	if (seconds < 60)
		snprintf(out, size, "%d s", (int)seconds);
	else
		text_duration(seconds * CLOCK_S, out, size);
	return out;
}

static void part_say(struct part *part, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void
part_say(struct part *part, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vsnprintf(part->text, sizeof(part->text), format, list);
	va_end(list);
}

static void
say_counts(struct part *parts, const struct stats *stats)
{
	part_say(&parts[PART_DONE], "%ju/%ju", (uintmax_t)done_count(stats),
	    (uintmax_t)stats->asked);
	if (stats->failed > 0)
		part_say(&parts[PART_FAILED], "%ju failed",
		    (uintmax_t)stats->failed);
	parts[PART_FAILED].colour = PROGRESS_RED;
	if (stats->retries > 0)
		part_say(&parts[PART_RETRIED], "%ju retried",
		    (uintmax_t)stats->retries);
	parts[PART_RETRIED].colour = PROGRESS_YELLOW;
	if (stats->in_flight > 0)
		part_say(&parts[PART_FLIGHT], "%u in flight", stats->in_flight);
}

/* Before the first end there is no rate, after the last no time left. */
static void
say_speed(struct part *parts, const struct stats *stats, int64_t now_ns)
{
	double token_rate = stats_token_rate(stats, now_ns);
	int64_t eta_ns = stats_eta_ns(stats, now_ns);
	char text[64];

	if (done_count(stats) > 0)
		part_say(&parts[PART_RATE], "%s",
		    stats_rate_text(
			stats_rate(stats, now_ns), text, sizeof(text)));
	if (eta_ns > 0)
		part_say(&parts[PART_ETA], "ETA %s",
		    eta_text(eta_ns, text, sizeof(text)));
	if (token_rate >= 0.5)
		part_say(&parts[PART_TOKENS], "%.0f tok/s", token_rate);
}

/* The note is the one part that is cut to what is left. */
static void
say_note(struct part *part, const char *note, size_t columns)
{
	struct buf safe;
	struct span fit;
	const char *dots = "";

	if (columns > PROGRESS_NOTE_MAX)
		columns = PROGRESS_NOTE_MAX;
	buf_init(&safe, PROGRESS_NOTE_CAP);
	text_escape(&safe, span_of(note), PROGRESS_NOTE_LOOK);
	fit = buf_span(&safe);
	if (text_columns(fit) > columns) {
		dots = "...";
		fit = columns < PROGRESS_NOTE_MIN
			  ? (struct span){"", 0}
			  : text_fit(fit, columns - strlen(dots));
	}
	if (fit.size > 0 && fit.size + strlen(dots) < sizeof(part->text))
		part_say(part, "%.*s%s", (int)fit.size, fit.data, dots);
	buf_free(&safe);
}

/* Let a part in, with the two blanks before it, if there is room. */
static bool
let_in(struct part *part, size_t *room)
{
	size_t columns = text_columns(span_of(part->text));

	if (part->text[0] == '\0')
		return true;
	if (columns + 2 > *room)
		return false;
	*room -= columns + 2;
	part->shown = true;
	return true;
}

static bool
let_all_in(struct part *parts, const enum part_place *places, size_t *room)
{
	for (; *places != PART_COUNT; places++)
		if (!let_in(&parts[*places], room))
			return false;
	return true;
}

/* Gives the cells of the bar; its frame and a blank take three columns. */
static size_t
bar_cells(size_t room)
{
	size_t cells = room < 3 ? 0 : room - 3;

	cells -= cells % PROGRESS_BAR_STEP;
	return cells < PROGRESS_BAR_MAX ? cells : PROGRESS_BAR_MAX;
}

static void
put_bar(struct buf *line, const struct stats *stats, size_t cells)
{
	uint64_t done = done_count(stats);
	size_t full = cells;

	if (done < stats->asked)
		full = (size_t)((double)cells * (double)done /
				(double)stats->asked);
	buf_add_byte(line, '[');
	for (size_t i = 0; i < cells; i++)
		buf_add_byte(line, i < full ? '#' : '-');
	buf_add_text(line, "] ");
}

static void
put_part(struct buf *line, const struct part *part, bool colour)
{
	bool coloured = colour && part->colour != NULL;

	buf_add_text(line, "  ");
	if (coloured)
		buf_add_text(line, part->colour);
	buf_add_text(line, part->text);
	if (coloured)
		buf_add_text(line, PROGRESS_PLAIN_AGAIN);
}

/* When even done/total is too wide. */
static void
put_percent(struct buf *line, const struct stats *stats, size_t columns)
{
	uint64_t done = done_count(stats);
	int percent = 100;

	if (done < stats->asked)
		percent = (int)(100.0 * (double)done / (double)stats->asked);
	if (columns >= strlen("100%"))
		buf_printf(line, "%d%%", percent);
}

void
progress_render(const struct stats *stats, const char *note, int64_t now_ns,
    unsigned columns, bool colour, struct buf *line)
{
	struct part parts[PART_COUNT] = {0};
	size_t room = columns;
	size_t cells = 0;

	say_counts(parts, stats);
	say_speed(parts, stats, now_ns);
	if (strlen(parts[PART_DONE].text) > room) {
		put_percent(line, stats, room);
		return;
	}
	room -= strlen(parts[PART_DONE].text);
	if (note != NULL && room > 2)
		say_note(&parts[PART_NOTE], note, room - 2);

	if (let_all_in(parts, before_bar, &room) && bar_cells(room) > 0) {
		room -= PROGRESS_BAR_STEP + 3;
		let_all_in(parts, after_bar, &room);
		cells = bar_cells(room + PROGRESS_BAR_STEP + 3);
	}
	if (cells > 0)
		put_bar(line, stats, cells);
	buf_add_text(line, parts[PART_DONE].text);
	for (size_t i = 0; i < PART_COUNT; i++)
		if (parts[i].shown)
			put_part(line, &parts[i], colour);
}

void
progress_render_plain(const struct stats *stats, const char *note,
    int64_t now_ns, struct buf *line)
{
	struct part parts[PART_COUNT] = {0};
	int64_t eta_ns = stats_eta_ns(stats, now_ns);
	const char *failed = parts[PART_FAILED].text;
	const char *retried = parts[PART_RETRIED].text;
	char text[64];

	say_counts(parts, stats);
	say_speed(parts, stats, now_ns);
	buf_printf(line, "llmill: %ju of %ju done",
	    (uintmax_t)done_count(stats), (uintmax_t)stats->asked);
	if (*failed != '\0' || *retried != '\0')
		buf_printf(line, " (%s%s%s)", failed,
		    *failed != '\0' && *retried != '\0' ? ", " : "", retried);
	if (stats->in_flight > 0)
		buf_printf(line, ", %s", parts[PART_FLIGHT].text);
	if (parts[PART_RATE].text[0] != '\0')
		buf_printf(line, ", %s", parts[PART_RATE].text);
	if (eta_ns > 0)
		buf_printf(line, ", about %s left",
		    eta_text(eta_ns, text, sizeof(text)));
	if (note != NULL && note[0] != '\0') {
		buf_add_text(line, "; ");
		text_escape(line, span_of(note), PROGRESS_NOTE_LOOK);
	}
}
