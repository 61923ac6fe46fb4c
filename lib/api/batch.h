/* SPDX-License-Identifier: ISC */
#ifndef BATCH_H
#define BATCH_H

#include <stdbool.h>
#include <stdint.h>

/*
 * When does the batch job end that we are in? By $SLURM_JOB_END_TIME, or, where
 * Slurm does not say it there (before 23.02), by asking squeue once.
 * Gives ms since 1970, 0 when there is no job or no end.
 */
int64_t batch_end_ms(void);

/* Is this a machine from which batch jobs are submitted, and we are in none? */
bool batch_is_login_node(void);

#endif
