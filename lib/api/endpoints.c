/* SPDX-License-Identifier: ISC */
/*
 * Where requests go. Where a key may go is decided here and nowhere else: a key
 * that was not named for it never reaches a plain-http address.
 */
#include "api/endpoints.h"

#include <stdlib.h>
#include <string.h>

#include "api/backend.h"
#include "api/usual.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "chat/api.h"
#include "llmill_run.h"

#define WEIGHT_MAX 1000
#define OUT_MAX 8192 /* no run has more workers */

static const struct setting {
	const char *mark; /* between URL and number */
	const char *what;
	unsigned long most;
	size_t at; /* in struct route_conf, a uint32_t */
} settings[] = {
    {",weight=", "a weight", WEIGHT_MAX, offsetof(struct route_conf, weight)},
    {",max=", "a maximum", OUT_MAX, offsetof(struct route_conf, out_max)},
};
#define SETTING_COUNT (sizeof(settings) / sizeof(settings[0]))

/* Gives the setting that the text ends with, with its mark's place; NULL when
 * it ends with none. Commas of the URL itself are none of ours. */
static const struct setting *
last_setting(const char *text, const char **mark)
{
	const char *comma = strrchr(text, ',');

	for (size_t i = 0; comma != NULL && i < SETTING_COUNT; i++) {
		if (strncmp(comma, settings[i].mark,
			strlen(settings[i].mark)) == 0) {
			*mark = comma;
			return &settings[i];
		}
	}
	return NULL;
}

/* Take the settings off the end of a URL. */
static int
cut_settings(char *text, struct route_conf *server, struct err *err)
{
	const struct setting *setting;
	const char *mark;

	while ((setting = last_setting(text, &mark)) != NULL) {
		const char *digits = mark + strlen(setting->mark);
		unsigned long value = strtoul(digits, NULL, 10);

		if (digits[0] == '\0' ||
		    digits[strspn(digits, "0123456789")] != '\0' || value < 1 ||
		    value > setting->most)
			return err_set(err, ERR_USAGE,
			    "-u %.300s: %s is a number from 1 to %lu", text,
			    setting->what, setting->most);
		*(uint32_t *)((char *)server + setting->at) = (uint32_t)value;
		text[mark - text] = '\0';
	}
	return 0;
}

static int
read_one(struct backend *backend, const char *given, struct err *err)
{
	struct chat_conf *chat = &backend->chat;
	uint32_t number = chat->endpoint_count;
	struct route_conf *server = &backend->servers[number];
	struct url *url = &backend->urls[number];
	char *text = strdup(given);
	int done;

	if (text == NULL)
		return err_set_memory(err, "URL");
	*server = (struct route_conf){.weight = 1};
	done = cut_settings(text, server, err);
	if (done == 0)
		done = url_read(url, text, chat->api, err);
	free(text);
	if (done == -1)
		return -1;
	server->name = url->peer;
	chat->endpoints[number].url = url->chat;
	chat->endpoint_count++;
	for (uint32_t i = 0; i < number; i++) {
		if (strcmp(backend->urls[i].base, url->base) == 0)
			return err_set(err, ERR_USAGE,
			    "-u %.300s: given twice; \",weight=2\" behind it "
			    "gives it twice as much",
			    url->base);
		/* Two bases on one host are told apart by all they are. */
		if (strcmp(backend->servers[i].name, server->name) == 0) {
			server->name = url->base;
			backend->servers[i].name = backend->urls[i].base;
		}
	}
	return 0;
}

/* A URL out of a database is trusted no more than the database, unless it is
 * the one that would be taken anyhow. */
static int
judge_recalled(
    struct backend *backend, const struct llmill_place *place, struct err *err)
{
	struct url url;

	if (url_read(&url, place->url, backend->chat.api, err) == -1)
		return -1;
	for (uint32_t i = 0; i < backend->chat.endpoint_count; i++) {
		bool usual = strcmp(url.base, backend->urls[i].base) == 0;

		backend->trusts[i].strange = !usual;
		backend->trusts[i].meant = usual && place->url_variable != NULL;
	}
	url_free(&url);
	return 0;
}

int
endpoints_resolve(struct backend *backend, const struct llmill_run_conf *conf,
    struct err *err)
{
	const char *const *url = conf->urls;
	struct llmill_place place;

	usual_place(backend->chat.api, &place);
	if (url == NULL || *url == NULL) {
		backend->trusts[0].meant = place.url_variable != NULL;
		return read_one(backend, place.url, err);
	}
	for (; *url != NULL; url++) {
		if (backend->chat.endpoint_count == MSG_ENDPOINTS_MAX)
			return err_set(err, ERR_USAGE,
			    "-u: there can be %d servers, not more",
			    MSG_ENDPOINTS_MAX);
		if (read_one(backend, *url, err) == -1)
			return -1;
	}
	return conf->urls_recalled ? judge_recalled(backend, &place, err) : 0;
}

/* A key goes over https; over plain http only where it was meant for that
 * address, and to another machine only when that was allowed in so many
 * words. */
static int
judge_one(struct backend *backend, const struct llmill_run_conf *conf,
    uint32_t number, struct err *err)
{
	const struct url *url = &backend->urls[number];
	bool named = conf->key_file != NULL || conf->key_env != NULL;
	const char *usual = backend->chat.api->key_variable;
	bool *keyless = &backend->chat.endpoints[number].keyless;

	*keyless = true;
	if (backend->trusts[number].strange && !named) {
		log_say(LOG_WARN,
		    "no key is sent to %s, which stands only in the database; "
		    "give -u, --key-env or --key-file if it belongs there",
		    url->base);
		return 0;
	}
	if (!url->https && !named && !backend->trusts[number].meant) {
		backend->key_withheld = true;
		log_say(LOG_INFO,
		    "%s was not sent to %s: name it with --key-env %s if it "
		    "belongs there",
		    usual, url->base, usual + 1);
		return 0;
	}
	*keyless = false;
	if (url->https || url->private_host || conf->allow_http_key)
		return 0;
	return err_set(err, ERR_USAGE,
	    "a key would go unencrypted to %s: use https, or say "
	    "--allow-http-key",
	    url->base);
}

int
endpoints_judge_key(struct backend *backend, const struct llmill_run_conf *conf,
    struct err *err)
{
	bool goes = false;

	if (backend->chat.key.text == NULL)
		return 0;
	for (uint32_t i = 0; i < backend->chat.endpoint_count; i++) {
		if (judge_one(backend, conf, i, err) == -1)
			return -1;
		goes |= !backend->chat.endpoints[i].keyless;
	}
	if (goes)
		return 0;
	secret_free(&backend->chat.key);
	backend->key_source = NULL;
	return 0;
}

void
endpoints_put(const struct backend *backend, uint32_t number, struct buf *out)
{
	const struct route_conf *server = &backend->servers[number];

	buf_add_text(out, backend->urls[number].base);
	if (server->weight > 1)
		buf_printf(out, ",weight=%u", (unsigned)server->weight);
	if (server->out_max > 0)
		buf_printf(out, ",max=%u", (unsigned)server->out_max);
}

void
endpoints_put_list(
    const struct backend *backend, const char *key, struct buf *out)
{
	if (backend->chat.endpoint_count == 0)
		return;
	json_put_key(out, key);
	buf_add_byte(out, '[');
	for (uint32_t i = 0; i < backend->chat.endpoint_count; i++) {
		struct buf text;

		buf_init(&text, 2 * URL_MAX_BYTES);
		endpoints_put(backend, i, &text);
		buf_add_text(out, i > 0 ? "," : "");
		json_put_string(out, buf_span(&text));
		out->failed |= text.failed;
		buf_free(&text);
	}
	buf_add_byte(out, ']');
}

void
endpoints_free(struct backend *backend)
{
	for (uint32_t i = 0; i < MSG_ENDPOINTS_MAX; i++)
		url_free(&backend->urls[i]);
}
