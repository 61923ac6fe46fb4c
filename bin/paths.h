/* SPDX-License-Identifier: ISC */
#ifndef PATHS_H
#define PATHS_H

#include "opts.h"

/*
 * A file that is written may be no other file of the command line: -o, --db,
 * what lies beside it, and --log, against each other and all that is read.
 * Files that exist are compared by device and inode, others by their real
 * directory and name. Fails LLMILL_EXIT_USAGE naming both.
 */
int paths_check(struct opts *opts, struct llmill_err *err);

#endif
