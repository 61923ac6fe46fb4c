/* SPDX-License-Identifier: ISC */
#ifndef JOURNAL_H
#define JOURNAL_H

#include <stddef.h>
#include <stdint.h>

struct err;
struct mill;

/*
 * What --log has of a run: its beginning, what its commands say on stderr, its
 * end. What happens between, everybody says by log_say.
 */

/* Open the log file of conf and send all lines there; nothing without one.
 * Fails ERR_SYSTEM. */
int journal_open(struct mill *mill, struct err *err);

/* Write down what begins: version, list, backend, database, plan. */
void journal_begin(const struct mill *mill);

/* A worker's stderr, as struct pool_conf wants it. */
void journal_words(void *arg, uint32_t slot, const char *data, size_t size);

/* Write down text, the last one, line by line. The screen, which has had its
 * own, gets no line after it. Takes NULL calmly. */
void journal_end(const char *text);

#endif
