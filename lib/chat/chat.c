/* SPDX-License-Identifier: ISC */
/*
 * The list of backends: the only place that knows them all.
 */
#include "chat/chat.h"

#include <string.h>

#include "base/must.h"
#include "chat/kinds.h"

static const struct chat *const kinds[] = {
    &chat_coproc,
    &chat_echo,
    &chat_exec,
    &chat_func,
    &chat_http,
    &chat_plugin,
};

const struct chat *
chat_by_name(const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		const struct chat *kind = kinds[i];

		MUST(kind->name != NULL && kind->open != NULL);
		MUST(kind->call != NULL && kind->close != NULL);
		if (strcmp(kind->name, name) == 0)
			return kind;
	}
	return NULL;
}

const char *
chat_names(void)
{
	return "coproc, echo, exec, http, plugin";
}
