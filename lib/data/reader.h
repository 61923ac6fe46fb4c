/* SPDX-License-Identifier: ISC */
#ifndef READER_H
#define READER_H

#include <stdint.h>

#include "data/input.h"

struct err;
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
	struct buf troubles; /* becomes facts->troubles */
};

/*
 * Judge the record's text (UTF-8, no NUL, not too long) and add it, or
 * refuse it.
 * Fails ERR_MEMORY, or ERR_INPUT for a list that is too long.
 */
int reader_take(
    struct reader *reader, const struct record *record, struct err *err);

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

/* Does the line look like a record of jsonl? Decides INPUT_AUTO. */
bool read_jsonl_knows(struct span line);

#endif
