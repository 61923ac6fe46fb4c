/* SPDX-License-Identifier: ISC */
/*
 * What all readers share: records are judged and added, bad ones noted, and
 * templates filled in, in one place.
 */
#include "data/reader.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "base/text.h"
#include "data/source.h"

#define TROUBLE_MAX_BYTES 512 /* one reason */
#define CUSTOM_ID_SHOWN 100
#define JSON_MAX_BYTES ((size_t)1 << 40)

size_t
reader_json_max(const struct reader *reader)
{
	size_t most = reader->prompt_max_bytes;

	if (most > JSON_MAX_BYTES / 6)
		return JSON_MAX_BYTES;
	return 6 * most + ((size_t)1 << 20);
}

static bool
is_blank(struct span line)
{
	for (size_t i = 0; i < line.size; i++)
		if (line.data[i] != ' ' && line.data[i] != '\t' &&
		    line.data[i] != '\r')
			return false;
	return true;
}

int
reader_next_line(struct reader *reader, struct source *source,
    struct span *line, struct err *err)
{
	for (;;) {
		switch (source_next(source, '\n', line, err)) {
		case SOURCE_FAILED:
			return -1;
		case SOURCE_END:
			return 0;
		case SOURCE_LONG:
			if (reader_refuse(reader, source->piece_count, err,
				"line longer than %zu bytes "
				"(--max-prompt-bytes)",
				source->piece_max) == -1)
				return -1;
			continue;
		case SOURCE_PIECE:
			break;
		}
		if (!is_blank(*line))
			return 1;
		reader->facts->empty_count++;
	}
}

int
reader_each_json(struct reader *reader, struct source *source,
    int (*take)(void *arg, const struct json_line *line, struct err *err),
    void *arg, struct err *err)
{
	struct json_line line;
	int got;

	while ((got = reader_next_line(reader, source, &line.text, err)) == 1) {
		struct err why = {0};
		int done;

		line.number = source->piece_count;
		line.root = json_parse(line.text, &why);
		if (line.root != NULL)
			done = take(arg, &line, err);
		else if (why.class == ERR_MEMORY)
			done = err_set_memory(err, "a record");
		else
			done = reader_refuse(
			    reader, line.number, err, "bad JSON: %s", why.text);
		json_free(line.root);
		if (done == -1)
			return -1;
	}
	return got;
}

/* As often as is wanted, one behind the other. */
static int
add_copies(struct reader *reader, const struct record *record, struct err *err)
{
	uint32_t times = reader->conf->repeat;

	do {
		if (prompts_add(reader->prompts, record, err) == -1)
			return -1;
	} while (times-- > 1);
	return 0;
}

/* Keep the id of a bad record. */
static int
reader_keep_id(struct reader *reader, uint64_t line, struct err *err)
{
	const struct record record = {
	    .text = {"", 0},
	    .body = {"", 0},
	    .file = reader->file,
	    .line = line,
	};

	return add_copies(reader, &record, err);
}

int
reader_refuse(struct reader *reader, uint64_t line, struct err *err,
    const char *format, ...)
{
	char reason[TROUBLE_MAX_BYTES];
	va_list args;

	if (reader->facts->bad_count++ < INPUT_TROUBLES_SHOWN) {
		va_start(args, format);
		vsnprintf(reason, sizeof reason, format, args);
		va_end(args);
		buf_printf(&reader->troubles, "%s:%llu: ", reader->name,
		    (unsigned long long)line);
		text_escape(&reader->troubles, span_of(reason), 0);
		buf_add_byte(&reader->troubles, '\n');
	}
	return reader->conf->skip_bad ? reader_keep_id(reader, line, err) : 0;
}

int
reader_take(struct reader *reader, const struct record *record, struct err *err)
{
	struct span text = record->text;
	size_t bad = 0;

	if (text.size > reader->prompt_max_bytes)
		return reader_refuse(reader, record->line, err,
		    "longer than %zu bytes (--max-prompt-bytes)",
		    reader->prompt_max_bytes);
	if (!text_is_utf8(text, &bad))
		return reader_refuse(reader, record->line, err,
		    "not UTF-8 at byte %zu", bad + 1);
	if (text.size > 0 && memchr(text.data, '\0', text.size) != NULL)
		return reader_refuse(
		    reader, record->line, err, "a NUL byte in the prompt");
	return add_copies(reader, record, err);
}

/* Its custom_id is another's: say whose. */
static int
refuse_twin(struct reader *reader, const struct record *record, uint32_t holder,
    struct err *err)
{
	const struct record other = prompts_at(reader->prompts, holder);
	int size = record->custom_id.size < CUSTOM_ID_SHOWN
		       ? (int)record->custom_id.size
		       : CUSTOM_ID_SHOWN;

	if (other.file == record->file)
		return reader_refuse(reader, record->line, err,
		    "custom_id %.*s is that of line %llu too", size,
		    record->custom_id.data, (unsigned long long)other.line);
	return reader_refuse(reader, record->line, err,
	    "custom_id %.*s is that of %s:%llu too", size,
	    record->custom_id.data,
	    prompts_input_name(reader->prompts, other.file),
	    (unsigned long long)other.line);
}

int
reader_take_named(
    struct reader *reader, const struct record *record, struct err *err)
{
	const uint32_t number = prompts_count(reader->prompts);
	const uint64_t bad_before = reader->facts->bad_count;
	uint32_t holder;

	if (names_find(
		&reader->names, reader->prompts, record->custom_id, &holder))
		return refuse_twin(reader, record, holder, err);
	if (reader_take(reader, record, err) == -1)
		return -1;
	/* Of one that was refused there may be nothing to compare with, of one
	 * that another part has there is nothing. */
	if (reader->facts->bad_count > bad_before ||
	    prompts_count(reader->prompts) == number)
		return 0;
	return names_add(&reader->names, reader->prompts, number) == 0
		   ? 0
		   : err_set_memory(err, "custom_ids");
}

const char *
reader_shape(struct reader *reader, struct span members)
{
	const char *why = shape_fill(&reader->shape, members);

	if (why == NULL && shape_is_too_long(&reader->shape))
		why = "too long (--max-prompt-bytes)";
	return why;
}

int
reader_take_shaped(struct reader *reader, struct record *record,
    struct span members, struct err *err)
{
	const struct shape *shape = &reader->shape;
	const char *why = reader_shape(reader, members);

	if (why != NULL)
		return reader_refuse(reader, record->line, err, "%s", why);
	if (shape->prompt.template != NULL)
		record->text = buf_span(&shape->prompt.text);
	if (shape->system.template != NULL) {
		buf_clear(&reader->system);
		buf_add_byte(&reader->system, '{');
		json_put_text(
		    &reader->system, "system", buf_span(&shape->system.text));
		buf_add_byte(&reader->system, '}');
		if (reader->system.failed)
			return err_set_memory(err, "a record");
		record->body = buf_span(&reader->system);
	}
	return reader_take(reader, record, err);
}

int
reader_take_text(struct reader *reader, struct record *record, struct err *err)
{
	size_t bad;

	/* What is no UTF-8 has no JSON to look names up in. */
	if (!shape_is_active(&reader->shape) ||
	    !text_is_utf8(record->text, &bad))
		return reader_take(reader, record, err);
	buf_clear(&reader->members);
	buf_add_byte(&reader->members, '{');
	json_put_text(&reader->members, "prompt", record->text);
	if (record->custom_id.data != NULL)
		json_put_text(&reader->members, "custom_id", record->custom_id);
	buf_add_byte(&reader->members, '}');
	if (reader->members.failed)
		return err_set_memory(err, "a record");
	return reader_take_shaped(
	    reader, record, buf_span(&reader->members), err);
}
