/* SPDX-License-Identifier: ISC */
/*
 * What every digest here is made of.
 */
#include "data/digest.h"

#include "data/prompts.h"

void
digest_number(struct sha256 *digest, uint64_t number)
{
	char bytes[8];

	for (int i = 0; i < 8; i++)
		bytes[i] = (char)(number >> (8 * i));
	sha256_add(digest, (struct span){bytes, sizeof bytes});
}

void
digest_span(struct sha256 *digest, struct span span)
{
	digest_number(digest, span.data == NULL ? UINT64_MAX : span.size);
	sha256_add(digest, span);
}

/* One length in front of the text, whose lowest bit says that a body follows:
 * every byte here is hashed a million times. */
void
digest_record(struct sha256 *digest, const struct record *record)
{
	bool has_body = record->body.data != NULL;

	digest_number(digest, (uint64_t)record->text.size * 2 + has_body);
	sha256_add(digest, record->text);
	if (has_body)
		digest_span(digest, record->body);
}
