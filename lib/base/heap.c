/* SPDX-License-Identifier: ISC */
/*
 * A binary heap in an array: the children of item i are 2i + 1 and 2i + 2,
 * and no child comes before its parent.
 */
#include "base/heap.h"

#include <stdlib.h>

#include "base/must.h"

#define HEAP_FIRST_ROOM 64

void
heap_init(struct heap *heap)
{
	*heap = (struct heap){0};
}

void
heap_free(struct heap *heap)
{
	free(heap->items);
	heap_init(heap);
}

static bool
comes_before(struct heap_item a, struct heap_item b)
{
	return a.due_ns < b.due_ns || (a.due_ns == b.due_ns && a.key < b.key);
}

static int
make_room(struct heap *heap)
{
	size_t room = heap->room == 0 ? HEAP_FIRST_ROOM : heap->room * 2;
	struct heap_item *items;

	if (heap->count < heap->room)
		return 0;
	items = reallocarray(heap->items, room, sizeof(*items));
	if (items == NULL)
		return -1;
	heap->items = items;
	heap->room = room;
	return 0;
}

/* Put an item where there is room at a place, or above it. */
static void
sift_up(struct heap *heap, size_t at, struct heap_item item)
{
	for (; at > 0; at = (at - 1) / 2) {
		struct heap_item parent = heap->items[(at - 1) / 2];

		if (!comes_before(item, parent))
			break;
		heap->items[at] = parent;
	}
	heap->items[at] = item;
}

/* The same, or below it. */
static void
sift_down(struct heap *heap, size_t at, struct heap_item item)
{
	for (;;) {
		size_t child = 2 * at + 1;

		if (child >= heap->count)
			break;
		if (child + 1 < heap->count &&
		    comes_before(heap->items[child + 1], heap->items[child]))
			child++;
		if (!comes_before(heap->items[child], item))
			break;
		heap->items[at] = heap->items[child];
		at = child;
	}
	heap->items[at] = item;
}

int
heap_push(struct heap *heap, int64_t due_ns, uint32_t key)
{
	struct heap_item item = {due_ns, key};

	if (make_room(heap) == -1)
		return -1;
	sift_up(heap, heap->count++, item);
	return 0;
}

const struct heap_item *
heap_top(const struct heap *heap)
{
	return heap->count == 0 ? NULL : &heap->items[0];
}

struct heap_item
heap_pop(struct heap *heap)
{
	struct heap_item top;

	MUST(heap->count > 0);
	top = heap->items[0];
	heap->count--;
	sift_down(heap, 0, heap->items[heap->count]);
	return top;
}

void
heap_remove(struct heap *heap, uint32_t key)
{
	struct heap_item last;
	size_t at = 0;

	while (at < heap->count && heap->items[at].key != key)
		at++;
	MUST(at < heap->count);
	last = heap->items[--heap->count];
	if (at == heap->count)
		return;
	if (at > 0 && comes_before(last, heap->items[(at - 1) / 2]))
		sift_up(heap, at, last);
	else
		sift_down(heap, at, last);
}
