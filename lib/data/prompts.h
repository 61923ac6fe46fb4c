/* SPDX-License-Identifier: ISC */
#ifndef PROMPTS_H
#define PROMPTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "data/digest.h"
#include "data/share.h"

struct err;

/*
 * All input records in one block: built once by the coordinator, then sealed
 * (memfd, no more writes) and mapped read-only by every worker through fork.
 * Access by index is O(1); 8 bytes per plain record beside its text.
 */
struct record {
	struct span text; /* the prompt as llm_results shows it; never none */
	struct span body; /* raw JSON object {"messages":…,"system":…,
			     "model":…,"params":…} with the keys that the
			     record had, or none for a plain prompt; empty
			     for a bad record that only keeps its id */
	struct span custom_id; /* the record's own id as text, or none */
	struct span fields;    /* raw JSON object of other keys, or none */
	uint32_t file;	       /* as prompts_name_input gave it */
	uint64_t line;	       /* from 1; 0 unknown */
};

/* A body that begins so, and ends with one brace more, is a whole request
 * that goes out as it stands. */
#define RECORD_REQUEST "{\"request\":"

/* Gives it; none when there is none. */
static inline struct span
record_request(const struct record *record)
{
	const size_t size = sizeof(RECORD_REQUEST) - 1;
	struct span body = record->body;

	if (body.size <= size || memcmp(body.data, RECORD_REQUEST, size) != 0)
		return (struct span){NULL, 0};
	return (struct span){body.data + size, body.size - size - 1};
}

/* Is it a bad record, never to be sent? */
static inline bool
record_is_bad(const struct record *record)
{
	return record->body.data != NULL && record->body.size == 0;
}

struct prompts;

/* Begin a block. Fails ERR_MEMORY or ERR_SYSTEM. */
struct prompts *prompts_new(struct err *err);

/*
 * Append one record (copied). file and line are kept only for records with
 * body, custom_id or fields, or when keep_places was asked for: plain lists
 * stay small.
 * Fails ERR_MEMORY; ERR_INPUT over 4,294,967,294 records, those of other parts
 * counted.
 * Bug if sealed.
 */
int prompts_add(
    struct prompts *prompts, const struct record *record, struct err *err);

/* The whole list, where only a part of it is kept. */
struct prompts_list {
	uint64_t count;
	char digest[SHA256_HEX_BYTES]; /* of its records; "": all is kept */
};

/* Keep only a part of what is added from now on; the rest is dropped. */
void prompts_take_share(struct prompts *prompts, struct share share);

/* What is added from now on is the part of a list, by itself. */
void prompts_recall_share(struct prompts *prompts, struct share share,
    const struct prompts_list *list);

/* Gives the part, all of a list if nothing was said. */
struct share prompts_share(const struct prompts *prompts);

/* Describe the whole list. Bug unless sealed. */
const struct prompts_list *prompts_list(const struct prompts *prompts);

/* Gives the id of a record: its place in the whole list, from 1. */
int64_t prompts_id(const struct prompts *prompts, uint32_t index);

/* Keep file and line of every record added from now on. */
void prompts_keep_places(struct prompts *prompts);

/* Name one more input (copied). Gives its number for record.file. */
int prompts_name_input(
    struct prompts *prompts, const char *name, uint32_t *file, struct err *err);

/* Gives the name, or NULL when no input has that number. */
const char *prompts_input_name(const struct prompts *prompts, uint32_t file);

/* No more additions: trim, seal, map read-only. Where the kernel refuses
 * sealing, anonymous memory stays. */
int prompts_seal(struct prompts *prompts, struct err *err);

/* Gives the number of records added, those of other parts counted. */
uint64_t prompts_seen(const struct prompts *prompts);

/* Gives the number of records. */
uint32_t prompts_count(const struct prompts *prompts);

/* Gives bytes of the whole block. */
size_t prompts_bytes(const struct prompts *prompts);

/* Gives the record by value; spans live as long as the block. Bug if index is
 * out of range. Cost: O(1). */
struct record prompts_at(const struct prompts *prompts, uint32_t index);

void prompts_free(struct prompts *prompts);

#endif
