/* SPDX-License-Identifier: ISC */
/*
 * llmill status: a block per database, once, or every second while a run goes
 * on. Nothing is held between two looks, and an interrupt may end it anywhere:
 * there is nothing to put back.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "llmill_db.h"
#include "say.h"
#include "screen.h"

#define WATCH_EVERY_MS 1000
#define HOME "\x1b[H"	  /* to the upper left */
#define LINE_END "\x1b[K" /* what stood behind goes */
#define REST_END "\x1b[J" /* and what stood below */

/* What one look at all databases brought. */
struct sight {
	bool any_running;
	int status;	       /* the first that was not 0 */
	struct llmill_err err; /* of that one, when it could not be read */
};

/* Print text; on a screen that is drawn anew, over what stood there. */
static void
print_text(const char *text, bool over)
{
	for (; over && *text; text++) {
		if (*text == '\n')
			fputs(LINE_END, stdout);
		putchar(*text);
	}
	fputs(text, stdout);
}

static struct sight
look(const struct opts *opts)
{
	struct sight sight = {.status = LLMILL_EXIT_OK};

	for (size_t i = 0; i < opts->inputs.count; i++) {
		struct llmill_text text;
		struct llmill_err err;
		int status = llmill_status(opts->inputs.items[i],
		    opts->conf.json, STDOUT_FILENO, &text, &err);

		if (text.data) {
			print_text(text.data, opts->watch);
			fflush(stdout); /* in order with stderr */
			sight.any_running |= text.is_running;
		} else if (!opts->watch) {
			say_error(err.text);
		}
		llmill_text_free(&text);
		if (sight.status == LLMILL_EXIT_OK &&
		    status != LLMILL_EXIT_OK) {
			sight.status = status;
			sight.err = err;
		}
	}
	return sight;
}

static int
watch(const struct opts *opts)
{
	struct sight sight;
	bool quit;

	/* One that can be asked has more to say, and keys; when it is over the
	 * rest is said as ever. */
	if (opts->inputs.count == 1 && isatty(STDIN_FILENO) &&
	    screen_watch(opts->inputs.items[0], &quit))
		return quit ? LLMILL_EXIT_OK : look(opts).status;
	fputs(HOME REST_END, stdout);
	for (;;) {
		fputs(HOME, stdout);
		sight = look(opts);
		fputs(REST_END, stdout);
		if (fflush(stdout) != 0)
			return sight.status;
		/* Below what is drawn: nothing is drawn over it any more. */
		if (sight.status != LLMILL_EXIT_OK)
			say_error(sight.err.text);
		if (sight.status != LLMILL_EXIT_OK || !sight.any_running)
			return sight.status;
		(void)poll(NULL, 0, WATCH_EVERY_MS);
	}
}

/* Is there a screen that can be drawn anew? */
static int
check_watch(const struct opts *opts, struct llmill_err *err)
{
	const char *term = getenv("TERM");

	if (!opts->watch)
		return 0;
	if (opts->conf.json)
		return say_refuse(err,
		    "--watch and --json exclude each other: one is for "
		    "people, one for scripts");
	if (!isatty(STDOUT_FILENO))
		return say_refuse(err,
		    "--watch draws on a terminal, but standard output is "
		    "none; without it the status is printed once");
	if (!term || !term[0] || strcmp(term, "dumb") == 0)
		return say_refuse(err,
		    "--watch draws on the terminal, but this one cannot "
		    "($TERM); without it the status is printed once");
	return 0;
}

int
cmd_status(const char *const *words)
{
	struct llmill_err err = {0};
	struct opts opts;
	int status = LLMILL_EXIT_USAGE;

	if (cmd_begin_look(&opts, OPTS_STATUS, words, &status)) {
		if (check_watch(&opts, &err) < 0) {
			say_error(err.text);
			status = err.status;
		} else {
			status = opts.watch ? watch(&opts) : look(&opts).status;
		}
	}
	opts_free(&opts);
	return status;
}
