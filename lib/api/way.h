/* SPDX-License-Identifier: ISC */
#ifndef WAY_H
#define WAY_H

struct backend;
struct err;
struct llmill_run_conf;

/*
 * The way to an http server, as options and environment say: through which
 * proxy, and which authorities may vouch for it. Fills backend; needs its URL.
 * Fails ERR_USAGE, ERR_MEMORY.
 */
int way_resolve(struct backend *backend, const struct llmill_run_conf *conf,
    struct err *err);
void way_free(struct backend *backend);

#endif
