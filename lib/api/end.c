/* SPDX-License-Identifier: ISC */
/*
 * How a run ends: the output is completed, the database left as one file, the
 * exit status chosen, and people are told.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/advice.h"
#include "api/journal.h"
#include "api/mill.h"
#include "api/words.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/text.h"
#include "data/scratch.h"
#include "llmill_run.h"
#include "view/bulletin.h"
#include "view/export.h"
#include "view/reporter.h"
#include "view/summary.h"

#define END_REASON_BYTES ((size_t)512) /* of an example */
#define END_SAVE_WITHIN_MS 5000	       /* for answers that wait in memory */
#define END_SAVE_IN_HASTE_MS 500       /* they are spilled, or we must leave */

static bool
is_whole(const struct mill *mill)
{
	return mill->stop.phase == STOP_NONE;
}

static const char *
run_status(const struct mill *mill)
{
	if (is_whole(mill))
		return "finished";
	return mill->stop.exit_status == STOP_EXIT_INTERRUPTED ? "interrupted"
							       : "stopped";
}

static int
exit_status(const struct mill *mill)
{
	int status = mill->stop.exit_status;

	if (mill->health != STORE_HEALTHY || mill->output_lost ||
	    mill->not_home || mill->report_lost)
		status = stop_stronger(status, STOP_EXIT_NOT_SAVED);
	if (mill->stats.failed + mill->stats.before_failed > 0)
		status = stop_stronger(status, STOP_EXIT_FAILED);
	return status;
}

/* Before the output is completed: it shows what is saved, wherever. */
static void
settle_store(struct mill *mill)
{
	bulletin_end(mill->bulletin);
	mill->bulletin = NULL;
	if (mill->store == NULL)
		return;
	store_settle(mill->store,
	    is_whole(mill) && store_health(mill->store, NULL) != STORE_SPILLED
		? END_SAVE_WITHIN_MS
		: END_SAVE_IN_HASTE_MS);
}

static void
close_output(struct mill *mill)
{
	bool was_said = export_is_broken(mill->output);
	struct err err = {0};

	if (mill->output == NULL)
		return;
	if (!is_whole(mill) && export_part_path(mill->output) != NULL)
		mill->output_part = strdup(export_part_path(mill->output));
	if (export_close(mill->output, is_whole(mill), &err) == -1) {
		if (!was_said)
			log_say(LOG_ERROR, "%s", err.text);
		mill->output_lost = true;
	}
	mill->output = NULL;
}

static void
close_store(struct mill *mill, char *spill_path, size_t size)
{
	const char *path;

	if (mill->store == NULL)
		return;
	scratch_recall(mill->scratch);
	reporter_recall(mill->reporter);
	path = store_spill_path(mill->store);
	if (path == NULL)
		path = store_path(mill->store); /* rescued, elsewhere */
	if ((mill->db_is_ours || mill->coord == NULL) &&
	    mill->stats.attempts == 0 && store_discard_if_unused(mill->store)) {
		free(mill->db_path);
		mill->db_path = NULL;
		mill->store = NULL;
		return;
	}
	if (path != NULL)
		snprintf(spill_path, size, "%s", path);
	/* It is settled: what waits still has had its time. */
	mill->health = store_close(mill->store, run_status(mill), 0);
	mill->store = NULL;
}

/* Slurm tells more than once that time is nearly up: there is no better use of
 * what is left. Only a person ends this. */
static bool
is_interrupted(void *arg)
{
	struct mill *mill = arg;
	bool told = false;
	int number;

	while ((number = signals_next(&mill->signals)) != 0)
		told |= number == SIGINT;
	return told;
}

/* Of the database where it is now; one that is spilled or elsewhere has told
 * people so. */
static void
write_report(struct mill *mill)
{
	bool is_there =
	    mill->db_path != NULL && !mill->stands_in && !mill->not_home;
	struct err err = {0};

	if (reporter_end(mill->reporter, is_there ? mill->db_path : NULL,
		is_interrupted, mill, &err) == -1) {
		log_say(LOG_ERROR, "%s; llmill report makes it", err.text);
		mill->report_lost = true;
	}
	mill->report_made = is_there && !mill->report_lost;
	mill->reporter = NULL;
}

static void
bring_home(struct mill *mill)
{
	struct err err = {0};

	if (scratch_close(mill->scratch, is_interrupted, mill, &err) == -1) {
		log_say(LOG_ERROR, "%s; the same command here brings it there",
		    err.text);
		mill->not_home = true;
	}
	mill->scratch = NULL;
}

/* Gives the file that holds all answers: nothing stays in a terminal or pipe,
 * and of a run that stopped there is but a part. */
static const char *
output_path(const struct mill *mill)
{
	const char *path = mill->conf->output;

	if (path == NULL || mill->output_lost || !is_whole(mill) ||
	    strcmp(path, "-") == 0 || strcmp(path, "/dev/stdout") == 0)
		return NULL;
	return path;
}

/* What to do about a backend that cannot be used. */
static const char *
advice(const struct mill *mill)
{
	if (is_whole(mill) || mill->stop.exit_status != STOP_EXIT_BACKEND)
		return NULL;
	return advice_on(mill->stop.last, &mill->backend);
}

/* However slow the reader is, it gets all; but nobody has to wait for it who
 * wants to leave. Gives 0, or -1 with errno. */
static int
tell(struct mill *mill, int fd, const char *text)
{
	struct pollfd looks[] = {
	    {.fd = fd, .events = POLLOUT},
	    {.fd = mill->signals.fd, .events = POLLIN},
	};
	size_t left = fd != -1 && text != NULL ? strlen(text) : 0;

	while (left > 0) {
		ssize_t wrote = fd_write_ready(fd, text, left);

		if (wrote == -1)
			return -1;
		text += wrote;
		left -= (size_t)wrote;
		if (left > 0 && poll(looks, 2, -1) > 0 &&
		    looks[0].revents == 0 && mill_is_told_to_stop(mill))
			break;
	}
	return 0;
}

/* Why did the first prompt of each cause fail? Read from the database, while
 * it is open: it is the only one that knows. */
static void
read_examples(struct mill *mill)
{
	buf_init(&mill->reasons, WORDS_MAX_BYTES);
	/* Nothing moves that spans point to: room for all comes first. */
	if (mill->store == NULL || mill->stats.failed == 0 ||
	    buf_reserve(&mill->reasons, OUTCOME_COUNT * END_REASON_BYTES) ==
		NULL)
		return;
	for (unsigned i = 0; i < OUTCOME_COUNT; i++) {
		struct line_example *example = &mill->examples[i];
		size_t from = mill->reasons.size;
		struct store_row row;

		if (mill->stats.failed_by[i] == 0 ||
		    store_read_row(
			mill->store, mill->first_failed[i], &row, NULL) == -1 ||
		    row.state != STORE_FAILED) /* it was tried again */
			continue;
		text_one_line(&mill->reasons,
		    row.error.data != NULL ? row.error : row.result,
		    END_REASON_BYTES - 8);
		example->id = row.id;
		example->reason = (struct span){
		    mill->reasons.data + from, mill->reasons.size - from};
	}
}

/* Gives the status, or another when the summary cannot be written. */
static int
say_summary(struct mill *mill, const char *spill_path, int status)
{
	const struct llmill_run_conf *conf = mill->conf;
	struct buf next;
	struct buf text;
	struct summary_facts facts = {
	    .stats = &mill->stats,
	    .exit_status = status,
	    .examples = mill->examples,
	    .columns = fd_columns(conf->screen_fd),
	    .stop_reason = is_whole(mill) ? NULL : mill->stop.reason,
	    .advice = advice(mill),
	    .db_path = mill->stands_in ? NULL : mill->db_path,
	    .spill_path = mill->health == STORE_SPILLED ? spill_path : NULL,
	    .output_path = output_path(mill),
	    .report_path = mill->report_made ? conf->report : NULL,
	    .output_part = mill->output_lost ? NULL : mill->output_part,
	    .left = mill->count - mill->counts.answered - mill->counts.failed -
		    mill->stats.answered - mill->stats.failed - mill->bad_count,
	};

	buf_init(&next, WORDS_MAX_BYTES);
	buf_init(&text, WORDS_MAX_BYTES);
	put_next_command(&next, conf, mill->db_path,
	    is_whole(mill) && mill->health == STORE_HEALTHY &&
		!mill->output_lost && !mill->not_home,
	    facts.left > 0);
	facts.next_command = next.size > 0 ? next.data : NULL;
	if (mill->health == STORE_TROUBLED)
		log_say(LOG_ERROR,
		    "answers could be saved nowhere, not even in a spill file: "
		    "their prompts stay open");
	if (conf->verbosity >= 0 && conf->screen_fd != -1) {
		summary_render(&facts, &text);
		(void)tell(mill, mill_screen_fd(mill), text.data);
	}
	if (conf->json) {
		buf_clear(&text);
		summary_render_json(&facts, &text);
		if (text.failed ||
		    tell(mill, conf->result_fd, text.data) == -1) {
			log_say(LOG_ERROR,
			    "cannot write to standard output: %s",
			    strerror(text.failed ? ENOMEM : errno));
			status = stop_stronger(status, STOP_EXIT_NOT_SAVED);
		}
	}
	buf_clear(&text);
	facts.columns = 0;
	summary_render(&facts, &text);
	journal_end(text.data);
	buf_free(&next);
	buf_free(&text);
	return status;
}

static void
tell_results(struct mill *mill)
{
	static const enum llmill_result_state states[] = {
	    [STORE_OPEN] = LLMILL_RESULT_OPEN,
	    [STORE_ANSWERED] = LLMILL_RESULT_ANSWERED,
	    [STORE_FAILED] = LLMILL_RESULT_FAILED,
	};
	struct store_row row;

	for (uint32_t i = 0; mill->conf->on_result != NULL && i < mill->count;
	     i++) {
		struct llmill_result result = {.index = i};

		if (store_read_row(mill->store, i, &row, NULL) == 0) {
			result.state = states[row.state];
			result.text = row.result.data;
			result.text_size = row.result.size;
		}
		mill->conf->on_result(mill->conf->on_result_arg, &result);
	}
}

int
mill_finish(struct mill *mill)
{
	char spill_path[PATH_MAX] = "";
	int status;

	settle_store(mill);
	close_output(mill);
	tell_results(mill);
	read_examples(mill);
	close_store(mill, spill_path, sizeof(spill_path));
	bring_home(mill);
	write_report(mill);
	status = say_summary(mill, spill_path, exit_status(mill));
	buf_free(&mill->reasons);
	return status;
}

void
mill_abandon(struct mill *mill)
{
	char spill_path[PATH_MAX];

	if (mill->output != NULL)
		export_close(mill->output, false, NULL);
	mill->output = NULL;
	stop_ask(&mill->stop, STOP_EXIT_EARLY, ""); /* not "finished" */
	settle_store(mill);
	close_store(mill, spill_path, sizeof(spill_path));
	bring_home(mill);
	reporter_end(mill->reporter, NULL, NULL, NULL, NULL);
	mill->reporter = NULL;
}
