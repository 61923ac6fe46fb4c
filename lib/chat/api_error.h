/* SPDX-License-Identifier: ISC */
#ifndef API_ERROR_H
#define API_ERROR_H

#include <stdbool.h>

#include "base/buf.h"

struct answer;
struct json;

/*
 * What an error body says, in any of the shapes servers have (OpenAI, vLLM,
 * llama.cpp, Ollama, Anthropic, Google, proxies). Pure.
 */
struct api_error {
	struct span type;
	struct span code; /* numbers as text, in code_text */
	struct span message;
	char code_text[24];
};

/* Fill out; its spans live as long as root and scratch. message is none when
 * there is no error in root. */
void api_error_read(
    struct json *root, struct buf *scratch, struct api_error *out);

/*
 * Is there an error in what should be (a piece of) an answer: in the root, or
 * (OpenRouter) in its choice? Then it becomes the answer's trouble, judged by
 * the code and the names in it.
 * Takes choice, or NULL. Gives true when there is one.
 */
bool api_error_embedded(
    struct json *root, struct json *choice, struct answer *answer);

#endif
