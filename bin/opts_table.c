/* SPDX-License-Identifier: ISC */
/*
 * The table of options: its sections one after the other, as people read them.
 * Each has a file of its own.
 */
#include <stdlib.h>

#include "opts.h"

static const struct opts_section *const sections[OPTS_GROUP_COUNT] = {
    [OPTS_INPUT] = &opts_input,
    [OPTS_BACKEND] = &opts_backend,
    [OPTS_RUNNING] = &opts_running,
    [OPTS_OUTPUT] = &opts_output,
    [OPTS_SEEING] = &opts_seeing,
};

const struct opt *
opts_at(size_t place)
{
	for (size_t i = 0; i < OPTS_GROUP_COUNT; i++) {
		if (place < sections[i]->count)
			return &sections[i]->rows[place];
		place -= sections[i]->count;
	}
	return NULL;
}

size_t
opts_place(const struct opt *opt)
{
	size_t place = 0;

	while (opts_at(place) != opt)
		if (!opts_at(place++))
			abort(); /* it is of no table */
	return place;
}

enum opts_group
opts_group(const struct opt *opt)
{
	size_t place = opts_place(opt);
	int group = 0;

	for (; place >= sections[group]->count; group++)
		place -= sections[group]->count;
	return (enum opts_group)group;
}
