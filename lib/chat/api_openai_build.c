/* SPDX-License-Identifier: ISC */
/*
 * Requests of /chat/completions: the messages, the token limit, and whether
 * the answer comes as a stream; all else is the draft's.
 */
#include "chat/api_openai.h"

#include "base/json.h"
#include "chat/api.h"
#include "chat/api_draft.h"
#include "chat/chat.h"
#include "chat/url.h"

/* Append the token limit, unless a parameter says one. */
static void
put_limit(struct api_draft *draft, const char *url)
{
	const struct chat_conf *conf = draft->conf;
	bool openai = url != NULL && url_is_openai(url);

	if (conf->max_tokens <= 0 || api_draft_has_param(draft, "max_tokens") ||
	    api_draft_has_param(draft, "max_completion_tokens"))
		return;
	json_put_integer(draft->body,
	    openai ? "max_completion_tokens" : "max_tokens", conf->max_tokens);
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

	for (size_t i = 0; i < json_count(root) && !found; i++)
		found = api_draft_is_system(
		    json_string(json_get(json_at(root, i), "role")));
	json_free(root);
	return found;
}

static void
put_system(struct api_draft *draft)
{
	buf_add_text(draft->body, "{\"role\":\"system\",\"content\":");
	api_draft_put_system(draft);
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
put_own_messages(struct api_draft *draft)
{
	struct span inner = draft->messages;

	inner.data++;
	inner.size -= 2;
	buf_add_byte(draft->body, '[');
	if (api_draft_wants_system(draft) && !has_system(draft->messages)) {
		put_system(draft);
		if (!is_blank(inner))
			buf_add_byte(draft->body, ',');
	}
	buf_add(draft->body, inner.data, inner.size);
	buf_add_byte(draft->body, ']');
}

static void
put_prompt(struct api_draft *draft, struct span text)
{
	buf_add_byte(draft->body, '[');
	if (api_draft_wants_system(draft)) {
		put_system(draft);
		buf_add_byte(draft->body, ',');
	}
	api_draft_put_user(draft, text);
	buf_add_byte(draft->body, ']');
}

void
api_openai_build(const struct chat_conf *conf, const struct record *record,
    const struct api_shape *shape, struct buf *body)
{
	struct api_draft draft;

	api_draft_begin(&draft, conf, &api_openai, record, body);
	put_limit(&draft, shape->url);
	put_shape(body, shape);
	json_put_key(body, "messages");
	if (api_draft_is_null(draft.messages))
		put_prompt(&draft, record->text);
	else
		put_own_messages(&draft);
	api_draft_end(&draft);
}
