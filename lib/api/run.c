/* SPDX-License-Identifier: ISC */
/*
 * One run from its options to its exit status, as a sequence: settings, input,
 * nursery, database, loop, end. The nursery is forked before the database is
 * opened, so that no worker inherits it.
 */
#include "llmill_run.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "api/advice.h"
#include "api/batch.h"
#include "api/dry.h"
#include "api/estimate.h"
#include "api/journal.h"
#include "api/mill.h"
#include "api/words.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "chat/api.h"
#include "chat/child.h"
#include "chat/worker.h"
#include "data/scratch.h"
#include "run/coord.h"
#include "view/export.h"
#include "view/metrics.h"
#include "view/progress.h"
#include "view/reporter.h"
#include "wire/frame.h"
#include "wire/spawn.h"

#define RUN_FDS_PER_WORKER 4 /* down, up, stderr, pidfd */
#define RUN_FDS_BESIDE 64    /* database, log, files, the host's own */
/* The worker's own timer is first. Who also has to end a command within the
 * grace gets more. */
#define RUN_LATE_AFTER (40 * CLOCK_MS)
#define RUN_LATE_AFTER_COMMAND (250 * CLOCK_MS)
#define RUN_DELAY_MAX (60 * CLOCK_S)
#define RUN_WORKERS_MORE 64		 /* room for so many at least */
#define RUN_WORKERS_MOST 8192		 /* as -j */
#define RUN_LOGIN_WORKERS 64		 /* more deserve a batch job */
#define RUN_JOB_MARGIN_MS INT64_C(60000) /* to save all before a job ends */
#define RUN_WAIT_LATER (900 * CLOCK_S)

/* ---- before anything is opened ---- */

int
mill_screen_fd(const struct mill *mill)
{
	return mill->own_screen_fd != -1 ? mill->own_screen_fd
					 : mill->conf->screen_fd;
}

static int
open_screen(struct mill *mill, struct err *err)
{
	const struct llmill_run_conf *conf = mill->conf;
	enum log_level level = LOG_NOTE;

	if (conf->verbosity < 0)
		level = LOG_ERROR;
	else if (conf->verbosity > 0)
		level = conf->verbosity > 1 ? LOG_DEBUG : LOG_INFO;
	log_set_role("mill");
	if (conf->screen_fd != -1)
		mill->own_screen_fd = fd_open_again(conf->screen_fd);
	mill->progress =
	    progress_new(conf->verbosity < 0 ? -1 : mill_screen_fd(mill),
		conf->verbosity < 0 ? PROGRESS_NONE
				    : (enum progress_mode)conf->progress);
	if (mill->progress == NULL)
		return err_set_memory(err, "progress line");
	log_set_screen(
	    mill_screen_fd(mill), level, progress_step_aside, mill->progress);
	return 0;
}

/* Which columns there are is known now. */
static int
choose_columns(struct mill *mill, struct err *err)
{
	struct outlet *outlet = &mill->outlet;

	if (!outlet->has_columns)
		return 0;
	for (uint32_t i = 0; i < mill->count; i++)
		columns_learn(
		    &outlet->columns, prompts_at(mill->prompts, i).fields);
	return columns_choose(
	    &outlet->columns, mill->conf->answers.fields, err);
}

static int
check_range(const struct mill *mill, struct err *err)
{
	const struct llmill_run_conf *conf = mill->conf;

	const uint64_t count = prompts_list(mill->prompts)->count;

	if (conf->range_first > count)
		return err_set(err, ERR_USAGE,
		    "--range %u:… begins behind the last prompt (%ju)",
		    (unsigned)conf->range_first, (uintmax_t)count);
	return 0;
}

static int
open_nursery(struct mill *mill, struct err *err)
{
	const struct llmill_run_conf *conf = mill->conf;
	struct heritage heritage = {
	    .live = worker_live,
	    .prepare = worker_prepare,
	    .arg = &mill->backend.chat,
	    .reaps = mill->backend.chat.kind->owns_processes,
	    .isolated = conf->isolate == LLMILL_ISOLATE_NS,
	    .titled = conf->set_titles,
	};

	/* What a dead worker's command left behind comes to us. */
	if (conf->own_process &&
	    (heritage.reaps || mill->backend.chat.kind->leaves_processes))
		prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	mill->nursery = nursery_open(&heritage, err);
	return mill->nursery != NULL ? 0 : -1;
}

/* If there is a key it is in here from now on, in the nursery and in the
 * workers too. */
static int
resolve_backend(struct mill *mill, struct err *err)
{
	if (backend_resolve(&mill->backend, mill->conf, err) == -1)
		return -1;
	if (mill->conf->own_process && backend_has_secret(&mill->backend))
		secret_guard_process();
	return 0;
}

/* ---- the run ---- */

static void
tell_attempt(void *arg, const struct pool_report *report)
{
	const struct mill *mill = arg;
	const struct reply *reply = &report->reply;
	struct llmill_attempt attempt = {
	    .index = report->index,
	    .attempt = report->attempt,
	    .answered = outcome_trait(reply->outcome)->answers,
	    .outcome = outcome_trait(reply->outcome)->name,
	    .http_status = reply->http_status,
	    .duration_ms = reply->duration_ms,
	    .input_tokens = reply->input_tokens,
	    .output_tokens = reply->output_tokens,
	    .text = reply->text.data,
	    .text_size = reply->text.size,
	    .error = reply->error.data,
	    .error_size = reply->error.size,
	    .model = reply->model.data,
	    .model_size = reply->model.size,
	    .advice = advice_on(reply->outcome, &mill->backend),
	};

	mill->conf->on_attempt(mill->conf->on_attempt_arg, &attempt);
}

/* A command that is being started has time of its own, of which only its
 * worker knows. */
static int64_t
late_after_ns(const struct mill *mill)
{
	const struct chat *kind = mill->backend.chat.kind;
	int64_t start_ns = 0;

	if (strcmp(kind->name, "coproc") == 0)
		start_ns = mill->conf->start_timeout_ns;
	return clock_add(start_ns,
	    kind->owns_processes ? RUN_LATE_AFTER_COMMAND : RUN_LATE_AFTER);
}

/* Gives 0 where all are used always. */
static uint32_t
workers_least(const struct llmill_run_conf *conf)
{
	if (!conf->adaptive)
		return 0;
	if (conf->min_workers > conf->workers)
		return conf->workers;
	return conf->min_workers > 0 ? conf->min_workers : 1;
}

/* So many can be asked for while the run goes on. */
static uint32_t
workers_most(const struct llmill_run_conf *conf)
{
	uint32_t most = 4 * conf->workers;

	if (!conf->own_process)
		return conf->workers;
	if (most < RUN_WORKERS_MORE)
		most = RUN_WORKERS_MORE;
	return most < RUN_WORKERS_MOST ? most : RUN_WORKERS_MOST;
}

/* Gives ms since 1970, 0: none. */
static int64_t
find_deadline(const struct mill *mill)
{
	int64_t end_ms = mill->conf->deadline_ms;
	char at[32];

	if (end_ms == LLMILL_DEADLINE_JOB) {
		end_ms = batch_end_ms();
		end_ms =
		    end_ms > RUN_JOB_MARGIN_MS ? end_ms - RUN_JOB_MARGIN_MS : 0;
	}
	if (end_ms > 0) {
		clock_wall_text_of(end_ms, "%Y-%m-%d %H:%M:%S", at, sizeof(at));
		log_say(LOG_INFO, "the deadline is %s", at);
	}
	return end_ms;
}

static void
fill_coord(struct mill *mill, struct coord_conf *coord)
{
	const struct llmill_run_conf *conf = mill->conf;
	int64_t wait_ns = conf->wait_server_ns;

	*coord = (struct coord_conf){
	    .count = mill->count,
	    .states = mill->states,
	    .asked = mill->asked,
	    .twins = conf->dedup ? &mill->twins : NULL,
	    .store = mill->store,
	    .scratch = mill->scratch,
	    .nursery = mill->nursery,
	    .progress = mill->progress,
	    .output = mill->output,
	    .bulletin = mill->bulletin,
	    .metrics = mill->metrics,
	    .reporter = mill->reporter,
	    .stats = &mill->stats,
	    .stop = &mill->stop,
	    .policy =
		{
		    .tries_max =
			conf->retry_attempts > 0 ? conf->retry_attempts : 1,
		    .delay_ns = conf->retry_delay_ns,
		    .delay_max_ns = RUN_DELAY_MAX,
		    .poison = conf->poison,
		    .wait_max_ns = conf->max_wait_ns,
		    .random_seed =
			(uint64_t)clock_wall_ms() ^ (uint64_t)getpid(),
		},
	    .pool =
		{
		    .slots = workers_most(conf),
		    .late_after_ns = late_after_ns(mill),
		    .grace_ns = conf->kill_grace_ns,
		    .frame_cap_bytes = FRAME_CAP_BYTES,
		    .jobs_max = conf->worker_jobs,
		    .memory_max_bytes = conf->worker_memory,
		    .sweeps = conf->own_process &&
			      (mill->backend.chat.kind->owns_processes ||
				  mill->backend.chat.kind->leaves_processes),
		    /* As another mill's command we have it ourselves, and so
		     * have strangers: then nobody can be told. */
		    .mark = getenv(CHILD_MARK) == NULL ? CHILD_MARK : "",
		    .words = journal_words,
		},
	    .timeout_ns = mill->backend.timeout_ns,
	    .servers = mill->backend.servers,
	    .server_count = mill->backend.chat.endpoint_count,
	    .is_server = strcmp(mill->backend.chat.kind->name, "http") == 0,
	    .workers = conf->workers,
	    .workers_least = workers_least(conf),
	    .used_requests = mill->used_requests,
	    .used_tokens = mill->used_tokens,
	    .used_failures = mill->counts.failed,
	    .estimate = estimate_tokens,
	    .estimate_arg = &mill->backend.chat,

	    .wait_server_first_ns = mill_wait_first_ns(mill),
	    .wait_server_later_ns = wait_ns < 0 ? RUN_WAIT_LATER : wait_ns,
	    .control_path = mill->socket,
	    .signals = &mill->signals,
	    .stop_fd = conf->stop_fd,
	    .private_store = conf->no_db,
	    .attempted = conf->on_attempt != NULL ? tell_attempt : NULL,
	    .attempted_arg = mill,
	};
}

/* Others work there, too. */
static void
advise_on_login(const struct mill *mill)
{
	if (mill->conf->own_process &&
	    mill->conf->workers > RUN_LOGIN_WORKERS && batch_is_login_node())
		log_say(LOG_NOTE,
		    "-j %u outside of a batch job: on a login node others have "
		    "to bear it; llmill slurm-script prints a job",
		    (unsigned)mill->conf->workers);
}

static int
run_mill(struct mill *mill, struct err *err)
{
	struct coord_conf coord;
	int result;

	mill->stats.total = mill->count;
	mill->stats.workers = mill->conf->workers;
	mill->stats.price =
	    (struct price){mill->conf->price_in, mill->conf->price_out};
	mill->stats.empty_lines = mill->input.empty_count;
	mill->stats.bad_records = mill->input.bad_count;
	advise_on_login(mill);
	mill_find_socket(mill);
	fill_coord(mill, &coord);
	coord.deadline_wall_ms = find_deadline(mill);
	limits_of(mill->conf, mill->count, &coord.limits);
	mill->coord = coord_new(&coord, err);
	if (mill->coord == NULL)
		return -1;
	journal_begin(mill);
	result = coord_run(mill->coord, err);
	progress_end(mill->progress, &mill->stats, clock_now_ns());
	return result;
}

static void
mill_free(struct mill *mill)
{
	coord_free(mill->coord);
	metrics_end(mill->metrics, &mill->stats);
	nursery_close(mill->nursery);
	outlet_free(&mill->outlet);
	prompts_free(mill->prompts);
	input_facts_free(&mill->input);
	log_set_screen(-1, LOG_ERROR, NULL, NULL);
	log_set_file(-1);
	progress_free(mill->progress);
	backend_free(&mill->backend);
	fd_close(&mill->log_fd);
	redo_free(&mill->redo);
	fd_close(&mill->own_screen_fd);
	free(mill->db_path);
	free(mill->db_real);
	free(mill->socket);
	free(mill->output_part);
	free(mill->states);
	twins_free(&mill->twins);
	free(mill->asked);
	signals_close(&mill->signals);
}

/* No more workers are started than there are prompts to do. After the nursery
 * is there: workers and commands keep the limit that the user has. */
static int
raise_limit(const struct mill *mill, struct err *err)
{
	uint32_t workers = mill->conf->workers;

	if (mill->stats.asked < workers)
		workers = (uint32_t)mill->stats.asked;
	if (fd_raise_limit(
		(size_t)workers * RUN_FDS_PER_WORKER + RUN_FDS_BESIDE, err) ==
	    -1)
		return err_add(err, "-j %u", (unsigned)mill->conf->workers);
	return 0;
}

static int
open_reporter(struct mill *mill, struct err *err)
{
	const struct reporter_conf conf = {
	    .path = mill->conf->report,
	    .every_ns = mill->conf->report_every_ns,
	    .titled = mill->conf->set_titles,
	};

	if (conf.path == NULL)
		return 0;
	mill->reporter = reporter_new(&conf, err);
	return mill->reporter != NULL ? 0 : -1;
}

/* A stand-in has nothing that a report could be read from. */
static int
begin_reporter(const struct mill *mill, struct err *err)
{
	if (mill->db_path == NULL || mill->stands_in)
		return 0;
	return reporter_begin(mill->reporter,
	    mill->scratch != NULL ? scratch_path(mill->scratch)
				  : store_path(mill->store),
	    mill->db_path, mill->scratch == NULL && store_is_shut(mill->store),
	    err);
}

static int
open_metrics(struct mill *mill, struct err *err)
{
	const struct backend *backend = &mill->backend;
	struct metrics_labels labels = {
	    .provider = backend->chat.api != NULL ? backend->chat.api->name
						  : backend->chat.kind->name,
	    .model = backend->plan.model,
	};

	if (mill->conf->metrics == NULL)
		return 0;
	/* As it is for all who read it. */
	if (mill->db_path != NULL)
		mill->db_real = mill->scratch != NULL
				    ? strdup(scratch_home(mill->scratch))
				    : realpath(mill->db_path, NULL);
	labels.database = mill->db_real;
	mill->metrics = metrics_new(mill->conf->metrics, &labels, err);
	return mill->metrics != NULL ? 0 : -1;
}

/* Everything up to the first prompt that could be sent. */
static int
prepare(struct mill *mill, struct err *err)
{
	const struct llmill_run_conf *conf = mill->conf;

	if (open_nursery(mill, err) == -1)
		return -1;
	plan_digest(&mill->backend.plan, mill->digest);
	if (open_reporter(mill, err) == -1)
		return -1;
	if (mill_open_store(mill, err) == -1 ||
	    mill_load_store(mill, err) == -1 || raise_limit(mill, err) == -1)
		return -1;
	if (open_metrics(mill, err) == -1 || begin_reporter(mill, err) == -1)
		return -1;
	if (conf->output == NULL)
		return 0;
	mill->output = export_open(conf->output, &mill->outlet.style,
	    outlet_columns(&mill->outlet), export_rows_of(mill->store),
	    mill->count, err);
	return mill->output != NULL ? 0 : -1;
}

static int
dry_run(struct mill *mill, struct err *err)
{
	struct dry dry = {
	    .conf = mill->conf,
	    .backend = &mill->backend,
	    .prompts = mill->prompts,
	    .asked = mill->asked,
	    .db_path = mill->db_path,
	    .answered = mill->counts.answered,
	    .asks_model = backend_asks_model(&mill->backend),
	};
	struct buf text;
	int result;

	buf_init(&text, WORDS_MAX_BYTES);
	if (mill->conf->json)
		dry_put_json(&text, &dry);
	else
		dry_put(&text, &dry);
	result = result_write(mill->conf->result_fd, &text, err);
	buf_free(&text);
	return result;
}

/* From here on signals are read. Before there was nothing to be left behind;
 * the input can be a pipe without end. */
static int
begin_signals(struct mill *mill, struct err *err)
{
	stop_init(&mill->stop, mill_has_terminal(), mill->conf->workers);
	if (!mill->conf->take_signals)
		return 0;
	return signals_open(&mill->signals, coord_signals, err);
}

/* One that was told to stop before its loop has that as its reason, whatever
 * else came of it. */
static void
give_failure(struct mill *mill, const struct err *why, struct llmill_err *err)
{
	bool told = mill->coord == NULL && (mill_is_told_to_stop(mill) ||
					       mill->stop.phase != STOP_NONE);

	err->status = told ? mill->stop.exit_status : status_of(why->class);
	snprintf(err->text, sizeof(err->text), "%s",
	    told ? mill->stop.reason : why->text);
	mill_abandon(mill);
}

int
llmill_run(const struct llmill_run_conf *conf, struct llmill_err *err)
{
	struct mill mill = {
	    .conf = conf,
	    .log_fd = -1,
	    .own_screen_fd = -1,
	    .signals.fd = -1,
	};
	struct err why = {0};

	err->text[0] = '\0';
	/* A log is made when nothing typed is wrong, and something is done. */
	if (redo_parse(&mill.redo, conf->redo, &why) == -1 ||
	    open_screen(&mill, &why) == -1 ||
	    resolve_backend(&mill, &why) == -1 ||
	    outlet_init(&mill.outlet, &conf->answers, conf->output, &why) ==
		-1 ||
	    (!conf->dry_run && journal_open(&mill, &why) == -1) ||
	    mill_read_input(&mill, &why) == -1 ||
	    choose_columns(&mill, &why) == -1 || check_range(&mill, &why) == -1)
		goto fail;
	if (mill.count == 0) { /* the input was not empty */
		log_say(LOG_NOTE,
		    "shard %u of %u has none of the %ju prompts: nothing to do",
		    (unsigned)conf->shard, (unsigned)conf->shard_count,
		    (uintmax_t)prompts_list(mill.prompts)->count);
		err->status = LLMILL_EXIT_OK;
		goto out;
	}
	if (conf->dry_run) {
		if (mill_preview_store(&mill, &why) == -1)
			goto fail;
		err->status = LLMILL_EXIT_OK;
		if (dry_run(&mill, &why) == -1) {
			err->status = LLMILL_EXIT_NOT_SAVED;
			snprintf(err->text, sizeof(err->text), "%s", why.text);
		}
		goto out;
	}
	if (begin_signals(&mill, &why) == -1 ||
	    mill_find_model(&mill, &why) == -1 || prepare(&mill, &why) == -1 ||
	    run_mill(&mill, &why) == -1)
		goto fail;
	err->status = mill_finish(&mill);
	goto out;
fail:
	give_failure(&mill, &why, err);
	journal_end(err->text);
out:
	mill_free(&mill);
	return err->status;
}
