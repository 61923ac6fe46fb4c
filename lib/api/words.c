/* SPDX-License-Identifier: ISC */
/*
 * Texts about a run. Everything here is pure but screen_write: settings in,
 * words out.
 */
#include "api/words.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "api/backend.h"
#include "api/endpoints.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/moment.h"
#include "base/price.h"
#include "base/text.h"
#include "chat/api.h"
#include "chat/curl.h"
#include "data/db.h"
#include "llmill_run.h"

void
screen_write(int fd, const char *text)
{
	if (fd != -1 && text != NULL)
		fd_write_all(fd, text, strlen(text));
}

int
result_write(int fd, const struct buf *text, struct err *err)
{
	if (text->failed)
		return err_set_memory(err, "the output");
	if (fd == -1 || fd_write_all(fd, text->data, text->size) == 0)
		return 0;
	return err_set_errno(err, "cannot write to standard output");
}

/* Where the value of something that looks like a key begins, the first one if
 * there are several; 0 for none. */
static size_t
find_key(const char *word)
{
	static const char *const marks[] = {"bearer ",
	    "api-key:", "key=", "token=", "password=", "secret=",
	    "authorization:", "cookie:", "=sk-"};
	size_t first = strncmp(word, "sk-", 3) == 0 ? 3 : 0;

	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		const char *found = strcasestr(word, marks[i]);
		size_t begin;

		if (found == NULL)
			continue;
		begin = (size_t)(found - word) + strlen(marks[i]);
		if (first == 0 || begin < first)
			first = begin;
	}
	return first;
}

/* Where the value of a header begins; 0 for no header. before is the word in
 * front, NULL at the start. */
static size_t
find_header_value(const char *before, const char *word)
{
	const char *colon = strchr(word, ':');
	bool behind = before != NULL && (strcmp(before, "-H") == 0 ||
					    strcmp(before, "--header") == 0);

	if (colon == NULL || (!behind && strncmp(word, "-H", 2) != 0 &&
				 strncmp(word, "--header=", 9) != 0))
		return 0;
	return (size_t)(colon + 1 - word);
}

static void
put_word(struct buf *out, const char *before, const char *word, bool masked)
{
	size_t shown = masked ? find_header_value(before, word) : 0;
	struct buf mask;

	if (masked && shown == 0)
		shown = find_key(word);
	if (shown == 0) {
		text_quote_shell(out, word);
		return;
	}
	buf_init(&mask, shown + 8);
	buf_add(&mask, word, shown);
	buf_add_text(&mask, "***");
	if (mask.failed)
		out->failed = true;
	else
		text_quote_shell(out, mask.data);
	buf_free(&mask);
}

void
put_argv(struct buf *out, const char *const *argv, bool masked)
{
	for (size_t i = 0; argv != NULL && argv[i] != NULL; i++) {
		if (i > 0)
			buf_add_byte(out, ' ');
		put_word(out, i > 0 ? argv[i - 1] : NULL, argv[i], masked);
	}
}

static void
put_header_names(struct buf *out, const char *const *headers)
{
	json_put_key(out, "headers");
	buf_add_byte(out, '[');
	for (size_t i = 0; headers != NULL && headers[i] != NULL; i++) {
		const char *colon = strchr(headers[i], ':');
		size_t size = colon != NULL ? (size_t)(colon - headers[i]) : 0;

		if (i > 0)
			buf_add_byte(out, ',');
		json_put_string(out, (struct span){headers[i], size});
	}
	buf_add_byte(out, ']');
}

static void
put_max_failures(struct buf *out, const struct llmill_run_conf *conf)
{
	char percent[48];

	snprintf(percent, sizeof(percent), "%g%%", conf->max_failures_percent);
	if (conf->max_failures_percent > 0)
		json_put_text(out, "max_failures", span_of(percent));
	else
		json_put_integer(
		    out, "max_failures", (int64_t)conf->max_failures);
}

void
put_settings(struct buf *out, const struct llmill_run_conf *conf,
    const struct backend *backend)
{
	const struct api *api = backend->chat.api;

	buf_add_byte(out, '{');
	json_put_text(out, "api", span_of(api != NULL ? api->name : NULL));
	endpoints_put_list(backend, "urls", out);
	json_put_text(out, "key_from", span_of(backend->key_source));
	json_put_text(out, "cacert", span_of(conf->cacert));
	put_header_names(out, conf->headers);
	json_put_integer(out, "workers", conf->workers);
	json_put_integer(out, "retry_attempts", conf->retry_attempts);
	json_put_integer(out, "retry_delay_ms", conf->retry_delay_ns / 1000000);
	json_put_integer(out, "timeout_ms", conf->timeout_ns / 1000000);
	json_put_integer(
	    out, "start_timeout_ms", conf->start_timeout_ns / 1000000);
	json_put_integer(
	    out, "connect_timeout_ms", conf->connect_timeout_ns / 1000000);
	json_put_integer(out, "first_byte_timeout_ms",
	    conf->first_byte_timeout_ns / 1000000);
	if (conf->stall_timeout_ns >= 0)
		json_put_integer(
		    out, "stall_timeout_ms", conf->stall_timeout_ns / 1000000);
	if (conf->stream != LLMILL_STREAM_AUTO)
		json_put_bool(out, "stream", backend->chat.stream);
	json_put_bool(out, "keep_raw", conf->keep_raw);
	if (conf->wait_server_ns >= 0)
		json_put_integer(
		    out, "wait_server_ms", conf->wait_server_ns / 1000000);
	json_put_integer(out, "max_wait_ms", conf->max_wait_ns / 1000000);
	json_put_integer(out, "kill_grace_ms", conf->kill_grace_ns / 1000000);
	json_put_integer(
	    out, "max_answer_bytes", (int64_t)conf->max_answer_bytes);
	json_put_integer(out, "poison", conf->poison);
	json_put_integer(out, "worker_jobs", conf->worker_jobs);
	json_put_integer(out, "worker_memory", (int64_t)conf->worker_memory);
	json_put_integer(out, "worker_cpu_ms", conf->worker_cpu_ns / 1000000);
	json_put_bool(out, "isolate", conf->isolate == LLMILL_ISOLATE_NS);
	json_put_bool(out, "adaptive", conf->adaptive);
	json_put_integer(out, "min_workers", conf->min_workers);
	json_put_integer(out, "rpm", (int64_t)conf->rpm);
	json_put_integer(out, "tpm", (int64_t)conf->tpm);
	json_put_integer(out, "max_requests", (int64_t)conf->max_requests);
	json_put_integer(
	    out, "max_tokens_total", (int64_t)conf->max_tokens_total);
	json_put_integer(out, "max_cost_millionths", (int64_t)conf->max_cost);
	json_put_integer(out, PRICE_IN_KEY, (int64_t)conf->price_in);
	json_put_integer(out, PRICE_OUT_KEY, (int64_t)conf->price_out);
	put_max_failures(out, conf);
	json_put_integer(out, "first", conf->first);
	json_put_integer(out, "range_first", conf->range_first);
	json_put_integer(out, "range_last", conf->range_last);
	json_put_integer(out, "sample", conf->sample);
	json_put_integer(out, "repeat", conf->repeat);
	json_put_bool(out, "dedup", conf->dedup);
	json_put_bool(out, "allow_empty", conf->allow_empty);
	json_put_text(out, "output", span_of(conf->output));
	buf_add_byte(out, '}');
}

void
put_next_command(struct buf *out, const struct llmill_run_conf *conf,
    const char *db_path, bool finished, bool left)
{
	if (!finished) {
		/* The same command again goes on, the key's name included. */
		put_argv(out, conf->argv, false);
		return;
	}
	if (db_path == NULL || conf->argv == NULL)
		return;
	if (left && conf->rest_argv != NULL) {
		text_quote_shell(out, conf->argv[0]);
		buf_add_byte(out, ' ');
		text_quote_shell(out, conf->argv[1]);
		buf_add_byte(out, ' ');
		put_argv(out, conf->rest_argv, false);
		return;
	}
	text_quote_shell(out, conf->argv[0]);
	buf_add_text(out, " status ");
	text_quote_shell(out, db_path);
}

void
find_range(const struct llmill_run_conf *conf, const struct prompts *prompts,
    uint32_t *from, uint32_t *to)
{
	const struct share share = prompts_share(prompts);
	uint64_t last = prompts_list(prompts)->count;

	if (conf->range_last > 0 && conf->range_last < last)
		last = conf->range_last;
	if (conf->first > 0 && conf->first < last)
		last = conf->first;
	*to = share_within(share, last);
	*from = conf->range_first > 0
		    ? share_within(share, conf->range_first - 1)
		    : 0;
}

int64_t
llmill_moment(const char *text)
{
	int64_t moment_ms;

	return moment_read(text, clock_wall_ms(), &moment_ms) ? moment_ms : -1;
}

void
llmill_run_conf_init(struct llmill_run_conf *conf)
{
	*conf = (struct llmill_run_conf){
	    .stop_fd = -1,
	    .scratch_every_ns = 300 * CLOCK_S,
	    .report_every_ns = 30 * CLOCK_S,
	    .wait_lock_ns = -1,
	    .repeat = 1,
	    .workers = 4,
	    .retry_attempts = 3,
	    .retry_delay_ns = 1000000000,
	    .start_timeout_ns = 300000000000,
	    .connect_timeout_ns = 10000000000,
	    .stall_timeout_ns = -1,
	    .wait_server_ns = -1,
	    .max_wait_ns = 3600000000000,
	    .kill_grace_ns = 2000000000,
	    .max_answer_bytes = 8u << 20,
	    .poison = 2,
	    .min_workers = 1,
	    .screen_fd = -1,
	    .result_fd = -1,
	    .progress = LLMILL_PROGRESS_AUTO,
	};
}

const char *
llmill_escape(const char *text, char *out, size_t size)
{
	struct buf buf;

	buf_init(&buf, strlen(text) * 8 + 16);
	text_escape(&buf, span_of(text), 0);
	snprintf(out, size, "%s", buf.data != NULL ? buf.data : "");
	buf_free(&buf);
	return out;
}

const char *
llmill_version_text(char *out, size_t size)
{
	snprintf(out, size, "llmill " LLMILL_VERSION " (SQLite %s, libcurl %s)",
	    db_engine_version(), curl_client_version());
	return out;
}

int
status_of(enum err_class kind)
{
	switch (kind) {
	case ERR_USAGE:
		return LLMILL_EXIT_USAGE;
	case ERR_INPUT:
		return LLMILL_EXIT_INPUT;
	case ERR_BACKEND:
		return LLMILL_EXIT_BACKEND;
	case ERR_BUSY:
		return LLMILL_EXIT_EARLY;
	default:
		return LLMILL_EXIT_SYSTEM;
	}
}
