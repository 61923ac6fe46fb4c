/* SPDX-License-Identifier: ISC */
#ifndef SLURM_SCRIPT_H
#define SLURM_SCRIPT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

/* A run as a batch job; strings are lent. */
struct slurm_script {
	const char *program;
	const char *const *words; /* of the run, behind its name */
	uint32_t shards;	  /* 0: one coordinator, no array */
	uint32_t at_once;	  /* tasks of the array; 0: all */
	bool one_job;		  /* a coordinator on each node of one job */
	const char *db; /* with {shard} in it where there are shards; NULL: it
			   is not among the words, and chosen here */
};

/* Append the script. Pure. */
void slurm_script_put(struct buf *out, const struct slurm_script *script);

#endif
