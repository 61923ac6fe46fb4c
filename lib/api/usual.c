/* SPDX-License-Identifier: ISC */
/*
 * The environment, by the names that each API has for it.
 */
#include "api/usual.h"

#include <stdlib.h>

#include "chat/api.h"
#include "llmill_run.h"

const char *
usual_variable(const char *name)
{
	const char *value = getenv(name[0] == '$' ? name + 1 : name);

	return value != NULL && value[0] != '\0' ? value : NULL;
}

void
usual_place(const struct api *api, struct llmill_place *place)
{
	const char *const *variable = api->url_variables;

	*place = (struct llmill_place){
	    .url = api->url,
	    .key_variable = api->key_variable,
	};
	while (*variable != NULL && usual_variable(*variable) == NULL)
		variable++;
	if (*variable == NULL)
		return;
	place->url = usual_variable(*variable);
	place->url_variable = *variable;
}

bool
llmill_find_place(const char *name, struct llmill_place *place)
{
	const struct api *api = name != NULL ? api_by_name(name) : &api_openai;

	if (api != NULL)
		usual_place(api, place);
	return api != NULL;
}
