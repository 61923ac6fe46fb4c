/* SPDX-License-Identifier: ISC */
/*
 * Requests of /messages. Records may be in OpenAI's form: system messages are
 * taken out of their list, and images become sources. A message with neither
 * goes out as the raw text it was.
 */
#include "chat/api_anthropic.h"

#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "base/scan.h"
#include "chat/api.h"
#include "chat/api_draft.h"
#include "chat/chat.h"

#define IMAGE "image_url" /* a part of a message in OpenAI's form */

/* Raw values of one message. */
struct message {
	struct span role;
	struct span content;
};

static bool
begins_as(struct span text, const char *word)
{
	size_t size = strlen(word);

	return text.size >= size && strncasecmp(text.data, word, size) == 0;
}

static struct message
read_message(struct api_draft *draft, struct span raw)
{
	struct message message = {.role = {NULL, 0}};
	struct span key;
	struct span value;
	size_t at = 0;

	while (api_draft_next(draft, raw, &at, &key, &value)) {
		if (api_draft_is(key, "role"))
			message.role = value;
		else if (api_draft_is(key, "content"))
			message.content = value;
	}
	return message;
}

/* Does the message set rules, rather than take part in the conversation? */
static bool
is_system(struct api_draft *draft, const struct message *message)
{
	struct buf *role = &draft->other;

	if (!begins_as(message->role, "\""))
		return false;
	buf_clear(role);
	scan_decode(role, message->role);
	draft->body->failed |= role->failed;
	return api_draft_is_system(buf_span(role));
}

/* Append an item of a list, with the comma that is due. */
static void
put_item(struct buf *body, struct span raw)
{
	if (body->size > 0 && body->data[body->size - 1] != '[')
		buf_add_byte(body, ',');
	buf_add(body, raw.data, raw.size);
}

/* ---- system texts ---- */

/* Gives how many system messages there are; the first one in first. */
static size_t
find_system(struct api_draft *draft, struct message *first)
{
	struct span raw;
	size_t count = 0;
	size_t at = 0;

	while (json_next_item(draft->messages, &at, &raw)) {
		struct message message = read_message(draft, raw);

		if (is_system(draft, &message) && count++ == 0)
			*first = message;
	}
	return count;
}

/* Append the content of a system message to a list of blocks. */
static void
put_blocks(struct buf *body, struct span content)
{
	struct span raw;
	size_t at = 0;

	while (json_next_item(content, &at, &raw))
		put_item(body, raw);
	if (!begins_as(content, "\""))
		return;
	put_item(body, span_of("{\"type\":\"text\",\"text\":"));
	buf_add(body, content.data, content.size);
	buf_add_byte(body, '}');
}

static void
put_all_blocks(struct api_draft *draft)
{
	struct span raw;
	size_t at = 0;

	buf_add_byte(draft->body, '[');
	while (json_next_item(draft->messages, &at, &raw)) {
		struct message message = read_message(draft, raw);

		if (is_system(draft, &message))
			put_blocks(draft->body, message.content);
	}
	buf_add_byte(draft->body, ']');
}

/* Append the system text: what the messages bring stands over all others. */
static void
put_system(struct api_draft *draft)
{
	struct message first = {.role = {NULL, 0}};
	size_t count = find_system(draft, &first);

	if (count == 0 && !api_draft_wants_system(draft))
		return;
	json_put_key(draft->body, "system");
	if (count == 0)
		api_draft_put_system(draft);
	else if (count == 1 && begins_as(first.content, "\""))
		buf_add(draft->body, first.content.data, first.content.size);
	else
		put_all_blocks(draft);
}

/* ---- messages ---- */

/* Cut "data:image/png;base64,DATA" into its two parts. */
static bool
cut_data_url(struct span url, struct span *kind, struct span *data)
{
	static const char mark[] = ";base64,";
	const char *found = memmem(url.data, url.size, mark, strlen(mark));
	const char *end = memchr(url.data, ';', url.size);

	if (!begins_as(url, "data:") || found == NULL)
		return false;
	kind->data = url.data + strlen("data:");
	kind->size = (size_t)(end - kind->data);
	data->data = found + strlen(mark);
	data->size = (size_t)(url.data + url.size - data->data);
	return kind->size > 0;
}

/* Append {"type":…} of an image at a URL, or of one that lies in the URL
 * itself. Gives false, with nothing added, when it is neither. */
static bool
put_source(struct buf *body, struct span url)
{
	struct span kind;
	struct span data;

	if (begins_as(url, "https:") || begins_as(url, "http:")) {
		buf_add_text(body, "{\"type\":\"url\"");
		json_put_text(body, "url", url);
	} else if (cut_data_url(url, &kind, &data)) {
		buf_add_text(body, "{\"type\":\"base64\"");
		json_put_text(body, "media_type", kind);
		json_put_text(body, "data", data);
	} else {
		return false;
	}
	buf_add_byte(body, '}');
	return true;
}

/* Append an image in the form it has here, with all else that the part says.
 * Gives false, with nothing added, when it cannot be. */
static bool
put_image(struct api_draft *draft, struct span part, struct span url)
{
	struct buf *body = draft->body;
	size_t mark = body->size;
	struct span key;
	struct span raw;
	size_t at = 0;

	put_item(body, span_of("{\"type\":\"image\",\"source\":"));
	if (!put_source(body, url)) {
		body->size = mark;
		return false;
	}
	while (api_draft_next(draft, part, &at, &key, &raw)) {
		if (api_draft_is(key, "type") || api_draft_is(key, IMAGE))
			continue;
		buf_add_byte(body, ',');
		json_put_string(body, key);
		buf_add_byte(body, ':');
		buf_add(body, raw.data, raw.size);
	}
	buf_add_byte(body, '}');
	return true;
}

static void
put_part(struct api_draft *draft, struct span part)
{
	struct json *root = json_parse_lenient(part, NULL);
	struct json *image = json_get(root, IMAGE);
	struct span url =
	    json_string(json_is_string(image) ? image : json_get(image, "url"));

	if (url.size == 0 || !put_image(draft, part, url))
		put_item(draft->body, part);
	json_free(root);
}

static void
put_content(struct api_draft *draft, struct span content)
{
	struct span part;
	size_t at = 0;

	if (!begins_as(content, "[")) {
		buf_add(draft->body, content.data, content.size);
		return;
	}
	buf_add_byte(draft->body, '[');
	while (json_next_item(content, &at, &part))
		put_part(draft, part);
	buf_add_byte(draft->body, ']');
}

/* Append a message in which there may be an image. */
static void
put_rewritten(struct api_draft *draft, struct span message)
{
	struct buf *body = draft->body;
	struct span key;
	struct span raw;
	size_t at = 0;

	put_item(body, span_of("{"));
	while (api_draft_next(draft, message, &at, &key, &raw)) {
		if (body->data[body->size - 1] != '{')
			buf_add_byte(body, ',');
		json_put_string(body, key);
		buf_add_byte(body, ':');
		if (api_draft_is(key, "content"))
			put_content(draft, raw);
		else
			buf_add(body, raw.data, raw.size);
	}
	buf_add_byte(body, '}');
}

static void
put_messages(struct api_draft *draft)
{
	struct span raw;
	size_t at = 0;

	while (json_next_item(draft->messages, &at, &raw)) {
		struct message message = read_message(draft, raw);

		if (is_system(draft, &message))
			continue;
		if (memmem(raw.data, raw.size, IMAGE, strlen(IMAGE)) != NULL)
			put_rewritten(draft, raw);
		else
			put_item(draft->body, raw);
	}
}

void
api_anthropic_build(const struct chat_conf *conf, const struct record *record,
    const struct api_shape *shape, struct buf *body)
{
	struct api_draft draft;

	api_draft_begin(&draft, conf, &api_anthropic, record, body);
	if (conf->max_tokens > 0 && !api_draft_has_param(&draft, "max_tokens"))
		json_put_integer(body, "max_tokens", conf->max_tokens);
	if (shape->stream)
		json_put_bool(body, "stream", true);
	put_system(&draft);
	json_put_key(body, "messages");
	buf_add_byte(body, '[');
	if (api_draft_is_null(draft.messages))
		api_draft_put_user(&draft, record->text);
	else
		put_messages(&draft);
	buf_add_byte(body, ']');
	api_draft_end(&draft);
}
