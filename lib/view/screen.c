/* SPDX-License-Identifier: ISC */
#include "view/screen.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"
#include "view/stats.h"

#define SCREEN_COLUMNS 80 /* where there is no terminal */
#define SCREEN_LINE_CAP ((size_t)8192)
#define SCREEN_FOREIGN 400  /* bytes of a foreign text that are looked at */
#define SCREEN_MS_MOST 1e12 /* is nonsense */
#define SCREEN_BAR 30	    /* columns at most */
#define SCREEN_RED "\x1b[31m"
#define SCREEN_YELLOW "\x1b[33m"
#define SCREEN_BOLD "\x1b[1m"
#define SCREEN_PLAIN "\x1b[0m"

static const char *const sparks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
#define SPARKS (sizeof(sparks) / sizeof(*sparks))

struct screen {
	const struct screen_conf *conf;
	struct json *panel;
	struct buf *out;
	struct buf line; /* being made */
	unsigned columns;
	unsigned rows_left;
};

/* End the line: cut it at the edge, let it out if there is a row for it. */
static void
end_line(struct screen *screen, const char *colour)
{
	struct span fit = text_fit(buf_span(&screen->line), screen->columns);
	bool coloured = colour != NULL && screen->conf->colour && fit.size > 0;

	if (screen->rows_left > 0) {
		screen->rows_left--;
		if (coloured)
			buf_add_text(screen->out, colour);
		buf_add(screen->out, fit.data, fit.size);
		if (coloured)
			buf_add_text(screen->out, SCREEN_PLAIN);
		buf_add_byte(screen->out, '\n');
	}
	screen->out->failed |= screen->line.failed;
	buf_clear(&screen->line);
}

static int64_t
number(struct json *object, const char *key)
{
	return json_integer(json_get(object, key), 0);
}

/* Gives ns; 0 for what is nonsense. */
static int64_t
time_ns(struct json *object, const char *key)
{
	int64_t ms = number(object, key);

	return ms > 0 && ms < (int64_t)SCREEN_MS_MOST ? ms * CLOCK_MS : 0;
}

/* Append ", 1,234 words"; nothing for none unless always. */
static void
add_count(struct screen *screen, int64_t count, const char *words, bool always)
{
	char text[32];

	if (count <= 0 && !always)
		return;
	buf_printf(&screen->line, "%s%s %s", screen->line.size > 0 ? ", " : "",
	    text_count(count > 0 ? (uint64_t)count : 0, text, sizeof(text)),
	    words);
}

static void
add_foreign(struct screen *screen, struct span text)
{
	struct buf line;

	buf_init(&line, SCREEN_LINE_CAP);
	text_one_line(&line, text, SCREEN_FOREIGN);
	text_escape(&screen->line, buf_span(&line), 0);
	buf_free(&line);
}

static void
put_head(struct screen *screen)
{
	struct span phase = json_string(json_get(screen->panel, "phase"));
	struct span note = json_string(json_get(screen->panel, "note"));
	bool calm = span_equals(phase, span_of("running"));
	char age[32];

	add_foreign(screen, span_of(screen->conf->name));
	buf_printf(&screen->line, "  %.*s, begun %s ago", (int)phase.size,
	    phase.data,
	    text_duration(time_ns(screen->panel, "age_ms"), age, sizeof(age)));
	if (note.size > 0) {
		buf_add_text(&screen->line, ": ");
		add_foreign(screen, note);
	}
	end_line(screen, calm ? SCREEN_BOLD : SCREEN_YELLOW);
}

/* "██████▌         1,234 of 10,000, 12.3/s, 43 s left" */
static void
put_progress(struct screen *screen)
{
	int64_t asked = number(screen->panel, "asked");
	int64_t done =
	    number(screen->panel, "answered") + number(screen->panel, "failed");
	double rate = json_real(json_get(screen->panel, "rate"), 0);
	int64_t eta_ms = number(screen->panel, "eta_ms");
	unsigned width = screen->columns / 3;
	char text[40];

	if (width > SCREEN_BAR)
		width = SCREEN_BAR;
	for (unsigned i = 0; i < width; i++)
		buf_add_text(&screen->line,
		    asked > 0 && (int64_t)i * asked < done * (int64_t)width
			? "█"
			: "░");
	buf_printf(&screen->line, " %s",
	    text_count((uint64_t)done, text, sizeof(text)));
	buf_printf(&screen->line, " of %s",
	    text_count((uint64_t)asked, text, sizeof(text)));
	if (rate > 0 && rate < SCREEN_MS_MOST)
		buf_printf(&screen->line, ", %s",
		    stats_rate_text(rate, text, sizeof(text)));
	if (eta_ms > 0)
		buf_printf(&screen->line, ", %s left",
		    text_duration(
			time_ns(screen->panel, "eta_ms"), text, sizeof(text)));
	end_line(screen, NULL);
}

static void
put_counts(struct screen *screen)
{
	int64_t failed = number(screen->panel, "failed");

	add_count(screen, number(screen->panel, "answered"), "answered", true);
	add_count(screen, failed, "failed", false);
	add_count(screen, number(screen->panel, "open"), "open", true);
	add_count(screen, number(screen->panel, "before"), "before", false);
	add_count(screen, number(screen->panel, "waiting"), "waiting", false);
	add_count(screen, number(screen->panel, "retries"), "retried", false);
	end_line(screen, failed > 0 ? SCREEN_RED : NULL);
}

/* The highest of the last minutes has the highest block. */
static void
put_sparkline(struct screen *screen)
{
	struct json *history = json_get(screen->panel, "history");
	int64_t each_ms = number(screen->panel, "history_ms");
	size_t count = json_count(history);
	size_t first = 0;
	int64_t most = 1;
	char text[40];

	if (count < 2 || each_ms <= 0 || each_ms > 3600000)
		return;
	if (count > screen->columns / 2)
		first = count - screen->columns / 2;
	for (size_t i = first; i < count; i++)
		if (json_integer(json_at(history, i), 0) > most)
			most = json_integer(json_at(history, i), 0);
	for (size_t i = first; i < count; i++) {
		int64_t height = json_integer(json_at(history, i), 0) *
				 (int64_t)SPARKS / most;

		if (height >= (int64_t)SPARKS)
			height = SPARKS - 1;
		buf_add_text(&screen->line, sparks[height > 0 ? height : 0]);
	}
	buf_printf(&screen->line, " the last %s",
	    text_duration((int64_t)(count - first) * each_ms * CLOCK_MS, text,
		sizeof(text)));
	buf_printf(&screen->line, ", at most %s",
	    stats_rate_text(
		(double)most * 1000 / (double)each_ms, text, sizeof(text)));
	end_line(screen, NULL);
}

static void
put_times(struct screen *screen)
{
	struct json *latency = json_get(screen->panel, "latency_ms");
	struct json *cost = json_get(screen->panel, "cost");
	static const char *const shares[] = {"p50", "p95", "p99"};
	char text[40];

	for (size_t i = 0; latency != NULL && i < 3; i++) {
		double ms = json_real(json_get(latency, shares[i]), 0);

		ms = ms > 0 && ms < SCREEN_MS_MOST ? ms : 0;
		buf_printf(&screen->line, "%s%s %s", i > 0 ? ", " : "",
		    shares[i],
		    text_duration(
			(int64_t)(ms * (double)CLOCK_MS), text, sizeof(text)));
	}
	add_count(
	    screen, number(screen->panel, "input_tokens"), "tokens in", false);
	add_count(screen, number(screen->panel, "output_tokens"), "out", false);
	if (json_is_number(cost)) {
		struct span value = json_text(cost);

		buf_printf(
		    &screen->line, ", cost %.*s", (int)value.size, value.data);
	}
	if (screen->line.size > 0)
		end_line(screen, NULL);
}

static void
put_workers(struct screen *screen)
{
	struct json *workers = json_get(screen->panel, "workers");
	char text[40];

	buf_printf(
	    &screen->line, "%" PRId64 " workers: ", number(workers, "wanted"));
	buf_printf(&screen->line, "%" PRId64 " busy", number(workers, "busy"));
	add_count(screen, number(workers, "idle"), "idle", false);
	add_count(screen, number(workers, "starting"), "starting", false);
	add_count(screen, number(workers, "late"), "late", false);
	add_count(screen, number(screen->panel, "deaths"), "died", false);
	add_count(screen, number(screen->panel, "killed"), "killed", false);
	if (number(workers, "oldest_id") > 0)
		buf_printf(&screen->line,
		    "; the oldest call: worker %" PRId64 ", prompt %" PRId64
		    ", %s",
		    number(workers, "oldest_worker"),
		    number(workers, "oldest_id"),
		    text_duration(
			time_ns(workers, "oldest_ms"), text, sizeof(text)));
	end_line(screen, NULL);
}

static void
put_server(struct screen *screen, struct json *server)
{
	struct span state = json_string(json_get(server, "state"));
	int64_t pause_ms = number(server, "pause_ms");
	bool well = span_equals(state, span_of("there"));
	char text[40];

	add_foreign(screen, json_string(json_get(server, "name")));
	buf_printf(&screen->line, ": %.*s", (int)state.size, state.data);
	if (pause_ms > 0)
		buf_printf(&screen->line, " for %s",
		    text_duration(
			time_ns(server, "pause_ms"), text, sizeof(text)));
	add_count(screen, number(server, "out"), "out", true);
	add_count(screen, number(server, "answers"), "answered", false);
	add_count(screen, number(server, "failures"), "failures", false);
	end_line(screen, well ? NULL : SCREEN_YELLOW);
}

/* One without a name is told of only when there is anything to tell. */
static void
put_servers(struct screen *screen)
{
	struct json *servers = json_get(screen->panel, "servers");
	size_t count = json_count(servers);

	for (size_t i = 0; count > 1 && i < count; i++)
		put_server(screen, json_at(servers, i));
}

static void
put_errors(struct screen *screen)
{
	struct json *errors = json_get(screen->panel, "errors");
	size_t count = json_count(errors);

	if (count > 0 && screen->rows_left > 1)
		end_line(screen, NULL); /* a blank one */
	/* The last first: it is what is looked for. */
	for (size_t i = count; i-- > 0;) {
		struct json *error = json_at(errors, i);

		add_foreign(screen, json_string(json_get(error, "at")));
		buf_printf(
		    &screen->line, " prompt %" PRId64 " ", number(error, "id"));
		add_foreign(screen, json_string(json_get(error, "outcome")));
		buf_add_text(&screen->line, ": ");
		add_foreign(screen, json_string(json_get(error, "text")));
		end_line(screen, NULL);
	}
}

/* Blank lines down to the last ones. */
static void
put_feet(struct screen *screen, unsigned feet)
{
	while (screen->conf->rows > 0 && screen->rows_left > 0)
		end_line(screen, NULL);
	screen->rows_left = feet;
	if (screen->conf->message != NULL)
		add_foreign(screen, span_of(screen->conf->message));
	if (screen->conf->message != NULL)
		end_line(screen, SCREEN_YELLOW);
	if (screen->conf->keys != NULL)
		buf_add_text(&screen->line, screen->conf->keys);
	if (screen->conf->keys != NULL)
		end_line(screen, SCREEN_BOLD);
}

bool
screen_render(
    const struct screen_conf *conf, struct span panel, struct buf *out)
{
	unsigned feet =
	    (conf->message != NULL ? 1U : 0U) + (conf->keys != NULL ? 1U : 0U);
	struct screen screen = {
	    .conf = conf,
	    .panel = json_parse(panel, NULL),
	    .out = out,
	    .columns = conf->columns > 0 ? conf->columns : SCREEN_COLUMNS,
	    .rows_left = conf->rows > feet ? conf->rows - feet : 0,
	};
	bool known = json_get(screen.panel, "phase") != NULL;

	if (conf->rows == 0)
		screen.rows_left = UINT32_MAX;
	buf_init(&screen.line, SCREEN_LINE_CAP);
	if (known) {
		put_head(&screen);
		put_progress(&screen);
		put_counts(&screen);
		put_workers(&screen);
		put_times(&screen);
		put_sparkline(&screen);
		put_servers(&screen);
		put_errors(&screen);
		put_feet(&screen, feet);
	}
	buf_free(&screen.line);
	json_free(screen.panel);
	return known;
}
