/* SPDX-License-Identifier: ISC */
#ifndef ISOLATE_H
#define ISOLATE_H

#include <stdint.h>
#include <sys/types.h>

struct err;

/*
 * Process namespaces: a worker that is process 1 of its own takes all that it
 * started along when it ends, however far that went away. Who is not root
 * needs a user namespace around it, in which there is only that user.
 */
struct isolation {
	uint64_t flags; /* for clone3; 0: none */
	uid_t uid;
	gid_t gid;
};

/* Find out, by a trial, how this machine allows it. Gives 0; -1 with err
 * (ERR_SYSTEM) that says where it is forbidden. */
int isolation_find(struct isolation *isolation, struct err *err);

/* In a process newly cloned with the flags: be who we were before. Gives 0, or
 * -1 with errno. */
int isolation_enter(const struct isolation *isolation);

#endif
