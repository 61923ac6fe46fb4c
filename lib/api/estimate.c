/* SPDX-License-Identifier: ISC */
/*
 * A guess that is made again whenever it is asked for: nothing is kept per
 * prompt, and both ends of an attempt get the same number.
 */
#include "api/estimate.h"

#include <string.h>

#include "base/json.h"
#include "chat/chat.h"
#include "llmill_run.h"
#include "run/limit.h"

#define BYTES_PER_TOKEN 4

static uint64_t
tokens_most(struct json *params)
{
	static const char *const names[] = {
	    "max_tokens", "max_completion_tokens"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		int64_t most = json_integer(json_get(params, names[i]), -1);

		if (most >= 0)
			return (uint64_t)most;
	}
	return 0;
}

/* The limit of a raw JSON object's "params", or of the object itself. */
static uint64_t
limit_in(struct span raw, const char *member)
{
	struct json *root;
	uint64_t most;

	if (raw.data == NULL ||
	    memmem(raw.data, raw.size, "max_", strlen("max_")) == NULL)
		return 0;
	root = json_parse(raw, NULL);
	most = tokens_most(member != NULL ? json_get(root, member) : root);
	json_free(root);
	return most;
}

static uint64_t
estimate_output(const struct chat_conf *chat, uint32_t index)
{
	struct record record = prompts_at(chat->prompts, index);
	uint64_t most = limit_in(record.body, "params");

	if (most == 0)
		most = limit_in(span_of(chat->params), NULL);
	if (most == 0 && chat->max_tokens > 0)
		most = (uint64_t)chat->max_tokens;
	return most;
}

struct tokens
estimate_tokens(const void *arg, uint32_t index)
{
	const struct chat_conf *chat = arg;
	struct record record = prompts_at(chat->prompts, index);
	size_t bytes = record.text.size;

	if (record.body.size > bytes)
		bytes = record.body.size;
	if (chat->system != NULL)
		bytes += strlen(chat->system);
	return (struct tokens){(bytes + BYTES_PER_TOKEN - 1) / BYTES_PER_TOKEN,
	    estimate_output(chat, index)};
}

void
limits_of(const struct llmill_run_conf *conf, uint32_t count,
    struct limit_conf *limits)
{
	double share = conf->max_failures_percent / 100 * count;
	uint64_t failures = (uint64_t)share;

	*limits = (struct limit_conf){
	    .requests_per_minute = conf->rpm,
	    .tokens_per_minute = conf->tpm,
	    .requests_most = conf->max_requests,
	    .tokens_most = conf->max_tokens_total,
	    .cost_most = conf->max_cost * (uint64_t)PRICE_PER_MILLIONTH,
	    .price = {conf->price_in, conf->price_out},
	    .failures_most = conf->max_failures,
	};
	if (!(conf->max_failures_percent > 0))
		return;
	if ((double)failures < share)
		failures++;
	limits->failures_most = failures > 0 ? failures : 1;
}
