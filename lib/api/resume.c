/* SPDX-License-Identifier: ISC */
/*
 * What the last run on a database was told → the settings of the next one.
 * Never a command, a file name or a secret: a database may come from anybody.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/words.h"
#include "base/err.h"
#include "base/json.h"
#include "base/price.h"
#include "base/text.h"
#include "data/recall.h"
#include "llmill_run.h"
#include "wire/msg.h"

#define SETTINGS_MAX_BYTES ((size_t)512 << 20)

struct llmill_recalled {
	struct json *root; /* most strings of the settings live in it */
	struct buf command;
	struct buf headers;
	char *backend;	    /* "echo:SCRIPT" */
	const char **items; /* "KEY=VALUE", NULL-terminated */
	size_t item_count;
	const char *urls[MSG_ENDPOINTS_MAX + 1]; /* NULL-terminated */
};

/* Gives a string without a NUL inside, or NULL. */
static const char *
string_of(struct json *value)
{
	struct span text = json_string(value);

	if (text.data == NULL || strlen(text.data) != text.size)
		return NULL;
	return text.data;
}

/* Take a number, if it is one that an option could have given. */
static void
take_number(struct json *root, const char *key, int64_t least, int64_t most,
    int64_t unit, int64_t *field)
{
	int64_t number = json_integer(json_get(root, key), -1);

	if (number >= least && number <= most)
		*field = number * unit;
}

static void
take_count(struct json *root, const char *key, int64_t least, int64_t most,
    uint32_t *field)
{
	int64_t number = *field;

	take_number(root, key, least, most, 1, &number);
	*field = (uint32_t)number;
}

static bool
is_true(struct json *root, const char *key)
{
	return span_equals(json_text(json_get(root, key)), span_of("true"));
}

#define MS INT64_C(1000000)
#define MS_MOST                                                                \
	(INT64_C(8760) * 3600 * 1000) /* a year, as the options have           \
				       */

/* What the rest costs is asked for with what was spent. */
static void
take_prices(struct json *root, struct llmill_run_conf *conf)
{
	int64_t input = 0;
	int64_t output = 0;

	take_number(root, PRICE_IN_KEY, 0, PRICE_UNIT, 1, &input);
	take_number(root, PRICE_OUT_KEY, 0, PRICE_UNIT, 1, &output);
	conf->price_in = (uint64_t)input;
	conf->price_out = (uint64_t)output;
}

static void
take_running(struct json *root, struct llmill_run_conf *conf)
{
	int64_t bytes = (int64_t)conf->max_answer_bytes;
	int64_t memory = 0;

	take_count(root, "workers", 1, 8192, &conf->workers);
	take_count(
	    root, "retry_attempts", 0, UINT32_MAX, &conf->retry_attempts);
	take_count(root, "poison", 1, UINT32_MAX, &conf->poison);
	take_count(root, "worker_jobs", 0, UINT32_MAX, &conf->worker_jobs);
	take_number(root, "worker_memory", 0, INT64_MAX, 1, &memory);
	conf->worker_memory = (uint64_t)memory;
	take_number(
	    root, "worker_cpu_ms", 0, MS_MOST, MS, &conf->worker_cpu_ns);
	take_number(
	    root, "retry_delay_ms", 0, MS_MOST, MS, &conf->retry_delay_ns);
	take_number(root, "timeout_ms", 1, MS_MOST, MS, &conf->timeout_ns);
	take_number(
	    root, "start_timeout_ms", 1, MS_MOST, MS, &conf->start_timeout_ns);
	take_number(root, "connect_timeout_ms", 1, MS_MOST, MS,
	    &conf->connect_timeout_ns);
	take_number(root, "first_byte_timeout_ms", 0, MS_MOST, MS,
	    &conf->first_byte_timeout_ns);
	take_number(
	    root, "stall_timeout_ms", 0, MS_MOST, MS, &conf->stall_timeout_ns);
	take_number(
	    root, "wait_server_ms", 0, MS_MOST, MS, &conf->wait_server_ns);
	take_number(root, "max_wait_ms", 0, MS_MOST, MS, &conf->max_wait_ns);
	take_number(
	    root, "kill_grace_ms", 0, MS_MOST, MS, &conf->kill_grace_ns);
	take_number(root, "max_answer_bytes", 1, INT64_C(32) << 20, 1, &bytes);
	conf->max_answer_bytes = (uint64_t)bytes;
	take_prices(root, conf);
	conf->allow_empty = is_true(root, "allow_empty");
	conf->keep_raw = is_true(root, "keep_raw");
	if (is_true(root, "isolate"))
		conf->isolate = LLMILL_ISOLATE_NS;
	conf->dedup = is_true(root, "dedup");
	if (json_get(root, "stream") != NULL)
		conf->stream = is_true(root, "stream") ? LLMILL_STREAM_ON
						       : LLMILL_STREAM_OFF;
}

/* Add "KEY=JSON" of one body parameter; max_tokens has an option. */
static int
take_param(struct llmill_recalled *recalled, struct span key, struct span raw,
    struct llmill_run_conf *conf)
{
	size_t count = recalled->item_count;
	const char **items;
	char *item;

	if (span_equals(key, span_of("max_tokens"))) {
		conf->max_tokens = strtoll(raw.data, NULL, 10);
		return 0;
	}
	items = reallocarray(recalled->items, count + 2, sizeof *items);
	if (items == NULL)
		return -1;
	recalled->items = items;
	items[count] = NULL;
	if (asprintf(&item, "%.*s=%.*s", (int)key.size, key.data, (int)raw.size,
		raw.data) == -1)
		return -1;
	items[count] = item;
	items[count + 1] = NULL;
	recalled->item_count++;
	return 0;
}

static int
take_params(struct llmill_recalled *recalled, struct json *params,
    struct llmill_run_conf *conf)
{
	struct span text = json_text(params);
	struct buf scratch;
	struct span key;
	struct span raw;
	size_t at = 0;
	int done = 0;

	buf_init(&scratch, SETTINGS_MAX_BYTES);
	while (done == 0 && params != NULL &&
	       json_next_member(text, &at, &scratch, &key, &raw))
		done = take_param(recalled, key, raw, conf);
	buf_free(&scratch);
	conf->params = recalled->items;
	return done;
}

/* Which backend, and with what: the part that makes the plan. */
static int
take_plan(struct llmill_recalled *recalled, struct json *plan,
    struct llmill_run_conf *conf)
{
	const char *backend = string_of(json_get(plan, "backend"));
	const char *script = string_of(json_get(plan, "script"));
	struct json *command = json_get(plan, "command");

	conf->backend = backend;
	conf->model = string_of(json_get(plan, "model"));
	conf->system = string_of(json_get(plan, "system"));
	if (backend != NULL && script != NULL) {
		if (asprintf(&recalled->backend, "%s:%s", backend, script) ==
		    -1) {
			recalled->backend = NULL;
			return -1;
		}
		conf->backend = recalled->backend;
	}
	for (size_t i = 0; i < json_count(command); i++) {
		const char *word = string_of(json_at(command, i));

		if (i > 0)
			buf_add_byte(&recalled->command, ' ');
		text_quote_shell(&recalled->command, word == NULL ? "" : word);
	}
	return take_params(recalled, json_get(plan, "params"), conf);
}

/* The values of headers are not kept; their names are said. */
static void
take_headers(struct llmill_recalled *recalled, struct json *headers)
{
	for (size_t i = 0; i < json_count(headers); i++) {
		if (i > 0)
			buf_add_text(&recalled->headers, ", ");
		text_escape(
		    &recalled->headers, json_string(json_at(headers, i)), 0);
	}
}

static void
take_urls(struct llmill_recalled *recalled, struct json *urls,
    struct llmill_run_conf *conf)
{
	size_t count = 0;

	for (size_t i = 0; i < json_count(urls) && i < MSG_ENDPOINTS_MAX; i++) {
		const char *url = string_of(json_at(urls, i));

		if (url != NULL)
			recalled->urls[count++] = url;
	}
	conf->urls = count > 0 ? recalled->urls : NULL;
	conf->urls_recalled = count > 0;
}

static int
take_settings(struct llmill_recalled *recalled, struct llmill_run_conf *conf)
{
	struct json *root = recalled->root;

	conf->api = string_of(json_get(root, "api"));
	take_urls(recalled, json_get(root, "urls"), conf);
	take_running(root, conf);
	take_headers(recalled, json_get(root, "headers"));
	if (take_plan(recalled, json_get(root, "plan"), conf) == -1 ||
	    recalled->command.failed || recalled->headers.failed)
		return -1;
	return 0;
}

static struct llmill_recalled *
recalled_new(void)
{
	struct llmill_recalled *recalled = calloc(1, sizeof *recalled);

	if (recalled == NULL)
		return NULL;
	buf_init(&recalled->command, SETTINGS_MAX_BYTES);
	buf_init(&recalled->headers, SETTINGS_MAX_BYTES);
	return recalled;
}

/* Read and take the settings of the last run, if there was one. */
static int
recall(struct recall *database, struct llmill_recalled *recalled,
    struct llmill_run_conf *conf, struct err *err)
{
	struct buf settings;
	int done;

	buf_init(&settings, SETTINGS_MAX_BYTES);
	done = recall_settings(database, &settings, err);
	if (done == 0 && settings.size > 0) {
		recalled->root = json_parse(buf_span(&settings), err);
		if (recalled->root == NULL)
			done = err_add(err, "the settings of the last run");
		else if (take_settings(recalled, conf) == -1)
			done = err_set_memory(err, "settings");
	}
	buf_free(&settings);
	return done;
}

int
llmill_recall(const char *db, struct llmill_run_conf *conf,
    struct llmill_recalled **recalled, struct llmill_err *err)
{
	struct recall database;
	struct err why = {0};
	int done;

	*recalled = recalled_new();
	err->text[0] = '\0';
	if (*recalled == NULL)
		done = err_set_memory(&why, "settings");
	else
		done = recall_open(&database, db, &why);
	if (done == 0) {
		done = recall(&database, *recalled, conf, &why);
		recall_close(&database);
	}
	conf->resume = true;
	conf->db = db;
	if (done == 0)
		return err->status = LLMILL_EXIT_OK;
	err->status = status_of(why.class);
	snprintf(err->text, sizeof(err->text), "%s", why.text);
	return err->status;
}

const char *
llmill_recalled_command(const struct llmill_recalled *recalled)
{
	return recalled->command.size > 0 ? recalled->command.data : NULL;
}

const char *
llmill_recalled_headers(const struct llmill_recalled *recalled)
{
	return recalled->headers.size > 0 ? recalled->headers.data : NULL;
}

void
llmill_recalled_free(struct llmill_recalled *recalled)
{
	if (recalled == NULL)
		return;
	for (size_t i = 0; i < recalled->item_count; i++)
		free((void *)(uintptr_t)recalled->items[i]);
	free(recalled->items);
	free(recalled->backend);
	buf_free(&recalled->headers);
	buf_free(&recalled->command);
	json_free(recalled->root);
	free(recalled);
}
