/* SPDX-License-Identifier: ISC */
/*
 * When and where the line about a run is drawn; progress_line.c says what it
 * is. The new line is compared with the one that stands there and written only
 * if the screen takes it without making us wait.
 */
#include "view/progress.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"

#define PROGRESS_DRAW_NS (100 * CLOCK_MS)
#define PROGRESS_PLAIN_NS (10 * CLOCK_S)
#define PROGRESS_COLUMNS 80	/* where the terminal does not say */
#define PROGRESS_LINE_CAP 16384 /* bytes; a line has some hundred */

#define PROGRESS_WIPE "\r\x1b[K"

struct progress {
	int fd;
	enum progress_mode mode; /* BAR, PLAIN or NONE */
	bool colour;
	bool begun;	/* there was a tick */
	bool aside;	/* somebody else writes to the screen */
	bool on_screen; /* old is what stands there */
	int64_t due_ns;
	struct buf old;
	struct buf new;
};

static bool
terminal_is_dumb(void)
{
	const char *term = getenv("TERM");

	return term == NULL || *term == '\0' || strcmp(term, "dumb") == 0;
}

static bool
colour_is_wanted(int fd)
{
	const char *no_color = getenv("NO_COLOR");

	return (no_color == NULL || *no_color == '\0') && isatty(fd) &&
	       !terminal_is_dumb();
}

struct progress *
progress_new(int fd, enum progress_mode mode)
{
	struct progress *progress = calloc(1, sizeof(*progress));

	if (progress == NULL)
		return NULL;
	if (fd < 0)
		mode = PROGRESS_NONE;
	if (mode == PROGRESS_AUTO)
		mode = isatty(fd) && !terminal_is_dumb() ? PROGRESS_BAR
							 : PROGRESS_PLAIN;
	progress->fd = fd;
	progress->mode = mode;
	progress->colour = mode == PROGRESS_BAR && colour_is_wanted(fd);
	if (mode == PROGRESS_NONE)
		progress->due_ns = CLOCK_NEVER;
	buf_init(&progress->old, PROGRESS_LINE_CAP);
	buf_init(&progress->new, PROGRESS_LINE_CAP);
	return progress;
}

void
progress_free(struct progress *progress)
{
	if (progress == NULL)
		return;
	buf_free(&progress->old);
	buf_free(&progress->new);
	free(progress);
}

/* A terminal stopped by Ctrl-S or a full pipe takes nothing. Gives true when
 * all was written. */
static bool
screen_write(int fd, const struct buf *text)
{
	return fd_write_ready(fd, text->data, text->size) ==
	       (ssize_t)text->size;
}

/* Gives the columns that a line may take: one less than there are, because a
 * full line makes some terminals wrap. */
static unsigned
screen_columns(int fd)
{
	unsigned columns = fd_columns(fd);

	return (columns > 0 ? columns : PROGRESS_COLUMNS) - 1U;
}

static void
draw_bar(struct progress *progress, const struct stats *stats, const char *note,
    int64_t now_ns, const char *end)
{
	struct buf spare = progress->old;
	struct buf *new = &progress->new;

	buf_clear(new);
	buf_add_text(new, PROGRESS_WIPE);
	progress_render(stats, note, now_ns, screen_columns(progress->fd),
	    progress->colour, new);
	buf_add_text(new, end);
	if (new->failed ||
	    (progress->on_screen &&
		span_equals(buf_span(new), buf_span(&progress->old))))
		return;
	progress->on_screen = screen_write(progress->fd, new);
	progress->old = *new;
	progress->new = spare;
}

static void
write_plain(struct progress *progress, const struct stats *stats,
    const char *note, int64_t now_ns)
{
	buf_clear(&progress->new);
	progress_render_plain(stats, note, now_ns, &progress->new);
	buf_add_text(&progress->new, "\n");
	if (!progress->new.failed)
		screen_write(progress->fd, &progress->new);
}

void
progress_tick(struct progress *progress, const struct stats *stats,
    const char *note, int64_t now_ns)
{
	if (progress == NULL || now_ns < progress->due_ns || progress->aside)
		return;
	if (progress->mode == PROGRESS_BAR) {
		draw_bar(progress, stats, note, now_ns, "");
		progress->due_ns = now_ns + PROGRESS_DRAW_NS;
	} else if (progress->mode == PROGRESS_PLAIN) {
		if (progress->begun)
			write_plain(progress, stats, note, now_ns);
		progress->due_ns = now_ns + PROGRESS_PLAIN_NS;
	}
	progress->begun = true;
}

int64_t
progress_due_ns(const struct progress *progress)
{
	return progress == NULL ? CLOCK_NEVER : progress->due_ns;
}

void
progress_step_aside(void *progress_arg, bool aside)
{
	struct progress *progress = progress_arg;

	if (progress == NULL || progress->mode != PROGRESS_BAR ||
	    progress->aside == aside)
		return;
	progress->aside = aside;
	if (!progress->on_screen)
		return;
	if (aside) {
		buf_clear(&progress->new);
		buf_add_text(&progress->new, PROGRESS_WIPE);
		if (!progress->new.failed)
			screen_write(progress->fd, &progress->new);
	} else {
		progress->on_screen =
		    screen_write(progress->fd, &progress->old);
	}
}

void
progress_end(
    struct progress *progress, const struct stats *stats, int64_t now_ns)
{
	if (progress == NULL)
		return;
	if (progress->mode == PROGRESS_BAR)
		draw_bar(progress, stats, NULL, now_ns, "\n");
	progress->mode = PROGRESS_NONE;
	progress->due_ns = CLOCK_NEVER;
}
