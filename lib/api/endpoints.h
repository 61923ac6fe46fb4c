/* SPDX-License-Identifier: ISC */
#ifndef ENDPOINTS_H
#define ENDPOINTS_H

#include <stdint.h>

struct backend;
struct buf;
struct err;
struct llmill_run_conf;

/*
 * Which servers are asked, how much each gets, and which may have the key.
 */

/* Fill backend's endpoints from conf's urls ("BASE,weight=2,max=64"), or the
 * API's usual one. Fails ERR_USAGE, ERR_MEMORY. */
int endpoints_resolve(struct backend *backend,
    const struct llmill_run_conf *conf, struct err *err);

/* Decide for each of them whether the backend's key goes there. Fails ERR_USAGE
 * when it would go to another machine unencrypted. */
int endpoints_judge_key(struct backend *backend,
    const struct llmill_run_conf *conf, struct err *err);

/* Append one as -u has it: "http://gpu1:8000/v1,weight=2". */
void endpoints_put(
    const struct backend *backend, uint32_t number, struct buf *out);

/* Append all as a member of a JSON object, a list; nothing where there are
 * none. */
void endpoints_put_list(
    const struct backend *backend, const char *key, struct buf *out);

void endpoints_free(struct backend *backend);

#endif
