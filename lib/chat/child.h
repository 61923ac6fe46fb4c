/* SPDX-License-Identifier: ISC */
#ifndef CHILD_H
#define CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "wire/reap.h"

struct err;

/* The environment variable that every command has: by it what a run has started
 * can be told from strangers. */
#define CHILD_MARK "LLMILL_PROMPT_ID"

/*
 * A command of the user's as a child of the worker: own process group, dies
 * with the worker (PDEATHSIG), clear signal mask, default handlers, nothing
 * inherited but stdin, stdout and stderr. The worker is a subreaper: after
 * the command ended its group is killed and whatever it left behind swept.
 */
struct child {
	pid_t pid;     /* -1: none */
	int pid_fd;    /* -1: none */
	int stdin_fd;  /* write end, non-blocking; -1: closed */
	int stdout_fd; /* read end, non-blocking; -1: closed */
	int stderr_fd; /* read end, non-blocking; -1: closed */
};

/*
 * Find a command as a shell would: a name with a slash is a path, another one
 * is looked for in $PATH. Gives the path for the caller to free, NULL with
 * errno when there is none that can be executed.
 */
char *child_find(const char *name);

/*
 * Start the program at path with argv, and the environment plus extra
 * ("NAME=value" strings, NULL-terminated). Nothing stands in for a file that
 * is no program: ENOEXEC.
 * Gives 0; -1 with *number the errno of what failed: an exec that failed is
 * told from a fork that failed by *in_exec.
 */
int child_start(struct child *child, const char *path, const char *const *argv,
    const char *const *extra, int *number, bool *in_exec);

/* Send a signal to the command's process group. */
void child_signal(struct child *child, int signal_number);

/*
 * Wait until it is dead, at most wait_ms (-1: for ever). Gives true with
 * death filled; the corpse stays until child_bury.
 */
bool child_wait(struct child *child, int wait_ms, struct death *death);

/*
 * End it: what is left of the group and of its offspring is killed, the
 * corpse buried, descriptors closed.
 */
void child_bury(struct child *child);

/*
 * Run a command, found as child_find does, for what it says on its stdout
 * within a time; then it is ended. For a process that may have children of
 * others: nobody else is signalled.
 * Gives 0 with what was said, maybe nothing; -1 when there is no such command.
 */
int child_ask(const char *const *argv, int64_t wait_ns, struct buf *answer);

#endif
