/* SPDX-License-Identifier: ISC */
#ifndef DIGEST_H
#define DIGEST_H

#include <stdint.h>

#include "base/buf.h"
#include "base/sha256.h"

struct record;

/*
 * SHA-256 over parts, each with its length in front, so that no two run
 * together.
 */
void digest_number(struct sha256 *digest, uint64_t number);

/* None is another than an empty one. */
void digest_span(struct sha256 *digest, struct span span);

/* What of a record is sent: its text and its body. */
void digest_record(struct sha256 *digest, const struct record *record);

#endif
