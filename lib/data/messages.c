/* SPDX-License-Identifier: ISC */
/*
 * What the list of messages of a record is, judged by its tree.
 */
#include "data/messages.h"

#include "base/json.h"

const char *
messages_trouble(struct json *messages)
{
	if (!json_is_array(messages) || json_count(messages) == 0)
		return "messages is no array with something in it";
	for (size_t i = 0; i < json_count(messages); i++) {
		struct json *message = json_at(messages, i);

		if (!json_is_object(message))
			return "a message is no object";
		if (!json_is_string(json_get(message, "role")))
			return "a message has no role";
	}
	return NULL;
}

bool
messages_is_one_text(struct json *messages)
{
	struct json *only = json_at(messages, 0);

	return json_count(messages) == 1 &&
	       span_equals(
		   json_string(json_get(only, "role")), span_of("user")) &&
	       json_is_string(json_get(only, "content"));
}

struct span
messages_text(struct json *messages)
{
	struct span text = {NULL, 0};

	for (size_t i = 0; i < json_count(messages); i++) {
		struct json *message = json_at(messages, i);
		struct span role = json_string(json_get(message, "role"));

		if (span_equals(role, span_of("system")))
			continue;
		if (!span_equals(role, span_of("user")) || text.data != NULL)
			return (struct span){NULL, 0};
		text = json_string(json_get(message, "content"));
		if (text.data == NULL)
			return text;
	}
	return text;
}
