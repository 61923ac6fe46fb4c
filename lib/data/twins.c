/* SPDX-License-Identifier: ISC */
/*
 * A hash table of those that lead. Two passes: first those that have an answer
 * enter it, then those that are asked for, each of which finds one that leads
 * or leads itself.
 */
#include "data/twins.h"

#include <stdlib.h>

#include "base/err.h"
#include "base/hash.h"
#include "data/prompts.h"
#include "data/store.h"

struct leads {
	uint32_t *places; /* number + 1; 0: free */
	size_t room;	  /* a power of two, twice the prompts at least */
};

/* What goes out is made of these two, beside what all share. */
static uint64_t
hash_request(const struct record *record)
{
	return hash_add(hash_add(HASH_START, record->text), record->body);
}

static bool
is_same(const struct record *one, const struct record *other)
{
	return span_equals(one->text, other->text) &&
	       (one->body.data == NULL) == (other->body.data == NULL) &&
	       span_equals(one->body, other->body);
}

/* Gives the place where such a request is, or would go. */
static size_t
find(const struct leads *leads, const struct prompts *prompts,
    const struct record *record)
{
	size_t at = hash_request(record) & (leads->room - 1);

	while (leads->places[at] != 0) {
		const struct record other =
		    prompts_at(prompts, leads->places[at] - 1);

		if (is_same(record, &other))
			break;
		at = (at + 1) & (leads->room - 1);
	}
	return at;
}

static int
leads_open(struct leads *leads, uint32_t count)
{
	leads->room = 16;
	while (leads->room < 2 * (size_t)count)
		leads->room *= 2;
	leads->places = calloc(leads->room, sizeof(*leads->places));
	return leads->places != NULL ? 0 : -1;
}

/* Let one enter that has an answer. */
static void
lead(struct leads *leads, const struct prompts *prompts, uint32_t number)
{
	const struct record record = prompts_at(prompts, number);
	size_t at = find(leads, prompts, &record);

	if (leads->places[at] == 0)
		leads->places[at] = number + 1;
}

/* One that is asked for: behind another, or in front itself. */
static void
join(struct twins *twins, struct leads *leads, const struct prompts *prompts,
    uint32_t number)
{
	const struct record record = prompts_at(prompts, number);
	size_t at = find(leads, prompts, &record);
	uint32_t first = leads->places[at];

	if (first == 0) {
		leads->places[at] = number + 1;
		return;
	}
	twins->first[number] = first;
	twins->next[number] = twins->next[first - 1];
	twins->next[first - 1] = number + 1;
	twins->count++;
}

int
twins_find(struct twins *twins, const struct prompts *prompts,
    const uint8_t *states, const uint8_t *asked, struct err *err)
{
	const uint32_t count = prompts_count(prompts);
	struct leads leads;

	*twins = (struct twins){.first = calloc(count, sizeof(uint32_t)),
	    .next = calloc(count, sizeof(uint32_t))};
	if (leads_open(&leads, count) == -1 || twins->first == NULL ||
	    twins->next == NULL) {
		free(leads.places);
		return err_set_memory(err, "twins");
	}
	for (uint32_t i = 0; i < count; i++)
		if (states[i] == STORE_ANSWERED)
			lead(&leads, prompts, i);
	for (uint32_t i = 0; i < count; i++)
		if (asked[i])
			join(twins, &leads, prompts, i);
	free(leads.places);
	return 0;
}

void
twins_free(struct twins *twins)
{
	free(twins->first);
	free(twins->next);
	*twins = (struct twins){.first = NULL};
}
