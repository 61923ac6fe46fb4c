/* SPDX-License-Identifier: ISC */
#ifndef COURIER_H
#define COURIER_H

#include <stdbool.h>

struct courier;
struct err;

/*
 * A process that does something with a database while its writer goes on, and
 * writes a file: nobody waits for a slow file system. Each journey is a process
 * of its own, forked from one that never had a database open.
 */
struct courier_conf {
	/* The journey: word is what courier_send was given. */
	int (*work)(void *arg, const char *word, struct err *err);
	void *arg;	   /* as it is when courier_new is called */
	const char *title; /* of the process: "copies to x.db" */
	const char *path;  /* of the file; strings are lent */
	bool titled;	   /* as in struct spawn_child */
};

/* Call before a database is opened. Gives NULL with err. */
struct courier *courier_new(const struct courier_conf *conf, struct err *err);

/* Set out with a word of at most 4,096 bytes. Fails ERR_SYSTEM. Bug if it is
 * under way. */
int courier_send(struct courier *courier, const char *word, struct err *err);

bool courier_is_out(const struct courier *courier);

/* Has it come back since it was sent? Gives 1 when the work is done, -1 with
 * err when it is not, 0 while it is under way. */
int courier_look(struct courier *courier, struct err *err);

/* End one that is under way: what was at path stays. */
void courier_recall(struct courier *courier);

/* Ends one that is under way. Takes NULL calmly. */
void courier_free(struct courier *courier);

#endif
