/* SPDX-License-Identifier: ISC */
#ifndef ADVICE_H
#define ADVICE_H

/*
 * What to do about an attempt that brought no answer.
 * Takes an outcome's name as in the database. Gives one or more sentences, or
 * NULL for an answer or a name unknown here.
 */
const char *advice_on(const char *outcome);

#endif
