/* SPDX-License-Identifier: ISC */
/*
 * The prompts of a database, with what stood beside them in their input; its
 * answers stay where they are.
 */
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "data/reader.h"
#include "data/recall.h"

/* Its own members, then prompt and custom_id, so that templates find all. */
static struct span
members_of(struct reader *reader, const struct record *record)
{
	struct buf *members = &reader->members;
	const char *end;

	buf_clear(members);
	if (record->fields.data != NULL) {
		end = memrchr(record->fields.data, '}', record->fields.size);
		buf_add(members, record->fields.data,
		    (size_t)(end - record->fields.data));
	} else {
		buf_add_byte(members, '{');
	}
	json_put_text(members, "prompt", record->text);
	if (record->custom_id.data != NULL)
		json_put_text(members, "custom_id", record->custom_id);
	buf_add_byte(members, '}');
	return buf_span(members);
}

static int
take(void *arg, const struct record *found, const char *file, struct err *err)
{
	struct reader *reader = arg;
	struct record record = *found;

	(void)file;
	record.file = reader->file;
	if (!shape_is_active(&reader->shape))
		return reader_take(reader, &record, err);
	if (reader->shape.prompt.template != NULL)
		record.body = (struct span){NULL, 0};
	return reader_take_shaped(
	    reader, &record, members_of(reader, found), err);
}

int
read_db(struct reader *reader, const char *path, struct err *err)
{
	struct recall recall;
	int done;

	if (strcmp(path, "-") == 0)
		return err_set(err, ERR_INPUT,
		    "a database is a file, and cannot come on standard input");
	if (recall_look(&recall, path, err) == -1)
		return -1;
	done = recall_records(&recall, take, reader, err);
	recall_close(&recall);
	return done;
}
