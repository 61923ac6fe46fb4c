/* SPDX-License-Identifier: ISC */
/*
 * What signals mean to a run: most are stop's business; job control is ours.
 * Time that we were stopped is nobody's.
 */
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/signals.h"
#include "run/coord_impl.h"

const int coord_signals[] = {
    SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGTSTP, SIGCONT, 0};

/* A drain is not put off: who sent SIGTERM does not sleep. */
static void
forgive(struct coord *coord, int64_t slept_ns)
{
	pool_shift(coord->pool, slept_ns);
	route_shift(&coord->route, slept_ns);
}

static void
sleep_with_workers(struct coord *coord)
{
	int64_t before_ns = clock_now_ns();

	/* Not SIGSTOP: a worker whose command has to sleep as well must hear
	 * of it. */
	pool_signal_all(coord->pool, SIGTSTP);
	raise(SIGSTOP);
	coord->now_ns = clock_now_ns();
	coord->nap.seen_ns = coord->now_ns;
	forgive(coord, coord->now_ns - before_ns);
	pool_signal_all(coord->pool, SIGCONT);
}

static void
take_signal(struct coord *coord, int number)
{
	if (number == SIGTSTP) {
		sleep_with_workers(coord);
	} else if (number == SIGCONT) {
		/* Stopped from outside, if this turn took long. */
		coord->continued = true;
		pool_signal_all(coord->pool, SIGCONT);
	} else {
		log_say(LOG_INFO, "received %s", strsignal(number));
		stop_signal(coord->conf.stop, number, clock_now_ns());
	}
}

void
coord_hear_signals(struct coord *coord)
{
	int number;

	if (coord->conf.signals == NULL)
		return;
	while ((number = signals_next(coord->conf.signals)) != 0)
		take_signal(coord, number);
}

static void
signals_ready(void *arg, uint32_t events)
{
	(void)events;
	coord_hear_signals(arg);
}

static void
hear_stop(void *arg, uint32_t events)
{
	struct coord *coord = arg;
	uint64_t count;

	(void)events;
	if (read(coord->conf.stop_fd, &count, sizeof(count)) ==
	    (ssize_t)sizeof(count))
		stop_signal(coord->conf.stop, SIGTERM, clock_now_ns());
}

static int
watch_stop(struct coord *coord, struct err *err)
{
	if (coord->conf.stop_fd == -1)
		return 0;
	coord->stop_watch.ready = hear_stop;
	coord->stop_watch.arg = coord;
	return loop_watch(
	    coord->loop, &coord->stop_watch, coord->conf.stop_fd, EPOLLIN, err);
}

int
coord_watch_signals(struct coord *coord, struct err *err)
{
	if (watch_stop(coord, err) == -1)
		return -1;
	if (coord->conf.signals == NULL || coord->conf.signals->fd == -1)
		return 0;
	coord->signals_watch.ready = signals_ready;
	coord->signals_watch.arg = coord;
	return loop_watch(coord->loop, &coord->signals_watch,
	    coord->conf.signals->fd, EPOLLIN, err);
}

/* A SIGCONT alone does not tell that we were stopped: batch systems send it to
 * those who run. */
void
coord_forgive_sleep(struct coord *coord)
{
	int64_t slept_ns = clock_nap_slept_ns(&coord->nap, coord->now_ns);

	if (coord->continued)
		forgive(coord, slept_ns);
	coord->continued = false;
}
