/* SPDX-License-Identifier: ISC */
#ifndef SIGNALS_H
#define SIGNALS_H

#include <signal.h>

struct err;

/*
 * Signals as something to read: the only door to signalfd. From opening to
 * closing they are blocked, and wait until somebody asks.
 */
struct signals {
	int fd; /* readable when one has come; -1: none are taken */
	sigset_t old_mask;
	sigset_t mask; /* while they are taken */
};

/*
 * Block these signals (0-terminated list) and hold them. One that somebody
 * ignored for us (nohup, a background job of a shell) stays ignored.
 * Fails ERR_SYSTEM; the mask is as it was then.
 */
int signals_open(struct signals *signals, const int *numbers, struct err *err);

/* Gives the next that has come, 0 when there is none now. */
int signals_next(struct signals *signals);

/* Let those that wait do what they do to everybody: SIGTSTP stops us here,
 * unless SIGCONT has come after it. */
void signals_suffer(const struct signals *signals);

/* Forget those that nobody asked for: one more SIGTERM must not strike now.
 * The mask comes back. */
void signals_close(struct signals *signals);

#endif
