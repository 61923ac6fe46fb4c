/* SPDX-License-Identifier: ISC */
#ifndef DRY_H
#define DRY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

struct backend;
struct llmill_run_conf;
struct prompts;

/*
 * What a dry run shows: the first request that would go out, what there is to
 * do, tokens by bytes / 4. Pure.
 */
struct dry {
	const struct llmill_run_conf *conf;
	const struct backend *backend;
	const struct prompts *prompts;
	const uint8_t *asked; /* 1 per prompt that would be sent */
	const char *db_path;  /* that would be gone on with, or NULL */
	uint32_t answered;    /* prompts of the list, in there */
	bool asks_model;      /* nobody said which: the server would be asked */
};

/* Append it as text, or as one JSON object on a line. */
void dry_put(struct buf *out, const struct dry *dry);
void dry_put_json(struct buf *out, const struct dry *dry);

#endif
