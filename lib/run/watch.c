/* SPDX-License-Identifier: ISC */
/*
 * Those who look on. Nothing here can hold up the run: a full pipe is written
 * to when it has room again, a closed one is said once and left alone.
 */
#include "run/watch.h"

#include <sys/epoll.h>

#include "base/clock.h"
#include "base/err.h"
#include "view/bulletin.h"
#include "view/export.h"
#include "view/metrics.h"
#include "view/progress.h"
#include "view/reporter.h"

static void
has_room(void *arg, uint32_t events)
{
	struct watch *watch = arg;

	(void)events;
	loop_unwatch(watch->loop, &watch->writable);
	watch->output_due = true;
}

void
watch_init(struct watch *watch, struct loop *loop)
{
	watch->loop = loop;
	watch->writable.fd = -1;
	watch->writable.ready = has_room;
	watch->writable.arg = watch;
	watch->output_due = true;
}

void
watch_tell(struct watch *watch)
{
	watch->output_due = true;
}

void
watch_finish(struct watch *watch)
{
	watch->output_ends = true;
	watch->output_due = true;
}

bool
watch_has_more(const struct watch *watch)
{
	return watch->output != NULL && !watch->output_closed &&
	       (watch->output_due || watch->writable.fd != -1);
}

static int
write_output(struct watch *watch, struct err *err)
{
	/* The line about the run stands where the answers go. */
	struct progress *in_the_way =
	    export_is_on_terminal(watch->output) ? watch->progress : NULL;
	int more;
	int fd;

	if (watch->writable.fd != -1)
		return 0; /* no room yet */
	watch->output_due = false;
	progress_step_aside(in_the_way, true);
	more = export_follow(
	    watch->output, watch->output_ends ? NULL : watch->states, err);
	progress_step_aside(in_the_way, false);
	if (more == -1) {
		watch->output_closed = true;
		return -1;
	}
	watch->output_due = more == 1;
	fd = export_wait_fd(watch->output);
	if (fd != -1 &&
	    loop_watch(watch->loop, &watch->writable, fd, EPOLLOUT, err) == -1)
		return -1;
	return 0;
}

int
watch_turn(
    struct watch *watch, const char *note, int64_t now_ns, struct err *err)
{
	if (watch->progress != NULL)
		progress_tick(watch->progress, watch->stats, note, now_ns);
	if (watch->bulletin != NULL)
		bulletin_tick(watch->bulletin, watch->stats, now_ns);
	if (watch->metrics != NULL)
		metrics_tick(watch->metrics, watch->stats, now_ns);
	reporter_tick(watch->reporter, now_ns);
	if (watch->output == NULL || watch->output_closed || !watch->output_due)
		return 0;
	return write_output(watch, err);
}

int64_t
watch_due_ns(const struct watch *watch)
{
	int64_t due_ns = bulletin_due_ns(watch->bulletin);
	int64_t metrics_ns = metrics_due_ns(watch->metrics);
	int64_t reporter_ns = reporter_due_ns(watch->reporter);
	int64_t progress_ns = watch->progress != NULL
				  ? progress_due_ns(watch->progress)
				  : CLOCK_NEVER;

	if (watch->output != NULL && !watch->output_closed &&
	    watch->output_due && watch->writable.fd == -1)
		return 0;
	if (metrics_ns < due_ns)
		due_ns = metrics_ns;
	if (reporter_ns < due_ns)
		due_ns = reporter_ns;
	return progress_ns < due_ns ? progress_ns : due_ns;
}

void
watch_end(struct watch *watch)
{
	if (watch->loop != NULL)
		loop_unwatch(watch->loop, &watch->writable);
}
