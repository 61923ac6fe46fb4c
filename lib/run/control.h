/* SPDX-License-Identifier: ISC */
#ifndef CONTROL_H
#define CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

struct err;
struct json;
struct loop;

/*
 * The door by which people tell a run what to do while it goes on: a socket
 * that only its user (and root) may use. An order is a JSON object in a line,
 * and so is the answer to it. Whoever is slow, or talks nonsense, is hung up
 * on; nobody waits for them.
 */
#define CONTROL_LINE_MAX ((size_t)1 << 20)  /* of an order */
#define CONTROL_REPLY_MAX ((size_t)1 << 22) /* that wait to be taken */
#define CONTROL_GUESTS_MAX 16

struct control;

/*
 * Listen at path (of at most 107 bytes), mode 0600. What a dead run
 * left there is removed: have the database's lock.
 * take writes the answer to an order, an object without its line's end.
 * Fails ERR_SYSTEM.
 */
struct control *control_open(const char *path, struct loop *loop,
    void (*take)(void *arg, struct json *order, struct buf *answer), void *arg,
    struct err *err);

/* Hang up, and take the socket away. Takes NULL calmly. */
void control_close(struct control *control);

#endif
