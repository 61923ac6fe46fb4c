/* SPDX-License-Identifier: ISC */
/*
 * Guessing. First what the option is called elsewhere, then what it is one or
 * two slips of the finger away from. A guess is only ever said, never done.
 */
#include "guess.h"

#include <stdio.h>
#include <string.h>

#include "say.h"

#define PREFIX_LEAST 3 /* shorter starts of a name say too little */

/* Options that this program will not have, and what to do instead. */
static const struct refusal {
	const char *names;
	const char *advice;
} refusals[] = {
    {"--api-key --apikey --key --token --access-token --auth-token --bearer "
     "--bearer-token --openai-api-key --openai-key --anthropic-api-key "
     "--secret --password "
     "--api-token -k",
	"no option takes a key, because all users of the machine can see it; "
	"give --key-env NAME, --key-file FILE or $OPENAI_API_KEY (with "
	"--api anthropic $ANTHROPIC_API_KEY)"},
    {"--input --input-file --in --infile --file --prompts --prompt-file "
     "--prompts-file --inputs -i",
	"files stand without an option: llmill run FILE"},
    {"--resume --continue --recover",
	"the same command again goes on by itself; llmill resume DB goes on "
	"without the input"},
    {"--insecure --allow-insecure --no-verify --no-verify-ssl "
     "--no-check-certificate --skip-tls-verify",
	"certificates are always checked; --cacert FILE names those that are "
	"to be trusted"},
    {"--command --cmd --exec",
	"a command stands at the end: llmill run FILE -- COMMAND"},
    {"--version -V", "try: llmill version"},
};

static unsigned
least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

unsigned
guess_distance(const char *one, const char *other)
{
	unsigned d[GUESS_NAME_MAX + 1][GUESS_NAME_MAX + 1];
	size_t rows = strlen(one);
	size_t columns = strlen(other);

	if (rows > GUESS_NAME_MAX || columns > GUESS_NAME_MAX)
		return GUESS_FAR;
	for (size_t j = 0; j <= columns; j++)
		d[0][j] = (unsigned)j;
	for (size_t i = 1; i <= rows; i++) {
		d[i][0] = (unsigned)i;
		for (size_t j = 1; j <= columns; j++) {
			unsigned change = one[i - 1] != other[j - 1];

			d[i][j] = least(d[i - 1][j - 1] + change,
			    least(d[i - 1][j], d[i][j - 1]) + 1);
			if (i > 1 && j > 1 && one[i - 1] == other[j - 2] &&
			    one[i - 2] == other[j - 1])
				d[i][j] = least(d[i][j], d[i - 2][j - 2] + 1);
		}
	}
	return d[rows][columns];
}

unsigned
guess_reach(const char *name)
{
	return (unsigned)(strlen(name) + 2) / 4;
}

/* Is word one of the blank-separated names? "_" counts as "-". */
static bool
among(const char *names, const char *word)
{
	size_t size = strlen(word);

	while (names && *names) {
		size_t end = strcspn(names, " ");
		size_t same = 0;

		while (same < end && same < size &&
		       (names[same] == word[same] ||
			   (names[same] == '-' && word[same] == '_')))
			same++;
		if (same == end && same == size)
			return true;
		names += end + strspn(names + end, " ");
	}
	return false;
}

static const struct opt *
find_synonym(enum opts_command command, const char *typed)
{
	for (size_t i = 0; opts_at(i); i++)
		if (opts_has(command, opts_at(i)) &&
		    among(opts_at(i)->synonyms, typed))
			return opts_at(i);
	return NULL;
}

/* The start of a long name counts as one slip. */
static unsigned
option_distance(const char *name, const struct opt *opt)
{
	size_t size = strlen(name);

	if (size >= PREFIX_LEAST && strncmp(name, opt->name, size) == 0)
		return 1;
	return guess_distance(name, opt->name);
}

static const struct opt *
find_nearest(enum opts_command command, const char *name)
{
	const struct opt *nearest = NULL;
	unsigned reach = guess_reach(name);

	for (size_t i = 0; opts_at(i); i++) {
		const struct opt *opt = opts_at(i);
		unsigned distance;

		if (!opt->name || !opts_has(command, opt))
			continue;
		distance = option_distance(name, opt);
		if (distance > reach || (nearest && distance == reach))
			continue;
		nearest = opt;
		reach = distance;
	}
	return nearest;
}

/* Gives the first command that knows an option, or NULL when there is none so
 * named. */
static const char *
find_owner(const char *typed)
{
	for (size_t i = 0; opts_at(i); i++) {
		const struct opt *opt = opts_at(i);
		bool is_named = opt->name && strncmp(typed, "--", 2) == 0 &&
				strcmp(typed + 2, opt->name) == 0;

		if (!is_named && (!opt->letter || typed[0] != '-' ||
				     typed[1] != opt->letter))
			continue;
		for (int command = 0; command < OPTS_COMMAND_COUNT; command++)
			if (opts_has((enum opts_command)command, opt))
				return opts_command_name(
				    (enum opts_command)command);
	}
	return NULL;
}

int
guess_refuse_option(
    enum opts_command command, const char *typed, struct llmill_err *err)
{
	char label[OPTS_LABEL_SIZE];
	const char *owner = find_owner(typed);
	const struct opt *opt;

	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
		if (among(refusals[i].names, typed))
			return say_refuse(err, "there is no option %s: %s",
			    typed, refusals[i].advice);
	if (owner)
		return say_refuse(err, "%s is an option of %s, not of %s",
		    typed, owner, opts_command_name(command));
	opt = find_synonym(command, typed);
	if (!opt && strncmp(typed, "--", 2) == 0)
		opt = find_nearest(command, typed + 2);
	if (opt)
		return say_refuse(err, "unknown option %.60s; did you mean %s?",
		    typed, opts_label(opt, label));
	return say_refuse(err,
	    "unknown option %.60s; \"llmill help %s\" lists all", typed,
	    opts_command_name(command));
}
