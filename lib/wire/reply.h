/* SPDX-License-Identifier: ISC */
#ifndef REPLY_H
#define REPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "wire/outcome.h"

/* What a server says is left of a limit, and for how long: -1 unknown. */
struct reply_quota {
	int64_t remaining;
	int64_t reset_ms; /* from the answer on */
};

/*
 * What came of one attempt, as a chat backend fills it, the wire carries it
 * and the store keeps it. Every span is lent by whoever filled it.
 */
struct reply {
	enum outcome outcome;
	bool terminated;     /* it ended as one does that TERM, INT or HUP hits:
				that may have been meant for the whole run */
	int32_t http_status; /* 100 … 999, 0 none */
	int64_t retry_after_ms; /* ≥ 0 a floor for the next try, -1 none said */
	int64_t first_byte_ms; /* since hand-out, -1 unknown */
	int64_t duration_ms;   /* since hand-out */
	int64_t input_tokens;  /* -1 unknown */
	int64_t output_tokens; /* -1 unknown */
	struct reply_quota requests;
	struct reply_quota tokens;
	struct span text;  /* the answer; none unless the outcome answers,
			      or the first 64 KiB of one too long */
	struct span error; /* one sentence: the reason; none for answers */
	struct span request_id;
	struct span model; /* what the server says answered */
	struct span finish_reason;
	struct span reasoning;
	struct span refusal;
	struct span raw; /* the response body where it must be kept */
};

/* Make it blank: outcome ok, numbers unknown, spans none. */
void reply_init(struct reply *reply);

#endif
