/* SPDX-License-Identifier: ISC */
#ifndef LLMILL_H
#define LLMILL_H

#include <stdbool.h>
#include <stddef.h>

#include "llmill_abi.h"

LLMILL_BEGIN

/*
 * Map texts through a function of yours, in processes of their own: one that
 * crashes or hangs costs its own prompt at most. Nothing is printed, no signal
 * handler installed. All other options: llmill_run.h. An example: llmill(3).
 *
 *	struct llmill *mill = llmill_open(&conf, &err);
 *	struct llmill_results *results =
 *	    llmill_process_prompts(mill, prompts, count, &err);
 *	for (size_t i = 0; i < count; i++)
 *		puts(llmill_results_text(results, i, NULL));
 *	llmill_results_free(results);
 *	llmill_close(mill);
 */

/* What went wrong: one sentence that says what, which, why, what to do. */
struct llmill_err {
	int status; /* an exit status of the program */
	char text[2048];
};

/*
 * Answer a prompt. Gives a text that free takes; or NULL, with *error NULL or
 * a sentence that free takes, and the prompt is tried again. It runs in a
 * child of this process, which is a copy of it as it was when prompts were
 * processed: what it changes in memory is not seen here.
 */
typedef char *llmill_chat_fn(void *arg, const char *prompt, char **error);

struct llmill_conf {
	llmill_chat_fn *chat_fn;
	void *chat_arg;
	int num_workers;	 /* >= 1 */
	int retry_attempts;	 /* >= 0: tries in all; 0 and 1 mean one */
	double retry_delay;	 /* >= 0: s before the second, then doubled */
	double timeout;		 /* > 0: s for one call, then it is killed */
	bool save_to_db;	 /* keep each result at once */
	const char *db_filename; /* NULL: llm_results_YYYYMMDD_HHMMSS.db */

	/* Called here, from time to time; NULL: never. */
	void (*progress)(
	    void *arg, size_t answered, size_t failed, size_t total);
	void *progress_arg;

	/* A child of a process with threads has only the one that forked: a
	 * lock that another held stays locked in it for ever. Set this if
	 * chat_fn needs none of those; without it such a process is refused. */
	bool with_threads;
	bool isolate; /* daemons of chat_fn end with its child */
};

#define LLMILL_CONF_DEFAULT                                                    \
	{                                                                      \
		.num_workers = 4, .retry_attempts = 3, .retry_delay = 1.0,     \
		.timeout = 60.0,                                               \
	}

struct llmill;
struct llmill_results;

enum llmill_state {
	LLMILL_OPEN = 0, /* the run was stopped before */
	LLMILL_ANSWERED = 1,
	LLMILL_FAILED = 2,
};

/* Gives NULL with err, which names the field that is wrong. conf and its
 * strings are copied, chat_arg is lent. */
struct llmill *llmill_open(
    const struct llmill_conf *conf, struct llmill_err *err);

/*
 * Process them, and wait. Where the database makes trouble the work goes on:
 * llmill_results_trouble says what became of it. With the database of an
 * earlier run over the same prompts only what is open is done.
 * Gives NULL with err when nothing could be done (no processes, no memory,
 * threads).
 */
struct llmill_results *llmill_process_prompts(struct llmill *mill,
    const char *const *prompts, size_t count, struct llmill_err *err);

/* Read the results that a database holds. Gives NULL with err. */
struct llmill_results *llmill_recover(
    struct llmill *mill, const char *db_filename, struct llmill_err *err);

/* End llmill_process_prompts early: calls in flight may finish for 20 s, what
 * is not done stays open. For other threads and signal handlers as well. */
void llmill_stop(struct llmill *mill);

void llmill_close(struct llmill *mill);

/* Results are in the order of the prompts, from 0. */
size_t llmill_results_count(const struct llmill_results *results);
enum llmill_state llmill_results_state(
    const struct llmill_results *results, size_t index);
bool llmill_results_ok(const struct llmill_results *results, size_t index);

/* Gives the answer, "Error: Failed after N attempts: reason", or "" for an open
 * one; with a NUL behind its *size (may be NULL) bytes. */
const char *llmill_results_text(
    const struct llmill_results *results, size_t index, size_t *size);

/* Why results are not all in the database, or NULL. */
const char *llmill_results_trouble(const struct llmill_results *results);

void llmill_results_free(struct llmill_results *results);

LLMILL_END

#endif
