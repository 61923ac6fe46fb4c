/* SPDX-License-Identifier: ISC */
/*
 * Which database a run goes into, and what it is asked to do there. A path
 * that cannot be had never stops the work; a file that exists and cannot say
 * what is open does.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/estimate.h"
#include "api/mill.h"
#include "api/words.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "data/sample.h"
#include "data/scratch.h"
#include "data/survey.h"
#include "llmill_run.h"
#include "run/coord.h"
#include "run/limit.h"
#include "view/bulletin.h"

#define DATABASE_WAIT_FOREIGN (720 * CLOCK_S) /* for another host's lock */
#define DATABASE_NAMES_TRIED 100 /* default names taken in the same second */

static void
durable(void *arg, const struct store_durable *what)
{
	struct mill *mill = arg;

	if (what->state == STORE_FAILED &&
	    mill->stats.failed_by[what->outcome] == 0)
		mill->first_failed[what->outcome] = what->index;
	if (mill->coord != NULL)
		coord_durable(mill->coord, what);
	if (mill->conf->on_done != NULL && what->state != STORE_OPEN)
		mill->conf->on_done(
		    mill->conf->on_done_arg, what->state == STORE_ANSWERED);
}

/* Did a signal come? It is heard when there is time for it. */
static bool
in_a_hurry(void *arg)
{
	struct mill *mill = arg;
	struct pollfd look = {.fd = mill->signals.fd, .events = POLLIN};

	return poll(&look, 1, 0) == 1;
}

static int
open_scratch(struct mill *mill, const char *path, bool create_only,
    const struct lock_wish *wish, struct err *err)
{
	struct scratch_conf conf = {
	    .home = path,
	    .directory = mill->conf->scratch,
	    .create_only = create_only,
	    .wish = wish,
	    .every_ns = mill->conf->scratch_every_ns,
	    .titled = mill->conf->set_titles,
	};

	if (*conf.directory == '\0')
		conf.directory = getenv("SLURM_TMPDIR");
	if (conf.directory == NULL || *conf.directory == '\0')
		return err_set(err, ERR_USAGE,
		    "--scratch without DIR means what SLURM_TMPDIR says, which "
		    "is not set here; name the directory");
	mill->scratch = scratch_open(&conf, err);
	return mill->scratch != NULL ? 0 : -1;
}

static void
close_scratch(struct mill *mill)
{
	scratch_close(mill->scratch, NULL, NULL, NULL);
	mill->scratch = NULL;
}

static int
open_store_at(
    struct mill *mill, const char *path, bool create_only, struct err *err)
{
	struct store_conf conf = {
	    .path = path,
	    .lock =
		{
		    .steal = mill->conf->steal_lock,
		    .wait_ns = mill->conf->wait_lock_ns,
		    .wait_foreign_ns = mill->conf->wait_lock_ns,
		    .hurry = in_a_hurry,
		    .arg = mill,
		},
	    .create_only = create_only,
	    .hurry = in_a_hurry,
	    .resumes = mill->conf->resume,
	    .extends = mill->conf->extend,
	    .durable = durable,
	    .arg = mill,
	};

	/* A node that died is known to be dead after 10 minutes. */
	if (mill->conf->wait_lock_ns < 0)
		conf.lock.wait_foreign_ns =
		    mill_has_terminal() ? 0 : DATABASE_WAIT_FOREIGN;
	mill->db_existed = access(path, F_OK) == 0;
	if (mill->conf->scratch != NULL) {
		if (open_scratch(mill, path, create_only, &conf.lock, err) ==
		    -1)
			return -1;
		mill->db_existed = scratch_is_old(mill->scratch);
		conf.path = scratch_path(mill->scratch);
		conf.shown = scratch_name(mill->scratch);
		conf.spill_path = scratch_home(mill->scratch);
		conf.is_near = true;
		conf.create_only = false;
		conf.resumes &= mill->db_existed;
	}
	mill->store = store_open(&conf, err);
	if (mill->store == NULL)
		close_scratch(mill);
	return mill->store != NULL ? 0 : -1;
}

static int
open_temporary(struct mill *mill, const char *spill_path, struct err *err)
{
	struct store_conf conf = {
	    .spill_path = spill_path,
	    .durable = durable,
	    .arg = mill,
	};

	mill->store = store_open(&conf, err);
	return mill->store != NULL ? 0 : -1;
}

static int
keep_path(struct mill *mill, const char *path, struct err *err)
{
	mill->db_path = strdup(path);
	return mill->db_path != NULL ? 0 : err_set_memory(err, "path");
}

/* The same command again goes on with the database it made. */
static int
find_default(struct mill *mill, struct err *err)
{
	char path[PATH_MAX];

	if (mill->conf->new_db ||
	    (!store_find(".", mill->digest, path, sizeof(path)) &&
		!store_find_spill(&mill->backend.plan, path, sizeof(path))))
		return 0;
	if (keep_path(mill, path, err) == -1)
		return -1;
	if (open_store_at(mill, path, false, err) == -1)
		return -1;
	return 0;
}

/* Nobody should pay twice without knowing. */
static void
say_finished(const struct mill *mill)
{
	char path[PATH_MAX];

	if (mill->conf->new_db ||
	    !store_find_finished(".", mill->digest, path, sizeof(path)))
		return;
	log_say(LOG_NOTE,
	    "%s holds this plan already, all %u prompts done (llmill status "
	    "%s); "
	    "starting another",
	    path, (unsigned)mill->count, path);
}

/* Another run of the same second may have taken the name. */
static int
make_default(struct mill *mill, struct err *err)
{
	char path[PATH_MAX];

	mill->db_is_ours = true;
	for (unsigned tries = 1; tries <= DATABASE_NAMES_TRIED; tries++) {
		store_default_name(tries, path, sizeof(path));
		free(mill->db_path);
		if (keep_path(mill, path, err) == -1)
			return -1;
		if (open_store_at(mill, path, true, err) == 0)
			return 0;
		/* Busy: somebody else is making it at this moment. */
		if (err->number != EEXIST && err->class != ERR_BUSY)
			return -1;
	}
	return -1;
}

static int
open_named(struct mill *mill, struct err *err)
{
	if (mill->conf->db != NULL) {
		if (keep_path(mill, mill->conf->db, err) == -1)
			return -1;
		return open_store_at(mill, mill->conf->db, false, err);
	}
	if (find_default(mill, err) == -1)
		return -1;
	if (mill->store != NULL)
		return 0;
	say_finished(mill);
	return make_default(mill, err);
}

/* The run goes on without its database; answers go into the spill file. */
static int
stand_in(struct mill *mill, struct err *err)
{
	log_say(LOG_WARN, "%s; the run goes on, answers go into the spill file",
	    err->text);
	mill->db_is_ours = false;
	mill->stands_in = true;
	return open_temporary(mill, mill->db_path, err);
}

/* Trouble with a path, as opposed to a file that cannot be used, stops nobody
 * who did not ask for that. */
static bool
may_stand_in(const struct mill *mill, const struct err *err)
{
	return err->class == ERR_SYSTEM && !mill->conf->require_db &&
	       !mill->conf->no_db && mill->db_path != NULL;
}

int
mill_open_store(struct mill *mill, struct err *err)
{
	mill->backend.plan.digest = mill->digest;
	if (mill->conf->no_db)
		return open_temporary(mill, NULL, err);
	if (open_named(mill, err) == 0)
		return 0;
	return may_stand_in(mill, err) ? stand_in(mill, err) : -1;
}

static int
find_twins(struct mill *mill, struct err *err)
{
	if (twins_find(&mill->twins, mill->prompts, mill->states, mill->asked,
		err) == -1)
		return -1;
	if (mill->twins.count > 0)
		log_say(LOG_NOTE,
		    "%u of %u to do are the same request as another: sent once",
		    (unsigned)mill->twins.count, (unsigned)mill->stats.asked);
	return 0;
}

static int
choose_asked(struct mill *mill, struct err *err)
{
	const struct llmill_run_conf *conf = mill->conf;
	struct sample sample;
	uint32_t from;
	uint32_t to;

	find_range(conf, mill->prompts, &from, &to);
	if (sample_draw(&sample, conf->sample_seed, from, to, conf->sample) ==
	    -1)
		return err_set_memory(err, "a sample");
	for (uint32_t i = 0; i < mill->count; i++) {
		struct record record = prompts_at(mill->prompts, i);

		mill->bad_count += record_is_bad(&record);
		if (i < from || i >= to || record_is_bad(&record) ||
		    !sample_has(&sample, i))
			continue;
		mill->stats.before_answered +=
		    mill->states[i] == STORE_ANSWERED;
		mill->stats.before_failed += mill->states[i] == STORE_FAILED;
		mill->asked[i] = mill->states[i] == STORE_OPEN;
		mill->stats.asked += mill->asked[i];
	}
	return conf->dedup ? find_twins(mill, err) : 0;
}

static void
say_going_on(const struct mill *mill)
{
	const struct store_counts *counts = &mill->counts;
	const char *spill = store_spill_path(mill->store);
	char again[48];

	if (counts->spilled > 0 && spill != NULL)
		log_say(LOG_NOTE, "%u answers are in %s already",
		    (unsigned)counts->spilled, spill);
	else if (counts->spilled > 0)
		log_say(LOG_NOTE, "%u answers taken in from the spill file",
		    (unsigned)counts->spilled);
	if (counts->is_new || mill->db_path == NULL)
		return;
	snprintf(again, sizeof(again), ", %u of them again",
	    (unsigned)counts->reopened);
	log_say(LOG_NOTE, "going on with %s: %u of %u answered, %u to do%s",
	    mill->db_path, (unsigned)counts->answered, (unsigned)mill->count,
	    (unsigned)mill->stats.asked, counts->reopened > 0 ? again : "");
	if (counts->added > 0)
		log_say(LOG_NOTE, "the list grew by %u %s",
		    (unsigned)counts->added,
		    counts->added == 1 ? "prompt" : "prompts");
}

/* A disk that is full at once: the new file goes, a stand-in comes. */
static int
load(struct mill *mill, struct err *err)
{
	struct plan *plan = &mill->backend.plan;

	if (store_load(mill->store, plan, mill->states, &mill->counts, err) ==
	    0)
		return 0;
	/* What an older file holds must not be asked and paid for again. */
	if (mill->db_existed && err->class == ERR_SYSTEM)
		err->class = ERR_INPUT;
	if (!may_stand_in(mill, err) || store_path(mill->store) == NULL)
		return -1;
	if (!store_discard_if_unused(mill->store))
		store_close(mill->store, "failed", 0);
	mill->store = NULL;
	close_scratch(mill);
	if (stand_in(mill, err) == -1)
		return -1;
	return store_load(mill->store, plan, mill->states, &mill->counts, err);
}

/* A run that cannot be noted is still a run. */
static void
note_run(struct mill *mill)
{
	struct store_run run = {.version = LLMILL_VERSION};
	struct err err = {0};
	struct buf argv;
	struct buf settings;

	buf_init(&argv, WORDS_MAX_BYTES);
	buf_init(&settings, WORDS_MAX_BYTES);
	put_argv(&argv, mill->conf->argv, true);
	put_settings(&settings, mill->conf, &mill->backend);
	run.argv = argv.data;
	run.settings = settings.data;
	if (store_begin_run(mill->store, &mill->backend.plan, &run, &err) == -1)
		log_say(LOG_WARN, "%s; this run is not noted", err.text);
	buf_free(&argv);
	buf_free(&settings);
}

static int
make_states(struct mill *mill, struct err *err)
{
	mill->states = calloc(mill->count, 1);
	mill->asked = calloc(mill->count, 1);
	if (mill->states == NULL || mill->asked == NULL)
		return err_set_memory(err, "prompt states");
	return 0;
}

/* Would there be a database to go on with? An empty file is a new one. */
static bool
find_old(const struct mill *mill, char *path, size_t size)
{
	const struct llmill_run_conf *conf = mill->conf;
	struct stat st;

	/* Which plan it is depends on a model that nobody is asked for now. */
	if (conf->no_db ||
	    (!conf->resume && backend_asks_model(&mill->backend)))
		return false;
	if (conf->db != NULL) {
		snprintf(path, size, "%s", conf->db);
		return stat(path, &st) == 0 &&
		       (st.st_size > 0 || !S_ISREG(st.st_mode));
	}
	if (conf->new_db)
		return false;
	if (store_find(".", mill->digest, path, size))
		return true;
	if (store_find_spill(&mill->backend.plan, path, size))
		return stat(path, &st) == 0;
	say_finished(mill);
	return false;
}

int
mill_preview_store(struct mill *mill, struct err *err)
{
	char path[PATH_MAX];
	struct store_conf store = {
	    .path = path,
	    .resumes = mill->conf->resume,
	    .extends = mill->conf->extend,
	};

	if (make_states(mill, err) == -1)
		return -1;
	plan_digest(&mill->backend.plan, mill->digest);
	if (find_old(mill, path, sizeof(path)) &&
	    (keep_path(mill, path, err) == -1 ||
		store_preview(&store, &mill->backend.plan, &mill->redo,
		    mill->states, &mill->counts, err) == -1))
		return -1;
	return choose_asked(mill, err);
}

/* Who looks at a database that is locked for them gets our word for it. */
static void
begin_bulletin(struct mill *mill)
{
	const struct store_counts *counts = &mill->counts;
	struct survey survey = {
	    .name = mill->db_path,
	    .total = mill->count,
	    .answered = counts->answered,
	    .failed = counts->failed,
	    .open = counts->open,
	    .runs = 1,
	    .is_running = true,
	    .holder.pid = getpid(),
	    .last = {.id = 1, .status = "running"},
	};

	if (mill->scratch == NULL && !store_is_shut(mill->store))
		return;
	share_put(prompts_share(mill->prompts), survey.shard);
	(void)gethostname(survey.holder.host, sizeof(survey.holder.host) - 1);
	clock_utc_text(survey.last.started_at, sizeof(survey.last.started_at));
	mill->bulletin =
	    bulletin_new(mill->scratch != NULL ? scratch_home(mill->scratch)
					       : store_path(mill->store),
		&survey, NULL);
}

static void
add_used(void *arg, uint32_t index, const struct reply *reply)
{
	struct mill *mill = arg;

	struct tokens used =
	    limit_used(estimate_tokens(&mill->backend.chat, index), reply);

	mill->used_requests++;
	mill->used_tokens.input =
	    price_add(mill->used_tokens.input, used.input);
	mill->used_tokens.output =
	    price_add(mill->used_tokens.output, used.output);
}

static int
count_used(struct mill *mill, struct err *err)
{
	const struct llmill_run_conf *conf = mill->conf;

	if (conf->max_requests == 0 && conf->max_tokens_total == 0 &&
	    conf->max_cost == 0)
		return 0;
	return store_each_attempt(mill->store, add_used, mill, err);
}

int
mill_load_store(struct mill *mill, struct err *err)
{
	if (make_states(mill, err) == -1)
		return -1;
	if (load(mill, err) == -1 ||
	    store_reopen(mill->store, &mill->redo, mill->states, &mill->counts,
		err) == -1)
		return -1;
	if (count_used(mill, err) == -1)
		return -1;
	if (choose_asked(mill, err) == -1)
		return -1;
	say_going_on(mill);
	note_run(mill);
	if (mill->scratch != NULL)
		scratch_begin(mill->scratch);
	begin_bulletin(mill);
	return 0;
}
