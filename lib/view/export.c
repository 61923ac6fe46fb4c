/* SPDX-License-Identifier: ISC */
/*
 * Answers in prompt order, as they become ready. What is kept is a place in
 * the list and the rows that are half way out; everything else lies in the
 * database until the reader takes it.
 */
#include "view/export.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/place.h"
#include "data/store.h"
#include "view/columns.h"

#define EXPORT_PENDING_BYTES ((size_t)64 << 10) /* more waits in the db */
#define EXPORT_TURN_BYTES ((size_t)1 << 20)	/* one call of export_follow */
#define EXPORT_KEEP_BYTES ((size_t)1 << 20) /* memory kept after a long row */
#define EXPORT_ROW_CAP ((size_t)1 << 30)    /* an answer, six bytes for one */
#define EXPORT_LAST_WAIT_MS 1000	    /* for a line that was begun */

struct export
{
	struct export_style style;
	const struct columns *columns; /* lent; NULL: none are needed */
	struct export_rows rows;
	uint32_t count;
	uint32_t index;	    /* the next row to render */
	struct buf pending; /* whole rows */
	size_t sent;	    /* bytes of pending that are written */
	char *name;	    /* for messages */
	int fd;
	bool owned; /* fd is ours to close */
	bool on_terminal;
	bool blocks;	    /* writing to fd could block: look first */
	bool waiting;	    /* fd was full at the last look */
	bool dead;	    /* trouble says why */
	struct place place; /* of a FILE; its fd is -1 otherwise */
	struct err trouble;
};

/* Opened anew it is our own. Where that is refused we look before each write
 * instead. */
static int
open_stdout(struct export *export, struct err *err)
{
	struct stat status;

	if (fstat(STDOUT_FILENO, &status) == -1)
		return err_set_errno(err, "cannot write to %s", export->name);
	export->fd = STDOUT_FILENO;
	if (S_ISREG(status.st_mode))
		return 0;
	export->fd = fd_open_again(STDOUT_FILENO);
	export->owned = export->fd != -1;
	export->blocks = !export->owned;
	if (!export->owned)
		export->fd = STDOUT_FILENO;
	return 0;
}

static int
open_special(struct export *export, const char *path, struct err *err)
{
	export->fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (export->fd == -1 && errno == ENXIO)
		return err_set_errno(
		    err, "cannot write to %s: nobody reads from it", path);
	if (export->fd == -1)
		return err_set_errno(err, "cannot write to %s", path);
	export->owned = true;
	return 0;
}

static int
open_file(struct export *export, const char *path, struct err *err)
{
	struct stat status;

	if (stat(path, &status) == 0 && !S_ISREG(status.st_mode) &&
	    !S_ISDIR(status.st_mode))
		return open_special(export, path, err);
	if (place_open(&export->place, path, err) == -1)
		return -1;
	export->fd = export->place.fd;
	return 0;
}

static int
read_store(void *arg, uint32_t index, struct store_row *row, struct err *err)
{
	return store_read_row(arg, index, row, err);
}

struct export_rows
export_rows_of(struct store *store)
{
	return (struct export_rows){read_store, store};
}

/* What is not said of the format depends on where it goes. */
static void
settle_format(struct export *export)
{
	enum export_format *format = &export->style.format;

	if (*format == EXPORT_AUTO)
		*format = export->on_terminal ? EXPORT_TXT : EXPORT_JSONL;
	if (*format == EXPORT_TXT && export->on_terminal)
		*format = EXPORT_TERMINAL;
	if (*format == EXPORT_CSV || *format == EXPORT_TSV)
		export_put_names(
		    &export->pending, &export->style, export->columns);
}

struct export *
export_open(const char *path, const struct export_style *style,
    const struct columns *columns, struct export_rows rows, uint32_t count,
    struct err *err)
{
	bool to_stdout =
	    strcmp(path, "-") == 0 || strcmp(path, "/dev/stdout") == 0;
	struct export *export = calloc(1, sizeof(*export));

	if (export == NULL)
		goto no_memory;
	export->name = strdup(to_stdout ? "standard output" : path);
	if (export->name == NULL)
		goto no_memory;
	export->style = *style;
	export->columns = columns;
	export->rows = rows;
	export->count = count;
	export->fd = -1;
	export->place.fd = -1;
	buf_init(&export->pending, EXPORT_ROW_CAP);
	if ((to_stdout ? open_stdout(export, err)
		       : open_file(export, path, err)) == -1)
		goto failed;
	export->on_terminal = isatty(export->fd);
	settle_format(export);
	return export;

no_memory:
	err_set_memory(err, "output");
failed:
	if (export != NULL)
		free(export->name);
	free(export);
	return NULL;
}

static size_t
unsent(const struct export *export)
{
	return export->pending.size - export->sent;
}

/* Nothing comes after this. Gives -1, with err as far as wanted. */
static int
die(struct export *export, struct err *err)
{
	if (export->trouble.class != ERR_NONE) {
		/* It is said already. */
	} else if (errno == EPIPE) {
		err_set(&export->trouble, ERR_SYSTEM, "output closed");
		export->trouble.number = EPIPE;
	} else {
		err_set_errno(
		    &export->trouble, "cannot write to %s", export->name);
	}
	export->dead = true;
	export->waiting = false;
	if (err != NULL)
		*err = export->trouble;
	return -1;
}

/* Is it one of those that were asked for? */
static bool
is_wanted(const struct export *export, const struct store_row *row)
{
	return export->style.only == 0 ||
	       (export->style.only & 1u << row->state) != 0;
}

/* Render the next row behind what is pending. A row that cannot be read or
 * held leaves nothing. */
static int
put_next_row(struct export *export, const uint8_t *states, struct err *err)
{
	size_t mark = export->pending.size;
	struct store_row row;
	int done = 0;

	if (export->rows.read(export->rows.arg, export->index, &row, err) == -1)
		return -1;
	if (states != NULL && row.state == STORE_OPEN)
		return err_set(err, ERR_BUSY,
		    "prompt %ju is not in the "
		    "database yet",
		    (uintmax_t)row.id);
	if (is_wanted(export, &row))
		done = export_put_row(&export->pending, &export->style,
		    export->columns, &row, err);
	if (export->pending.failed)
		done = err_set_memory(err, "a row of the output");
	if (done == -1) {
		export->pending.failed = false;
		export->pending.size = mark;
		return -1;
	}
	export->index++;
	return 0;
}

/* Everything pending is out: begin anew. */
static void
forget_sent(struct export *export)
{
	if (export->pending.room > EXPORT_KEEP_BYTES)
		buf_free(&export->pending);
	buf_clear(&export->pending);
	export->sent = 0;
}

static bool
next_is_ready(const struct export *export, const uint8_t *states)
{
	return export->index < export->count &&
	       (states == NULL || states[export->index] != STORE_OPEN);
}

/* Write once, at most size bytes. Gives bytes written, 0 when full, -1 with
 * errno. */
static ssize_t
write_some(struct export *export, size_t size)
{
	struct pollfd look = {.fd = export->fd, .events = POLLOUT};
	ssize_t wrote;

	if (size > unsent(export))
		size = unsent(export);
	if (export->blocks) {
		if (poll(&look, 1, 0) != 1)
			return 0;
		if (size > PIPE_BUF)
			size = PIPE_BUF;
	}
	do
		wrote = write(
		    export->fd, export->pending.data + export->sent, size);
	while (wrote == -1 && errno == EINTR);
	if (wrote == -1)
		return errno == EAGAIN ? 0 : -1;
	export->sent += (size_t)wrote;
	return wrote;
}

/* The next rows that are ready, as many as are held. Gives -1 when one can
 * never be written. */
static int
put_rows(struct export *export, const uint8_t *states)
{
	while (export->sent == 0 &&
	       export->pending.size < EXPORT_PENDING_BYTES &&
	       next_is_ready(export, states)) {
		struct err why = {0};

		if (put_next_row(export, states, &why) == 0)
			continue;
		/* Later, or when what stands before it is out. */
		if (why.class != ERR_INPUT || unsent(export) > 0)
			return 0;
		export->trouble = why;
		export->trouble.class = ERR_SYSTEM;
		err_add(&export->trouble, "cannot write to %s", export->name);
		return -1;
	}
	return 0;
}

int
export_follow(struct export *export, const uint8_t *states, struct err *err)
{
	size_t budget = EXPORT_TURN_BYTES;

	if (export->dead)
		return 0;
	export->waiting = false;
	while (budget > 0) {
		ssize_t wrote;

		if (unsent(export) == 0)
			forget_sent(export);
		if (put_rows(export, states) == -1)
			return die(export, err);
		if (unsent(export) == 0)
			return 0;
		wrote = write_some(export, budget);
		if (wrote == -1)
			return die(export, err);
		if (wrote == 0) {
			export->waiting = true;
			return 0;
		}
		budget -= (size_t)wrote;
	}
	return unsent(export) > 0 || next_is_ready(export, states);
}

const char *
export_part_path(const struct export *export)
{
	return export->place.fd != -1 ? export->place.part_path : NULL;
}

bool
export_is_broken(const struct export *export)
{
	return export != NULL && export->dead;
}

int
export_wait_fd(const struct export *export)
{
	return export->waiting ? export->fd : -1;
}

bool
export_is_on_terminal(const struct export *export)
{
	return export->on_terminal;
}

/* Write all that is pending, to whoever takes some of it each second. */
static int
flush(struct export *export, struct err *err)
{
	struct pollfd look = {.fd = export->fd, .events = POLLOUT};

	while (unsent(export) > 0) {
		ssize_t wrote = write_some(export, unsent(export));

		if (wrote == -1)
			return die(export, err);
		if (wrote == 0 && poll(&look, 1, EXPORT_LAST_WAIT_MS) == 0) {
			errno = ETIMEDOUT;
			return die(export, err);
		}
	}
	forget_sent(export);
	return 0;
}

static int
write_rest(struct export *export, struct err *err)
{
	while (export->index < export->count) {
		if (put_next_row(export, NULL, err) == -1)
			return err_add(
			    err, "cannot write all to %s", export->name);
		if (export->pending.size >= EXPORT_PENDING_BYTES &&
		    flush(export, err) == -1)
			return -1;
	}
	return unsent(export) > 0 ? flush(export, err) : 0;
}

int
export_close(struct export *export, bool whole, struct err *err)
{
	int result = 0;

	if (export == NULL)
		return 0;
	if (export->dead) {
		if (export->trouble.number != EPIPE) {
			result = -1;
			if (err != NULL)
				*err = export->trouble;
		}
	} else if (whole) {
		result = write_rest(export, err);
		if (result == 0 && export->place.fd != -1)
			result = place_commit(&export->place, err);
	} else {
		/* Whoever reads line by line should not find half a one. */
		flush(export, NULL);
	}
	place_leave(&export->place);
	if (export->owned)
		fd_close(&export->fd);
	buf_free(&export->pending);
	free(export->name);
	free(export);
	return result;
}
