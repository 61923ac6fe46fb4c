/* SPDX-License-Identifier: ISC */
/*
 * One decision in three steps, the surest witness first: names in the error
 * body that mean the same under any status, then the status, then the
 * server's own word on whether to try again (x-should-retry).
 */
#include "chat/retry.h"

#include <string.h>
#include <strings.h>

#include <bsd/string.h>

#include "chat/when.h"

static bool
says(struct span text, const char *word)
{
	return text.data != NULL && text.size == strlen(word) &&
	       strncasecmp(text.data, word, text.size) == 0;
}

/* Does word stand anywhere in text, in whatever case? */
static bool
mentions(struct span text, const char *word)
{
	size_t size = strlen(word);

	for (size_t i = 0; text.data != NULL && i + size <= text.size; i++) {
		if (strncasecmp(text.data + i, word, size) == 0)
			return true;
	}
	return false;
}

static bool
is_named(const struct retry_facts *facts, const char *name)
{
	return says(facts->error_code, name) || says(facts->error_type, name);
}

static int64_t
read_after(const struct retry_facts *facts)
{
	int64_t value;

	if (when_decimal(facts->retry_after_ms, 1, &value))
		return value;
	if (when_decimal(facts->retry_after, 1000, &value))
		return value;
	if (!when_date(facts->retry_after, &value))
		return -1;
	value -= facts->wall_ms;
	if (value < 0)
		return 0;
	return value < WHEN_MAX_MS ? value : WHEN_MAX_MS;
}

struct name_meaning {
	const char *name;
	enum outcome outcome;
};

/* True under any status; first OpenAI's, then what others say (leads). */
static const struct name_meaning sure_names[] = {
    {"insufficient_quota", OUTCOME_NO_MONEY},
    {"billing_hard_limit_reached", OUTCOME_NO_MONEY},
    {"billing_not_active", OUTCOME_NO_MONEY},
    {"credit_balance_exhausted", OUTCOME_NO_MONEY},
    {"enforced_spend_limit_reached", OUTCOME_NO_MONEY},
    {"insufficient_balance", OUTCOME_NO_MONEY},
    {"insufficient_credits", OUTCOME_NO_MONEY},
    {"billing_error", OUTCOME_NO_MONEY}, /* Anthropic */
    {"model_not_found", OUTCOME_NO_MODEL},
    {"model_decommissioned", OUTCOME_NO_MODEL},
    {"invalid_model", OUTCOME_NO_MODEL},
    {"context_length_exceeded", OUTCOME_BAD_REQUEST},
    {"string_above_max_length", OUTCOME_BAD_REQUEST},
    {"exceed_context_size_error", OUTCOME_BAD_REQUEST}, /* llama.cpp */
};

/* Only asked where no status speaks. */
static const struct name_meaning weak_names[] = {
    {"invalid_api_key", OUTCOME_AUTH},
    {"authentication_error", OUTCOME_AUTH},
    {"permission_error", OUTCOME_AUTH},
    {"invalid_request_error", OUTCOME_BAD_REQUEST},
    {"request_too_large", OUTCOME_BAD_REQUEST},
    {"not_found_error", OUTCOME_NO_MODEL},
    {"rate_limit_exceeded", OUTCOME_RATE_LIMITED},
    {"rate_limit_error", OUTCOME_RATE_LIMITED},
    {"overloaded_error", OUTCOME_OVERLOADED},
};

static bool
judge_names(const struct retry_facts *facts, const struct name_meaning *names,
    size_t count, enum outcome *outcome)
{
	for (size_t i = 0; i < count; i++) {
		if (!is_named(facts, names[i].name))
			continue;
		*outcome = names[i].outcome;
		return true;
	}
	return false;
}

/* Servers that name nothing: their sentence. */
static bool
judge_message(const struct retry_facts *facts, enum outcome *outcome)
{
	struct span message = facts->message;

	if (mentions(message, "credit balance is too low"))
		*outcome = OUTCOME_NO_MONEY;
	else if (mentions(message, "maximum context length") ||
		 mentions(message, "available context size"))
		*outcome = OUTCOME_BAD_REQUEST;
	else
		return false;
	return true;
}

bool
retry_is_no_path(const struct retry_facts *facts)
{
	return (facts->status == 404 || facts->status == 405) &&
	       !mentions(facts->message, "model") &&
	       !mentions(facts->error_code, "model");
}

static enum outcome
judge_status(const struct retry_facts *facts)
{
	int status = facts->status;

	switch (status) {
	case 401:
	case 403:
		return OUTCOME_AUTH;
	case 402:
		return OUTCOME_NO_MONEY;
	case 407: /* of a proxy: the server has not been reached */
		return OUTCOME_NO_SERVER;
	case 404: /* the path is the same for all prompts */
	case 405:
		return OUTCOME_NO_MODEL;
	case 429:
		return mentions(facts->error_type, "overloaded") ||
			       mentions(facts->error_code, "overloaded") ||
			       mentions(facts->message, "overloaded")
			   ? OUTCOME_OVERLOADED
			   : OUTCOME_RATE_LIMITED;
	case 503:
		return mentions(facts->message, "loading model")
			   ? OUTCOME_NO_SERVER
			   : OUTCOME_OVERLOADED;
	case 529:
		return OUTCOME_OVERLOADED;
	case 408:
	case 409:
	case 425:
	case 499:
		return OUTCOME_SERVER_ERROR;
	case 501:
		return OUTCOME_BAD_REQUEST;
	default:
		return status >= 500 ? OUTCOME_SERVER_ERROR
				     : OUTCOME_BAD_REQUEST;
	}
}

/* The server knows best whether another try can help. */
static enum outcome
heed_server(struct span should_retry, enum outcome outcome)
{
	bool retries = outcome_trait(outcome)->retries;

	if (says(should_retry, "true") && !retries)
		return OUTCOME_SERVER_ERROR;
	if (says(should_retry, "false") && retries)
		return OUTCOME_BAD_REQUEST;
	return outcome;
}

#define COUNT(names) (sizeof(names) / sizeof((names)[0]))

enum outcome
retry_judge(const struct retry_facts *facts, int64_t *after_ms)
{
	enum outcome outcome;

	*after_ms = read_after(facts);
	if (judge_names(facts, sure_names, COUNT(sure_names), &outcome) ||
	    judge_message(facts, &outcome))
		return outcome;
	if (facts->status != 200)
		outcome = judge_status(facts);
	else if (!judge_names(facts, weak_names, COUNT(weak_names), &outcome))
		outcome = OUTCOME_SERVER_ERROR;
	return heed_server(facts->should_retry, outcome);
}
