/* SPDX-License-Identifier: ISC */
/*
 * One block of memory per text: results come in any size and are read in any
 * order.
 */
#include "api/results.h"

#include <stdlib.h>
#include <string.h>

#include "base/must.h"

struct result {
	char *text; /* with a NUL behind; NULL: none */
	size_t size;
	enum llmill_state state;
};

struct llmill_results {
	struct result *items;
	size_t count;
	char *trouble;
};

struct llmill_results *
results_new(size_t count)
{
	struct llmill_results *results = calloc(1, sizeof(*results));

	if (results == NULL)
		return NULL;
	results->count = count;
	results->items = calloc(count > 0 ? count : 1, sizeof(*results->items));
	if (results->items != NULL)
		return results;
	free(results);
	return NULL;
}

int
results_put(struct llmill_results *results, size_t index,
    enum llmill_state state, struct span text)
{
	struct result *item = &results->items[index];

	MUST(index < results->count);
	free(item->text);
	item->state = state;
	item->size = text.size;
	item->text = malloc(text.size + 1);
	if (item->text == NULL)
		return -1;
	if (text.size > 0)
		memcpy(item->text, text.data, text.size);
	item->text[text.size] = '\0';
	return 0;
}

void
results_set_trouble(struct llmill_results *results, const char *why)
{
	free(results->trouble);
	results->trouble = strdup(why);
}

size_t
llmill_results_count(const struct llmill_results *results)
{
	return results->count;
}

enum llmill_state
llmill_results_state(const struct llmill_results *results, size_t index)
{
	MUST(index < results->count);
	return results->items[index].state;
}

bool
llmill_results_ok(const struct llmill_results *results, size_t index)
{
	return llmill_results_state(results, index) == LLMILL_ANSWERED;
}

const char *
llmill_results_text(
    const struct llmill_results *results, size_t index, size_t *size)
{
	const struct result *item = &results->items[index];

	MUST(index < results->count);
	if (size != NULL)
		*size = item->text != NULL ? item->size : 0;
	return item->text != NULL ? item->text : "";
}

const char *
llmill_results_trouble(const struct llmill_results *results)
{
	return results->trouble;
}

void
llmill_results_free(struct llmill_results *results)
{
	if (results == NULL)
		return;
	for (size_t i = 0; i < results->count; i++)
		free(results->items[i].text);
	free(results->items);
	free(results->trouble);
	free(results);
}
