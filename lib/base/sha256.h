/* SPDX-License-Identifier: ISC */
#ifndef SHA256_H
#define SHA256_H

#include <stddef.h>
#include <stdint.h>

/* Its plain functions need no set-up and cannot fail; for OpenSSL 3 they are
 * of an older interface. */
#define OPENSSL_API_COMPAT 0x10101000L
#include <openssl/sha.h>

#include "base/buf.h"

/*
 * SHA-256, by OpenSSL's code for the processor at hand.
 */
#define SHA256_BYTES 32
#define SHA256_HEX_BYTES 65 /* with the NUL */

struct sha256 {
	SHA256_CTX context;
};

void sha256_begin(struct sha256 *sha256);
void sha256_add(struct sha256 *sha256, struct span bytes);
void sha256_end(struct sha256 *sha256, uint8_t hash[SHA256_BYTES]);
void sha256_end_hex(struct sha256 *sha256, char hex[SHA256_HEX_BYTES]);

/* The same for bytes that are all there. */
void sha256_of(struct span bytes, char hex[SHA256_HEX_BYTES]);

#endif
