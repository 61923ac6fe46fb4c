/* SPDX-License-Identifier: ISC */
/*
 * The other end of a run's socket: one line out, one line back. The lock file
 * says where it is, and on which host.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <bsd/string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/json.h"
#include "data/lock.h"
#include "llmill_db.h"
#include "view/screen.h"

#define ORDER_WITHIN_NS                                                        \
	(10 * CLOCK_S) /* a turn of the run may take a while                   \
			*/
#define ORDER_ANSWER_MAX ((size_t)1 << 22)

/* Who works on it, and can it be reached from here? */
static int
find_socket(const char *path, struct lock_holder *holder, struct err *err)
{
	char *real = realpath(path, NULL);
	char host[256] = "";
	bool held;

	if (real == NULL)
		return err_set(err, ERR_INPUT, "%s: %s", path, strerror(errno));
	held = lock_find_holder(real, holder);
	free(real);
	(void)gethostname(host, sizeof(host) - 1);
	if (!held)
		return err_set(
		    err, ERR_BACKEND, "%s: no run works on it", path);
	if (holder->host[0] != '\0' && strcmp(holder->host, host) != 0)
		return err_set(err, ERR_BACKEND,
		    "%s: the run is on %s; give orders there", path,
		    holder->host);
	if (holder->socket[0] == '\0')
		return err_set(err, ERR_BACKEND,
		    "%s: the run takes no orders (llmill run -v says why)",
		    path);
	return 0;
}

static int
connect_to(const char *path, struct err *err)
{
	struct sockaddr_un place = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strlcpy(place.sun_path, path, sizeof(place.sun_path));
	if (fd != -1 &&
	    connect(fd, (struct sockaddr *)&place, sizeof(place)) == 0)
		return fd;
	err_set_errno(err, "cannot reach the run at %s", path);
	err->class = ERR_BACKEND;
	fd_close(&fd);
	return -1;
}

/* Read up to the end of the line. */
static int
read_answer(int fd, struct buf *answer, struct err *err)
{
	int64_t until_ns = clock_now_ns() + ORDER_WITHIN_NS;
	struct pollfd look = {.fd = fd, .events = POLLIN};

	while (answer->size == 0 || answer->data[answer->size - 1] != '\n') {
		int64_t now_ns = clock_now_ns();
		ssize_t got = 0;

		if (now_ns < until_ns &&
		    poll(&look, 1, clock_wait_ms(now_ns, until_ns)) == 1)
			got = fd_read(fd, answer, 65536);
		else if (now_ns < until_ns && errno == EINTR)
			return err_set(err, ERR_BUSY, "interrupted");
		if (got <= 0)
			return err_set(err, ERR_BACKEND,
			    now_ns >= until_ns
				? "the run does not answer"
				: "the run hung up, or has ended");
	}
	answer->data[--answer->size] = '\0';
	return 0;
}

static int
exchange(
    const char *path, const char *order, struct buf *answer, struct err *err)
{
	struct lock_holder holder;
	int fd;
	int done = -1;

	if (find_socket(path, &holder, err) == -1)
		return -1;
	fd = connect_to(holder.socket, err);
	if (fd == -1)
		return -1;
	if (fd_write_all(fd, order, strlen(order)) == -1 ||
	    fd_write_all(fd, "\n", 1) == -1)
		err_set_errno(err, "cannot reach the run at %s", holder.socket);
	else
		done = read_answer(fd, answer, err);
	fd_close(&fd);
	return done;
}

int
llmill_order(const char *path, const char *order, struct llmill_text *answer,
    struct llmill_err *err)
{
	struct err why = {0};
	struct buf text;

	err->text[0] = '\0';
	*answer = (struct llmill_text){0};
	buf_init(&text, ORDER_ANSWER_MAX);
	if (exchange(path, order, &text, &why) == 0) {
		answer->data = text.data;
		answer->size = text.size;
		answer->is_running = true;
		return err->status = LLMILL_EXIT_OK;
	}
	buf_free(&text);
	err->status = why.class == ERR_BUSY	? LLMILL_EXIT_EARLY
		      : why.class == ERR_INPUT	? LLMILL_EXIT_INPUT
		      : why.class == ERR_SYSTEM ? LLMILL_EXIT_SYSTEM
						: LLMILL_EXIT_BACKEND;
	snprintf(err->text, sizeof(err->text), "%s", why.text);
	return err->status;
}

bool
llmill_said(const char *answer, char *out, size_t size)
{
	struct json *root = json_parse(span_of(answer), NULL);
	struct span text = json_string(json_get(root, "text"));
	bool done =
	    span_equals(json_text(json_get(root, "ok")), span_of("true"));

	snprintf(out, size, "%.*s", (int)text.size,
	    text.data != NULL ? text.data : "");
	json_free(root);
	return done;
}

int
llmill_draw(const struct llmill_draw_conf *conf, const char *panel,
    struct llmill_text *text, struct llmill_err *err)
{
	const struct screen_conf screen = {
	    .name = conf->name,
	    .columns = conf->columns,
	    .rows = conf->rows,
	    .colour = conf->colour,
	    .message = conf->message,
	    .keys = conf->keys,
	};
	struct buf out;

	*text = (struct llmill_text){0};
	err->text[0] = '\0';
	buf_init(&out, ORDER_ANSWER_MAX);
	if (screen_render(&screen, span_of(panel), &out) && !out.failed) {
		text->data = out.data;
		text->size = out.size;
		return err->status = LLMILL_EXIT_OK;
	}
	buf_free(&out);
	snprintf(err->text, sizeof(err->text), "the run said nonsense");
	return err->status = LLMILL_EXIT_BACKEND;
}
