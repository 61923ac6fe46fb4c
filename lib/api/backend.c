/* SPDX-License-Identifier: ISC */
/*
 * Options → backend settings.
 */
#include "api/backend.h"

#include <stdlib.h>
#include <string.h>

#include "api/endpoints.h"
#include "api/params.h"
#include "api/plugin_file.h"
#include "api/usual.h"
#include "api/way.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
#include "chat/api.h"
#include "chat/http.h"
#include "chat/models.h"
#include "llmill_run.h"

#define BACKEND_TIMEOUT_HTTP (600 * CLOCK_S)
#define BACKEND_TIMEOUT_ELSE (60 * CLOCK_S) /* the seed's */
/* Gateways cut silent requests after 60 to 300 s. */
#define BACKEND_STREAM_OVER (120 * CLOCK_S)
#define BACKEND_STALL (120 * CLOCK_S) /* while streaming */
#define BACKEND_PARAMS_MAX_BYTES ((size_t)128 << 20)

static int
resolve_api(struct backend *backend, const struct llmill_run_conf *conf,
    struct err *err)
{
	const char *name = conf->api;

	backend->chat.api = name != NULL ? api_by_name(name) : &api_openai;
	if (backend->chat.api != NULL)
		return 0;
	return err_set(err, ERR_USAGE,
	    "--api %s: there is no such API; there are %s", name, api_names());
}

static int
read_key(struct backend *backend, const struct llmill_run_conf *conf,
    struct err *err)
{
	const char *usual = backend->chat.api->key_variable;
	struct secret *key = &backend->chat.key;
	const char *value;

	if (conf->key_file != NULL) {
		backend->key_source = conf->key_file;
		return secret_read_file(key, conf->key_file, err);
	}
	if (conf->key_env != NULL) {
		value = usual_variable(conf->key_env);
		if (value == NULL)
			return err_set(err, ERR_USAGE,
			    "--key-env %s: there is no such variable, or it "
			    "is empty",
			    conf->key_env);
		backend->key_source = conf->key_env;
		return secret_set(key, value, conf->key_env, err);
	}
	value = usual_variable(usual);
	if (value == NULL)
		return 0;
	backend->key_source = usual;
	return secret_set(key, value, usual, err);
}

static int
resolve_params(struct backend *backend, const struct llmill_run_conf *conf,
    struct err *err)
{
	struct buf *all = &backend->plan_params;

	if (params_build(conf->params, &backend->params, err) == -1)
		return -1;
	if (backend->params.size > 0)
		backend->chat.params = backend->params.data;
	backend->chat.max_tokens = conf->max_tokens > 0
				       ? conf->max_tokens
				       : backend->chat.api->max_tokens;
	if (backend->params.size > 0)
		buf_add(all, backend->params.data, backend->params.size - 1);
	else if (conf->max_tokens > 0)
		buf_add_byte(all, '{');
	if (conf->max_tokens > 0)
		json_put_integer(all, "max_tokens", conf->max_tokens);
	if (all->size > 0)
		buf_add_byte(all, '}');
	if (all->failed)
		return err_set_memory(err, "parameters");
	if (all->size > 0)
		backend->plan.params = buf_span(all);
	return 0;
}

/* Bad bytes would reach the model as something else than was meant. */
static int
check_utf8(const char *option, const char *text, struct err *err)
{
	size_t bad;

	if (text == NULL || text_is_utf8(span_of(text), &bad))
		return 0;
	return err_set(
	    err, ERR_USAGE, "%s is not UTF-8 at byte %zu", option, bad + 1);
}

static int
resolve_system(struct backend *backend, const struct llmill_run_conf *conf,
    struct err *err)
{
	backend->chat.system = conf->system;
	backend->plan.system = span_of(conf->system);
	return check_utf8("-s", conf->system, err);
}

void
backend_drop_system(struct backend *backend)
{
	backend->chat.system = NULL;
	backend->plan.system = span_of(NULL);
}

/* How answers come, and how long they may take about it. */
static void
resolve_times(struct backend *backend, const struct llmill_run_conf *conf)
{
	struct chat_conf *chat = &backend->chat;

	chat->connect_timeout_ms = conf->connect_timeout_ns / CLOCK_MS;
	chat->first_byte_ns = conf->first_byte_timeout_ns;
	chat->stream_optional = conf->stream == LLMILL_STREAM_TRY ||
				(conf->stream == LLMILL_STREAM_AUTO &&
				    backend->timeout_ns > BACKEND_STREAM_OVER);
	chat->stream =
	    conf->stream == LLMILL_STREAM_ON || chat->stream_optional;
	chat->stall_ns = conf->stall_timeout_ns;
	if (chat->stall_ns < 0)
		chat->stall_ns = chat->stream ? BACKEND_STALL : 0;
}

static int
resolve_http(struct backend *backend, const struct llmill_run_conf *conf,
    struct err *err)
{
	backend->chat.agent = "llmill/" LLMILL_VERSION;
	backend->chat.model = conf->model;
	backend->chat.headers = conf->headers;
	backend->chat.keep_raw = conf->keep_raw;
	resolve_times(backend, conf);
	backend->plan.model = span_of(conf->model);
	if (check_utf8("-m", conf->model, err) == -1 ||
	    resolve_system(backend, conf, err) == -1 ||
	    resolve_api(backend, conf, err) == -1 ||
	    endpoints_resolve(backend, conf, err) == -1 ||
	    read_key(backend, conf, err) == -1 ||
	    endpoints_judge_key(backend, conf, err) == -1 ||
	    way_resolve(backend, conf, err) == -1)
		return -1;
	return resolve_params(backend, conf, err);
}

static int
resolve_plugin(struct backend *backend, const struct llmill_run_conf *conf,
    struct err *err)
{
	if (conf->plugin == NULL)
		return 0; /* the backend refuses that itself */
	backend->plugin = plugin_file_find(conf->plugin, err);
	backend->chat.plugin = backend->plugin;
	backend->plugin_words[0] = conf->plugin;
	backend->plan.command = backend->plugin_words;
	if (backend->plugin == NULL)
		return -1;
	return resolve_system(backend, conf, err);
}

static int
resolve_kind(struct backend *backend, const struct llmill_run_conf *conf,
    struct err *err)
{
	const char *name = conf->backend;
	const char *colon;
	char kind[32];
	size_t size;

	if (name == NULL)
		name = conf->command != NULL ? "exec" : "http";
	colon = strchr(name, ':');
	size = colon != NULL ? (size_t)(colon - name) : strlen(name);
	if (size < sizeof(kind)) {
		memcpy(kind, name, size);
		kind[size] = '\0';
		backend->chat.kind = chat_by_name(kind);
	}
	if (backend->chat.kind == NULL)
		return err_set(err, ERR_USAGE,
		    "--backend %s: there is no such backend; there are %s",
		    name, chat_names());
	if (colon != NULL)
		backend->chat.script = colon + 1;
	return 0;
}

int
backend_resolve(struct backend *backend, const struct llmill_run_conf *conf,
    struct err *err)
{
	*backend = (struct backend){0};
	buf_init(&backend->found_model, BACKEND_PARAMS_MAX_BYTES);
	buf_init(&backend->params, BACKEND_PARAMS_MAX_BYTES);
	buf_init(&backend->plan_params, BACKEND_PARAMS_MAX_BYTES + 64);
	if (resolve_kind(backend, conf, err) == -1)
		goto fail;
	backend->timeout_ns = conf->timeout_ns;
	if (backend->timeout_ns <= 0)
		backend->timeout_ns =
		    strcmp(backend->chat.kind->name, "http") == 0
			? BACKEND_TIMEOUT_HTTP
			: BACKEND_TIMEOUT_ELSE;
	backend->chat.allow_empty = conf->allow_empty;
	backend->chat.answer_cap_bytes = conf->max_answer_bytes;
	backend->chat.grace_ns = conf->kill_grace_ns;
	backend->chat.command = conf->command;
	backend->chat.start_timeout_ns = conf->start_timeout_ns;
	backend->chat.cpu_max_s = (uint64_t)(conf->worker_cpu_ns / CLOCK_S);
	backend->chat.chat_fn = conf->chat_fn;
	backend->chat.chat_arg = conf->chat_arg;
	backend->plan.backend = backend->chat.kind->name;
	backend->plan.command = conf->command;
	backend->plan.script = backend->chat.script;
	if (strcmp(backend->chat.kind->name, "http") == 0 &&
	    resolve_http(backend, conf, err) == -1)
		goto fail;
	if (strcmp(backend->chat.kind->name, "coproc") == 0 &&
	    resolve_system(backend, conf, err) == -1)
		goto fail;
	if (strcmp(backend->chat.kind->name, "plugin") == 0 &&
	    resolve_plugin(backend, conf, err) == -1)
		goto fail;
	if (backend->chat.kind->check != NULL &&
	    backend->chat.kind->check(&backend->chat, err) == -1)
		goto fail;
	return 0;
fail:
	backend_free(backend);
	return -1;
}

/* Does every record say itself which model it wants? */
static bool
records_name_models(const struct prompts *prompts)
{
	for (uint32_t i = 0; i < prompts_count(prompts); i++) {
		struct record record = prompts_at(prompts, i);
		struct span body = record.body;
		struct json *root =
		    body.data != NULL ? json_parse(body, NULL) : NULL;
		bool names = json_get(root, "model") != NULL;

		json_free(root);
		if (!names && !record_is_bad(&record) &&
		    record_request(&record).data == NULL)
			return false;
	}
	return true;
}

bool
backend_asks_model(const struct backend *backend)
{
	return backend->chat.endpoint_count > 0 &&
	       backend->chat.model == NULL &&
	       !records_name_models(backend->chat.prompts);
}

static int
refuse_choice(struct buf *names, struct err *err)
{
	for (size_t i = 0; i < names->size; i++)
		if (names->data[i] == '\n')
			names->data[i] = i + 1 < names->size ? ' ' : '\0';
	return err_set(
	    err, ERR_USAGE, "which model? say -m with one of: %s", names->data);
}

/* The first server that answers at all is asked. */
static int
ask_models(struct backend *backend, int stop_fd, enum outcome *outcome,
    struct err *err)
{
	struct buf *names = &backend->found_model;
	int count = -1;

	for (uint32_t i = 0; i < backend->chat.endpoint_count; i++) {
		buf_clear(names);
		count =
		    models_ask(&backend->chat, i, names, stop_fd, outcome, err);
		if (count >= 0 || !outcome_trait(*outcome)->blames_server)
			break;
	}
	return count;
}

int
backend_find_model(struct backend *backend, int stop_fd, enum outcome *outcome,
    struct err *err)
{
	struct buf *names = &backend->found_model;
	int count;

	*outcome = OUTCOME_OK;
	if (!backend_asks_model(backend))
		return 0;
	count = ask_models(backend, stop_fd, outcome, err);
	if (count == -1)
		return -1;
	if (count > 1)
		return refuse_choice(names, err);
	names->data[names->size - 1] = '\0'; /* the line's end */
	backend->chat.model = names->data;
	backend->plan.model = span_of(names->data);
	log_say(
	    LOG_NOTE, "model: %s (the only one this server has)", names->data);
	return 0;
}

bool
backend_has_key(const struct backend *backend)
{
	return http_has_key(&backend->chat);
}

bool
backend_has_secret(const struct backend *backend)
{
	return http_has_secret(&backend->chat);
}

void
backend_free(struct backend *backend)
{
	secret_free(&backend->chat.key);
	way_free(backend);
	endpoints_free(backend);
	free(backend->plugin);
	buf_free(&backend->params);
	buf_free(&backend->plan_params);
	buf_free(&backend->found_model);
}
