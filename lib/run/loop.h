/* SPDX-License-Identifier: ISC */
#ifndef LOOP_H
#define LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct err;

/*
 * The only door to epoll: who wants to know when a descriptor is
 * ready embeds a watch; the loop calls it. Watches lie in memory that outlives
 * the loop's turn (slot tables), so that a stale event finds fd −1, not freed
 * memory.
 */
struct loop_watch {
	int fd; /* lent; −1 when not watched */
	uint32_t events;
	void (*ready)(void *arg, uint32_t events);
	void *arg;
};

struct loop;

struct loop *loop_new(struct err *err);
void loop_free(struct loop *loop);

/* Watch a descriptor for EPOLLIN, EPOLLOUT (level-triggered). */
int loop_watch(struct loop *loop, struct loop_watch *watch, int fd,
    uint32_t events, struct err *err);
void loop_unwatch(struct loop *loop, struct loop_watch *watch);

/* Wait until something is ready or then_ns is reached; call who is ready.
 * The only place where the coordinator sleeps. */
int loop_turn(
    struct loop *loop, int64_t now_ns, int64_t then_ns, struct err *err);

#endif
