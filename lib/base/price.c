/* SPDX-License-Identifier: ISC */
#include "base/price.h"

#include <inttypes.h>
#include <stdio.h>

uint64_t
price_add(uint64_t a, uint64_t b)
{
	uint64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

static uint64_t
multiply(uint64_t a, uint64_t b)
{
	uint64_t product;

	return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

uint64_t
tokens_sum(const struct tokens *tokens)
{
	return price_add(tokens->input, tokens->output);
}

uint64_t
price_of(const struct price *price, const struct tokens *tokens)
{
	return price_add(multiply(price->input, tokens->input),
	    multiply(price->output, tokens->output));
}

const char *
price_text(uint64_t cost, char *out, size_t size)
{
	unsigned decimals = cost >= PRICE_UNIT ? 2 : 6;
	uint64_t step = PRICE_UNIT;

	for (unsigned i = 0; i < decimals; i++)
		step /= 10;
	cost = price_add(cost, step / 2) / step; /* rounded */
	step = PRICE_UNIT / step;
	snprintf(out, size, "%" PRIu64 ".%0*" PRIu64, cost / step,
	    (int)decimals, cost % step);
	return out;
}
