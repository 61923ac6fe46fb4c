/* SPDX-License-Identifier: ISC */
#ifndef DIGEST_H
#define DIGEST_H

#include <stdint.h>

#include <sys/types.h>

#include <sha2.h>

#include "base/buf.h"

struct record;

/*
 * SHA-256 over parts, each with its length in front, so that no two run
 * together.
 */
#define DIGEST_BYTES 65 /* in hex with its NUL */

void digest_number(SHA2_CTX *digest, uint64_t number);

/* None is another than an empty one. */
void digest_span(SHA2_CTX *digest, struct span span);

/* What of a record is sent: its text and its body. */
void digest_record(SHA2_CTX *digest, const struct record *record);

#endif
