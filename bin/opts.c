/* SPDX-License-Identifier: ISC */
/*
 * Words → struct opts, by the table alone. Nothing is opened here and nothing
 * is guessed: what is not exactly right ends in one sentence.
 */
#include "opts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend.h"
#include "guess.h"
#include "say.h"
#include "take.h"

struct reader {
	struct opts *opts;
	const char *const *next; /* words not yet read */
	const struct opt *last;	 /* the option read last */
	struct llmill_err *err;
};

static const char *const command_names[] = {
    [OPTS_RUN] = "run",
    [OPTS_CHECK] = "check",
    [OPTS_STATUS] = "status",
    [OPTS_VERIFY] = "verify",
    [OPTS_RESUME] = "resume",
    [OPTS_MERGE] = "merge",
    [OPTS_EXPORT] = "export",
    [OPTS_SLURM] = "slurm-script",
    [OPTS_CTL] = "ctl",
    [OPTS_REPORT] = "report",
};

static const char *const group_names[OPTS_GROUP_COUNT] = {
    [OPTS_INPUT] = "input",
    [OPTS_BACKEND] = "backend",
    [OPTS_RUNNING] = "running",
    [OPTS_OUTPUT] = "output",
    [OPTS_SEEING] = "seeing",
};

const char *
opts_command_name(enum opts_command command)
{
	return command_names[command];
}

const char *
opts_group_name(enum opts_group group)
{
	return group_names[group];
}

bool
opts_has(enum opts_command command, const struct opt *opt)
{
	unsigned commands =
	    opt->commands ? opt->commands : 1U << OPTS_RUN | 1U << OPTS_RESUME;

	if (command == OPTS_SLURM)
		commands |=
		    (commands & 1U << OPTS_RUN) != 0 ? 1U << OPTS_SLURM : 0;
	return (commands & 1U << command) != 0;
}

bool
opts_only_looks(enum opts_command command)
{
	return command == OPTS_STATUS || command == OPTS_VERIFY ||
	       command == OPTS_MERGE || command == OPTS_EXPORT ||
	       command == OPTS_CTL || command == OPTS_REPORT;
}

const char *
opts_word_name(enum opts_command command)
{
	return command == OPTS_RUN || command == OPTS_CHECK ||
		       command == OPTS_SLURM
		   ? "input"
		   : "database";
}

const char *
opts_label(const struct opt *opt, char *out)
{
	if (opt->letter && opt->name)
		snprintf(
		    out, OPTS_LABEL_SIZE, "-%c, --%s", opt->letter, opt->name);
	else if (opt->letter)
		snprintf(out, OPTS_LABEL_SIZE, "-%c", opt->letter);
	else
		snprintf(out, OPTS_LABEL_SIZE, "--%s", opt->name);
	return out;
}

static const struct opt *
find_long(enum opts_command command, const char *name, size_t size)
{
	for (size_t i = 0; opts_at(i); i++) {
		const struct opt *opt = opts_at(i);

		if (opt->name && opts_has(command, opt) &&
		    strlen(opt->name) == size &&
		    memcmp(opt->name, name, size) == 0)
			return opt;
	}
	return NULL;
}

static const struct opt *
find_letter(enum opts_command command, char letter)
{
	for (size_t i = 0; opts_at(i); i++)
		if (opts_at(i)->letter == letter &&
		    opts_has(command, opts_at(i)))
			return opts_at(i);
	return NULL;
}

bool
opts_has_given(const struct opts *opts, const struct opt *opt)
{
	return opts->given[opts_place(opt)];
}

bool
opts_given(const struct opts *opts, const char *name)
{
	const struct opt *opt = find_long(OPTS_RUN, name, strlen(name));

	if (!opt)
		abort();
	return opts_has_given(opts, opt);
}

const char *
opts_own(struct opts *opts, char *text, struct llmill_err *err)
{
	if (!text || list_add(&opts->owned, text) < 0) {
		free(text);
		say_no_memory(err);
		return NULL;
	}
	return text;
}

/* An option in the place of a value is a value that was forgotten. */
static bool
is_forgotten(const struct reader *reader, const char *word)
{
	if (strcmp(word, "--") == 0)
		return true;
	return strncmp(word, "--", 2) == 0 &&
	       find_long(reader->opts->command, word + 2, strlen(word + 2));
}

/* Take the next word as the option's value. Gives NULL with err. */
static const char *
next_value(struct reader *reader, const struct opt *opt)
{
	char label[OPTS_LABEL_SIZE];
	const char *word = *reader->next;

	if (!word) {
		say_refuse(reader->err, "%s wants %s", opts_label(opt, label),
		    opt->arg);
		return NULL;
	}
	if (is_forgotten(reader, word)) {
		say_refuse(reader->err, "%s wants %s, but %s follows",
		    opts_label(opt, label), opt->arg, word);
		return NULL;
	}
	reader->next++;
	return word;
}

static bool
lacks_value(const struct reader *reader)
{
	return !*reader->next || **reader->next == '-';
}

/* Take an option with its value; value is NULL where it is the next word. */
static int
take_option(struct reader *reader, const struct opt *opt, const char *value)
{
	char label[OPTS_LABEL_SIZE];
	struct opts *opts = reader->opts;

	if (opt->may_lack && !value && lacks_value(reader))
		value = "";
	if (opt->arg && !value) {
		value = next_value(reader, opt);
		if (!value)
			return -1;
	}
	if (value && value[0] == '\0' && !opt->may_lack &&
	    (opt->kind == OPTS_TEXT || opt->kind == OPTS_LIST))
		return say_refuse(reader->err,
		    "%s: \"\" is not allowed; it takes %s",
		    opts_label(opt, label), opt->arg);
	opts->given[opts_place(opt)] = true;
	reader->last = opt;
	return take_value(opts, opt, value, reader->err);
}

/* Read "--name" or "--name=value". */
static int
read_long(struct reader *reader, const char *word)
{
	const char *name = word + 2;
	size_t size = strcspn(name, "=");
	const char *value = name[size] == '=' ? name + size + 1 : NULL;
	const struct opt *opt = find_long(reader->opts->command, name, size);
	char typed[128];

	if (!opt) {
		snprintf(typed, sizeof(typed), "%.*s", (int)size + 2, word);
		return guess_refuse_option(
		    reader->opts->command, typed, reader->err);
	}
	if (!opt->arg && value)
		return say_refuse(
		    reader->err, "--%s takes no value", opt->name);
	return take_option(reader, opt, value);
}

/* Say that a letter is unknown; "-workers" wanted two dashes. */
static int
refuse_letter(struct reader *reader, const char *word, char letter)
{
	enum opts_command command = reader->opts->command;
	const char typed[] = {'-', letter, '\0'};
	size_t size = strcspn(word, "=");

	if (word[1] == letter && find_long(command, word + 1, size - 1))
		return say_refuse(reader->err,
		    "unknown option %.*s; did you mean -%.*s?", (int)size, word,
		    (int)size, word);
	return guess_refuse_option(command, typed, reader->err);
}

/* Read "-q", "-j8", "-qj8", "-qj" with its value in the next word. */
static int
read_bundle(struct reader *reader, const char *word)
{
	for (const char *at = word + 1; *at; at++) {
		const struct opt *opt = find_letter(reader->opts->command, *at);

		if (!opt)
			return refuse_letter(reader, word, *at);
		if (opt->arg)
			return take_option(reader, opt, at[1] ? at + 1 : NULL);
		if (take_option(reader, opt, NULL) < 0)
			return -1;
	}
	return 0;
}

/* Read "-- COMMAND [ARG …]": all that is left is the user's own. */
static int
read_child(struct reader *reader)
{
	if (!*reader->next)
		return say_refuse(reader->err,
		    "-- wants a command behind it: llmill %s … -- COMMAND "
		    "[ARG …]",
		    opts_command_name(reader->opts->command));
	reader->opts->child = reader->next;
	return 0;
}

static int
add_input(struct reader *reader, const char *word)
{
	if (word[0] == '\0')
		return say_refuse(reader->err, "an empty word is no %s file",
		    opts_word_name(reader->opts->command));
	if (list_add(&reader->opts->inputs, word) < 0)
		return say_no_memory(reader->err);
	return 0;
}

/* Behind "--" nothing is an option: a command, or names of databases. */
static int
read_rest(struct reader *reader)
{
	if (!opts_only_looks(reader->opts->command))
		return read_child(reader);
	while (*reader->next)
		if (add_input(reader, *reader->next++) < 0)
			return -1;
	return 0;
}

/* Is the option no word of the run that the rest makes? */
static bool
is_left_out(const struct opts *opts, const struct opt *opt)
{
	if (opts->command == OPTS_SLURM)
		return opt->commands == 1U << OPTS_SLURM;
	return opt->part;
}

/* A value that was left out must not be taken from what comes to stand behind
 * the option: "--scratch=". */
static int
keep_without_value(struct reader *reader)
{
	char *word = NULL;
	const char *kept;

	if (asprintf(&word, "--%s=", reader->last->name) == -1)
		word = NULL;
	kept = opts_own(reader->opts, word, reader->err);
	if (!kept)
		return -1;
	return list_add(&reader->opts->rest, kept) < 0
		   ? say_no_memory(reader->err)
		   : 0;
}

/* Keep the words from first on, up to the next one, for a run that does all.
 * Of a bundle that ends with such an option ("-qn2") its start is kept. */
static int
keep_words(struct reader *reader, const char *const *first)
{
	struct opts *opts = reader->opts;
	bool part = reader->last && is_left_out(opts, reader->last);
	const char *letter;

	if (reader->last && reader->last->may_lack &&
	    reader->next == first + 1 && !strchr(*first, '='))
		return keep_without_value(reader);
	for (; !part && first < reader->next; first++)
		if (list_add(&opts->rest, *first) < 0)
			return say_no_memory(reader->err);
	if (!part || strncmp(*first, "--", 2) == 0)
		return 0;
	letter = strchr(*first, reader->last->letter);
	if (letter == *first + 1)
		return 0;
	letter = opts_own(
	    opts, strndup(*first, (size_t)(letter - *first)), reader->err);
	if (!letter)
		return -1;
	return list_add(&opts->rest, letter) < 0 ? say_no_memory(reader->err)
						 : 0;
}

/* Read one word, and its value if that is the next one. */
static int
read_word(struct reader *reader)
{
	const char *const *first = reader->next;
	const char *word = *reader->next++;
	int result;

	reader->last = NULL;
	if (strncmp(word, "--", 2) == 0)
		result = read_long(reader, word);
	else if (word[0] == '-' && word[1])
		result = read_bundle(reader, word);
	else
		result = add_input(reader, word);
	return result < 0 ? -1 : keep_words(reader, first);
}

static int
read_words(struct reader *reader)
{
	struct opts *opts = reader->opts;

	while (*reader->next && !opts->help) {
		if (strcmp(*reader->next, "--") != 0) {
			if (read_word(reader) < 0)
				return -1;
			continue;
		}
		for (const char *const *word = reader->next; *word; word++)
			if (list_add(&opts->rest, *word) < 0)
				return say_no_memory(reader->err);
		reader->next++;
		return read_rest(reader);
	}
	return 0;
}

int
opts_read(struct opts *opts, enum opts_command command,
    const char *const *words, const struct llmill_run_conf *base,
    struct llmill_err *err)
{
	struct reader reader = {.opts = opts, .next = words, .err = err};

	*opts = (struct opts){
	    .command = command,
	    .drain_exit = LLMILL_EXIT_EARLY,
	};
	if (base)
		opts->conf = *base;
	else
		llmill_run_conf_init(&opts->conf);
	if (read_words(&reader) < 0)
		return -1;
	if (opts->help || opts_only_looks(command))
		return 0;
	if (backend_choose(opts, err) < 0)
		return -1;
	return backend_check(opts, err);
}

void
opts_free(struct opts *opts)
{
	list_free(&opts->rest);
	list_free(&opts->inputs);
	list_free(&opts->prompts);
	list_free(&opts->params);
	list_free(&opts->headers);
	list_free(&opts->urls);
	list_free(&opts->stops);
	list_free(&opts->body);
	list_free(&opts->lines);
	list_free_all(&opts->owned);
}
