/* SPDX-License-Identifier: ISC */
#ifndef BACKEND_H
#define BACKEND_H

#include "base/buf.h"
#include "chat/chat.h"
#include "chat/url.h"
#include "data/plan.h"
#include "run/route.h"

struct err;
struct llmill_run_conf;

/*
 * From the options a person gave to the settings a backend takes and the plan
 * that is kept: which backend, which URL, which key may go where, which body
 * parameters.
 */
struct backend {
	struct chat_conf chat;
	struct plan plan;		    /* without prompts yet */
	struct url urls[MSG_ENDPOINTS_MAX]; /* http only: of the endpoints */
	struct route_conf servers[MSG_ENDPOINTS_MAX];
	struct {
		bool meant;   /* the environment names it, as it does the key */
		bool strange; /* it stands only in a database */
	} trusts[MSG_ENDPOINTS_MAX];
	struct buf found_model;	     /* asked of the server; empty when not */
	int64_t timeout_ns;	     /* of one attempt */
	bool key_withheld;	     /* the API's own, from a plain-http URL */
	const char *key_source;	     /* for messages: "$OPENAI_API_KEY"; NULL */
	char *plugin;		     /* its file, absolute */
	const char *plugin_words[2]; /* as typed: of the plan */
	struct buf params;	     /* raw JSON object, keys sorted */
	struct buf plan_params;	     /* the same with max_tokens */
};

/* Each record has its own system text. */
void backend_drop_system(struct backend *backend);

/*
 * Fill backend from conf; strings of conf are lent for its whole life.
 * Fails ERR_USAGE for what cannot be; nothing is left to free then.
 */
int backend_resolve(struct backend *backend, const struct llmill_run_conf *conf,
    struct err *err);

/*
 * Without -m: take the only model that the server has, when any record names
 * none itself. Does nothing for other backends.
 * Fails ERR_USAGE listing the models when there are several, or when the server
 * lists none; ERR_BACKEND when it cannot be used. *outcome is what a prompt
 * would have met there. Takes stop_fd: when it is readable the server is not
 * waited for; -1 none.
 */
int backend_find_model(struct backend *backend, int stop_fd,
    enum outcome *outcome, struct err *err);

/* Would the server be asked which model to take? */
bool backend_asks_model(const struct backend *backend);

/* Is there a key in these settings? */
bool backend_has_key(const struct backend *backend);

/* Is there a key, or the password of a proxy? */
bool backend_has_secret(const struct backend *backend);

void backend_free(struct backend *backend);

#endif
