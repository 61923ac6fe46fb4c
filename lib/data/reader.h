/* SPDX-License-Identifier: ISC */
#ifndef READER_H
#define READER_H

#include <stdint.h>

#include "data/input.h"
#include "data/names.h"
#include "data/shape.h"

struct err;
struct json;
struct source;

/*
 * What all readers share: they cut a source into records and hand each to
 * reader_take, or say with reader_refuse why it is none.
 */
struct reader {
	const struct input_conf *conf;
	struct prompts *prompts;
	struct input_facts *facts;
	const char *name; /* of the input, escaped, for people */
	uint32_t file;	  /* of the input, for records */
	size_t prompt_max_bytes;
	struct shape shape;  /* -t and -s, if they have names in them */
	struct buf members;  /* of a record that has only a text */
	struct buf system;   /* {"system":"…"} of one */
	struct names names;  /* custom_ids that must be unique */
	struct buf troubles; /* becomes facts->troubles */
};

/*
 * Judge the record's text (UTF-8, no NUL, not too long) and add it, or
 * refuse it.
 * Fails ERR_MEMORY, or ERR_INPUT for a list that is too long.
 */
int reader_take(
    struct reader *reader, const struct record *record, struct err *err);

/* The same where it is to be shaped first: fill in its raw JSON object. */
int reader_take_shaped(struct reader *reader, struct record *record,
    struct span members, struct err *err);

/* The same for one that is a text, with a custom_id or none. */
int reader_take_text(
    struct reader *reader, struct record *record, struct err *err);

/* The same for one whose custom_id must be its own: of two alike the second is
 * bad. */
int reader_take_named(
    struct reader *reader, const struct record *record, struct err *err);

/*
 * Take the next line that is not blank; one that is too long is refused.
 * Gives 1 with *line, 0 at the end; -1 as the readers fail.
 */
int reader_next_line(struct reader *reader, struct source *source,
    struct span *line, struct err *err);

/* One line of a source, and what it says. */
struct json_line {
	struct json *root;
	struct span text;
	uint64_t number;
};

/*
 * Hand each line that is JSON to take, refuse the others.
 * Fails as take does, and as the readers.
 */
int reader_each_json(struct reader *reader, struct source *source,
    int (*take)(void *arg, const struct json_line *line, struct err *err),
    void *arg, struct err *err);

/* Fill in the templates. Gives NULL, or what is wrong with the record. */
const char *reader_shape(struct reader *reader, struct span members);

/*
 * Count a bad record at a line, note why; under skip_bad it keeps its id.
 * Fails as reader_take does.
 */
int reader_refuse(struct reader *reader, uint64_t line, struct err *err,
    const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Gives the bytes that a JSON line may have: a prompt of which each byte is
 * escaped, and something around it. */
size_t reader_json_max(const struct reader *reader);

/* The readers: a whole source each. Fail as reader_take does, and
 * ERR_SYSTEM with the reason when the source cannot be read. */
int read_lines(struct reader *reader, struct source *source, struct err *err);
int read_nul(struct reader *reader, struct source *source, struct err *err);
int read_jsonl(struct reader *reader, struct source *source, struct err *err);
int read_batch(struct reader *reader, struct source *source, struct err *err);
int read_db(struct reader *reader, const char *path, struct err *err);
int read_file(struct reader *reader, struct source *source, const char *name,
    struct err *err);
int read_csv(struct reader *reader, struct source *source, char separator,
    struct err *err);

/* Does the line look like a record of jsonl? any: with any members; else with
 * a prompt. Decides INPUT_AUTO. */
bool read_jsonl_knows(struct span line, bool any);

/* Is it a request of an OpenAI batch file? */
bool read_batch_knows(struct span line);

#endif
