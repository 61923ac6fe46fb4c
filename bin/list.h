/* SPDX-License-Identifier: ISC */
#ifndef LIST_H
#define LIST_H

#include <stddef.h>

/* A growing row of strings, NULL-terminated once it holds anything. Items are
 * lent, or given where the owner of the list says so. */
struct list {
	const char **items; /* NULL when empty */
	size_t count;
};

/* Append. Gives 0, or -1 without memory (nothing changed). */
int list_add(struct list *list, const char *item);

/* Free the row; items are left alone. */
void list_free(struct list *list);

/* Free the row and its items. */
void list_free_all(struct list *list);

#endif
