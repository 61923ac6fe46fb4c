/* SPDX-License-Identifier: ISC */
#ifndef ADVICE_H
#define ADVICE_H

#include "wire/outcome.h"

struct backend;

/*
 * What to do about an attempt that brought no answer, with these settings.
 * Gives one or more sentences, or NULL for an answer.
 */
const char *advice_on(enum outcome outcome, const struct backend *backend);

#endif
