/* SPDX-License-Identifier: ISC */
#ifndef FSKIND_H
#define FSKIND_H

#include <stdbool.h>

/*
 * Does the directory lie on a file system that others mount too? There WAL's
 * shared memory does not work. LLMILL_FSTYPE in the environment (a name such
 * as nfs, or local) answers instead.
 * Gives the kind's name, or NULL for a local one or one that cannot be asked.
 */
const char *fskind_network(const char *directory);

/* The same, whatever the environment says. */
const char *fskind_seen(const char *directory);

#endif
