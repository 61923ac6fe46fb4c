/* SPDX-License-Identifier: ISC */
#ifndef INPUT_H
#define INPUT_H

#include <stdint.h>

#include "data/prompts.h"

struct err;

/*
 * Bytes of files and stdin → records. One reader per format, one file each.
 * All input is read and judged before anything is sent.
 */
enum input_format {
	INPUT_AUTO = 0, /* by file ending, then first bytes */
	INPUT_LINES = 1,
	INPUT_NUL = 2,
	INPUT_JSONL = 3,
	INPUT_CSV = 5, /* 4 is an output's */
	INPUT_TSV = 6,
	INPUT_BATCH = 7, /* requests for OpenAI's batches */
	INPUT_DB = 8,	 /* prompts of a database */
	INPUT_FILES = 9, /* each file is a prompt, its name the custom_id */
};

#define INPUT_TROUBLES_SHOWN 20 /* of all bad records, with file and line */
#define INPUT_PROMPT_MAX_BYTES ((size_t)16 << 20) /* --max-prompt-bytes */

struct input_conf {
	const char *const *paths; /* "-" is stdin; may be empty */
	size_t path_count;
	const char *const *texts; /* --prompt: one record each, before files */
	size_t text_count;
	enum input_format format;
	const char *template; /* the prompt with {{name}}; NULL: none */
	const char *system; /* the system text; with {{name}} in it each record
			       gets its own */
	size_t prompt_max_bytes; /* 0: INPUT_PROMPT_MAX_BYTES */
	uint32_t repeat;	 /* each record so many times; 0: once */
	bool skip_bad;
	bool text_only; /* of a record nothing but its text can be used: one
			   with messages, system, model or params is bad */
};

struct input_facts {
	uint64_t empty_count; /* empty lines skipped */

	uint64_t bad_count; /* bad records (skipped with skip_bad) */
	bool is_constant;   /* the template has no name in it */
	bool has_systems;   /* each record has its own system text */
	char *troubles;	    /* first 20, one line each: file:line: reason; or
			       NULL */
};

/*
 * Read everything into prompts (not sealed yet). Under skip_bad a bad record
 * keeps its id: it is added with an empty body, so that nobody sends it.
 * Fails ERR_INPUT with "N bad records" when there are any and not skip_bad
 * (facts->troubles has the lines), "no prompts in X" when there is none at
 * all; the same for a file that cannot be read (named, says why).
 * facts is freed by input_facts_free in every case.
 */
int input_read(const struct input_conf *conf, struct prompts *prompts,
    struct input_facts *facts, struct err *err);
void input_facts_free(struct input_facts *facts);

#endif
