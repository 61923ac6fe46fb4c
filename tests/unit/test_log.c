/* SPDX-License-Identifier: ISC */
/*
 * Lines for people. A sink is a socket that keeps packets apart: one read is
 * one write.
 */
#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/log.h"

struct sinks {
	int screen[2]; /* ours, the log's */
	int file[2];
};

static int
open_sinks(void **state)
{
	static struct sinks sinks;
	const int type = SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC;

	*state = &sinks;
	return socketpair(AF_UNIX, type, 0, sinks.screen) |
	       socketpair(AF_UNIX, type, 0, sinks.file);
}

static int
close_sinks(void **state)
{
	struct sinks *sinks = *state;

	log_set_screen(-1, LOG_INFO, NULL, NULL);
	log_set_file(-1);
	log_set_role("mill");
	for (int i = 0; i < 2; i++) {
		close(sinks->screen[i]);
		close(sinks->file[i]);
	}
	return 0;
}

/* Gives one packet as text, or "" when there is none. */
static const char *
packet(int fd)
{
	static char text[65536];
	ssize_t got = read(fd, text, sizeof(text) - 1);

	text[got < 0 ? 0 : got] = '\0';
	return text;
}

static void
log_without_sinks_wants_nothing_and_says_nothing(void **state)
{
	struct sinks *sinks = *state;

	assert_false(log_wants(LOG_ERROR));
	log_say(LOG_ERROR, "nobody hears this");
	assert_string_equal(packet(sinks->screen[0]), "");
	assert_string_equal(packet(sinks->file[0]), "");
}

static void
log_screen_lines_are_short_and_by_level(void **state)
{
	struct sinks *sinks = *state;

	log_set_screen(sinks->screen[1], LOG_INFO, NULL, NULL);
	assert_true(log_wants(LOG_INFO));
	assert_false(log_wants(LOG_DEBUG));
	log_say(LOG_ERROR, "%s is gone", "a.db");
	assert_string_equal(
	    packet(sinks->screen[0]), "llmill: error: a.db is gone\n");
	log_say(LOG_WARN, "odd");
	assert_string_equal(packet(sinks->screen[0]), "llmill: warning: odd\n");
	log_say(LOG_INFO, "fine");
	assert_string_equal(packet(sinks->screen[0]), "llmill: fine\n");
	log_say(LOG_DEBUG, "detail");
	assert_string_equal(packet(sinks->screen[0]), "");
	log_set_screen(sinks->screen[1], LOG_DEBUG, NULL, NULL);
	log_say(LOG_DEBUG, "detail");
	assert_string_equal(packet(sinks->screen[0]), "llmill: detail\n");
}

static void
log_file_lines_have_time_level_role_and_pid(void **state)
{
	static const char *const levels[] = {
	    "error", "warn ", "note ", "info ", "debug"};
	struct sinks *sinks = *state;
	char pattern[256];
	regex_t compiled;

	log_set_file(sinks->file[1]);
	log_set_role("worker 3");
	for (enum log_level level = LOG_ERROR; level <= LOG_DEBUG; level++) {
		assert_true(log_wants(level));
		log_say(level, "what happened key=%d", 5);
		snprintf(pattern, sizeof(pattern),
		    "^20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:"
		    "[0-6][0-9]\\.[0-9]{3} %s worker 3\\[%d\\] what happened "
		    "key=5\n$",
		    levels[level], (int)getpid());
		assert_int_equal(
		    regcomp(&compiled, pattern, REG_EXTENDED | REG_NOSUB), 0);
		assert_int_equal(
		    regexec(&compiled, packet(sinks->file[0]), 0, NULL, 0), 0);
		regfree(&compiled);
	}
	assert_string_equal(packet(sinks->screen[0]), "");
}

static void
log_line_is_one_write_whatever_it_holds(void **state)
{
	struct sinks *sinks = *state;

	log_set_screen(sinks->screen[1], LOG_INFO, NULL, NULL);
	log_say(LOG_INFO, "%s", "two\nlines \x1B[31m\xE2\x80\xAE\xFF end");
	assert_string_equal(packet(sinks->screen[0]),
	    "llmill: two\\nlines \\x1B[31m\\u{202E}\\xFF end\n");
	assert_string_equal(packet(sinks->screen[0]), "");
}

static void
log_cuts_what_is_too_long_even_if_all_is_escaped(void **state)
{
	static char foreign[50000];
	struct sinks *sinks = *state;
	const char *line;

	memset(foreign, 0x1B, sizeof(foreign) - 1);
	log_set_file(sinks->file[1]);
	log_say(LOG_INFO, "%s", foreign);
	line = packet(sinks->file[0]);
	assert_in_range(strlen(line), 30000, 40000);
	assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
	assert_non_null(strstr(line, "\\x1B\\x1B"));
	assert_string_equal(packet(sinks->file[0]), "");
}

static void
log_keeps_errno(void **state)
{
	struct sinks *sinks = *state;
	int closed = dup(sinks->file[1]);

	close(closed);
	log_set_file(closed);
	errno = EDOM;
	log_say(LOG_INFO, "into nowhere");
	assert_int_equal(errno, EDOM);
}

static void
note_call(void *arg, bool writing)
{
	buf_add_byte(arg, writing ? '<' : '>');
}

static void
log_lets_the_progress_line_out_of_the_way(void **state)
{
	struct sinks *sinks = *state;
	struct buf calls;

	buf_init(&calls, 16);
	log_set_screen(sinks->screen[1], LOG_WARN, note_call, &calls);
	log_say(LOG_WARN, "odd");
	assert_string_equal(calls.data, "<>");
	log_say(LOG_INFO, "not shown");
	assert_string_equal(calls.data, "<>");
	buf_free(&calls);
}

#define LOG_TEST(test)                                                         \
	cmocka_unit_test_setup_teardown(test, open_sinks, close_sinks)

/* Nobody reads: the log goes on, and says so where there is room again. */
static void
what_nobody_reads_is_lost_and_counted(void **state)
{
	static char text[70000]; /* more than a pipe holds */
	char *line;
	unsigned count = 0;
	unsigned lost = 0;
	ssize_t got;
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	log_set_screen(ends[1], LOG_DEBUG, NULL, NULL);
	for (int i = 0; i < 5000; i++)
		log_say(LOG_DEBUG, "this is line %d", i);
	got = read(ends[0], text, sizeof(text) - 1);
	assert_true(got > 50000);
	text[got] = '\0';
	for (line = text; (line = strchr(line, '\n')) != NULL; line++)
		count++;
	log_set_screen(-1, LOG_ERROR, NULL, NULL);
	got = read(ends[0], text, sizeof(text) - 1);
	assert_true(got > 0);
	text[got] = '\0';
	line = text + (text[0] == '\n');
	assert_int_equal(
	    sscanf(line, "llmill: warning: %u lines of the log were", &lost),
	    1);
	assert_int_equal(lost + count, 5000);
	assert_non_null(strstr(line, "lost: nobody read them\n"));
	close(ends[0]);
	close(ends[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    LOG_TEST(log_without_sinks_wants_nothing_and_says_nothing),
	    LOG_TEST(log_screen_lines_are_short_and_by_level),
	    LOG_TEST(log_file_lines_have_time_level_role_and_pid),
	    LOG_TEST(log_line_is_one_write_whatever_it_holds),
	    LOG_TEST(log_cuts_what_is_too_long_even_if_all_is_escaped),
	    LOG_TEST(log_keeps_errno),
	    LOG_TEST(log_lets_the_progress_line_out_of_the_way),
	    cmocka_unit_test(what_nobody_reads_is_lost_and_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
