/* SPDX-License-Identifier: ISC */
#ifndef GUESS_H
#define GUESS_H

#include <stddef.h>

#include "opts.h"

/*
 * What was meant by a word that nobody knows. Names are compared by the
 * Damerau-Levenshtein distance; options have synonyms beside it.
 */

/* How many insertions, deletions, changes and swaps of neighbours lie between
 * two names? Names over GUESS_NAME_MAX bytes are GUESS_FAR from all others. */
#define GUESS_NAME_MAX 32
#define GUESS_FAR 1000
unsigned guess_distance(const char *one, const char *other);

/* Is it near enough to be worth asking? */
unsigned guess_reach(const char *name);

/*
 * Say what is wrong with an option that the command does not know.
 * Takes the option as typed, without its value: "--worker", "-P".
 * Gives always -1. The value is never looked at: it may be a key.
 */
int guess_refuse_option(
    enum opts_command command, const char *typed, struct llmill_err *err);

#endif
