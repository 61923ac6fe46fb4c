/* SPDX-License-Identifier: ISC */
/*
 * Requests are composed member by member from raw text: first the model, then
 * the run's parameters less those that the record says itself, then the
 * record's. Names are compared as they are sent, so that two words for one
 * thing do not both go out.
 */
#include "chat/api_draft.h"

#include "base/json.h"
#include "chat/api.h"
#include "chat/chat.h"

bool
api_draft_is(struct span key, const char *name)
{
	return span_equals(key, span_of(name));
}

bool
api_draft_is_null(struct span raw)
{
	return raw.data == NULL || api_draft_is(raw, "null");
}

bool
api_draft_is_system(struct span role)
{
	return api_draft_is(role, "system") || api_draft_is(role, "developer");
}

/* As json_next_member; a failure sticks to the body. */
static bool
next_member(struct api_draft *draft, struct span object, size_t *at,
    struct buf *scratch, struct span *key, struct span *raw)
{
	bool found = json_next_member(object, at, scratch, key, raw);

	if (scratch->failed)
		draft->body->failed = true;
	return found;
}

bool
api_draft_next(struct api_draft *draft, struct span object, size_t *at,
    struct span *key, struct span *raw)
{
	return next_member(draft, object, at, &draft->key, key, raw);
}

static void
read_record(struct api_draft *draft, struct span body)
{
	struct span key;
	struct span raw;
	size_t at = 0;

	if (body.data == NULL)
		return;
	while (api_draft_next(draft, body, &at, &key, &raw)) {
		if (api_draft_is(key, "messages"))
			draft->messages = raw;
		else if (api_draft_is(key, "system"))
			draft->system = raw;
		else if (api_draft_is(key, "model"))
			draft->model = raw;
		else if (api_draft_is(key, "params"))
			draft->params = raw;
	}
}

static const struct api_twin *
find_twin(const struct api_draft *draft, struct span given)
{
	const struct api_twin *twin = draft->api->twins;

	for (; twin != NULL && twin->given != NULL; twin++) {
		if (api_draft_is(given, twin->given))
			return twin;
	}
	return NULL;
}

static struct span
sent_name(const struct api_draft *draft, struct span given)
{
	const struct api_twin *twin = find_twin(draft, given);

	return twin != NULL ? span_of(twin->sent) : given;
}

/* Does the object have a member that is sent under this name? */
static bool
sends(struct api_draft *draft, struct span object, struct span name)
{
	struct span key;
	struct span raw;
	size_t at = 0;

	if (api_draft_is_null(object))
		return false;
	while (next_member(draft, object, &at, &draft->other, &key, &raw)) {
		if (span_equals(sent_name(draft, key), name))
			return true;
	}
	return false;
}

bool
api_draft_has_param(struct api_draft *draft, const char *sent)
{
	return sends(draft, span_of(draft->conf->params), span_of(sent)) ||
	       sends(draft, draft->params, span_of(sent));
}

/* Append "key":raw, with the comma that is due. */
static void
put_raw(struct buf *body, struct span key, struct span raw, bool listed)
{
	if (body->size > 1)
		buf_add_byte(body, ',');
	json_put_string(body, key);
	buf_add_text(body, listed ? ":[" : ":");
	buf_add(body, raw.data, raw.size);
	buf_add_text(body, listed ? "]" : "");
}

/* Gives true when a model was put. */
static bool
put_model(struct api_draft *draft)
{
	const char *model = draft->conf->model;

	if (!api_draft_is_null(draft->model))
		put_raw(draft->body, span_of("model"), draft->model, false);
	else if (model != NULL)
		json_put_text(draft->body, "model", span_of(model));
	else
		return false;
	return true;
}

static bool
is_reserved(const struct api_draft *draft, struct span key)
{
	const char *const *name = draft->api->reserved;

	while (*name != NULL && !api_draft_is(key, *name))
		name++;
	return *name != NULL;
}

static void
put_param(struct api_draft *draft, struct span key, struct span raw)
{
	const struct api_twin *twin = find_twin(draft, key);
	bool listed = twin != NULL && twin->listed && raw.data[0] == '"';

	put_raw(draft->body, sent_name(draft, key), raw, listed);
}

/* Append the members of params, but those that stand in over or are said
 * otherwise. */
static void
put_params(struct api_draft *draft, struct span params, struct span over,
    bool has_model)
{
	struct span key;
	struct span raw;
	size_t at = 0;

	if (api_draft_is_null(params))
		return;
	while (api_draft_next(draft, params, &at, &key, &raw)) {
		if (is_reserved(draft, key) ||
		    (has_model && api_draft_is(key, "model")))
			continue;
		if (!sends(draft, over, sent_name(draft, key)))
			put_param(draft, key, raw);
	}
}

void
api_draft_begin(struct api_draft *draft, const struct chat_conf *conf,
    const struct api *api, const struct record *record, struct buf *body)
{
	const struct span none = {NULL, 0};
	bool has_model;

	*draft = (struct api_draft){
	    .conf = conf,
	    .api = api,
	    .body = body,
	};
	buf_init(&draft->key, body->cap);
	buf_init(&draft->other, body->cap);
	read_record(draft, record->body);
	buf_add_byte(body, '{');
	has_model = put_model(draft);
	put_params(draft, span_of(conf->params), draft->params, has_model);
	put_params(draft, draft->params, none, has_model);
}

void
api_draft_end(struct api_draft *draft)
{
	buf_add_byte(draft->body, '}');
	buf_free(&draft->key);
	buf_free(&draft->other);
}

bool
api_draft_wants_system(const struct api_draft *draft)
{
	if (draft->system.data != NULL)
		return !api_draft_is_null(draft->system);
	return draft->conf->system != NULL;
}

void
api_draft_put_system(struct api_draft *draft)
{
	struct span own = draft->system;

	if (own.data != NULL)
		buf_add(draft->body, own.data, own.size);
	else
		json_put_string(draft->body, span_of(draft->conf->system));
}

void
api_draft_put_user(struct api_draft *draft, struct span text)
{
	buf_add_text(draft->body, "{\"role\":\"user\",\"content\":");
	json_put_string(draft->body, text);
	buf_add_byte(draft->body, '}');
}
