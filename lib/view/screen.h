/* SPDX-License-Identifier: ISC */
#ifndef SCREEN_H
#define SCREEN_H

#include <stdbool.h>

#include "base/buf.h"

/*
 * What a run says of itself (view/panel.h), drawn for people: no line is wider
 * than the terminal, and what does not fit its height is left out, the least
 * important first. Pure.
 */
struct screen_conf {
	const char *name;    /* of the database */
	unsigned columns;    /* 0: no terminal, 80 */
	unsigned rows;	     /* 0: any number */
	bool colour;	     /* SGR sequences may be used */
	const char *message; /* the last line but one; NULL none */
	const char *keys;    /* the last line; NULL none */
};

/* Append lines. panel is the text of the object. Gives false when it is no
 * such object. */
bool screen_render(
    const struct screen_conf *conf, struct span panel, struct buf *out);

#endif
