/* SPDX-License-Identifier: ISC */
/*
 * Body parameters as people type them. The value's raw text is kept, so that
 * 0.30 goes out as 0.30.
 */
#include "api/params.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/text.h"

#define PARAMS_FILE_MAX_BYTES                                                  \
	((size_t)16 << 20) /* a schema, not a data set                         \
			    */

struct param {
	const char *item; /* as typed, for messages */
	struct span key;
	struct buf raw; /* the value as JSON text */
};

static bool
looks_like_json(struct span text)
{
	static const char *const words[] = {"true", "false", "null"};

	if (text.size == 0)
		return false;
	if (strchr("{[\"-0123456789", text.data[0]) != NULL)
		return true;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (span_equals(text, span_of(words[i])))
			return true;
	return false;
}

/* Text that only begins like a number ("3 wishes") is a string. */
static bool
must_be_json(struct span text)
{
	return strchr("{[\"", text.data[0]) != NULL;
}

static int
put_value(struct buf *raw, const char *item, struct span text, struct err *err)
{
	struct span trimmed = text_trim(text);

	if (looks_like_json(trimmed)) {
		struct err why = {0};
		struct json *json = json_parse(trimmed, &why);

		json_free(json);
		if (json != NULL &&
		    buf_add(raw, trimmed.data, trimmed.size) == 0)
			return 0;
		if (json != NULL)
			return err_set_memory(err, "parameters");
		if (must_be_json(trimmed))
			return err_set(err, ERR_USAGE,
			    "-p %s: the value starts like JSON but is not: %s",
			    item, why.text);
	}
	if (!text_is_utf8(text, NULL))
		return err_set(err, ERR_USAGE, "-p %s: not UTF-8", item);
	json_put_string(raw, text);
	return raw->failed ? err_set_memory(err, "parameters") : 0;
}

static int
put_file(struct buf *raw, const char *item, const char *path, struct err *err)
{
	struct buf text;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int result;

	if (fd == -1)
		return err_set(err, ERR_USAGE, "-p %s: cannot read %s: %s",
		    item, path, strerror(errno));
	buf_init(&text, PARAMS_FILE_MAX_BYTES);
	if (fd_read_all(fd, &text) == -1)
		result = err_set(err, ERR_USAGE, "-p %s: cannot read %s: %s",
		    item, path, strerror(errno));
	else
		result = put_value(raw, item, buf_span(&text), err);
	buf_free(&text);
	fd_close(&fd);
	return result;
}

static int
refuse_reserved(struct span key, struct err *err)
{
	static const char *const reserved[][2] = {
	    {"model", "use -m"},
	    {"messages", "they come from the input and -s"},
	    {"stream", "use --stream"},
	    {"stream_options", "they come with --stream"},
	};

	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
		if (span_equals(key, span_of(reserved[i][0])))
			return err_set(err, ERR_USAGE,
			    "-p %s=… cannot be given: %s", reserved[i][0],
			    reserved[i][1]);
	return 0;
}

static int
param_read(struct param *param, const char *item, struct err *err)
{
	const char *equals = strchr(item, '=');

	buf_init(&param->raw, PARAMS_FILE_MAX_BYTES * 6 + 2);
	param->item = item;
	if (equals == NULL || equals == item)
		return err_set(err, ERR_USAGE,
		    "-p %s: needs KEY=VALUE, for example -p top_k=20", item);
	param->key = (struct span){item, (size_t)(equals - item)};
	if (!text_is_utf8(param->key, NULL))
		return err_set(err, ERR_USAGE, "-p %s: not UTF-8", item);
	if (refuse_reserved(param->key, err) == -1)
		return -1;
	if (equals[1] == '@')
		return put_file(&param->raw, item, equals + 2, err);
	return put_value(&param->raw, item, span_of(equals + 1), err);
}

static int
compare(struct span a, struct span b)
{
	size_t least = a.size < b.size ? a.size : b.size;
	int order = memcmp(a.data, b.data, least);

	if (order != 0)
		return order;
	return a.size < b.size ? -1 : a.size > b.size;
}

static void
swap_down(struct param *params, size_t at)
{
	for (; at > 0 && compare(params[at].key, params[at - 1].key) < 0;
	     at--) {
		struct param other = params[at];

		params[at] = params[at - 1];
		params[at - 1] = other;
	}
}

static void
put_all(const struct param *params, size_t count, struct buf *out)
{
	buf_add_byte(out, '{');
	for (size_t i = 0; i < count; i++) {
		if (i + 1 < count &&
		    span_equals(params[i].key, params[i + 1].key))
			continue; /* the later one counts */
		if (out->size > 1)
			buf_add_byte(out, ',');
		json_put_string(out, params[i].key);
		buf_add_byte(out, ':');
		buf_add(out, params[i].raw.data, params[i].raw.size);
	}
	buf_add_byte(out, '}');
}

int
params_build(const char *const *items, struct buf *out, struct err *err)
{
	struct param *params;
	size_t count = 0;
	size_t read = 0;
	int result = 0;

	while (items != NULL && items[count] != NULL)
		count++;
	if (count == 0)
		return 0;
	params = calloc(count, sizeof(*params));
	if (params == NULL)
		return err_set_memory(err, "parameters");
	/* A stable insertion sort: a handful of items, equal keys in order. */
	while (result == 0 && read < count) {
		result = param_read(&params[read], items[read], err);
		swap_down(params, read++);
	}
	if (result == 0) {
		put_all(params, count, out);
		if (out->failed)
			result = err_set_memory(err, "parameters");
	}
	for (size_t i = 0; i < read; i++)
		buf_free(&params[i].raw);
	free(params);
	return result;
}
