/* SPDX-License-Identifier: ISC */
#include "chat/verdict.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/tail.h"
#include "base/text.h"
#include "chat/errand.h"
#include "wire/reap.h"

/* POSIX shells, env(1), nohup(1). */
#define STATUS_CANNOT_RUN 126
#define STATUS_NOT_FOUND 127

enum outcome
verdict_of_start(struct buf *error, const char *name, int number, bool in_exec)
{
	buf_printf(error, "cannot %s %s: %s",
	    in_exec ? "run" : "start a process for", name, strerror(number));
	if (number == ENOMEM)
		return OUTCOME_OUT_OF_MEMORY;
	/* Too many processes, open files: another time. */
	if (!in_exec || number == EAGAIN || number == EMFILE ||
	    number == ENFILE)
		return OUTCOME_OVERLOADED;
	if (number == ENOEXEC)
		buf_add_text(error,
		    ": it is no program, and a script wants a first line such "
		    "as #!/bin/sh");
	return OUTCOME_NO_COMMAND;
}

bool
verdict_of_ending(struct buf *error, const struct errand *errand,
    const char *awaited, int64_t patience_ns, enum outcome *outcome)
{
	switch (errand->ending) {
	case ERRAND_GIVEN_UP:
		/* It was told to end: success then proves nothing. */
		buf_add_text(error, "interrupted");
		*outcome = OUTCOME_INTERRUPTED;
		return true;
	case ERRAND_TIMEOUT:
		buf_printf(error, "no %s within %g s", awaited,
		    (double)patience_ns / (double)CLOCK_S);
		verdict_put_words(error, &errand->tail);
		*outcome = OUTCOME_TIMEOUT_TOTAL;
		return true;
	case ERRAND_TOO_LONG:
		*outcome = OUTCOME_TOO_LONG; /* in words of the worker */
		return true;
	case ERRAND_NO_MEMORY:
		buf_add_text(error, "no memory for the answer");
		*outcome = OUTCOME_OUT_OF_MEMORY;
		return true;
	case ERRAND_LINE:
	case ERRAND_ITSELF:
		break;
	}
	return false;
}

bool
verdict_cannot_run(const struct death *death)
{
	return !death->signalled && (death->number == STATUS_CANNOT_RUN ||
					death->number == STATUS_NOT_FOUND);
}

void
verdict_put_words(struct buf *error, const struct tail *tail)
{
	struct buf line;

	buf_init(&line, TAIL_BYTES);
	text_one_line(&line, tail_span(tail), 0);
	if (line.size > 0) {
		buf_add_text(error, ": ");
		text_escape(error, buf_span(&line), 0);
	}
	buf_free(&line);
}
