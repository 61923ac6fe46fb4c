/* SPDX-License-Identifier: ISC */
#ifndef OPTS_ROW_H
#define OPTS_ROW_H

#include "opts.h"

/*
 * What a row of the table is written with. What it leaves out is the usual: of
 * run and resume, known to all backends, no default worth naming.
 */

/* The field of a row; the comparison makes the compiler say so when the
 * field has another type than the kind promises. */
#define AT(type, field)                                                        \
	.at = offsetof(struct opts, field) +                                   \
	      0 * sizeof((type *)0 == &((struct opts *)0)->field)

/* Commands that know an option, as bits. */
#define OF_RUN (1U << OPTS_RUN)
#define OF_RESUME (1U << OPTS_RESUME)
#define OF_CHECK (1U << OPTS_CHECK)
#define OF_STATUS (1U << OPTS_STATUS)
#define OF_VERIFY (1U << OPTS_VERIFY)
#define OF_MERGE (1U << OPTS_MERGE)
#define OF_EXPORT (1U << OPTS_EXPORT)
#define OF_SLURM (1U << OPTS_SLURM)
#define OF_CTL (1U << OPTS_CTL)
#define OF_REPORT (1U << OPTS_REPORT)
#define OF_OUTPUT (OF_RUN | OF_RESUME | OF_EXPORT)
#define OF_CALLS (OF_RUN | OF_RESUME | OF_CHECK) /* who calls the backend */

#define NS_PER_MS INT64_C(1000000)
#define NS_PER_YEAR (INT64_C(8760) * 3600 * 1000 * NS_PER_MS)
#define TRIES_MOST 65535 /* what is counted of a prompt's tries, */
#define POISON_MOST 255	 /* and of the workers it crashed */
#define MONEY_MOST INT64_C(1000000000000) /* a million */
#define AMOUNT_MOST INT64_C(1000000000000000)
#define TOKENS_MOST 1000000000 /* far above any model's window */

#define OPTS_ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))

#endif
