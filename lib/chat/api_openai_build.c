/* SPDX-License-Identifier: ISC */
/*
 * Requests of /chat/completions. What users wrote travels as the raw text it
 * was, so numbers, escapes and the order of keys stay theirs; only what is
 * our own is composed.
 */
#include "chat/api_openai.h"

#include "base/json.h"
#include "chat/api.h"
#include "chat/chat.h"
#include "chat/url.h"

/* Raw values of a record's body; none where it has none. */
struct record_keys {
	struct span messages;
	struct span system;
	struct span model;
	struct span params;
};

/* One request in the making. */
struct draft {
	const struct chat_conf *conf;
	struct record_keys keys;
	struct buf *body;
	struct buf key;	  /* the member at hand, decoded */
	struct buf other; /* the one it is compared with */
};

static bool
is_key(struct span key, const char *name)
{
	return span_equals(key, span_of(name));
}

static bool
is_null(struct span raw)
{
	return raw.data == NULL || is_key(raw, "null");
}

/* As json_next_member; a failure sticks to the body. */
static bool
next_member(struct draft *draft, struct span object, size_t *at,
    struct buf *scratch, struct span *key, struct span *raw)
{
	bool found = json_next_member(object, at, scratch, key, raw);

	if (scratch->failed)
		draft->body->failed = true;
	return found;
}

static void
read_record(struct draft *draft, struct span body)
{
	struct record_keys *keys = &draft->keys;
	struct span key;
	struct span raw;
	size_t at = 0;

	if (body.data == NULL)
		return;
	while (next_member(draft, body, &at, &draft->key, &key, &raw)) {
		if (is_key(key, "messages"))
			keys->messages = raw;
		else if (is_key(key, "system"))
			keys->system = raw;
		else if (is_key(key, "model"))
			keys->model = raw;
		else if (is_key(key, "params"))
			keys->params = raw;
	}
}

static bool
has_member(struct draft *draft, struct span object, struct span name)
{
	struct span key;
	struct span raw;
	size_t at = 0;

	if (is_null(object))
		return false;
	while (next_member(draft, object, &at, &draft->other, &key, &raw)) {
		if (span_equals(key, name))
			return true;
	}
	return false;
}

/* Append "key":raw, with the comma that is due. */
static void
put_raw(struct buf *body, struct span key, struct span raw)
{
	if (body->size > 1)
		buf_add_byte(body, ',');
	json_put_string(body, key);
	buf_add_byte(body, ':');
	buf_add(body, raw.data, raw.size);
}

/* Gives true when a model was put. */
static bool
put_model(struct draft *draft)
{
	if (!is_null(draft->keys.model))
		put_raw(draft->body, span_of("model"), draft->keys.model);
	else if (draft->conf->model != NULL)
		json_put_text(
		    draft->body, "model", span_of(draft->conf->model));
	else
		return false;
	return true;
}

/* Messages are composed here; whether the answer is a stream is --stream's
 * affair. */
static bool
is_reserved(struct span key)
{
	return is_key(key, "messages") || is_key(key, "stream") ||
	       is_key(key, "stream_options");
}

/* Append the members of params, but those that stand in over or are said
 * otherwise. */
static void
put_params(
    struct draft *draft, struct span params, struct span over, bool has_model)
{
	struct span key;
	struct span raw;
	size_t at = 0;

	if (is_null(params))
		return;
	while (next_member(draft, params, &at, &draft->key, &key, &raw)) {
		if (is_reserved(key) || (has_model && is_key(key, "model")))
			continue;
		if (!has_member(draft, over, key))
			put_raw(draft->body, key, raw);
	}
}

/* Append the token limit, unless a parameter says one. */
static void
put_limit(struct draft *draft)
{
	static const char *const names[] = {
	    "max_tokens", "max_completion_tokens"};
	const struct chat_conf *conf = draft->conf;
	bool openai = conf->url != NULL && url_is_openai(conf->url);

	if (conf->max_tokens <= 0)
		return;
	for (size_t i = 0; i < 2; i++) {
		struct span name = span_of(names[i]);

		if (has_member(draft, span_of(conf->params), name) ||
		    has_member(draft, draft->keys.params, name))
			return;
	}
	json_put_integer(draft->body, names[openai ? 1 : 0], conf->max_tokens);
}

static void
put_shape(struct buf *body, const struct api_shape *shape)
{
	if (!shape->stream)
		return;
	json_put_bool(body, "stream", true);
	if (shape->usage)
		buf_add_text(
		    body, ",\"stream_options\":{\"include_usage\":true}");
}

/* Does a raw array of messages bring rules of its own? */
static bool
has_system(struct span messages)
{
	struct json *root = json_parse_lenient(messages, NULL);
	bool found = false;

	for (size_t i = 0; i < json_count(root) && !found; i++) {
		struct json *role = json_get(json_at(root, i), "role");

		found = is_key(json_string(role), "system") ||
			is_key(json_string(role), "developer");
	}
	json_free(root);
	return found;
}

/* Is there a system text, the record's before the run's? A null in the record
 * says: none here. */
static bool
wants_system(const struct draft *draft)
{
	if (draft->keys.system.data != NULL)
		return !is_null(draft->keys.system);
	return draft->conf->system != NULL;
}

static void
put_system(struct draft *draft)
{
	struct span own = draft->keys.system;

	buf_add_text(draft->body, "{\"role\":\"system\",\"content\":");
	if (own.data != NULL)
		buf_add(draft->body, own.data, own.size);
	else
		json_put_string(draft->body, span_of(draft->conf->system));
	buf_add_byte(draft->body, '}');
}

static bool
is_blank(struct span text)
{
	for (size_t i = 0; i < text.size; i++) {
		char byte = text.data[i];

		if (byte != ' ' && byte != '\t' && byte != '\n' && byte != '\r')
			return false;
	}
	return true;
}

/* Append a record's own messages, "[…]", as they are. */
static void
put_own_messages(struct draft *draft)
{
	struct span inner = draft->keys.messages;

	inner.data++;
	inner.size -= 2;
	buf_add_byte(draft->body, '[');
	if (wants_system(draft) && !has_system(draft->keys.messages)) {
		put_system(draft);
		if (!is_blank(inner))
			buf_add_byte(draft->body, ',');
	}
	buf_add(draft->body, inner.data, inner.size);
	buf_add_byte(draft->body, ']');
}

static void
put_prompt(struct draft *draft, struct span text)
{
	buf_add_byte(draft->body, '[');
	if (wants_system(draft)) {
		put_system(draft);
		buf_add_byte(draft->body, ',');
	}
	buf_add_text(draft->body, "{\"role\":\"user\",\"content\":");
	json_put_string(draft->body, text);
	buf_add_text(draft->body, "}]");
}

void
api_openai_build(const struct chat_conf *conf, const struct record *record,
    const struct api_shape *shape, struct buf *body)
{
	const struct span none = {NULL, 0};
	struct draft draft = {.conf = conf, .body = body};
	bool has_model;

	buf_init(&draft.key, body->cap);
	buf_init(&draft.other, body->cap);
	read_record(&draft, record->body);
	buf_add_byte(body, '{');
	has_model = put_model(&draft);
	put_params(&draft, span_of(conf->params), draft.keys.params, has_model);
	put_params(&draft, draft.keys.params, none, has_model);
	put_limit(&draft);
	put_shape(body, shape);
	json_put_key(body, "messages");
	if (is_null(draft.keys.messages))
		put_prompt(&draft, record->text);
	else
		put_own_messages(&draft);
	buf_add_byte(body, '}');
	buf_free(&draft.key);
	buf_free(&draft.other);
}
