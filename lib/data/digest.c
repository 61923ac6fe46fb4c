/* SPDX-License-Identifier: ISC */
/*
 * What every digest here is made of.
 */
#include "data/digest.h"

#include "data/prompts.h"

void
digest_number(SHA2_CTX *digest, uint64_t number)
{
	uint8_t bytes[8];

	for (int i = 0; i < 8; i++)
		bytes[i] = (uint8_t)(number >> (8 * i));
	SHA256Update(digest, bytes, sizeof bytes);
}

void
digest_span(SHA2_CTX *digest, struct span span)
{
	digest_number(digest, span.data == NULL ? UINT64_MAX : span.size);
	if (span.size > 0)
		SHA256Update(digest, (const uint8_t *)span.data, span.size);
}

/* One length in front of the text, whose lowest bit says that a body follows:
 * every byte here is hashed a million times. */
void
digest_record(SHA2_CTX *digest, const struct record *record)
{
	bool has_body = record->body.data != NULL;

	digest_number(digest, (uint64_t)record->text.size * 2 + has_body);
	SHA256Update(
	    digest, (const uint8_t *)record->text.data, record->text.size);
	if (has_body)
		digest_span(digest, record->body);
}
