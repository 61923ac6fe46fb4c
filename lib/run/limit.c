/* SPDX-License-Identifier: ISC */
/*
 * Rates are buckets, amounts are sums. Nothing is measured here: what goes out
 * and what comes back is told, and the question is always whether one more may
 * go.
 */
#include "run/limit.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/text.h"

#define REQUESTS_SLACK_NS (100 * CLOCK_MS) /* a timer's grain, and a turn's */
#define TOKENS_SLACK_NS CLOCK_S

void
limit_init(struct limit *limit, const struct limit_conf *conf,
    uint64_t requests, struct tokens used, uint64_t failures)
{
	*limit = (struct limit){
	    .conf = *conf,
	    .requests = requests,
	    .used = used,
	    .failures = failures,
	};
	bucket_init(&limit->requests_rate, (double)conf->requests_per_minute,
	    REQUESTS_SLACK_NS);
	bucket_init(&limit->tokens_rate, (double)conf->tokens_per_minute,
	    TOKENS_SLACK_NS);
}

static bool
is_used_up(uint64_t used, uint64_t most)
{
	return most > 0 && used >= most;
}

bool
limit_has_room(const struct limit *limit)
{
	const struct limit_conf *conf = &limit->conf;
	const struct tokens all = {limit->used.input + limit->out.input,
	    limit->used.output + limit->out.output};

	return !is_used_up(limit->requests, conf->requests_most) &&
	       !is_used_up(tokens_sum(&all), conf->tokens_most) &&
	       !is_used_up(price_of(&conf->price, &all), conf->cost_most) &&
	       !is_used_up(limit->failures, conf->failures_most);
}

int64_t
limit_due_ns(const struct limit *limit)
{
	int64_t requests_ns = bucket_due_ns(&limit->requests_rate);
	int64_t tokens_ns = bucket_due_ns(&limit->tokens_rate);
	int64_t due_ns = requests_ns > tokens_ns ? requests_ns : tokens_ns;

	return due_ns > 0 ? due_ns : 0;
}

const char *
limit_holds(const struct limit *limit, int64_t now_ns)
{
	if (bucket_due_ns(&limit->tokens_rate) > now_ns)
		return "--tpm";
	return bucket_due_ns(&limit->requests_rate) > now_ns ? "--rpm" : NULL;
}

void
limit_sent(struct limit *limit, struct tokens estimate, int64_t now_ns)
{
	limit->requests++;
	limit->out.input += estimate.input;
	limit->out.output += estimate.output;
	bucket_take(&limit->requests_rate, 1, now_ns);
	bucket_take(&limit->tokens_rate, (double)tokens_sum(&estimate), now_ns);
}

struct tokens
limit_used(struct tokens estimate, const struct reply *reply)
{
	struct tokens known = {0};

	if (reply->input_tokens > 0)
		known.input = (uint64_t)reply->input_tokens;
	if (reply->output_tokens > 0)
		known.output = (uint64_t)reply->output_tokens;
	if (reply->input_tokens >= 0 || reply->output_tokens >= 0 ||
	    !outcome_trait(reply->outcome)->costs)
		return known;
	return estimate;
}

void
limit_back(
    struct limit *limit, struct tokens estimate, const struct reply *reply)
{
	struct tokens used = limit_used(estimate, reply);

	limit->out.input -= estimate.input;
	limit->out.output -= estimate.output;
	limit->used.input = price_add(limit->used.input, used.input);
	limit->used.output = price_add(limit->used.output, used.output);
	bucket_correct(&limit->tokens_rate,
	    (double)tokens_sum(&used) - (double)tokens_sum(&estimate));
}

void
limit_failed(struct limit *limit)
{
	limit->failures++;
}

void
limit_unfail(struct limit *limit)
{
	if (limit->failures > 0)
		limit->failures--;
}

static bool
say_reached(char text[LIMIT_TEXT_BYTES], const char *option, const char *amount,
    const char *what)
{
	snprintf(text, LIMIT_TEXT_BYTES,
	    "%s is reached: %s%s over all runs; raise it to go on", option,
	    amount, what);
	return true;
}

bool
limit_is_reached(
    const struct limit *limit, uint32_t out, char text[LIMIT_TEXT_BYTES])
{
	const struct limit_conf *conf = &limit->conf;
	uint64_t cost = price_of(&conf->price, &limit->used);
	uint64_t tokens = tokens_sum(&limit->used);
	char n[32];

	if (is_used_up(limit->failures, conf->failures_most))
		return say_reached(text, "--max-failures",
		    text_count(limit->failures, n, sizeof(n)),
		    limit->failures == 1 ? " prompt failed"
					 : " prompts failed");
	if (is_used_up(limit->requests, conf->requests_most))
		return say_reached(text, "--max-requests",
		    text_count(limit->requests, n, sizeof(n)),
		    limit->requests == 1 ? " request" : " requests");
	/* What is out may turn out to be less than was thought. */
	if (out == 0 && is_used_up(tokens, conf->tokens_most))
		return say_reached(text, "--max-tokens-total",
		    text_count(tokens, n, sizeof(n)), " tokens");
	if (out == 0 && is_used_up(cost, conf->cost_most))
		return say_reached(
		    text, "--max-cost", price_text(cost, n, sizeof(n)), "");
	return false;
}
