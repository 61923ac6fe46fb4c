/* SPDX-License-Identifier: ISC */
#ifndef COPROC_LINE_H
#define COPROC_LINE_H

#include <stdbool.h>

#include "base/buf.h"
#include "data/prompts.h"
#include "wire/reply.h"

struct json;

/*
 * The protocol with a command that is started once per worker: one JSON object
 * per line, each way. Pure text to text.
 *
 * In:  {"id":7,"prompt":"…","messages":[…],"system":"…", and the record's own
 *      members}
 * Out: {"ready":true}, once, if it likes; then {"id":7,"result":"…"} or
 *      {"id":7,"error":"…","retry":true,"retry_after":2.5}, with "usage",
 *      "model", "finish_reason", "reasoning" if it likes.
 */

/* Append the line that asks, its end too. Takes number, from 1; system, NULL:
 * none but the record's. Failure is sticky in line. */
void coproc_put_request(struct buf *line, uint64_t number,
    const struct record *record, const char *system);

enum coproc_said {
	COPROC_READY = 0,
	COPROC_ANSWER = 1,  /* or a failure; reply is filled */
	COPROC_GARBAGE = 2, /* error is filled with what is wrong */
};

/*
 * Read a line without its end. Takes number, that was asked; error, empty, for
 * sentences. Spans in reply live as long as *root (for the caller to free) and
 * error.
 */
enum coproc_said coproc_read(struct span line, uint64_t number,
    struct json **root, struct buf *error, struct reply *reply);

#endif
