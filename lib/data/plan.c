/* SPDX-License-Identifier: ISC */
/*
 * A plan is its settings and its records in order. The digest covers both,
 * each part with its length in front so that no two plans run together; the
 * settings are kept as JSON beside it, to tell what differs.
 */
#include "data/plan.h"

#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "base/must.h"
#include "base/text.h"
#include "data/digest.h"
#include "data/prompts.h"
#include <bsd/string.h>

#define SETTINGS_MAX_BYTES ((size_t)256 << 20)
#define SHOWN_MAX_BYTES 60 /* of a value in a message */

static const char *const setting_names[] = {
    "backend", "model", "system", "params", "command", "script"};
#define SETTING_COUNT (sizeof setting_names / sizeof *setting_names)

static void
digest_words(struct sha256 *digest, const char *const *words)
{
	size_t count = 0;

	while (words != NULL && words[count] != NULL)
		count++;
	digest_number(digest, words == NULL ? UINT64_MAX : count);
	for (size_t i = 0; i < count; i++)
		digest_span(digest, span_of(words[i]));
}

static void
digest_settings(struct sha256 *digest, const struct plan *plan)
{
	digest_span(digest, span_of(plan->backend));
	digest_span(digest, plan->model);
	digest_span(digest, plan->system);
	digest_span(digest, plan->params);
	digest_words(digest, plan->command);
	digest_span(digest, span_of(plan->script));
}

void
plan_settings_digest(const struct plan *plan, char hex[PLAN_DIGEST_BYTES])
{
	struct sha256 digest;

	sha256_begin(&digest);
	digest_settings(&digest, plan);
	sha256_end_hex(&digest, hex);
}

void
plan_request_digest(const char *settings, const struct record *record,
    char hex[PLAN_DIGEST_BYTES])
{
	struct sha256 digest;

	sha256_begin(&digest);
	digest_span(&digest, span_of(settings));
	digest_record(&digest, record);
	sha256_end_hex(&digest, hex);
}

void
plan_digest(const struct plan *plan, char hex[PLAN_DIGEST_BYTES])
{
	struct sha256 digest;

	if (plan->digest != NULL) {
		strlcpy(hex, plan->digest, PLAN_DIGEST_BYTES);
		return;
	}
	sha256_begin(&digest);
	digest_settings(&digest, plan);
	for (uint32_t i = 0; i < prompts_count(plan->prompts); i++) {
		struct record record = prompts_at(plan->prompts, i);

		digest_record(&digest, &record);
	}
	sha256_end_hex(&digest, hex);
}

static void
put_command(struct buf *buf, const char *const *command)
{
	json_put_key(buf, "command");
	if (command == NULL) {
		buf_add_text(buf, "null");
		return;
	}
	buf_add_byte(buf, '[');
	for (size_t i = 0; command[i] != NULL; i++) {
		if (i > 0)
			buf_add_byte(buf, ',');
		json_put_string(buf, span_of(command[i]));
	}
	buf_add_byte(buf, ']');
}

void
plan_put_settings(struct buf *buf, const struct plan *plan)
{
	buf_add_byte(buf, '{');
	json_put_text(buf, "backend", span_of(plan->backend));
	json_put_text(buf, "model", plan->model);
	json_put_text(buf, "system", plan->system);
	json_put_key(buf, "params");
	if (plan->params.data != NULL)
		buf_add(buf, plan->params.data, plan->params.size);
	else
		buf_add_text(buf, "null");
	put_command(buf, plan->command);
	json_put_text(buf, "script", span_of(plan->script));
	buf_add_byte(buf, '}');
}

/* Append a value for people: "text", {"raw":1}, nothing. */
static void
put_shown(struct buf *buf, struct json *value)
{
	if (value == NULL) {
		buf_add_text(buf, "not set");
	} else if (json_is_string(value)) {
		buf_add_byte(buf, '"');
		text_escape(buf, json_string(value), SHOWN_MAX_BYTES);
		buf_add_byte(buf, '"');
	} else {
		text_escape(buf, json_text(value), SHOWN_MAX_BYTES);
	}
}

static bool
is_same(struct json *old, struct json *new)
{
	if (old == NULL || new == NULL)
		return old == new;
	if (json_is_string(old) != json_is_string(new))
		return false;
	if (json_is_string(old))
		return span_equals(json_string(old), json_string(new));
	return span_equals(json_text(old), json_text(new));
}

/* Append each setting that differs: model was "a", is "b". */
static void
put_differences(struct buf *buf, struct json *old, struct json *new)
{
	for (size_t i = 0; i < SETTING_COUNT; i++) {
		struct json *was = json_get(old, setting_names[i]);
		struct json *is = json_get(new, setting_names[i]);

		if (is_same(was, is))
			continue;
		if (buf->size > 0)
			buf_add_text(buf, ", ");
		buf_printf(buf, "%s was ", setting_names[i]);
		put_shown(buf, was);
		buf_add_text(buf, ", is ");
		put_shown(buf, is);
	}
}

int
plan_compare(const struct plan *plan, struct span old_settings, struct err *err)
{
	struct buf settings;
	struct buf differences;
	struct json *old = json_parse(old_settings, err);
	struct json *new;
	int done = 0;

	if (old == NULL)
		return err_add(err, "the settings of the last run");
	buf_init(&settings, SETTINGS_MAX_BYTES);
	buf_init(&differences, ERR_TEXT_MAX * 8);
	plan_put_settings(&settings, plan);
	new = json_parse(buf_span(&settings), err);
	if (new == NULL) {
		done = err_add(err, "the settings of this run");
		goto out;
	}
	put_differences(&differences, old, new);
	if (differences.size > 0)
		done = err_set(err, ERR_USAGE,
		    "%s; give another --db, or the old value",
		    buf_span(&differences).data);
	json_free(new);
out:
	json_free(old);
	buf_free(&differences);
	buf_free(&settings);
	return done;
}

void
plan_put_differences(struct buf *buf, struct span old_run, struct span new_run)
{
	struct json *old = json_parse(old_run, NULL);
	struct json *new = json_parse(new_run, NULL);

	put_differences(buf, json_get(old, "plan"), json_get(new, "plan"));
	json_free(new);
	json_free(old);
}
