/* SPDX-License-Identifier: ISC */
#ifndef WEIGH_H
#define WEIGH_H

#include <stdint.h>
#include <sys/types.h>

/*
 * How many bytes of memory do a process and all its descendants hold resident?
 * Pages that several of them share count for each. What goes away while it is
 * looked at counts as far as it was seen; 0 when nothing can be.
 */
uint64_t weigh_tree(pid_t pid);

#endif
