/* SPDX-License-Identifier: ISC */
/*
 * One table says what every outcome means; whoever decides asks it instead of
 * listing outcomes of its own.
 */
#include "wire/outcome.h"

#include <stddef.h>
#include <string.h>

#include "base/must.h"

/* clang-format off */
static const struct outcome_trait traits[OUTCOME_COUNT] = {
	/* answers */
	[OUTCOME_OK] = {"ok", "answered",
	    .answers = true, .charged = true, .costs = true},
	[OUTCOME_LENGTH] = {"length", "cut short by the token limit",
	    .answers = true, .charged = true, .costs = true},
	[OUTCOME_TOOL_CALLS] = {"tool_calls", "tool calls",
	    .answers = true, .charged = true, .costs = true},

	/* the prompt or its answer: only what is chance is tried again */
	[OUTCOME_REFUSED] = {"refused", "refused by the model",
	    .charged = true, .costs = true},
	[OUTCOME_EMPTY] = {"empty", "empty answer",
	    .retries = true, .charged = true, .costs = true},
	[OUTCOME_CONTENT_FILTER] = {"content_filter", "content filter",
	    .charged = true, .costs = true},
	[OUTCOME_BAD_REQUEST] = {"bad_request", "bad request",
	    .charged = true},
	[OUTCOME_TOO_LONG] = {"too_long", "too long",
	    .charged = true, .costs = true},

	/* the server is busy or ill */
	[OUTCOME_RATE_LIMITED] = {"rate_limited", "rate limited",
	    .retries = true},
	[OUTCOME_OVERLOADED] = {"overloaded", "server overloaded",
	    .retries = true, .charged = true},
	[OUTCOME_SERVER_ERROR] = {"server_error", "server error",
	    .retries = true, .charged = true},

	/* the run: no prompt is charged, all would fare the same */
	[OUTCOME_AUTH] = {"auth", "wrong key",
	    .blames_run = true},
	[OUTCOME_NO_MONEY] = {"no_money", "no money left",
	    .blames_run = true},
	[OUTCOME_NO_MODEL] = {"no_model", "no such model or path",
	    .blames_run = true},
	[OUTCOME_NO_COMMAND] = {"no_command", "command cannot be run",
	    .blames_run = true},

	/* nobody is there */
	[OUTCOME_NO_SERVER] = {"no_server", "no server",
	    .retries = true, .blames_server = true},
	[OUTCOME_TLS] = {"tls", "TLS failure",
	    .retries = true, .blames_server = true},

	/* the way here */
	[OUTCOME_TRUNCATED] = {"truncated", "answer broken off",
	    .retries = true, .charged = true, .costs = true},
	[OUTCOME_GARBAGE] = {"garbage", "garbled answer",
	    .retries = true, .charged = true, .costs = true},
	[OUTCOME_TIMEOUT_CONNECT] = {"timeout_connect",
	    "timed out connecting",
	    .retries = true, .blames_server = true, .hangs = true},
	[OUTCOME_TIMEOUT_FIRST_BYTE] = {"timeout_first_byte",
	    "timed out before the first byte",
	    .retries = true, .charged = true, .hangs = true, .costs = true},
	[OUTCOME_TIMEOUT_STALL] = {"timeout_stall", "stalled",
	    .retries = true, .charged = true, .hangs = true, .costs = true},
	[OUTCOME_TIMEOUT_TOTAL] = {"timeout_total", "timed out",
	    .retries = true, .charged = true, .hangs = true, .costs = true},

	/* the worker or its command */
	[OUTCOME_CRASH] = {"crash", "crashed",
	    .retries = true, .charged = true, .costs = true},
	[OUTCOME_EXIT_STATUS] = {"exit_status", "command failed",
	    .retries = true, .charged = true, .costs = true},
	[OUTCOME_OUT_OF_MEMORY] = {"out_of_memory", "out of memory",
	    .retries = true, .charged = true, .costs = true},
	[OUTCOME_POISON] = {"poison", "crashed too many workers",
	    .charged = true, .costs = true},
	[OUTCOME_INTERRUPTED] = {"interrupted", "interrupted",
	    .retries = true, .costs = true},
};
/* clang-format on */

const struct outcome_trait *
outcome_trait(enum outcome outcome)
{
	MUST((unsigned)outcome < OUTCOME_COUNT);
	return &traits[outcome];
}

bool
outcome_by_name(const char *name, enum outcome *outcome)
{
	for (unsigned i = 0; i < OUTCOME_COUNT; i++) {
		if (strcmp(traits[i].name, name) == 0) {
			*outcome = (enum outcome)i;
			return true;
		}
	}
	return false;
}
