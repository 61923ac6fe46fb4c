/* SPDX-License-Identifier: ISC */
#ifndef REAP_H
#define REAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * How processes leave it. Signals go to a pidfd, or to a group through one
 * helper that refuses pid ≤ 1: kill(-1) after a failed fork kills the
 * machine.
 */
enum reap_state {
	REAP_ALIVE = 0,
	REAP_DEAD = 1,	  /* a corpse: its pid is reserved until buried */
	REAP_UNKNOWN = 2, /* somebody else took it; never kill by its number */
};

struct death {
	bool signalled; /* by signal number, else exit status number */
	int number;
	bool core;
};

/* Look without burying (waitid, WNOWAIT). death is filled when dead. */
enum reap_state reap_look(int pid_fd, struct death *death);

/* Take the corpse away. Call after reap_look said dead. */
void reap_bury(int pid_fd);

/* Send a signal to one process. Gives 0, or -1 with errno. */
int reap_signal(int pid_fd, int signal_number);

/* Send a signal to the process group of a leader that is alive or unburied.
 * Bug if leader ≤ 1 or our own group. */
int reap_signal_group(pid_t leader, int signal_number);

/*
 * Kill (SIGKILL) and bury every child of this process, alive or dead, except
 * those that spare says to leave alone: what backends left behind and a
 * subreaper adopted. Goes on until a look finds none, at most for limit_ms.
 * Takes spare, NULL to spare nobody.
 * Gives true when nobody is left, false when the time ran out before: a deep
 * family comes up one generation after the other. Adds how many were killed
 * to *killed unless that is NULL. Cost: one look through /proc per round.
 */
typedef bool reap_spare(void *arg, pid_t pid, bool dead);
bool reap_sweep(reap_spare *spare, void *arg, int limit_ms, size_t *killed);

/*
 * From now on reap_sweep of this process kills everybody there is: this is
 * process 1 of a namespace in which all others are its own. The numbers in
 * /proc are those of another namespace.
 */
void reap_rule(void);

/* Write "signal 11 (Segmentation fault)" or "exit status 3" to out, cut to
 * size bytes with the NUL. */
void reap_describe(const struct death *death, char *out, size_t size);

/* Does this process have a child now, be it a corpse, that is not pid? */
bool reap_has_other_child(pid_t pid);

/*
 * Was a process started with a variable of this name in its environment?
 * False also when it cannot be seen: gone, dead, with more rights than we
 * have, or its environment is written over.
 */
bool reap_carries(pid_t pid, const char *name);

#endif
