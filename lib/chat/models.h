/* SPDX-License-Identifier: ISC */
#ifndef MODELS_H
#define MODELS_H

#include <stdint.h>

#include "base/buf.h"
#include "wire/outcome.h"

struct chat_conf;
struct err;

/*
 * Which models has this server? One GET of base/models, outside any worker,
 * for people who did not say -m.
 * Takes conf with key, headers and connect timeout; the number of the endpoint
 * that is asked; names, empty, to be
 * filled with one name per line; stop_fd as in a curl_request.
 * Gives how many there are, or -1 with err, and in *outcome what a prompt would
 * have met: ERR_BACKEND when nobody answers now, the key is wrong, money is
 * gone; ERR_USAGE when this server lists no models (an empty list: OUTCOME_OK).
 */
int models_ask(const struct chat_conf *conf, uint32_t endpoint,
    struct buf *names, int stop_fd, enum outcome *outcome, struct err *err);

#endif
