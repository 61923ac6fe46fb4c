/* SPDX-License-Identifier: ISC */
#ifndef NEWBORN_H
#define NEWBORN_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * The first moments of a forked process, be it the nursery, a worker or a
 * user's command: what it must let go of before it does anything else. Only
 * for the newborn itself.
 */
#define NEWBORN_FDS_MAX 8

/*
 * Make fds the descriptors 0 … count−1 and close all others; from 3 on they
 * are close-on-exec.
 * Takes count ≤ NEWBORN_FDS_MAX descriptors, in any order, also twice.
 * Gives 0, or -1 with errno: then nothing but leaving makes sense.
 */
int newborn_keep_fds(const int *fds, size_t count);

/* Every signal to its default, then block exactly those. Call with all
 * signals blocked, so that none arrives half-way. */
void newborn_reset_signals(const sigset_t *blocked);

/* Is the process of that pidfd dead? Ask after PDEATHSIG is set: an earlier
 * death would go unnoticed. */
bool newborn_is_orphan(int parent_pid_fd);

#endif
