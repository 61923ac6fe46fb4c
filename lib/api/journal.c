/* SPDX-License-Identifier: ISC */
/*
 * The log file of a run. It is appended to, so that all runs of a list can
 * have one; a device or a pipe is as good as a file.
 */
#include "api/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "api/endpoints.h"
#include "api/mill.h"
#include "base/err.h"
#include "base/log.h"
#include "base/text.h"
#include "llmill_run.h"

/* Of a command's stderr in one line: escaped it still fits (LOG_MESSAGE_MAX in
 * base/log.c). */
#define JOURNAL_PIECE_BYTES ((size_t)1024)

/* A link that somebody laid in a directory of all users must not lead us into
 * another file. /dev/stderr that leads to a file would be opened at its
 * beginning, and overwritten: it is the descriptor that is meant. A named pipe
 * that nobody reads from must not hold us up, now or later. */
static int
open_path(const char *path)
{
	if (strcmp(path, "/dev/stderr") == 0)
		return fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
	if (strcmp(path, "/dev/stdout") == 0)
		return fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
	return open(path,
	    O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK |
		O_NOFOLLOW,
	    0600);
}

int
journal_open(struct mill *mill, struct err *err)
{
	const char *path = mill->conf->log_path;

	if (path == NULL)
		return 0;
	mill->log_fd = open_path(path);
	if (mill->log_fd == -1 && errno == ENXIO)
		return err_set(err, ERR_SYSTEM,
		    "cannot open the log %s: nobody reads from it", path);
	if (mill->log_fd == -1 && errno == ELOOP)
		return err_set(err, ERR_SYSTEM,
		    "cannot open the log %s: it is a symbolic link; name the "
		    "file itself",
		    path);
	if (mill->log_fd == -1)
		return err_set_errno(err, "cannot open the log %s", path);
	log_set_file(mill->log_fd);
	return 0;
}

void
journal_begin(const struct mill *mill)
{
	const struct backend *backend = &mill->backend;
	struct buf urls;

	buf_init(&urls, SIZE_MAX / 4);
	for (uint32_t i = 0; i < backend->chat.endpoint_count; i++) {
		buf_add_text(&urls, i > 0 ? " " : "");
		endpoints_put(backend, i, &urls);
	}
	buf_add_byte(&urls, '\0');
	log_say(LOG_INFO,
	    "llmill " LLMILL_VERSION " begins prompts=%u to_do=%u workers=%u "
	    "backend=%s url=%s database=%s plan=%s",
	    (unsigned)mill->count, (unsigned)mill->stats.asked,
	    (unsigned)mill->conf->workers, backend->chat.kind->name,
	    urls.failed || urls.size == 1 ? "none" : urls.data,
	    mill->db_path != NULL ? mill->db_path : "none", mill->digest);
	buf_free(&urls);
}

void
journal_words(void *arg, uint32_t slot, const char *data, size_t size)
{
	(void)arg;
	if (!log_wants(LOG_DEBUG))
		return;
	while (size > 0) {
		size_t most =
		    size < JOURNAL_PIECE_BYTES ? size : JOURNAL_PIECE_BYTES;
		const char *end = memchr(data, '\n', most);
		size_t taken = end != NULL ? (size_t)(end - data) : most;
		struct buf line;

		buf_init(&line, 8 * JOURNAL_PIECE_BYTES + 64);
		text_escape(&line, (struct span){data, taken}, 0);
		log_say(LOG_DEBUG, "worker %u: stderr: %s", (unsigned)slot,
		    line.data != NULL ? line.data : "");
		buf_free(&line);
		taken += end != NULL;
		data += taken;
		size -= taken;
	}
}

void
journal_end(const char *text)
{
	log_set_screen(-1, LOG_ERROR, NULL, NULL);
	while (text != NULL && *text != '\0') {
		size_t size = strcspn(text, "\n");

		log_say(LOG_NOTE, "%.*s", (int)size, text);
		text += size + (text[size] == '\n');
	}
}
