/* SPDX-License-Identifier: ISC */
/*
 * One line, one write(2): lines of several processes on one file never mix.
 * Nobody waits for whoever reads them: what is not taken at once is counted.
 * The whole message is made safe here, once, so that no caller can forget it.
 * The settings below are the only global variables there are, but for the
 * test clock.
 */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/must.h"
#include "base/text.h"

#define LOG_MESSAGE_MAX 8192 /* bytes before escaping; the rest is cut */
#define LOG_LINE_MAX (4 * LOG_MESSAGE_MAX + 256)
#define LOG_ROLE_MAX 32

struct sink {
	int fd; /* -1 none */
	uint64_t lost;
	bool cut;    /* half a line stands there */
	bool broken; /* it cannot be written; of the file that was said */
};

static struct {
	struct sink screen;
	enum log_level screen_level;
	void (*before)(void *arg, bool writing);
	void *arg;
	struct sink file;
	char role[LOG_ROLE_MAX];
} settings = {.screen.fd = -1, .file.fd = -1, .role = "mill"};

static void say_lost(
    struct sink *sink, void (*say)(enum log_level level, struct span message));
static void say_broken(struct sink *sink, int number);
static void say_to_file(enum log_level level, struct span message);
static void say_to_screen(enum log_level level, struct span message);

void
log_set_screen(int screen_fd, enum log_level level,
    void (*before)(void *arg, bool writing), void *arg)
{
	say_lost(&settings.screen, say_to_screen);
	settings.screen = (struct sink){.fd = screen_fd};
	settings.screen_level = level;
	settings.before = before;
	settings.arg = arg;
}

void
log_set_level(enum log_level level)
{
	settings.screen_level = level;
}

static const char *const level_names[] = {
    [LOG_ERROR] = "error",
    [LOG_WARN] = "warn",
    [LOG_NOTE] = "note",
    [LOG_INFO] = "info",
    [LOG_DEBUG] = "debug",
};

bool
log_level_by_name(struct span name, enum log_level *level)
{
	for (int i = LOG_ERROR; i <= LOG_DEBUG; i++)
		if (span_equals(name, span_of(level_names[i]))) {
			*level = (enum log_level)i;
			return true;
		}
	return false;
}

void
log_set_file(int file_fd)
{
	say_lost(&settings.file, say_to_file);
	settings.file = (struct sink){.fd = file_fd};
}

void
log_set_role(const char *role)
{
	snprintf(settings.role, sizeof(settings.role), "%s", role);
}

static bool
screen_wants(enum log_level level)
{
	return settings.screen.fd >= 0 && level <= settings.screen_level;
}

bool
log_wants(enum log_level level)
{
	return settings.file.fd >= 0 || screen_wants(level);
}

static void
add_time(struct buf *line)
{
	int64_t wall_ms = clock_wall_ms();
	time_t seconds = (time_t)(wall_ms / 1000);
	struct tm local;
	char text[32];

	MUST(localtime_r(&seconds, &local) != NULL);
	MUST(strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &local) > 0);
	buf_printf(line, "%s.%03d", text, (int)(wall_ms % 1000));
}

static void
write_line(struct sink *sink, struct buf *line, struct span message)
{
	static const char lost[] =
	    "llmill: error: a log line was lost: out of memory\n";
	struct span out = {lost, sizeof(lost) - 1};
	ssize_t wrote;

	text_escape(line, message, 0);
	buf_add_byte(line, '\n');
	if (!line->failed)
		out = buf_span(line);
	if (sink->cut && fd_write_ready(sink->fd, "\n", 1) != 1) {
		sink->lost++;
		return;
	}
	sink->cut = false;
	wrote = fd_write_ready(sink->fd, out.data, out.size);
	/* One that is broken stops nobody. */
	if (wrote == -1)
		say_broken(sink, errno);
	if (wrote == -1 || (size_t)wrote == out.size)
		return;
	sink->lost++;
	sink->cut = wrote > 0;
}

/* A log that cannot be written stops nobody, but people are told, once. */
static void
say_broken(struct sink *sink, int number)
{
	char text[128];

	if (sink->broken)
		return;
	sink->broken = true;
	if (sink != &settings.file || !screen_wants(LOG_WARN))
		return;
	snprintf(text, sizeof(text),
	    "cannot write the log: %s; lines are missing there",
	    strerror(number));
	say_to_screen(LOG_WARN, span_of(text));
}

/* There may be room again. */
static void
say_lost(
    struct sink *sink, void (*say)(enum log_level level, struct span message))
{
	uint64_t lost = sink->lost;
	char message[96];

	if (lost == 0)
		return;
	snprintf(message, sizeof(message),
	    "%ju %s of the log %s lost: nobody read them", (uintmax_t)lost,
	    lost == 1 ? "line" : "lines", lost == 1 ? "was" : "were");
	sink->lost = 0;
	say(LOG_WARN, span_of(message));
	sink->lost *= lost; /* what cannot be said now is said later */
}

static void
say_to_file(enum log_level level, struct span message)
{
	static const char *const names[] = {
	    [LOG_ERROR] = "error",
	    [LOG_WARN] = "warn ",
	    [LOG_NOTE] = "note ",
	    [LOG_INFO] = "info ",
	    [LOG_DEBUG] = "debug",
	};
	struct buf line;

	buf_init(&line, LOG_LINE_MAX);
	add_time(&line);
	buf_printf(
	    &line, " %s %s[%d] ", names[level], settings.role, (int)getpid());
	write_line(&settings.file, &line, message);
	buf_free(&line);
}

static void
say_to_screen(enum log_level level, struct span message)
{
	struct buf line;

	buf_init(&line, LOG_LINE_MAX);
	buf_add_text(&line, "llmill: ");
	if (level == LOG_ERROR)
		buf_add_text(&line, "error: ");
	else if (level == LOG_WARN)
		buf_add_text(&line, "warning: ");
	if (settings.before != NULL)
		settings.before(settings.arg, true);
	write_line(&settings.screen, &line, message);
	if (settings.before != NULL)
		settings.before(settings.arg, false);
	buf_free(&line);
}

void
log_say(enum log_level level, const char *format, ...)
{
	int number = errno;
	char message[LOG_MESSAGE_MAX];
	va_list args;

	MUST(level <= LOG_DEBUG);
	if (!log_wants(level))
		return;
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	if (settings.file.fd >= 0) {
		say_lost(&settings.file, say_to_file);
		say_to_file(level, span_of(message));
	}
	if (screen_wants(level)) {
		say_lost(&settings.screen, say_to_screen);
		say_to_screen(level, span_of(message));
	}
	errno = number;
}
