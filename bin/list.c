/* SPDX-License-Identifier: ISC */
/*
 * Rows of strings, as the library takes them: one block, NULL at the end.
 * Lists are as long as a command line, so growing by one is good enough.
 */
#include "list.h"

#include <bsd/stdlib.h>
#include <stdlib.h>

int
list_add(struct list *list, const char *item)
{
	const char **grown =
	    reallocarray(list->items, list->count + 2, sizeof(list->items[0]));

	if (!grown)
		return -1;
	list->items = grown;
	list->items[list->count++] = item;
	list->items[list->count] = NULL;
	return 0;
}

void
list_free(struct list *list)
{
	free(list->items);
	*list = (struct list){0};
}

void
list_free_all(struct list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free((void *)list->items[i]);
	list_free(list);
}
