/* SPDX-License-Identifier: ISC */
#ifndef API_ANTHROPIC_H
#define API_ANTHROPIC_H

#include "base/buf.h"
#include "data/prompts.h"

struct api_shape;
struct chat_conf;

/* What api_anthropic.c and api_anthropic_build.c share: the build of the
 * dialect (api.h). */
void api_anthropic_build(const struct chat_conf *conf,
    const struct record *record, const struct api_shape *shape,
    struct buf *body);

#endif
