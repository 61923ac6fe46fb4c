/* SPDX-License-Identifier: ISC */
/*
 * llmill ctl: what is typed becomes an order, a line of JSON, for the run that
 * works on a database.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "llmill_db.h"
#include "say.h"
#include "value.h"

/* What stands behind an order. */
enum behind {
	NOTHING = 0,
	NUMBER = 1,
	IDS = 2, /* or "failed", for some */
	WORD = 3,
};

static const struct kind {
	const char *name;
	enum behind behind;
	const char *key; /* of the order's member */
	const char *usage;
} kinds[] = {
    {"status", NOTHING, NULL, "status"},
    {"pause", NOTHING, NULL, "pause"},
    {"resume", NOTHING, NULL, "resume"},
    {"workers", NUMBER, "count", "workers N"},
    {"retry", IDS, "ids", "retry ID … (or: retry failed)"},
    {"cancel", IDS, "ids", "cancel ID …"},
    {"kill", NUMBER, "worker", "kill WORKER"},
    {"drain", NOTHING, NULL, "drain"},
    {"log", WORD, "level", "log error|warn|note|info|debug"},
    {NULL, NOTHING, NULL, NULL},
};

static int
refuse(const struct kind *kind, struct llmill_err *err)
{
	if (kind)
		return say_refuse(
		    err, "ctl: it is: llmill ctl DB %s", kind->usage);
	return say_refuse(err,
	    "ctl: llmill ctl DB status, pause, resume, workers N, retry ID …, "
	    "cancel ID …, kill WORKER, drain or log LEVEL");
}

static bool
is_id(const char *word)
{
	uint64_t number;

	return value_count(word, &number) && number <= INT64_MAX &&
	       strspn(word, "0123456789") == strlen(word);
}

/* A word of a fixed few: nothing in it wants an escape. */
static bool
is_word(const char *word)
{
	return *word &&
	       strspn(word, "abcdefghijklmnopqrstuvwxyz") == strlen(word);
}

static int
put_words(FILE *out, const struct kind *kind, const char *const *words,
    struct llmill_err *err)
{
	bool all = kind->behind == IDS && words[0] &&
		   strcmp(words[0], "failed") == 0 && !words[1];

	if (kind->behind == NOTHING)
		return words[0] ? refuse(kind, err) : 0;
	fprintf(out, ",\"%s\":", kind->key);
	if (!words[0] || (words[1] && kind->behind != IDS))
		return refuse(kind, err);
	if (kind->behind == WORD || all) {
		if (!is_word(words[0]))
			return refuse(kind, err);
		fprintf(out, "\"%s\"", words[0]);
		return 0;
	}
	if (kind->behind == IDS)
		putc('[', out);
	for (size_t i = 0; words[i]; i++) {
		if (!is_id(words[i]))
			return refuse(kind, err);
		fprintf(out, "%s%s", i > 0 ? "," : "", words[i]);
	}
	if (kind->behind == IDS)
		putc(']', out);
	return 0;
}

/* Gives the order to be freed, or NULL with err. */
static char *
make_order(const char *const *words, struct llmill_err *err)
{
	const struct kind *kind = kinds;
	char *order = NULL;
	size_t size;
	FILE *out;
	int done;

	while (kind->name && words[0] && strcmp(kind->name, words[0]) != 0)
		kind++;
	if (!kind->name || !words[0]) {
		refuse(NULL, err);
		return NULL;
	}
	out = open_memstream(&order, &size);
	if (!out) {
		say_no_memory(err);
		return NULL;
	}
	fprintf(out, "{\"order\":\"%s\"", kind->name);
	done = put_words(out, kind, words + 1, err);
	putc('}', out);
	if (fclose(out) != 0 && done == 0)
		done = say_no_memory(err);
	if (done == 0)
		return order;
	free(order);
	return NULL;
}

/* Say what came: the panel for people, or the answer's text. */
static int
say_answer(const struct opts *opts, const char *db, const char *order,
    const struct llmill_text *answer, struct llmill_err *err)
{
	const struct llmill_draw_conf draw = {.name = db};
	struct llmill_text text;
	char words[512];
	bool done;

	if (opts->conf.json) {
		puts(answer->data);
		return LLMILL_EXIT_OK;
	}
	if (strstr(order, "\"order\":\"status\"")) {
		if (llmill_draw(&draw, answer->data, &text, err) !=
		    LLMILL_EXIT_OK)
			return err->status;
		fputs(text.data, stdout);
		llmill_text_free(&text);
		return LLMILL_EXIT_OK;
	}
	done = llmill_said(answer->data, words, sizeof(words));
	if (done)
		puts(words);
	else
		say_error(words);
	return done ? LLMILL_EXIT_OK : LLMILL_EXIT_FAILED;
}

static int
work(const struct opts *opts, struct llmill_err *err)
{
	const char *const *words = opts->inputs.items;
	struct llmill_text answer = {0};
	char *order;
	int status;

	if (opts->inputs.count == 0)
		refuse(NULL, err);
	order = opts->inputs.count > 0 ? make_order(words + 1, err) : NULL;
	if (!order)
		return err->status;
	status = llmill_order(words[0], order, &answer, err);
	if (status == LLMILL_EXIT_OK)
		status = say_answer(opts, words[0], order, &answer, err);
	llmill_text_free(&answer);
	free(order);
	return status;
}

static int
check(struct opts *opts, struct llmill_err *err)
{
	(void)opts;
	(void)err;
	return 0;
}

int
cmd_ctl(const char *const *words)
{
	struct opts opts;
	int status = LLMILL_EXIT_USAGE;

	if (cmd_begin_named(&opts, OPTS_CTL, words, &status))
		status = cmd_work(&opts, check, work);
	opts_free(&opts);
	return status;
}
