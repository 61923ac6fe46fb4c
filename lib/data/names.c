/* SPDX-License-Identifier: ISC */
/*
 * A hash table that keeps no text: the names lie in the prompts.
 */
#include "data/names.h"

#include <stdlib.h>

#include "base/hash.h"
#include "data/prompts.h"

#define ROOM_FIRST 1024

static struct span
name_of(const struct prompts *prompts, uint32_t place)
{
	return prompts_at(prompts, place - 1).custom_id;
}

/* Gives the place where a name is, or would go. */
static size_t
find(const struct names *names, const struct prompts *prompts, struct span name)
{
	size_t at = hash_add(HASH_START, name) & (names->room - 1);

	while (names->places[at] != 0 &&
	       !span_equals(name_of(prompts, names->places[at]), name))
		at = (at + 1) & (names->room - 1);
	return at;
}

static int
grow(struct names *names, const struct prompts *prompts)
{
	struct names more = {
	    .room = names->room == 0 ? ROOM_FIRST : 2 * names->room,
	    .count = names->count,
	};

	more.places = calloc(more.room, sizeof(*more.places));
	if (more.places == NULL)
		return -1;
	for (size_t i = 0; i < names->room; i++) {
		const uint32_t place = names->places[i];

		if (place != 0)
			more.places[find(
			    &more, prompts, name_of(prompts, place))] = place;
	}
	free(names->places);
	*names = more;
	return 0;
}

bool
names_find(const struct names *names, const struct prompts *prompts,
    struct span name, uint32_t *holder)
{
	size_t at;

	if (names->room == 0)
		return false;
	at = find(names, prompts, name);
	*holder = names->places[at] - 1;
	return names->places[at] != 0;
}

int
names_add(struct names *names, const struct prompts *prompts, uint32_t number)
{
	if (2 * names->count >= names->room && grow(names, prompts) == -1)
		return -1;
	names->places[find(names, prompts, name_of(prompts, number + 1))] =
	    number + 1;
	names->count++;
	return 0;
}

void
names_free(struct names *names)
{
	free(names->places);
	*names = (struct names){.places = NULL};
}
