/* SPDX-License-Identifier: ISC */
#ifndef PLAN_H
#define PLAN_H

#include "base/buf.h"
#include "data/digest.h"

struct err;
struct prompts;
struct record;

/*
 * What makes two runs the same: the ordered prompts with model, system text,
 * parameters and backend kind or command. URL, key, workers, timeouts and
 * limits are not part of it.
 */
struct plan {
	const struct prompts *prompts; /* sealed */
	const char *backend;	       /* "http", "exec", "echo" */
	struct span model;	       /* none: not said */
	struct span system;	       /* none: not said */
	struct span params; /* raw JSON object of body parameters, keys sorted;
			       none: no parameter */
	const char *const *command; /* argv of exec, NULL-terminated, or NULL */
	const char *script;	    /* of echo, or NULL */
	const char *digest; /* by plan_digest, to spare doing it again, or
			       NULL */
};

#define PLAN_DIGEST_BYTES SHA256_HEX_BYTES

/*
 * Write the digest over settings and every record's text and body.
 * Cost: linear in the bytes of all prompts.
 */
void plan_digest(const struct plan *plan, char hex[PLAN_DIGEST_BYTES]);

/* Write the digest of all that is no prompt: backend, model, system text,
 * parameters, command. */
void plan_settings_digest(const struct plan *plan, char hex[PLAN_DIGEST_BYTES]);

/* Write the digest of one request: a record under a settings digest. */
void plan_request_digest(const char *settings, const struct record *record,
    char hex[PLAN_DIGEST_BYTES]);

/* Append {"backend":…,"model":…,"system":…,"params":…,"command":…}: what
 * llm_runs.settings keeps, and what plan_compare reads. */
void plan_put_settings(struct buf *buf, const struct plan *plan);

/*
 * Are these settings the plan's? Gives 0, or -1 with err ERR_USAGE: which one
 * differs, old and new ("model was a, is b"), and what to do.
 */
int plan_compare(
    const struct plan *plan, struct span old_settings, struct err *err);

/* Append what differs in the plans of two runs: model was "a", is "b". Takes
 * their llm_runs.settings; what cannot be read sets nothing. */
void plan_put_differences(
    struct buf *buf, struct span old_run, struct span new_run);

#endif
