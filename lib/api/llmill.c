/* SPDX-License-Identifier: ISC */
/*
 * The small door to a run: its seven options, its rules and their order are
 * those of the class that this library succeeds.
 */
#include "llmill.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "api/results.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/text.h"
#include "data/recall.h"
#include "llmill_run.h"

#define WORKERS_MAX 8192
#define SECONDS_MAX (366.0 * 24 * 3600)

struct llmill {
	struct llmill_conf conf;
	char *db_filename;
	int stop_fd;
};

/* What a run is to fill. */
struct harvest {
	const struct llmill_conf *conf;
	struct llmill_results *results;
	size_t answered;
	size_t failed;
	bool no_memory;
};

/* Gives NULL. */
__attribute__((format(printf, 3, 4))) static void *
refuse(struct llmill_err *err, int status, const char *format, ...)
{
	va_list args;

	err->status = status;
	va_start(args, format);
	vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	return NULL;
}

static bool
is_blank(const char *text)
{
	return text[strspn(text, " \t\r\n\v\f")] == '\0';
}

/* In the order of the seed. */
static bool
check(const struct llmill_conf *conf, struct llmill_err *err)
{
	const int usage = LLMILL_EXIT_USAGE;

	if (conf->chat_fn == NULL)
		refuse(err, usage, "chat_fn: there is no function");
	else if (conf->num_workers < 1 || conf->num_workers > WORKERS_MAX)
		refuse(err, usage, "num_workers must be 1 to %d, not %d",
		    WORKERS_MAX, conf->num_workers);
	else if (conf->retry_attempts < 0)
		refuse(err, usage, "retry_attempts must be >= 0, not %d",
		    conf->retry_attempts);
	else if (!(conf->retry_delay >= 0 && conf->retry_delay <= SECONDS_MAX))
		refuse(err, usage,
		    "retry_delay must be 0 to a year of seconds, not %g",
		    conf->retry_delay);
	else if (!(conf->timeout > 0 && conf->timeout <= SECONDS_MAX))
		refuse(err, usage,
		    "timeout must be > 0 and at most a year of seconds, not %g",
		    conf->timeout);
	else if (conf->db_filename != NULL && is_blank(conf->db_filename))
		refuse(err, usage, "db_filename must not be blank");
	else
		return true;
	return false;
}

struct llmill *
llmill_open(const struct llmill_conf *conf, struct llmill_err *err)
{
	struct llmill *mill;

	if (!check(conf, err))
		return NULL;
	mill = calloc(1, sizeof(*mill));
	if (mill == NULL)
		return refuse(err, LLMILL_EXIT_SYSTEM, "no memory for a mill");
	mill->conf = *conf;
	if (conf->db_filename != NULL)
		mill->db_filename = strdup(conf->db_filename);
	mill->conf.db_filename = mill->db_filename;
	mill->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (mill->stop_fd != -1 &&
	    (mill->db_filename != NULL || conf->db_filename == NULL))
		return mill;
	refuse(err, LLMILL_EXIT_SYSTEM, "no mill can be made: %s",
	    strerror(errno));
	llmill_close(mill);
	return NULL;
}

void
llmill_close(struct llmill *mill)
{
	if (mill == NULL)
		return;
	fd_close(&mill->stop_fd);
	free(mill->db_filename);
	free(mill);
}

/* Nothing but write: a signal handler may be in it. */
void
llmill_stop(struct llmill *mill)
{
	const uint64_t one = 1;
	int number = errno;

	if (write(mill->stop_fd, &one, sizeof(one)) == -1)
		errno = number; /* it is told already */
}

/* ---- a run ---- */

/* Gives how many threads this process has; 1 when that cannot be seen. */
static unsigned
count_threads(void)
{
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *task;
	unsigned count = 0;

	if (tasks == NULL)
		return 1;
	while ((task = readdir(tasks)) != NULL)
		count += task->d_name[0] != '.';
	closedir(tasks);
	return count;
}

static void
take_result(void *arg, const struct llmill_result *result)
{
	struct harvest *harvest = arg;
	const struct span text = {result->text, result->text_size};
	const enum llmill_state states[] = {
	    [LLMILL_RESULT_OPEN] = LLMILL_OPEN,
	    [LLMILL_RESULT_ANSWERED] = LLMILL_ANSWERED,
	    [LLMILL_RESULT_FAILED] = LLMILL_FAILED,
	};

	harvest->no_memory |= results_put(harvest->results, result->index,
				  states[result->state], text) == -1;
}

static void
take_done(void *arg, bool answered)
{
	struct harvest *harvest = arg;

	harvest->answered += answered;
	harvest->failed += !answered;
	harvest->conf->progress(harvest->conf->progress_arg, harvest->answered,
	    harvest->failed, llmill_results_count(harvest->results));
}

static int64_t
nanoseconds(double seconds)
{
	double ns = seconds * (double)CLOCK_S;

	return ns < 1 ? (seconds > 0) : (int64_t)ns;
}

static void
fill_run(const struct llmill *mill, const char *const *prompts,
    struct harvest *harvest, struct llmill_run_conf *run)
{
	const struct llmill_conf *conf = &mill->conf;

	llmill_run_conf_init(run);
	run->backend = "func";
	run->chat_fn = conf->chat_fn;
	run->chat_arg = conf->chat_arg;
	run->prompts = prompts;
	run->workers = (uint32_t)conf->num_workers;
	run->retry_attempts = (uint32_t)conf->retry_attempts;
	run->retry_delay_ns = nanoseconds(conf->retry_delay);
	run->timeout_ns = nanoseconds(conf->timeout);
	run->allow_empty = true;
	run->isolate = conf->isolate ? LLMILL_ISOLATE_NS : LLMILL_ISOLATE_NONE;
	run->no_db = !conf->save_to_db;
	run->db = conf->db_filename;
	run->stop_fd = mill->stop_fd;
	run->screen_fd = -1;
	run->result_fd = -1;
	run->verbosity = -1;
	run->progress = LLMILL_PROGRESS_NONE;
	run->on_result = take_result;
	run->on_result_arg = harvest;
	if (conf->progress != NULL)
		run->on_done = take_done;
	run->on_done_arg = harvest;
}

/* Run, and if the database cannot be had, without one: that must not stop the
 * work. Gives what llmill_run does. */
static int
run_with_or_without(struct llmill_run_conf *run, struct llmill_results *results,
    struct llmill_err *err)
{
	int status = llmill_run(run, err);

	if (run->no_db || err->text[0] == '\0' || status == LLMILL_EXIT_BACKEND)
		return status;
	results_set_trouble(results, err->text);
	run->no_db = true;
	run->db = NULL;
	return llmill_run(run, err);
}

/* A worker that has just died must not kill us. Gives whether it was blocked
 * by us. */
static bool
hold_sigpipe(void)
{
	sigset_t pipe;
	sigset_t before;

	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe, &before);
	return !sigismember(&before, SIGPIPE);
}

static void
release_sigpipe(bool ours)
{
	const struct timespec now = {0, 0};
	sigset_t pipe;

	if (!ours)
		return;
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	while (sigtimedwait(&pipe, NULL, &now) == SIGPIPE)
		continue;
	pthread_sigmask(SIG_UNBLOCK, &pipe, NULL);
}

/* Gives prompts as a list with a NULL behind; NULL without memory. */
static const char **
list(const char *const *prompts, size_t count)
{
	const char **all = calloc(count + 1, sizeof(*all));

	if (all != NULL && count > 0)
		memcpy(all, prompts, count * sizeof(*all));
	return all;
}

static struct llmill_results *
process(struct llmill *mill, const char *const *prompts,
    struct llmill_results *results, struct llmill_err *err)
{
	struct harvest harvest = {.conf = &mill->conf, .results = results};
	struct llmill_run_conf run;
	bool ours = hold_sigpipe();

	fill_run(mill, prompts, &harvest, &run);
	run_with_or_without(&run, results, err);
	release_sigpipe(ours);
	if (err->text[0] == '\0' && err->status == LLMILL_EXIT_NOT_SAVED)
		results_set_trouble(results,
		    "answers are not in the database, but in the "
		    "spill file beside it or here");
	if (harvest.no_memory)
		refuse(err, LLMILL_EXIT_SYSTEM, "no memory for the results");
	if (err->text[0] == '\0')
		return results;
	llmill_results_free(results);
	return NULL;
}

static bool
check_prompts(const char *const *prompts, size_t count, struct llmill_err *err)
{
	size_t bad;

	for (size_t i = 0; i < count; i++) {
		if (prompts[i] == NULL)
			return refuse(
			    err, LLMILL_EXIT_USAGE, "prompts[%zu] is NULL", i);
		if (!text_is_utf8(span_of(prompts[i]), &bad))
			return refuse(err, LLMILL_EXIT_USAGE,
			    "prompts[%zu] is not UTF-8 at byte %zu", i,
			    bad + 1);
	}
	return true;
}

struct llmill_results *
llmill_process_prompts(struct llmill *mill, const char *const *prompts,
    size_t count, struct llmill_err *err)
{
	struct llmill_results *results;
	const char **all;
	unsigned threads = count_threads();

	err->text[0] = '\0';
	err->status = LLMILL_EXIT_OK;
	if (count > UINT32_MAX - 1)
		return refuse(err, LLMILL_EXIT_USAGE, "too many prompts");
	if (!check_prompts(prompts, count, err))
		return NULL;
	if (threads > 1 && !mill->conf.with_threads && count > 0)
		return refuse(err, LLMILL_EXIT_USAGE,
		    "this process has %u threads: what one of them has locked "
		    "stays locked in the workers; process prompts before they "
		    "start, or set with_threads if chat_fn needs none of that",
		    threads);
	results = results_new(count);
	all = list(prompts, count);
	if (results == NULL || all == NULL) {
		llmill_results_free(results);
		free(all);
		return refuse(
		    err, LLMILL_EXIT_SYSTEM, "no memory for the results");
	}
	if (count > 0)
		results = process(mill, all, results, err);
	free(all);
	return results;
}

/* ---- a database of an earlier run ---- */

struct reading {
	struct llmill_results *results;
	size_t count;
	bool no_memory;
};

static void
read_one(void *arg, enum store_state state, struct span text)
{
	struct reading *reading = arg;
	static const enum llmill_state states[] = {
	    [STORE_OPEN] = LLMILL_OPEN,
	    [STORE_ANSWERED] = LLMILL_ANSWERED,
	    [STORE_FAILED] = LLMILL_FAILED,
	};

	reading->no_memory |= results_put(reading->results, reading->count++,
				  states[state], text) == -1;
}

struct llmill_results *
llmill_recover(
    struct llmill *mill, const char *db_filename, struct llmill_err *err)
{
	struct reading reading = {.results = NULL};
	struct recall recall;
	struct err why = {0};
	size_t count;
	int done;

	(void)mill;
	err->text[0] = '\0';
	if (recall_open(&recall, db_filename, &why) == -1)
		return refuse(err, LLMILL_EXIT_INPUT, "%s", why.text);
	done = recall_count(&recall, &count, &why);
	if (done == 0)
		reading.results = results_new(count);
	if (reading.results != NULL)
		done = recall_results(&recall, read_one, &reading, &why);
	recall_close(&recall);
	if (done == 0 && reading.results != NULL && !reading.no_memory)
		return reading.results;
	llmill_results_free(reading.results);
	return refuse(err, done == 0 ? LLMILL_EXIT_SYSTEM : LLMILL_EXIT_INPUT,
	    "%s", done == 0 ? "no memory for the results" : why.text);
}
