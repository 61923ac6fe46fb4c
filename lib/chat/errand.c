/* SPDX-License-Identifier: ISC */
/*
 * One poll loop holds a whole command: its three pipes, its death, the time
 * and the word that it is to be given up. There is no order in which these
 * have to come, so none can be waited for in vain.
 */
#include "chat/errand.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/signals.h"
#include "chat/child.h"

#define READ_BYTES ((size_t)65536) /* what a pipe holds */
/* Without a coordinator nobody else ends us: be gone within a second. */
#define ORPHAN_GRACE_NS (500 * CLOCK_MS)
/* After a death, should a stranger fill the stderr it inherited for ever. */
#define LAST_READS_MAX 32

struct watch {
	struct errand *errand;
	struct child *child;
	int64_t next_ns; /* TERM while it runs, KILL while it ends */
	struct clock_nap nap;
	struct pollfd stop; /* fd -1 when its end was seen */
};

/* Begin to end it: TERM now, KILL after the grace. The first reason holds. */
static void
end(struct watch *watch, enum errand_ending ending)
{
	struct errand *errand = watch->errand;

	if (errand->ending != ERRAND_ITSELF)
		return;
	errand->ending = ending;
	watch->next_ns = clock_add(clock_now_ns(), errand->grace_ns);
	child_signal(watch->child, SIGTERM);
}

/* Nothing it could still say is wanted. */
static void
end_at_once(struct watch *watch, enum errand_ending ending)
{
	if (watch->errand->ending == ERRAND_ITSELF)
		watch->errand->ending = ending;
	watch->next_ns = CLOCK_NEVER;
	child_signal(watch->child, SIGKILL);
}

static void
feed_stdin(struct watch *watch)
{
	struct span *input = &watch->errand->input;
	ssize_t done = write(watch->child->stdin_fd, input->data, input->size);

	if (done > 0) {
		input->data += done;
		input->size -= (size_t)done;
	}
	/* A command need not read all: EPIPE is no failure. */
	if ((input->size == 0 && !watch->errand->talks) ||
	    (done == -1 && errno != EAGAIN && errno != EINTR))
		fd_close(&watch->child->stdin_fd);
}

/* Does its stdout, from this byte on, end a line? */
static bool
ends_line(const struct errand *errand, size_t from)
{
	return errand->talks && errand->out->size > from &&
	       memchr(errand->out->data + from, '\n',
		   errand->out->size - from) != NULL;
}

/* Read once. Gives false when there is nothing more now. */
static bool
take_stdout(struct watch *watch)
{
	struct errand *errand = watch->errand;
	struct buf *out = errand->out;
	const size_t before = out->size;
	ssize_t got = fd_read(watch->child->stdout_fd, out, READ_BYTES);

	if (got == -1 && errno == EAGAIN)
		return false;
	if (got > 0 && errand->first_byte_ns == -1)
		errand->first_byte_ns = clock_now_ns();
	if (got > 0 && errand->beat != NULL)
		errand->beat(errand->beat_arg, out->size);
	if (got > 0 && errand->ending == ERRAND_ITSELF &&
	    ends_line(errand, before))
		errand->ending = ERRAND_LINE;
	if (got > 0 && out->size < out->cap)
		return true;
	if (got > 0)
		end_at_once(watch, ERRAND_TOO_LONG);
	else if (got == -1)
		end_at_once(watch, ERRAND_NO_MEMORY);
	fd_close(&watch->child->stdout_fd);
	return false;
}

/* Read once, keep the end, pass all of it on. Gives false when there is
 * nothing more now. */
static bool
take_stderr(struct watch *watch)
{
	char data[4096];
	ssize_t got = read(watch->child->stderr_fd, data, sizeof(data));

	if (got == -1 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (got <= 0) {
		fd_close(&watch->child->stderr_fd);
		return false;
	}
	tail_keep(&watch->errand->tail, data, (size_t)got);
	fd_write_all(STDERR_FILENO, data, (size_t)got);
	return true;
}

/* A word, or the end of the pipe: then there is less time. The word itself is
 * the caller's to read; after it only the end is waited for. */
static void
hear_stop(struct watch *watch)
{
	const int64_t latest_ns = clock_now_ns() + ORPHAN_GRACE_NS;

	end(watch, ERRAND_GIVEN_UP);
	watch->stop.events = 0;
	if ((watch->stop.revents & ~POLLIN) == 0)
		return;
	watch->stop.fd = -1;
	if (watch->next_ns > latest_ns)
		watch->next_ns = latest_ns;
}

/* Time slept is nobody's. A command is in a group of its own: it does not hear
 * what stops us. */
static void
sleep_together(struct watch *watch)
{
	int64_t before_ns = clock_now_ns();

	child_signal(watch->child, SIGSTOP);
	signals_suffer(watch->errand->sleep);
	child_signal(watch->child, SIGCONT);
	watch->nap.seen_ns = clock_now_ns();
	watch->next_ns =
	    clock_add(watch->next_ns, watch->nap.seen_ns - before_ns);
}

static int
sleep_fd(const struct watch *watch)
{
	return watch->errand->sleep != NULL ? watch->errand->sleep->fd : -1;
}

/* Wait for whatever comes first and deal with it. Gives false when the
 * command is dead. */
static bool
turn(struct watch *watch)
{
	struct errand *errand = watch->errand;
	struct child *child = watch->child;
	struct pollfd fds[] = {
	    {.fd = errand->input.size > 0 ? child->stdin_fd : -1,
		.events = POLLOUT},
	    {.fd = child->stdout_fd, .events = POLLIN},
	    {.fd = child->stderr_fd, .events = POLLIN},
	    {.fd = child->pid_fd, .events = POLLIN},
	    watch->stop,
	    {.fd = sleep_fd(watch), .events = POLLIN},
	};
	const int64_t now_ns = clock_now_ns();
	const int64_t then_ns = clock_nap_next_ns(&watch->nap, watch->next_ns);

	if (poll(fds, sizeof(fds) / sizeof(fds[0]),
		clock_wait_ms(now_ns, then_ns)) == -1)
		return true;
	watch->next_ns = clock_add(
	    watch->next_ns, clock_nap_slept_ns(&watch->nap, clock_now_ns()));
	if (fds[5].revents != 0)
		sleep_together(watch);
	if (fds[0].revents != 0)
		feed_stdin(watch);
	if (fds[1].revents != 0)
		take_stdout(watch);
	if (fds[2].revents != 0)
		take_stderr(watch);
	if (errand->ending == ERRAND_LINE)
		return false;
	/* Before the word to stop: what is done is done. */
	if (fds[3].revents != 0)
		return false;
	watch->stop.revents = fds[4].revents;
	if (watch->stop.revents != 0)
		hear_stop(watch);
	if (clock_now_ns() < watch->next_ns)
		return true;
	if (errand->ending == ERRAND_ITSELF)
		end(watch, ERRAND_TIMEOUT);
	else
		end_at_once(watch, errand->ending);
	return true;
}

static void
hear_last_words(struct watch *watch)
{
	int reads = 0;

	while (watch->child->stdout_fd != -1 && take_stdout(watch))
		continue;
	while (watch->child->stderr_fd != -1 && reads++ < LAST_READS_MAX &&
	       take_stderr(watch))
		continue;
}

void
errand_run(struct errand *errand, struct child *child)
{
	struct watch watch = {
	    .errand = errand,
	    .child = child,
	    .next_ns = errand->deadline_ns,
	    .stop = {.fd = errand->stop_fd, .events = POLLIN},
	};

	clock_nap_begin(
	    &watch.nap, clock_now_ns(), errand->deadline_ns - clock_now_ns());
	errand->ending = ERRAND_ITSELF;
	errand->first_byte_ns = -1;
	if (errand->input.size == 0 && !errand->talks)
		fd_close(&child->stdin_fd);
	if (ends_line(errand, 0))
		errand->ending = ERRAND_LINE;
	while (errand->ending != ERRAND_LINE &&
	       (turn(&watch) || (errand->ending != ERRAND_LINE &&
				    !child_wait(child, 0, &errand->death))))
		continue;
	if (errand->ending == ERRAND_LINE)
		return;
	child_signal(child, SIGKILL);
	hear_last_words(&watch);
	child_bury(child);
}
