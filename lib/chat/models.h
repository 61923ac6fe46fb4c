/* SPDX-License-Identifier: ISC */
#ifndef MODELS_H
#define MODELS_H

#include "base/buf.h"

struct chat_conf;
struct err;
struct url;

/*
 * Which models has this server? One GET of base/models, outside any worker,
 * for people who did not say -m.
 * Takes conf with key, headers and connect timeout; names, empty, to be
 * filled with one name per line.
 * Gives how many there are, or -1 with err: ERR_BACKEND when nobody answers,
 * ERR_USAGE when the answer is no list of models.
 */
int models_ask(const struct chat_conf *conf, const struct url *url,
    struct buf *names, struct err *err);

#endif
