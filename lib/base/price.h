/* SPDX-License-Identifier: ISC */
#ifndef PRICE_H
#define PRICE_H

#include <stddef.h>
#include <stdint.h>

/*
 * What tokens cost, in integers: a price is in millionths of the currency
 * (whichever it is) per million tokens, so that one token costs so many
 * billionths of a thousandth of it (10^-12). A sum of 18 million fits.
 */
#define PRICE_UNIT INT64_C(1000000000000) /* one of the currency */
#define PRICE_PER_MILLIONTH (PRICE_UNIT / 1000000)

/* How a run's settings name them, in those millionths. */
#define PRICE_IN_KEY "price_in_millionths"
#define PRICE_OUT_KEY "price_out_millionths"

struct tokens {
	uint64_t input;
	uint64_t output;
};

struct price {
	uint64_t input; /* 0 and 0: no price */
	uint64_t output;
};

/* Gives both in one, UINT64_MAX at most. */
uint64_t tokens_sum(const struct tokens *tokens);

/* Gives 10^-12 of the currency, UINT64_MAX at most. */
uint64_t price_of(const struct price *price, const struct tokens *tokens);

/* Gives a + b, UINT64_MAX at most. */
uint64_t price_add(uint64_t a, uint64_t b);

/* Write it for people and for JSON: "12.34", "0.000150"; from one on with two
 * decimals, below with six. Takes size ≥ 32 bytes at out. Gives out. */
const char *price_text(uint64_t cost, char *out, size_t size);

#endif
