/* SPDX-License-Identifier: ISC */
#ifndef MESSAGES_H
#define MESSAGES_H

#include <stdbool.h>

#include "base/buf.h"

struct json;

/*
 * A list of messages, as records bring it: is it one, and what does it come
 * down to?
 */
#define MESSAGES_ONLY_HTTP                                                     \
	"more than one text in messages: only the http backend takes that"

/* What is wrong with it? NULL: nothing. */
const char *messages_trouble(struct json *messages);

/* Is it one message of the user's, and that a text? */
bool messages_is_one_text(struct json *messages);

/* Gives the text that it comes down to: that of the only user message beside
 * system messages; none when there is more to it. Dies with the root. */
struct span messages_text(struct json *messages);

#endif
