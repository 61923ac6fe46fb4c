/* SPDX-License-Identifier: ISC */
#ifndef LLMILL_DB_H
#define LLMILL_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "llmill_run.h"

#include "llmill_abi.h"

LLMILL_BEGIN

/*
 * Databases that are only looked at: nothing is changed, not a byte of the
 * file or of its directory, also while a run writes into it. Each call reads
 * one moment. One call makes a new database of several.
 */

/* Text about one database; free with llmill_text_free. */
struct llmill_text {
	char *data; /* NUL-terminated; NULL: none */
	size_t size;
	bool is_running; /* a coordinator works on the database */
};

void llmill_text_free(struct llmill_text *text);

/*
 * Find the newest llm_results_*.db of the current directory.
 * Takes size bytes at path. Gives LLMILL_EXIT_OK, or LLMILL_EXIT_USAGE with
 * err when there is none.
 */
int llmill_newest(char *path, size_t size, struct llmill_err *err);

/*
 * Say what a database holds: prompts by state, failures by cause, the last
 * run, latency, tokens. A block for people, as wide as the terminal screen_fd
 * (-1: none) allows, or (json) an object on one line.
 * Gives LLMILL_EXIT_OK with text; else err: LLMILL_EXIT_INPUT for what is no
 * database of prompts, LLMILL_EXIT_EARLY for one that another program locks.
 */
int llmill_status(const char *path, bool json, int screen_fd,
    struct llmill_text *text, struct llmill_err *err);

/*
 * Check a database: the file, the ids, the sha256 of every answer.
 * Gives LLMILL_EXIT_OK with text; LLMILL_EXIT_INPUT with text and an empty
 * err when something was found; else err as llmill_status.
 */
int llmill_verify(
    const char *path, struct llmill_text *text, struct llmill_err *err);

/* Strings are lent. */
struct llmill_export_conf {
	const char *path;   /* of the database */
	const char *output; /* FILE, which grows as FILE.part, or "-" */
	struct llmill_output answers;
};

/*
 * Write the answers of a database, in the order of the prompts, as a run does
 * with -o; open ones too. Waits for a slow reader. SIGPIPE must be ignored or
 * blocked.
 * Gives LLMILL_EXIT_OK; else err: as llmill_status, LLMILL_EXIT_USAGE for a
 * field that there is not, LLMILL_EXIT_NOT_SAVED for what cannot be written;
 * LLMILL_EXIT_EARLY without text when the reader went away.
 */
int llmill_export(
    const struct llmill_export_conf *conf, struct llmill_err *err);

/* Strings are lent. */
struct llmill_report_conf {
	const char *path;	      /* of the page */
	const char *const *databases; /* one or more, then NULL */
	bool take_signals;	      /* SIGINT, SIGTERM and others stop it */
};

/*
 * Write a page that shows databases in a browser, with plots and a table of
 * their prompts. It needs nothing beside it and appears whole or not at all.
 * Gives LLMILL_EXIT_OK; else err: as llmill_status, LLMILL_EXIT_NOT_SAVED when
 * it cannot be written, LLMILL_EXIT_EARLY when stopped
 * (LLMILL_EXIT_INTERRUPTED by SIGINT).
 */
int llmill_report(
    const struct llmill_report_conf *conf, struct llmill_err *err);

/* Strings are lent. */
struct llmill_merge_conf {
	const char *path; /* of the new one; only a merge that nobody has
			     worked on since may be there */
	const char *const *shards; /* one or more, then NULL */
	int screen_fd;		   /* warnings go here (stderr); -1 none */
	int result_fd;		   /* text is laid out for it (stdout); -1:
				      for no terminal */
	bool json;		   /* text is an object on one line */
	bool partial;	   /* what there is, whatever is lacking or differs */
	bool take_signals; /* SIGINT, SIGTERM and others stop it */
};

/*
 * Make one database of several that hold answers to the same prompts, or to
 * parts of them. Of a prompt that several hold an answer is taken before a
 * failure, a failure before an open one, of equal ones the first named
 * database's. All runs and attempts are kept. The new file appears whole or not
 * at all.
 * Gives LLMILL_EXIT_OK with text; else err, and nothing is left:
 * LLMILL_EXIT_USAGE when something else is at path or a database is named
 * twice; LLMILL_EXIT_INPUT for what is no database, when two have different
 * prompts under one id, and, unless partial, for plans or answers that differ,
 * shards of another list, or that are not finished or not there: each is said;
 * LLMILL_EXIT_EARLY while one is being worked on, and when stopped
 * (LLMILL_EXIT_INTERRUPTED by SIGINT); LLMILL_EXIT_NOT_SAVED when the new one
 * cannot be written.
 */
int llmill_merge(const struct llmill_merge_conf *conf, struct llmill_text *text,
    struct llmill_err *err);

/* A run as a batch job; strings are lent. */
struct llmill_slurm_conf {
	const char *program;
	const char *const *words; /* of the run, behind its name; NULL ends */
	uint32_t shards;	  /* of --shard auto/N among them; 0: none */
	uint32_t at_once;	  /* tasks of the array; 0: all */
	bool one_job;	/* a node for each shard in one job, no array */
	const char *db; /* of --db among them; NULL: there is none */
};

/* Make a batch script for Slurm. Gives LLMILL_EXIT_OK with text; else err. */
int llmill_slurm_script(const struct llmill_slurm_conf *conf,
    struct llmill_text *text, struct llmill_err *err);

/*
 * Tell the run that works on a database something, or ask it: an order is a
 * JSON object, {"order":"pause"} (llmill(1), ctl). Waits up to 10 s.
 * Gives LLMILL_EXIT_OK with its answer, {"ok":true,"text":…}; else err:
 * LLMILL_EXIT_BACKEND when no run can be reached, LLMILL_EXIT_INPUT for a path
 * that leads nowhere, LLMILL_EXIT_EARLY when interrupted.
 */
int llmill_order(const char *path, const char *order,
    struct llmill_text *answer, struct llmill_err *err);

/* Write the text of an answer to out, size bytes. Gives whether it was ok. */
bool llmill_said(const char *answer, char *out, size_t size);

/* How the answer to {"order":"status"} is to be drawn; strings are lent. */
struct llmill_draw_conf {
	const char *name;    /* of the database */
	unsigned columns;    /* of the screen; 0: none, 80 */
	unsigned rows;	     /* 0: as many as there are */
	bool colour;	     /* SGR sequences may be used */
	const char *message; /* the last line but one; NULL none */
	const char *keys;    /* the last line; NULL none */
};

/* Gives LLMILL_EXIT_OK with text, else err. */
int llmill_draw(const struct llmill_draw_conf *conf, const char *panel,
    struct llmill_text *text, struct llmill_err *err);

LLMILL_END

#endif
