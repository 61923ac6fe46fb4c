/* SPDX-License-Identifier: ISC */
/*
 * llmill check: one prompt, one worker, one try, no database; then a page of
 * what was used, what came, and what to do about it. It goes the same way as a
 * run, so what it finds is what a run would find.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend.h"
#include "cmd.h"
#include "page.h"
#include "say.h"

#define INDENT 12
#define SHOWN_BYTES 300 /* of what came */
/* Escaped, a byte may take eight. */
#define ESCAPED_BYTES (SHOWN_BYTES * 8 + 16)
#define TIMEOUT_NS INT64_C(60000000000) /* nobody waits 10 minutes for this */
#define DEFAULT_PROMPT "Reply with the single word: ready."

/* The last attempt, copied while it was there. */
struct seen {
	bool any;
	bool answered;
	int http_status;
	int64_t duration_ms;
	int64_t input_tokens;
	int64_t output_tokens;
	char outcome[32];
	char text[SHOWN_BYTES + 8];
	char error[SHOWN_BYTES + 8];
	char model[SHOWN_BYTES + 8];
	const char *advice; /* NULL for an answer */
};

/* Copy the first line that is not blank, cut to SHOWN_BYTES at a character. */
static void
copy_line(char *out, const char *text, size_t size)
{
	const char *end;
	size_t shown;

	while (size > 0 && strchr(" \t\r\n", *text)) {
		text++;
		size--;
	}
	end = size > 0 ? memchr(text, '\n', size) : NULL;
	shown = end ? (size_t)(end - text) : size;
	if (shown > SHOWN_BYTES) {
		shown = SHOWN_BYTES;
		while (shown > 0 && (text[shown] & 0xc0) == 0x80)
			shown--;
	}
	if (shown > 0)
		memcpy(out, text, shown);
	out[shown] = '\0';
	if (shown < size)
		memcpy(out + shown, "…", sizeof("…"));
}

static void
see_attempt(void *arg, const struct llmill_attempt *attempt)
{
	struct seen *seen = arg;

	*seen = (struct seen){
	    .any = true,
	    .answered = attempt->answered,
	    .http_status = attempt->http_status,
	    .duration_ms = attempt->duration_ms,
	    .input_tokens = attempt->input_tokens,
	    .output_tokens = attempt->output_tokens,
	    .advice = attempt->advice,
	};
	snprintf(seen->outcome, sizeof(seen->outcome), "%s", attempt->outcome);
	copy_line(seen->text, attempt->text, attempt->text_size);
	copy_line(seen->error, attempt->error, attempt->error_size);
	copy_line(seen->model, attempt->model, attempt->model_size);
}

/* Print a line of the page; what is foreign in it is escaped. */
static void print_line(const char *label, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void
print_line(const char *label, const char *format, ...)
{
	char text[ESCAPED_BYTES];
	char safe[ESCAPED_BYTES];
	va_list list;

	va_start(list, format);
	vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	page_entry(label, INDENT, llmill_escape(text, safe, sizeof(safe)));
}

static const char *
environment(const char *name)
{
	const char *value = getenv(name);

	return value && value[0] ? value : NULL;
}

static void
print_url(const struct llmill_run_conf *conf, const struct llmill_place *place)
{
	if (conf->urls)
		print_line("url", "%s", conf->urls[0]);
	else if (place->url_variable)
		print_line(
		    "url", "%s (from %s)", place->url, place->url_variable);
	else
		print_line("url", "%s (the default)", place->url);
}

/* Say which key was used, never the key. */
static void
print_key(const struct llmill_run_conf *conf, const char *usual)
{
	const char *url = conf->urls ? conf->urls[0] : NULL;

	if (conf->key_file)
		print_line("key", "from the file %s", conf->key_file);
	else if (conf->key_env)
		print_line("key", "from $%s", conf->key_env);
	else if (!environment(usual + 1))
		print_line("key", "none (%s is not set)%s", usual,
		    conf->headers ? ", but for what -H says" : "");
	else if (url && (strncmp(url, "http://", 7) == 0 ||
			    strncmp(url, "unix:/", 6) == 0))
		print_line("key",
		    "none: %s goes to a plain-http -u only with --key-env %s",
		    usual, usual + 1);
	else if (url && strncmp(url, "https://", 8) != 0)
		print_line("key",
		    "%s, if that URL is https; over plain http only with "
		    "--key-env %s",
		    usual, usual + 1);
	else
		print_line("key", "from %s", usual);
}

static void
print_command(const char *const *word)
{
	char text[SHOWN_BYTES];
	size_t size = 0;

	for (; *word && size < sizeof(text); word++)
		size += (size_t)snprintf(text + size, sizeof(text) - size,
		    "%s%s", size > 0 ? " " : "", *word);
	print_line("command", "%s%s", text, size < sizeof(text) ? "" : "…");
}

static void
print_model(const char *asked, const char *came)
{
	if (!asked && came[0])
		print_line("model", "%s (not asked for)", came);
	else if (!asked)
		print_line("model", "none asked for");
	else if (came[0] && strcmp(asked, came) != 0)
		print_line("model", "%s (answered as %s)", asked, came);
	else
		print_line("model", "%s", asked);
}

static void
print_used(const struct opts *opts, const struct seen *seen)
{
	const struct llmill_run_conf *conf = &opts->conf;
	struct llmill_place place;

	print_line("backend", "%s",
	    conf->backend ? conf->backend : backend_name(opts->backend));
	if (conf->command)
		print_command(conf->command);
	if (conf->plugin)
		print_line("plugin", "%s", conf->plugin);
	if (opts->backend == OPTS_HTTP &&
	    llmill_find_place(conf->api, &place)) {
		print_line("api", "%s", conf->api ? conf->api : "openai");
		print_url(conf, &place);
		print_key(conf, place.key_variable);
		print_model(conf->model, seen->model);
	}
}

static void
print_tokens(const struct seen *seen)
{
	if (seen->input_tokens >= 0 && seen->output_tokens >= 0)
		print_line("tokens", "%" PRId64 " in, %" PRId64 " out",
		    seen->input_tokens, seen->output_tokens);
}

static void
print_came(const struct seen *seen)
{
	if (seen->answered)
		print_line(
		    "answer", "%s", seen->text[0] ? seen->text : "(empty)");
	else if (seen->http_status > 0)
		print_line("wrong", "%s (HTTP status %d)", seen->outcome,
		    seen->http_status);
	else
		print_line("wrong", "%s", seen->outcome);
	if (seen->error[0])
		print_line("reason", "%s", seen->error);
	print_line("time", "%" PRId64 ".%03" PRId64 " s",
	    seen->duration_ms / 1000, seen->duration_ms % 1000);
	print_tokens(seen);
	if (seen->advice)
		print_line("to do", "%s", seen->advice);
}

/* One prompt, at once, leaving nothing behind. */
static int
set_conf(struct opts *opts, struct llmill_err *err)
{
	static const char *const prompts[] = {DEFAULT_PROMPT, NULL};
	struct llmill_run_conf *conf = &opts->conf;

	if (opts->inputs.count > 0)
		return say_refuse(err,
		    "check takes no input file, only --prompt TEXT; did you "
		    "mean: llmill run %.300s?",
		    opts->inputs.items[0]);
	if (opts->prompts.count > 1)
		return say_refuse(err, "check sends one prompt, not %zu",
		    opts->prompts.count);
	if (opts->prompts.count == 0)
		conf->prompts = prompts;
	if (conf->timeout_ns == 0) {
		conf->timeout_ns = TIMEOUT_NS;
		/* A run with its longer timeout would ask so. */
		if (conf->stream == LLMILL_STREAM_AUTO)
			conf->stream = LLMILL_STREAM_TRY;
	}
	conf->no_db = true;
	conf->workers = 1;
	conf->retry_attempts = 1;
	conf->wait_server_ns = 0;
	conf->max_wait_ns = 0;
	conf->progress = LLMILL_PROGRESS_NONE;
	if (conf->verbosity == 0) {
		conf->verbosity = -1;
		conf->screen_fd = -1;
	}
	conf->on_attempt = see_attempt;
	return 0;
}

/* Ask the backend, or one of its servers. */
static int
check_one(struct opts *opts, struct llmill_err *err)
{
	struct seen seen = {0};
	int status;

	opts->conf.on_attempt_arg = &seen;
	status = llmill_run(&opts->conf, err);
	if (!seen.any && !err->text[0])
		snprintf(err->text, sizeof(err->text),
		    "the check ended (%d) before the backend was asked; -vv "
		    "says more",
		    status);
	if (!seen.any)
		return status;
	print_used(opts, &seen);
	print_came(&seen);
	/* With or without a pause that it asks for. */
	if (strcmp(seen.outcome, "rate_limited") == 0)
		return LLMILL_EXIT_BACKEND;
	return status == LLMILL_EXIT_FAILED ? LLMILL_EXIT_BACKEND : status;
}

static int
check(struct opts *opts, struct llmill_err *err)
{
	const char *const *url = opts->conf.urls;
	int worst = LLMILL_EXIT_OK;

	if (set_conf(opts, err) < 0)
		return err->status;
	if (!url)
		return check_one(opts, err);
	for (; *url; url++) {
		const char *const only[] = {*url, NULL};
		int status;

		opts->conf.urls = only;
		status = check_one(opts, err);
		if (status != LLMILL_EXIT_OK)
			worst = status;
		if (err->text[0])
			break; /* nothing was asked, or the machine fails */
		if (url[1])
			printf("\n");
	}
	return worst;
}

int
cmd_check(const char *const *words)
{
	struct llmill_err err = {0};
	struct opts opts;
	int status;

	if (cmd_begin(&opts, OPTS_CHECK, words, NULL, &status)) {
		status = check(&opts, &err);
		if (err.text[0])
			say_error(err.text);
	}
	opts_free(&opts);
	return status;
}
