/* SPDX-License-Identifier: ISC */
/*
 * The line: what it says at which width, and how it is drawn on a terminal
 * (a pty of our own) and elsewhere.
 */
#include "view/progress.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <bsd/string.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/text.h"
#include "view/stats.h"

#define START (INT64_C(5) * CLOCK_S)
#define NOW (START + 20 * CLOCK_S)

/* 412 of 1000, the last 192 of them in the 9 s that the window reaches back at
 * the turn of a second. */
static struct stats
busy(void)
{
	struct stats stats = {.total = 1000, .asked = 1000, .workers = 8};

	stats_start(&stats, START);
	stats.answered = 220;
	for (int64_t i = 0; i < 189; i++)
		stats_count_answer(&stats, OUTCOME_OK, 300, 10, 24,
		    START + 11 * CLOCK_S + i * 40 * CLOCK_MS);
	for (int64_t i = 0; i < 3; i++)
		stats_count_failure(
		    &stats, OUTCOME_CRASH, START + 19 * CLOCK_S);
	stats.retries = 12;
	stats.in_flight = 8;
	return stats;
}

static const char *
render(const struct stats *stats, const char *note, unsigned columns,
    bool colour, struct buf *line)
{
	buf_clear(line);
	progress_render(stats, note, NOW, columns, colour, line);
	assert_false(line->failed);
	return line->data == NULL ? "" : line->data;
}

static const char *
render_plain(const struct stats *stats, const char *note, struct buf *line)
{
	buf_clear(line);
	progress_render_plain(stats, note, NOW, line);
	assert_false(line->failed);
	return line->data;
}

/* Take the SGR sequences out. */
static struct span
strip(struct span text, struct buf *out)
{
	buf_clear(out);
	for (size_t i = 0; i < text.size; i++) {
		if (text.data[i] != '\x1b') {
			buf_add_byte(out, text.data[i]);
			continue;
		}
		assert_true(i + 1 < text.size && text.data[i + 1] == '[');
		for (i += 2; i < text.size && text.data[i] != 'm'; i++)
			assert_true(text.data[i] >= '0' && text.data[i] <= ';');
		assert_true(i < text.size);
	}
	return buf_span(out);
}

static void
check_line(struct span line, unsigned columns, struct buf *scratch)
{
	struct span text = strip(line, scratch);

	assert_true(text_columns(text) <= columns);
	assert_true(text_is_utf8(text, NULL));
	for (size_t i = 0; i < text.size; i++)
		assert_true((unsigned char)text.data[i] >= 0x20 &&
			    text.data[i] != 0x7f);
}

static void
wide_line_says_everything(void **state)
{
	struct stats stats = busy();
	struct buf line;

	(void)state;
	buf_init(&line, 4096);
	assert_string_equal(render(&stats, NULL, 95, false, &line),
	    "[########------------] 412/1000  3 failed  12 retried  "
	    "8 in flight  21.3/s  ETA 28 s  504 tok/s");
	buf_free(&line);
}

static void
narrow_line_drops_the_least_important_first(void **state)
{
	static const struct {
		unsigned columns;
		const char *line;
	} cases[] = {
	    {79, "[####------] 412/1000  3 failed  12 retried  "
		 "8 in flight  21.3/s  ETA 28 s"},
	    {66, "[####------] 412/1000  3 failed  12 retried  21.3/s  "
		 "ETA 28 s"},
	    {55, "[####------] 412/1000  3 failed  21.3/s  ETA 28 s"},
	    {40, "412/1000  3 failed  21.3/s  ETA 28 s"},
	    {30, "412/1000  3 failed  ETA 28 s"},
	    {20, "412/1000  3 failed"},
	    {10, "412/1000"},
	    {7, "41%"},
	    {3, ""},
	    {0, ""},
	};
	struct stats stats = busy();
	struct buf line;

	(void)state;
	buf_init(&line, 4096);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_string_equal(
		    render(&stats, NULL, cases[i].columns, false, &line),
		    cases[i].line);
	buf_free(&line);
}

static void
zeros_are_not_shown(void **state)
{
	struct stats stats = {.total = 5, .asked = 5};
	struct buf line;

	(void)state;
	stats_start(&stats, START);
	buf_init(&line, 4096);
	assert_string_equal(render(&stats, NULL, 79, false, &line),
	    "[----------------------------------------] 0/5");
	assert_string_equal(
	    render_plain(&stats, NULL, &line), "llmill: 0 of 5 done");
	buf_free(&line);
}

static void
finished_line_is_full_and_has_no_eta(void **state)
{
	struct stats stats = {.total = 2, .asked = 2};
	struct buf line;

	(void)state;
	stats_start(&stats, START);
	stats_count_answer(&stats, OUTCOME_OK, 1, -1, -1, NOW);
	stats_count_answer(&stats, OUTCOME_OK, 1, -1, -1, NOW);
	buf_init(&line, 4096);
	assert_string_equal(
	    render(&stats, NULL, 30, false, &line), "[##########] 2/2  0.2/s");
	buf_free(&line);
}

static void
nothing_asked_is_a_full_bar(void **state)
{
	struct stats stats = {0};
	struct buf line;

	(void)state;
	stats_start(&stats, START);
	buf_init(&line, 4096);
	assert_string_equal(
	    render(&stats, NULL, 20, false, &line), "[##########] 0/0");
	buf_free(&line);
}

static void
line_is_never_wider_than_asked(void **state)
{
	static const char *const notes[] = {
	    NULL,
	    "",
	    "waiting for the server",
	    "finishing 4 calls, at most 43 s; Ctrl-C again leaves",
	    "wide 漢字漢字漢字漢字漢字漢字 and é́́ and "
	    "🙂🙂🙂🙂🙂🙂🙂🙂🙂🙂🙂🙂",
	    "bad \xff\xfe bytes \x1b[31m and \r\n controls \xc2\x9b",
	};
	struct stats many = busy();
	struct stats huge = busy();
	struct stats none = {0};
	const struct stats *all[] = {&many, &huge, &none};
	struct buf line;
	struct buf scratch;

	(void)state;
	huge.asked = UINT64_MAX;
	huge.failed = UINT64_MAX / 3;
	huge.retries = UINT64_MAX / 5;
	huge.in_flight = UINT32_MAX;
	buf_init(&line, 65536);
	buf_init(&scratch, 65536);
	for (unsigned columns = 0; columns <= 200; columns++)
		for (size_t i = 0; i < 3 * 6 * 2; i++) {
			render(all[i % 3], notes[i / 3 % 6], columns,
			    i / 18 == 1, &line);
			check_line(buf_span(&line), columns, &scratch);
			if (columns >= 10 && all[i % 3] == &many)
				assert_non_null(
				    strstr(scratch.data, "412/1000"));
		}
	buf_free(&line);
	buf_free(&scratch);
}

static void
colour_changes_no_text(void **state)
{
	struct stats stats = busy();
	struct buf plain;
	struct buf coloured;
	struct buf scratch;

	(void)state;
	buf_init(&plain, 4096);
	buf_init(&coloured, 4096);
	buf_init(&scratch, 4096);
	for (unsigned columns = 10; columns <= 200; columns++) {
		render(&stats, "a note", columns, false, &plain);
		render(&stats, "a note", columns, true, &coloured);
		assert_null(memchr(plain.data, '\x1b', plain.size));
		strip(buf_span(&coloured), &scratch);
		assert_string_equal(scratch.data, plain.data);
	}
	assert_non_null(strstr(coloured.data, "\x1b[31m3 failed\x1b[0m"));
	assert_non_null(strstr(coloured.data, "\x1b[33m12 retried\x1b[0m"));
	buf_free(&plain);
	buf_free(&coloured);
	buf_free(&scratch);
}

static void
note_goes_before_optional_parts(void **state)
{
	struct stats stats = busy();
	struct buf line;

	(void)state;
	buf_init(&line, 4096);
	assert_string_equal(
	    render(&stats, "waiting for the server", 45, false, &line),
	    "412/1000  waiting for the server  3 failed");
	assert_string_equal(
	    render(&stats, "waiting for the server", 26, false, &line),
	    "412/1000  waiting for t...");
	assert_string_equal(
	    render(&stats, "warten auf 漢字漢字漢字", 27, false, &line),
	    "412/1000  warten auf 漢...");
	buf_free(&line);
}

static void
plain_line_reads_as_a_sentence(void **state)
{
	struct stats stats = busy();
	struct buf line;

	(void)state;
	buf_init(&line, 4096);
	assert_string_equal(render_plain(&stats, NULL, &line),
	    "llmill: 412 of 1000 done (3 failed, 12 retried), 8 in flight, "
	    "21.3/s, about 28 s left");
	stats.failed = 0;
	stats.answered = 412;
	assert_string_equal(
	    render_plain(&stats, "waiting for the server\n", &line),
	    "llmill: 412 of 1000 done (12 retried), 8 in flight, 21.3/s, "
	    "about 28 s left; waiting for the server\\n");
	buf_free(&line);
}

/* A terminal: what is written to screen can be read from other. */
struct terminal {
	int other;
	int screen;
	struct buf seen;
};

static void
terminal_resize(struct terminal *terminal, unsigned short columns)
{
	struct winsize size = {.ws_row = 24, .ws_col = columns};

	assert_int_equal(ioctl(terminal->screen, TIOCSWINSZ, &size), 0);
}

static void
terminal_open(struct terminal *terminal)
{
	struct termios mode;

	terminal->other = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
	assert_true(terminal->other >= 0);
	assert_int_equal(grantpt(terminal->other), 0);
	assert_int_equal(unlockpt(terminal->other), 0);
	terminal->screen = open(ptsname(terminal->other), O_RDWR | O_NOCTTY);
	assert_true(terminal->screen >= 0);
	assert_int_equal(tcgetattr(terminal->screen, &mode), 0);
	cfmakeraw(&mode);
	assert_int_equal(tcsetattr(terminal->screen, TCSANOW, &mode), 0);
	terminal_resize(terminal, 60);
	buf_init(&terminal->seen, 1 << 20);
	setenv("TERM", "xterm", 1);
	setenv("NO_COLOR", "", 1);
}

static void
terminal_close(struct terminal *terminal)
{
	fd_close(&terminal->other);
	fd_close(&terminal->screen);
	buf_free(&terminal->seen);
}

/* Gives what came since the last call. */
static const char *
terminal_read(struct terminal *terminal)
{
	buf_clear(&terminal->seen);
	while (fd_read(terminal->other, &terminal->seen, 4096) > 0)
		continue;
	return terminal->seen.data == NULL ? "" : terminal->seen.data;
}

static void
bar_is_redrawn_in_place_when_it_changes(void **state)
{
	struct stats stats = busy();
	struct terminal terminal;
	struct progress *progress;

	(void)state;
	terminal_open(&terminal);
	progress = progress_new(terminal.screen, PROGRESS_AUTO);
	progress_tick(progress, &stats, NULL, NOW);
	assert_string_equal(terminal_read(&terminal),
	    "\r\x1b[K[########------------] 412/1000  \x1b[31m3 failed\x1b[0m  "
	    "21.3/s  "
	    "ETA 28 s");

	/* Too early, then unchanged: nothing is written. */
	stats.failed++;
	progress_tick(progress, &stats, NULL, NOW + 99 * CLOCK_MS);
	assert_string_equal(terminal_read(&terminal), "");
	assert_int_equal(progress_due_ns(progress), NOW + 100 * CLOCK_MS);
	stats.failed--;
	stats.started_ns += 100 * CLOCK_MS;
	progress_tick(progress, &stats, NULL, NOW + 100 * CLOCK_MS);
	assert_string_equal(terminal_read(&terminal), "");

	stats.failed++;
	progress_tick(progress, &stats, NULL, NOW + 200 * CLOCK_MS);
	assert_non_null(strstr(terminal_read(&terminal), "413/1000"));
	progress_free(progress);
	terminal_close(&terminal);
}

static void
bar_leaves_the_last_column_free_at_every_width(void **state)
{
	struct stats stats = busy();
	struct terminal terminal;
	struct progress *progress;
	struct buf scratch;
	int64_t now_ns = NOW;

	(void)state;
	buf_init(&scratch, 4096);
	terminal_open(&terminal);
	progress = progress_new(terminal.screen, PROGRESS_BAR);
	for (unsigned short columns = 1; columns <= 200; columns++) {
		const char *seen;

		terminal_resize(&terminal, columns);
		now_ns += CLOCK_S;
		progress_tick(progress, &stats, "a note", now_ns);
		seen = terminal_read(&terminal);
		if (*seen == '\0')
			continue;
		assert_memory_equal(seen, "\r\x1b[K", 4);
		check_line(span_of(seen + 4), columns - 1U, &scratch);
	}
	terminal_resize(&terminal, 0); /* unknown: 80 */
	progress_tick(progress, &stats, "a note", now_ns + CLOCK_S);
	check_line(span_of(terminal_read(&terminal) + 4), 79, &scratch);
	assert_true(text_columns(buf_span(&scratch)) > 60);
	progress_free(progress);
	terminal_close(&terminal);
	buf_free(&scratch);
}

static void
no_color_and_dumb_terminals_are_respected(void **state)
{
	struct stats stats = busy();
	struct terminal terminal;
	struct progress *progress;

	(void)state;
	terminal_open(&terminal);
	setenv("NO_COLOR", "1", 1);
	progress = progress_new(terminal.screen, PROGRESS_BAR);
	progress_tick(progress, &stats, NULL, NOW);
	assert_null(strstr(terminal_read(&terminal), "\x1b[3"));
	progress_free(progress);

	setenv("NO_COLOR", "", 1);
	setenv("TERM", "dumb", 1);
	progress = progress_new(terminal.screen, PROGRESS_BAR);
	progress_tick(progress, &stats, NULL, NOW);
	assert_null(strstr(terminal_read(&terminal), "\x1b[3"));
	progress_free(progress);

	progress = progress_new(terminal.screen, PROGRESS_AUTO);
	progress_end(progress, &stats, NOW);
	assert_null(strchr(terminal_read(&terminal), '\x1b'));
	progress_free(progress);
	terminal_close(&terminal);
}

static void
bar_steps_aside_for_other_lines(void **state)
{
	struct stats stats = busy();
	struct terminal terminal;
	struct progress *progress;
	char first[256];

	(void)state;
	terminal_open(&terminal);
	progress = progress_new(terminal.screen, PROGRESS_BAR);
	progress_step_aside(progress, true); /* nothing there yet */
	progress_step_aside(progress, false);
	assert_string_equal(terminal_read(&terminal), "");

	progress_tick(progress, &stats, NULL, NOW);
	strlcpy(first, terminal_read(&terminal), sizeof(first));
	progress_step_aside(progress, true);
	assert_string_equal(terminal_read(&terminal), "\r\x1b[K");
	progress_tick(progress, &stats, "note", NOW + CLOCK_S);
	assert_string_equal(terminal_read(&terminal), "");
	progress_step_aside(progress, false);
	assert_string_equal(terminal_read(&terminal), first);
	progress_free(progress);
	terminal_close(&terminal);
}

static void
end_leaves_the_last_state_on_its_own_line(void **state)
{
	struct stats stats = busy();
	struct terminal terminal;
	struct progress *progress;
	const char *seen;

	(void)state;
	terminal_open(&terminal);
	progress = progress_new(terminal.screen, PROGRESS_BAR);
	progress_tick(progress, &stats, NULL, NOW);
	terminal_read(&terminal);
	progress_end(progress, &stats, NOW);
	seen = terminal_read(&terminal);
	assert_non_null(strstr(seen, "412/1000"));
	assert_int_equal(seen[strlen(seen) - 1], '\n');

	progress_tick(progress, &stats, NULL, NOW + CLOCK_S);
	progress_step_aside(progress, true);
	progress_step_aside(progress, false);
	progress_end(progress, &stats, NOW + CLOCK_S);
	assert_string_equal(terminal_read(&terminal), "");
	assert_true(progress_due_ns(progress) == CLOCK_NEVER);
	progress_free(progress);
	terminal_close(&terminal);
}

static void
stopped_terminal_is_not_waited_for(void **state)
{
	struct stats stats = busy();
	struct terminal terminal;
	struct progress *progress;

	(void)state;
	terminal_open(&terminal);
	progress = progress_new(terminal.screen, PROGRESS_BAR);
	assert_int_equal(tcflow(terminal.screen, TCOOFF), 0);
	alarm(20); /* a write that waits ends the test */
	progress_tick(progress, &stats, NULL, NOW);
	assert_string_equal(terminal_read(&terminal), "");
	assert_int_equal(tcflow(terminal.screen, TCOON), 0);
	progress_tick(progress, &stats, NULL, NOW + CLOCK_S);
	assert_non_null(strstr(terminal_read(&terminal), "412/1000"));
	alarm(0);
	progress_free(progress);
	terminal_close(&terminal);
}

static void
plain_writes_a_line_every_ten_seconds(void **state)
{
	struct stats stats = busy();
	struct progress *progress;
	struct buf seen;
	int ends[2];

	(void)state;
	buf_init(&seen, 65536);
	assert_int_equal(fd_pipe(&ends[0], &ends[1], NULL), 0);
	fd_set_nonblocking(ends[0], true);
	progress = progress_new(ends[1], PROGRESS_AUTO);
	for (int64_t ms = 0; ms < 10000; ms += 100)
		progress_tick(progress, &stats, NULL, NOW + ms * CLOCK_MS);
	assert_int_equal(fd_read(ends[0], &seen, 4096), -1);
	assert_int_equal(progress_due_ns(progress), NOW + 10 * CLOCK_S);

	progress_tick(progress, &stats, "a note", NOW + 10 * CLOCK_S);
	assert_true(fd_read(ends[0], &seen, 4096) > 0);
	assert_memory_equal(seen.data, "llmill: 412 of 1000 done (", 26);
	assert_string_equal(seen.data + seen.size - 9, "; a note\n");
	assert_null(strchr(seen.data, '\r'));

	buf_clear(&seen);
	progress_end(progress, &stats, NOW + 11 * CLOCK_S);
	assert_int_equal(fd_read(ends[0], &seen, 4096), -1);
	progress_free(progress);
	fd_close(&ends[0]);
	fd_close(&ends[1]);
	buf_free(&seen);
}

static void
full_or_closed_pipe_is_no_trouble(void **state)
{
	struct stats stats = busy();
	struct progress *progress;
	char block[4096] = {0};
	int ends[2];

	(void)state;
	assert_int_equal(fd_pipe(&ends[0], &ends[1], NULL), 0);
	progress = progress_new(ends[1], PROGRESS_PLAIN);
	progress_tick(progress, &stats, NULL, NOW);
	fd_set_nonblocking(ends[1], true);
	while (write(ends[1], block, sizeof(block)) > 0)
		continue;
	fd_set_nonblocking(ends[1], false);
	alarm(20); /* a write that waits ends the test */
	progress_tick(progress, &stats, NULL, NOW + 10 * CLOCK_S);
	alarm(0);
	fd_close(&ends[0]);
	progress_tick(progress, &stats, NULL, NOW + 20 * CLOCK_S);
	progress_end(progress, &stats, NOW + 30 * CLOCK_S);
	progress_free(progress);
	fd_close(&ends[1]);
}

static void
none_and_null_are_silent(void **state)
{
	struct stats stats = busy();
	struct progress *progress = progress_new(-1, PROGRESS_BAR);

	(void)state;
	assert_true(progress_due_ns(progress) == CLOCK_NEVER);
	progress_tick(progress, &stats, NULL, NOW);
	progress_end(progress, &stats, NOW);
	progress_free(progress);
	progress_tick(NULL, &stats, NULL, NOW);
	progress_step_aside(NULL, true);
	progress_end(NULL, &stats, NOW);
	assert_true(progress_due_ns(NULL) == CLOCK_NEVER);
	progress_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(wide_line_says_everything),
	    cmocka_unit_test(narrow_line_drops_the_least_important_first),
	    cmocka_unit_test(zeros_are_not_shown),
	    cmocka_unit_test(finished_line_is_full_and_has_no_eta),
	    cmocka_unit_test(nothing_asked_is_a_full_bar),
	    cmocka_unit_test(line_is_never_wider_than_asked),
	    cmocka_unit_test(colour_changes_no_text),
	    cmocka_unit_test(note_goes_before_optional_parts),
	    cmocka_unit_test(plain_line_reads_as_a_sentence),
	    cmocka_unit_test(bar_is_redrawn_in_place_when_it_changes),
	    cmocka_unit_test(bar_leaves_the_last_column_free_at_every_width),
	    cmocka_unit_test(no_color_and_dumb_terminals_are_respected),
	    cmocka_unit_test(bar_steps_aside_for_other_lines),
	    cmocka_unit_test(end_leaves_the_last_state_on_its_own_line),
	    cmocka_unit_test(stopped_terminal_is_not_waited_for),
	    cmocka_unit_test(plain_writes_a_line_every_ten_seconds),
	    cmocka_unit_test(full_or_closed_pipe_is_no_trouble),
	    cmocka_unit_test(none_and_null_are_silent),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
