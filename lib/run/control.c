/* SPDX-License-Identifier: ISC */
#include "run/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <bsd/string.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/log.h"
#include "run/loop.h"

#define READ_BYTES ((size_t)65536)

/* Somebody who is connected. */
struct guest {
	struct control *control;
	int fd; /* -1: nobody */
	struct loop_watch watch;
	struct buf in;
	struct buf out;
};

struct control {
	char *path;
	int fd;
	struct loop *loop;
	struct loop_watch watch;
	void (*take)(void *arg, struct json *order, struct buf *answer);
	void *arg;
	struct guest guests[CONTROL_GUESTS_MAX];
};

static void
hang_up(struct guest *guest)
{
	if (guest->fd == -1)
		return;
	loop_unwatch(guest->control->loop, &guest->watch);
	fd_close(&guest->fd);
	buf_free(&guest->in);
	buf_free(&guest->out);
}

/* Be told when there is something to read, and while answers wait, when they
 * can be taken. */
static void
attend(struct guest *guest)
{
	uint32_t events = EPOLLIN | (guest->out.size > 0 ? EPOLLOUT : 0);

	if (guest->watch.fd != -1 && guest->watch.events == events)
		return;
	loop_unwatch(guest->control->loop, &guest->watch);
	if (loop_watch(guest->control->loop, &guest->watch, guest->fd, events,
		NULL) == -1)
		hang_up(guest);
}

static void
answer_line(struct guest *guest, struct span line)
{
	struct control *control = guest->control;
	struct err err = {0};
	struct json *order = json_parse(line, &err);

	if (json_is_object(order)) {
		control->take(control->arg, order, &guest->out);
	} else {
		buf_add_byte(&guest->out, '{');
		json_put_bool(&guest->out, "ok", false);
		json_put_text(
		    &guest->out, "text", span_of("an order is a JSON object"));
		buf_add_byte(&guest->out, '}');
	}
	json_free(order);
	buf_add_byte(&guest->out, '\n');
}

static void
answer_lines(struct guest *guest)
{
	const char *end;
	size_t taken = 0;

	while (taken < guest->in.size &&
	       (end = memchr(guest->in.data + taken, '\n',
		    guest->in.size - taken)) != NULL) {
		const char *start = guest->in.data + taken;

		answer_line(guest, (struct span){start, (size_t)(end - start)});
		taken = (size_t)(end - guest->in.data) + 1;
	}
	buf_drop(&guest->in, taken);
}

/* Gives false when they are gone. */
static bool
send_answers(struct guest *guest)
{
	ssize_t sent;

	while (guest->out.size > 0) {
		sent = send(guest->fd, guest->out.data, guest->out.size,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent == -1)
			return errno == EAGAIN || errno == EINTR;
		buf_drop(&guest->out, (size_t)sent);
	}
	return true;
}

static void
guest_ready(void *arg, uint32_t events)
{
	struct guest *guest = arg;
	ssize_t got = -1;

	errno = EAGAIN;
	if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
		got = fd_read(guest->fd, &guest->in, READ_BYTES);
	if (got == 0 || (got == -1 && errno != EAGAIN && errno != EINTR)) {
		hang_up(guest);
		return;
	}
	answer_lines(guest);
	if (guest->in.failed || guest->out.failed ||
	    guest->in.size == guest->in.cap || !send_answers(guest))
		hang_up(guest);
	else
		attend(guest);
}

/* May they? The socket's mode says so already; this is the second lock. */
static bool
is_allowed(int fd)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
	       (peer.uid == 0 || peer.uid == geteuid());
}

static struct guest *
free_place(struct control *control)
{
	for (size_t i = 0; i < CONTROL_GUESTS_MAX; i++)
		if (control->guests[i].fd == -1)
			return &control->guests[i];
	return NULL;
}

static void
guest_comes(void *arg, uint32_t events)
{
	struct control *control = arg;
	struct guest *guest = free_place(control);
	int fd = accept4(control->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (fd == -1)
		return;
	if (guest == NULL || !is_allowed(fd)) {
		if (guest != NULL)
			log_say(LOG_WARN, "%s: another user was sent away",
			    control->path);
		fd_close(&fd);
		return;
	}
	guest->fd = fd;
	buf_init(&guest->in, CONTROL_LINE_MAX);
	buf_init(&guest->out, CONTROL_REPLY_MAX);
	attend(guest);
}

static int
listen_at(struct control *control, struct err *err)
{
	struct sockaddr_un place = {.sun_family = AF_UNIX};
	struct stat st;
	mode_t before;
	int done;

	if (strlcpy(place.sun_path, control->path, sizeof(place.sun_path)) >=
	    sizeof(place.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if (lstat(control->path, &st) == 0 && S_ISSOCK(st.st_mode))
		(void)unlink(control->path);
	control->fd =
	    socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (control->fd == -1)
		return -1;
	before = umask(0177);
	done = bind(control->fd, (struct sockaddr *)&place, sizeof(place));
	umask(before);
	if (done == -1)
		fd_close(&control->fd);
	else
		done = listen(control->fd, CONTROL_GUESTS_MAX);
	if (done == 0)
		done = loop_watch(
		    control->loop, &control->watch, control->fd, EPOLLIN, err);
	return done;
}

struct control *
control_open(const char *path, struct loop *loop,
    void (*take)(void *arg, struct json *order, struct buf *answer), void *arg,
    struct err *err)
{
	struct control *control = calloc(1, sizeof(*control));

	if (control == NULL || (control->path = strdup(path)) == NULL) {
		free(control);
		err_set_memory(err, "control socket");
		return NULL;
	}
	control->fd = -1;
	control->loop = loop;
	control->take = take;
	control->arg = arg;
	control->watch =
	    (struct loop_watch){.fd = -1, .ready = guest_comes, .arg = control};
	for (size_t i = 0; i < CONTROL_GUESTS_MAX; i++)
		control->guests[i] = (struct guest){
		    .control = control,
		    .fd = -1,
		    .watch = {.fd = -1,
			.ready = guest_ready,
			.arg = &control->guests[i]},
		};
	if (listen_at(control, err) == 0)
		return control;
	err_set_errno(err, "cannot listen at %s", path);
	control_close(control);
	return NULL;
}

void
control_close(struct control *control)
{
	if (control == NULL)
		return;
	for (size_t i = 0; i < CONTROL_GUESTS_MAX; i++)
		hang_up(&control->guests[i]);
	loop_unwatch(control->loop, &control->watch);
	if (control->fd != -1)
		(void)unlink(control->path);
	fd_close(&control->fd);
	free(control->path);
	free(control);
}
