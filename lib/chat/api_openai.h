/* SPDX-License-Identifier: ISC */
#ifndef API_OPENAI_H
#define API_OPENAI_H

#include "base/buf.h"
#include "data/prompts.h"
#include "wire/reply.h"

struct json;
struct chat_conf;

/*
 * The JSON of /chat/completions: build a request, read a response. Pure text
 * to text; no socket, no clock.
 */

/* Append the request body for one record. Failure is sticky in body. */
void api_openai_build(const struct chat_conf *conf, const struct record *record,
    struct buf *body);

/*
 * Read a 200 response into reply: text, model, finish_reason, reasoning,
 * refusal, tokens, and the outcome (ok, length, tool_calls, refused, empty,
 * content_filter, server_error for an embedded error, garbage).
 * Takes text_out for what has to be composed (tool calls); spans in reply live
 * as long as root and text_out.
 */
void api_openai_read(struct json *root, bool allow_empty, struct buf *text_out,
    struct reply *reply);

/*
 * What an error body says, in any of the shapes servers have.
 * Spans live as long as root; message is none when there is no error in it.
 */
struct api_error {
	struct span type;
	struct span code; /* numbers as text, in code_text */
	struct span message;
	char code_text[24];
};
void api_openai_error(
    struct json *root, struct buf *scratch, struct api_error *out);

#endif
