/* SPDX-License-Identifier: ISC */
/*
 * Rate headers come in two families: OpenAI's, with a time to go, and
 * Anthropic's, with a moment.
 */
#include "chat/rates.h"

#include <stddef.h>

#include "chat/when.h"

#define REMAINING_MAX ((int64_t)1 << 40)

static bool
read_remaining(struct span text, int64_t *remaining)
{
	/* A decimal in units of 1 is a whole number, rounded up. */
	if (!when_decimal(text, 1, remaining))
		return false;
	if (*remaining > REMAINING_MAX)
		*remaining = REMAINING_MAX;
	return true;
}

static bool
read_reset(const struct rates_facts *facts, struct span text, int64_t *reset_ms)
{
	int64_t now_ms = facts->wall_ms;
	int64_t then_ms;

	if (when_duration(text, reset_ms) || when_decimal(text, 1000, reset_ms))
		return true;
	if (!when_timestamp(text, &then_ms))
		return false;
	when_date(facts->header(facts->arg, "date"), &now_ms);
	*reset_ms = then_ms > now_ms ? then_ms - now_ms : 0;
	return true;
}

/* Fill quota from the first pair of headers that says both. */
static void
read_pair(const struct rates_facts *facts, const char *const names[][2],
    struct reply_quota *quota)
{
	for (; names[0][0] != NULL; names++) {
		struct span left = facts->header(facts->arg, names[0][0]);
		struct span reset = facts->header(facts->arg, names[0][1]);

		if (read_remaining(left, &quota->remaining) &&
		    read_reset(facts, reset, &quota->reset_ms))
			return;
	}
	*quota = (struct reply_quota){-1, -1};
}

void
rates_read(const struct rates_facts *facts, struct reply_quota *requests,
    struct reply_quota *tokens)
{
	static const char *const request_names[][2] = {
	    {"x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"},
	    {"anthropic-ratelimit-requests-remaining",
		"anthropic-ratelimit-requests-reset"},
	    {NULL, NULL},
	};
	static const char *const token_names[][2] = {
	    {"x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"},
	    {"anthropic-ratelimit-tokens-remaining",
		"anthropic-ratelimit-tokens-reset"},
	    {NULL, NULL},
	};

	read_pair(facts, request_names, requests);
	read_pair(facts, token_names, tokens);
}
