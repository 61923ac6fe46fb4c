/* SPDX-License-Identifier: ISC */
#ifndef HEAP_H
#define HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A binary heap of (time, key): the earliest time on top, equal times by
 * smaller key. It keeps no positions: what was pushed is popped, once.
 */
struct heap_item {
	int64_t due_ns;
	uint32_t key;
};

struct heap {
	struct heap_item *items;
	size_t count;
	size_t room;
};

void heap_init(struct heap *heap);
void heap_free(struct heap *heap);

/* Gives 0, or -1 without memory (nothing changed). Cost: O(log n). */
int heap_push(struct heap *heap, int64_t due_ns, uint32_t key);

/* Gives the earliest item without taking it, or NULL. */
const struct heap_item *heap_top(const struct heap *heap);

/* Take the earliest. Bug if empty. Cost: O(log n). */
struct heap_item heap_pop(struct heap *heap);

/* Take out the item with a key. Bug if there is none. Cost: O(n). */
void heap_remove(struct heap *heap, uint32_t key);

#endif
