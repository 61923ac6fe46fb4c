/* SPDX-License-Identifier: ISC */
#include "base/sha256.h"

void
sha256_begin(struct sha256 *sha256)
{
	SHA256_Init(&sha256->context);
}

void
sha256_add(struct sha256 *sha256, struct span bytes)
{
	if (bytes.size > 0)
		SHA256_Update(&sha256->context, bytes.data, bytes.size);
}

void
sha256_end(struct sha256 *sha256, uint8_t hash[SHA256_BYTES])
{
	SHA256_Final(hash, &sha256->context);
}

void
sha256_end_hex(struct sha256 *sha256, char hex[SHA256_HEX_BYTES])
{
	static const char digits[] = "0123456789abcdef";
	uint8_t hash[SHA256_BYTES];

	sha256_end(sha256, hash);
	for (size_t i = 0; i < sizeof(hash); i++) {
		hex[2 * i] = digits[hash[i] >> 4];
		hex[2 * i + 1] = digits[hash[i] & 15];
	}
	hex[2 * sizeof(hash)] = '\0';
}

void
sha256_of(struct span bytes, char hex[SHA256_HEX_BYTES])
{
	struct sha256 sha256;

	sha256_begin(&sha256);
	sha256_add(&sha256, bytes);
	sha256_end_hex(&sha256, hex);
}
