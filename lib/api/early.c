/* SPDX-License-Identifier: ISC */
/*
 * What a run may have to wait for before its loop: a server that says which
 * model it has. Signals are heard here, too.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>

#include <bsd/string.h>

#include "api/advice.h"
#include "api/mill.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "llmill_run.h"

#define EARLY_ASK_AGAIN_MS 1000 /* for the model, of a server to come */
#define EARLY_WAIT_FIRST (30 * CLOCK_S)

bool
mill_has_terminal(void)
{
	int fd = open("/dev/tty", O_RDONLY | O_CLOEXEC | O_NOCTTY);
	bool has = fd != -1;

	fd_close(&fd);
	return has;
}

int64_t
mill_wait_first_ns(const struct mill *mill)
{
	int64_t wait_ns = mill->conf->wait_server_ns;

	return wait_ns < 0 ? EARLY_WAIT_FIRST : wait_ns;
}

bool
mill_is_told_to_stop(struct mill *mill)
{
	bool told = false;
	int number;

	while ((number = signals_next(&mill->signals)) != 0) {
		if (number == SIGTSTP) {
			raise(SIGSTOP);
		} else if (number != SIGCONT) {
			stop_signal(&mill->stop, number, clock_now_ns());
			told = true;
		}
	}
	return told;
}

/* A backend that cannot be used: what to do? Gives -1. */
static int
add_advice(const struct mill *mill, enum outcome outcome, struct err *err)
{
	const char *advice = advice_on(outcome, &mill->backend);

	if (err->class == ERR_BACKEND && advice != NULL) {
		strlcat(err->text, ". ", sizeof(err->text));
		strlcat(err->text, advice, sizeof(err->text));
	}
	return -1;
}

/* A server that is not up yet is waited for like any other. */
int
mill_find_model(struct mill *mill, struct err *err)
{
	int64_t until_ns = clock_add(clock_now_ns(), mill_wait_first_ns(mill));
	int stop_fd = mill->signals.fd;
	struct pollfd stop = {.fd = stop_fd, .events = POLLIN};
	enum outcome outcome = OUTCOME_OK;
	bool said = false;

	while (
	    backend_find_model(&mill->backend, stop_fd, &outcome, err) == -1) {
		int64_t before_ns = clock_now_ns();

		if (mill_is_told_to_stop(mill))
			return -1;
		if (!outcome_trait(outcome)->retries || before_ns >= until_ns)
			return add_advice(mill, outcome, err);
		until_ns = clock_add(until_ns, clock_now_ns() - before_ns);
		if (!said)
			log_say(LOG_NOTE, "%s; waiting for it", err->text);
		said = true;
		poll(&stop, 1, EARLY_ASK_AGAIN_MS);
	}
	return 0;
}
