/* SPDX-License-Identifier: ISC */
/*
 * Looking at databases, and making one of several, behind the public header:
 * read, then render.
 */
#include "llmill_db.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/outlet.h"
#include "api/words.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/signals.h"
#include "data/archive.h"
#include "data/merge.h"
#include "data/store.h"
#include "data/survey.h"
#include "data/verify.h"
#include "view/bulletin.h"
#include "view/merged.h"
#include "view/report.h"
#include "view/slurm_script.h"
#include "view/status.h"

void
llmill_text_free(struct llmill_text *text)
{
	free(text->data);
	*text = (struct llmill_text){0};
}

static int
refuse(struct llmill_err *err, const struct err *why)
{
	err->status = status_of(why->class);
	snprintf(err->text, sizeof(err->text), "%s", why->text);
	return err->status;
}

/* Hand over what was rendered (taken). Gives status. */
static int
give(struct llmill_text *text, struct buf *out, int status,
    struct llmill_err *err)
{
	struct err why;

	if (out->failed) {
		buf_free(out);
		err_set_memory(&why, "the text");
		return refuse(err, &why);
	}
	text->data = out->data;
	text->size = out->size;
	err->status = status;
	return status;
}

int
llmill_newest(char *path, size_t size, struct llmill_err *err)
{
	struct err why;

	err->text[0] = '\0';
	if (store_find_newest(".", path, size))
		return LLMILL_EXIT_OK;
	err_set(&why, ERR_USAGE,
	    "there is no llm_results_*.db here; name a database");
	return refuse(err, &why);
}

int
llmill_status(const char *path, bool json, int screen_fd,
    struct llmill_text *text, struct llmill_err *err)
{
	struct survey survey;
	struct err why = {0};
	struct buf out;

	err->text[0] = '\0';
	*text = (struct llmill_text){0};
	buf_init(&out, STATUS_MAX_BYTES);
	if (bulletin_read(path, json, &out)) {
		text->is_running = true;
		return give(text, &out, LLMILL_EXIT_OK, err);
	}
	if (survey_read(&survey, path, &why) == -1) {
		survey_free(&survey);
		return refuse(err, &why);
	}
	if (json)
		status_render_json(&survey, &out);
	else
		status_render(&survey, fd_columns(screen_fd), &out);
	text->is_running = survey.is_running;
	survey_free(&survey);
	return give(text, &out, LLMILL_EXIT_OK, err);
}

int
llmill_verify(
    const char *path, struct llmill_text *text, struct llmill_err *err)
{
	struct verify verify;
	struct err why = {0};
	struct buf out;
	int status;

	err->text[0] = '\0';
	*text = (struct llmill_text){0};
	if (verify_read(&verify, path, &why) == -1) {
		verify_free(&verify);
		return refuse(err, &why);
	}
	buf_init(&out, STATUS_MAX_BYTES);
	status_render_verify(&verify, &out);
	status = verify_is_sound(&verify) ? LLMILL_EXIT_OK : LLMILL_EXIT_INPUT;
	verify_free(&verify);
	return give(text, &out, status, err);
}

static int
read_archive(void *arg, uint32_t index, struct store_row *row, struct err *err)
{
	return archive_read(arg, index, row, err);
}

static void
learn_fields(void *arg, struct span fields)
{
	columns_learn(arg, fields);
}

/* Write until all is out, however long a reader takes. Gives 0, or -1 with
 * err. */
static int
write_all(struct export *export, struct err *err)
{
	int more;

	while ((more = export_follow(export, NULL, err)) == 1 ||
	       (more == 0 && export_wait_fd(export) != -1)) {
		struct pollfd room = {
		    .fd = export_wait_fd(export), .events = POLLOUT};

		if (more == 0)
			poll(&room, 1, -1);
	}
	return more;
}

static int
export_archive(struct archive *archive, struct outlet *outlet,
    const struct llmill_export_conf *conf, struct err *err)
{
	const struct export_rows rows = {read_archive, archive};
	struct export *export;

	if (outlet->has_columns && (archive_each_fields(archive, learn_fields,
					&outlet->columns, err) == -1 ||
				       columns_choose(&outlet->columns,
					   conf->answers.fields, err) == -1))
		return -1;
	export = export_open(conf->output, &outlet->style,
	    outlet_columns(outlet), rows, archive->count, err);
	if (export == NULL)
		return -1;
	if (write_all(export, err) == -1) {
		export_close(export, false, NULL);
		return -1;
	}
	return export_close(export, true, err);
}

/* What the database or the options are to blame for is told by refuse. */
static int
refuse_export(struct llmill_err *err, const struct err *why)
{
	refuse(err, why);
	if (why->class == ERR_SYSTEM || why->class == ERR_MEMORY)
		err->status = LLMILL_EXIT_NOT_SAVED;
	if (why->class == ERR_SYSTEM && why->number == EPIPE) {
		err->status = LLMILL_EXIT_EARLY;
		err->text[0] = '\0';
	}
	return err->status;
}

int
llmill_export(const struct llmill_export_conf *conf, struct llmill_err *err)
{
	struct archive archive;
	struct outlet outlet;
	struct err why = {0};
	int done = outlet_init(&outlet, &conf->answers, conf->output, &why);

	err->text[0] = '\0';
	err->status = LLMILL_EXIT_OK;
	if (done == 0)
		done = archive_open(&archive, conf->path, &why);
	if (done == 0) {
		done = export_archive(&archive, &outlet, conf, &why);
		archive_close(&archive);
	}
	outlet_free(&outlet);
	return done == 0 ? LLMILL_EXIT_OK : refuse_export(err, &why);
}

/* Whatever the machine refused: there is no new file. */
static int
refuse_made(struct llmill_err *err, const struct err *why, int signal)
{
	refuse(err, why);
	if (why->class == ERR_SYSTEM)
		err->status = LLMILL_EXIT_NOT_SAVED;
	if (signal == SIGINT)
		err->status = LLMILL_EXIT_INTERRUPTED;
	return err->status;
}

/* Signals that end a merge, and the first that came. */
struct interrupt {
	struct signals signals;
	int came; /* 0 none */
};

static bool
interrupt_came(void *arg)
{
	struct interrupt *interrupt = arg;

	if (interrupt->came == 0)
		interrupt->came = signals_next(&interrupt->signals);
	return interrupt->came != 0;
}

static const int ending[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, 0};

int
llmill_report(const struct llmill_report_conf *conf, struct llmill_err *err)
{
	struct interrupt interrupt = {.signals.fd = -1};
	const struct report_conf how = {
	    .path = conf->path,
	    .databases = conf->databases,
	    .hurry = interrupt_came,
	    .arg = &interrupt,
	};
	struct err why = {0};
	int done = 0;

	err->text[0] = '\0';
	err->status = LLMILL_EXIT_OK;
	if (conf->take_signals)
		done = signals_open(&interrupt.signals, ending, &why);
	if (done == 0)
		done = report_make(&how, &why);
	signals_close(&interrupt.signals);
	return done == 0 ? LLMILL_EXIT_OK
			 : refuse_made(err, &why, interrupt.came);
}

int
llmill_merge(const struct llmill_merge_conf *conf, struct llmill_text *text,
    struct llmill_err *err)
{
	struct interrupt interrupt = {.signals.fd = -1};
	const struct merge_conf how = {
	    .path = conf->path,
	    .shards = conf->shards,
	    .partial = conf->partial,
	    .is_stopped = interrupt_came,
	    .arg = &interrupt,
	};
	struct merge merge = {0};
	struct err why = {0};
	struct buf out;
	int done = 0;

	err->text[0] = '\0';
	*text = (struct llmill_text){0};
	log_set_screen(conf->screen_fd, LOG_WARN, NULL, NULL);
	if (conf->take_signals)
		done = signals_open(&interrupt.signals, ending, &why);
	if (done == 0)
		done = merge_make(&merge, &how, &why);
	signals_close(&interrupt.signals);
	log_set_screen(-1, LOG_ERROR, NULL, NULL);
	if (done == -1) {
		merge_free(&merge);
		return refuse_made(err, &why, interrupt.came);
	}
	buf_init(&out, STATUS_MAX_BYTES);
	if (conf->json)
		merged_render_json(&merge, &out);
	else
		merged_render(&merge, fd_columns(conf->result_fd), &out);
	merge_free(&merge);
	return give(text, &out, LLMILL_EXIT_OK, err);
}

int
llmill_slurm_script(const struct llmill_slurm_conf *conf,
    struct llmill_text *text, struct llmill_err *err)
{
	const struct slurm_script script = {
	    .program = conf->program,
	    .words = conf->words,
	    .shards = conf->shards,
	    .at_once = conf->at_once,
	    .one_job = conf->one_job,
	    .db = conf->db,
	};
	struct buf out;

	err->text[0] = '\0';
	*text = (struct llmill_text){0};
	buf_init(&out, STATUS_MAX_BYTES);
	slurm_script_put(&out, &script);
	return give(text, &out, LLMILL_EXIT_OK, err);
}
