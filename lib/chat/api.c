/* SPDX-License-Identifier: ISC */
/*
 * The list of dialects.
 */
#include "chat/api.h"

#include <string.h>

static const struct api *const apis[] = {
    &api_anthropic,
    &api_openai,
};

const char *
api_names(void)
{
	return "anthropic, openai";
}

const struct api *
api_by_name(const char *name)
{
	for (size_t i = 0; i < sizeof(apis) / sizeof(apis[0]); i++) {
		if (strcmp(apis[i]->name, name) == 0)
			return apis[i];
	}
	return NULL;
}
