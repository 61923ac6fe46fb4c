/* SPDX-License-Identifier: ISC */
/*
 * Options that end as body parameters. How a value is written as JSON is the
 * library's affair; here only --stop is quoted, because it is text even where
 * it looks like a number.
 */
#include "body.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "say.h"

#define LABEL "-p, --param"

/* What -p cannot say because an option said it. */
static const struct twin {
	const char *key;
	const char *option;
} twins[] = {
    {"temperature", "temperature"},
    {"top_p", "top-p"},
    {"seed", "seed"},
    {"stop", "stop"},
    {"max_tokens", "max-tokens"},
    {"max_completion_tokens", "max-tokens"},
};

static bool
has_key(const char *item, const char *key)
{
	size_t size = strlen(key);

	return strncmp(item, key, size) == 0 && item[size] == '=';
}

/* May -p say this? Whether it is KEY=VALUE at all, the library says. */
static int
check_param(const struct opts *opts, const char *item, struct llmill_err *err)
{
	if (has_key(item, "n") && strcmp(item, "n=1") != 0)
		return say_refuse(err,
		    LABEL ": n: one request, one answer; --repeat N asks each "
			  "prompt N times");
	for (size_t i = 0; i < sizeof(twins) / sizeof(twins[0]); i++)
		if (has_key(item, twins[i].key) &&
		    opts_given(opts, twins[i].option))
			return say_refuse(err,
			    LABEL ": %s and --%s say the same; leave one out",
			    twins[i].key, twins[i].option);
	return 0;
}

static int
add_params(struct opts *opts, struct llmill_err *err)
{
	for (size_t i = 0; i < opts->params.count; i++) {
		const char *item = opts->params.items[i];

		if (check_param(opts, item, err) < 0)
			return -1;
		if (list_add(&opts->body, item) < 0)
			return say_no_memory(err);
	}
	return 0;
}

/* Add text, made on the way (taken; NULL counts as no memory). */
static int
add_own(struct opts *opts, char *text, struct llmill_err *err)
{
	const char *item = opts_own(opts, text, err);

	if (!item)
		return -1;
	return list_add(&opts->body, item) < 0 ? say_no_memory(err) : 0;
}

static int
add_number(struct opts *opts, const char *key, const char *value,
    struct llmill_err *err)
{
	char *text;

	if (!value)
		return 0;
	if (asprintf(&text, "%s=%s", key, value) < 0)
		return say_no_memory(err);
	return add_own(opts, text, err);
}

/* Write a JSON string. */
static void
put_string(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else if (c < 0x20)
			fprintf(out, "\\u%04x", c);
		else
			fputc(c, out);
	}
	fputc('"', out);
}

/* One stop text is a string, several are an array. */
static int
add_stops(struct opts *opts, struct llmill_err *err)
{
	const struct list *stops = &opts->stops;
	char *text = NULL;
	size_t size;
	FILE *out;

	if (stops->count == 0)
		return 0;
	out = open_memstream(&text, &size);
	if (!out)
		return say_no_memory(err);
	fputs(stops->count > 1 ? "stop=[" : "stop=", out);
	for (size_t i = 0; i < stops->count; i++) {
		if (i > 0)
			fputc(',', out);
		put_string(out, stops->items[i]);
	}
	if (stops->count > 1)
		fputc(']', out);
	if (fclose(out) != 0) {
		free(text);
		return say_no_memory(err);
	}
	return add_own(opts, text, err);
}

/* What the last run had; anything said now comes behind it, and holds. */
static int
add_recalled(struct opts *opts, struct llmill_err *err)
{
	const char *const *item = opts->conf.params;

	for (; item && *item; item++)
		if (list_add(&opts->body, *item) < 0)
			return say_no_memory(err);
	return 0;
}

int
body_fill(struct opts *opts, struct llmill_err *err)
{
	if (add_recalled(opts, err) < 0 || add_params(opts, err) < 0 ||
	    add_number(opts, "temperature", opts->temperature, err) < 0 ||
	    add_number(opts, "top_p", opts->top_p, err) < 0 ||
	    add_number(opts, "seed", opts->seed, err) < 0)
		return -1;
	return add_stops(opts, err);
}
