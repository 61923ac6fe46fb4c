/* SPDX-License-Identifier: ISC */
#ifndef ESTIMATE_H
#define ESTIMATE_H

#include <stdint.h>

#include "base/price.h"

struct chat_conf;
struct limit_conf;
struct llmill_run_conf;

/*
 * How many tokens a prompt may cost, before anybody knows: its bytes, with
 * those of the system text, by 4, and the longest answer that is allowed (0:
 * nobody limits it).
 * Source: OpenAI's rule of thumb for English, 4 characters a token.
 * Takes const struct chat_conf as arg, so that it can be a callback.
 * Cost: of a record with params, one pass over its JSON.
 */
struct tokens estimate_tokens(const void *chat, uint32_t index);

/* What the options allow. Takes count, of prompts, for a share of them. */
void limits_of(const struct llmill_run_conf *conf, uint32_t count,
    struct limit_conf *limits);

#endif
