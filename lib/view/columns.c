/* SPDX-License-Identifier: ISC */
/*
 * Which columns a table has is known only when all records were seen. Their
 * names are few and come in the same order again and again: the search begins
 * behind the one that was met last.
 */
#include "view/columns.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "base/text.h"

#define PREFIX "llmill_"
#define PREFIXES_MAX 32		   /* before a name that is taken */
#define KEY_CAP ((size_t)16 << 20) /* a name, decoded */
#define LISTED_BYTES ((size_t)800)
#define SHOWN_BYTES ((size_t)60)

void
columns_init(struct columns *columns)
{
	*columns = (struct columns){.list = NULL};
	buf_init(&columns->scratch, KEY_CAP);
}

void
columns_free(struct columns *columns)
{
	for (size_t i = 0; i < columns->count; i++)
		free(columns->list[i].name);
	for (size_t i = 0; i < columns->own_count; i++)
		free((char *)(uintptr_t)columns->own[i].data);
	free(columns->list);
	free(columns->own);
	buf_free(&columns->scratch);
}

/* Gives its place among the own names, own_count: it is new. The search begins
 * behind last. */
static size_t
find_own(const struct columns *columns, struct span name, size_t last)
{
	for (size_t i = 0; i < columns->own_count; i++) {
		size_t at = (last + 1 + i) % columns->own_count;

		if (span_equals(columns->own[at], name))
			return at;
	}
	return columns->own_count;
}

static bool
has_own(const struct columns *columns, const char *name)
{
	return find_own(columns, span_of(name), 0) < columns->own_count;
}

static void
add_own(struct columns *columns, struct span name)
{
	struct span *own =
	    reallocarray(columns->own, columns->own_count + 1, sizeof(*own));
	char *copy = malloc(name.size + 1);

	if (own != NULL)
		columns->own = own;
	if (own == NULL || copy == NULL) {
		columns->failed = true;
		free(copy);
		return;
	}
	memcpy(copy, name.data, name.size);
	copy[name.size] = '\0';
	own[columns->own_count++] = (struct span){copy, name.size};
}

void
columns_learn(struct columns *columns, struct span fields)
{
	struct span key;
	struct span raw;
	size_t at = 0;

	while (fields.data != NULL &&
	       json_next_member(fields, &at, &columns->scratch, &key, &raw)) {
		size_t place = find_own(columns, key, columns->last);

		if (place == columns->own_count)
			add_own(columns, key);
		columns->last = place;
	}
	columns->failed |= columns->scratch.failed;
}

void
columns_find(const struct columns *columns, struct span fields,
    struct buf *scratch, struct span *values)
{
	struct span key;
	struct span raw;
	size_t last = SIZE_MAX; /* the first is sought first */
	size_t at = 0;

	for (size_t i = 0; i < columns->own_count; i++)
		values[i] = (struct span){NULL, 0};
	while (fields.data != NULL &&
	       json_next_member(fields, &at, scratch, &key, &raw)) {
		last = find_own(columns, key, last);
		if (last < columns->own_count)
			values[last] = raw;
	}
}

static int
add_column(
    struct columns *columns, const char *name, size_t own, enum row_key key)
{
	struct column *list =
	    reallocarray(columns->list, columns->count + 1, sizeof(*list));
	char *copy = strdup(name);

	if (list != NULL)
		columns->list = list;
	if (list == NULL || copy == NULL) {
		free(copy);
		return -1;
	}
	list[columns->count++] =
	    (struct column){.name = copy, .own = own, .key = key};
	return 0;
}

/* Gives the name under which a key of ours goes out. */
static void
free_name(
    const struct columns *columns, enum row_key key, char *out, size_t size)
{
	size_t used = 0;

	snprintf(out, size, "%s", row_key_name(key));
	for (int i = 0; i < PREFIXES_MAX && has_own(columns, out); i++) {
		used += (size_t)snprintf(out + used, size - used, PREFIX);
		snprintf(out + used, size - used, "%s", row_key_name(key));
	}
}

/* Can a table have a column of that name? */
static int
check_names(const struct columns *columns, struct err *err)
{
	for (size_t i = 0; i < columns->own_count; i++)
		if (strlen(columns->own[i].data) < columns->own[i].size)
			return err_set(err, ERR_INPUT,
			    "a member's name has a NUL byte, which no table "
			    "can hold: jsonl can, or --fields chooses others");
	return 0;
}

static int
choose_all(struct columns *columns, struct err *err)
{
	char name[256];

	if (check_names(columns, err) == -1)
		return -1;
	for (size_t i = 0; i < columns->own_count; i++)
		if (add_column(columns, columns->own[i].data, i, ROW_ID) == -1)
			return err_set_memory(err, "columns");
	for (int key = 0; key < ROW_KEYS_USUAL; key++) {
		if (key == ROW_RESULT_BASE64)
			continue; /* a table holds any bytes */
		free_name(columns, (enum row_key)key, name, sizeof(name));
		if (add_column(columns, name, COLUMN_OURS, (enum row_key)key) ==
		    -1)
			return err_set_memory(err, "columns");
	}
	return 0;
}

/* What can be named, for people. */
static int
refuse_name(const struct columns *columns, struct span name, struct err *err)
{
	struct buf known;

	buf_init(&known, 16 * LISTED_BYTES);
	for (size_t i = 0; i < columns->own_count; i++) {
		if (known.size > LISTED_BYTES) {
			buf_add_text(&known, "…, ");
			break;
		}
		text_escape(&known, columns->own[i], SHOWN_BYTES);
		buf_add_text(&known, ", ");
	}
	for (int key = 0; key < ROW_KEYS; key++) {
		char ours[256];

		free_name(columns, (enum row_key)key, ours, sizeof(ours));
		buf_printf(&known, "%s%s", key > 0 ? ", " : "", ours);
	}
	err_set(err, ERR_USAGE, "--fields: there is no %.*s; the names are: %s",
	    (int)name.size, name.data, known.data != NULL ? known.data : "");
	buf_free(&known);
	return -1;
}

/* One word of --fields. */
static int
choose_one(struct columns *columns, struct span word, struct err *err)
{
	const char *sign = memchr(word.data, '=', word.size);
	struct span old = word;
	char name[256];
	char ours[256];
	size_t own;

	if (sign != NULL) {
		old.data = sign + 1;
		old.size = word.size - (size_t)(sign + 1 - word.data);
		word.size = (size_t)(sign - word.data);
	}
	if (word.size == 0 || word.size >= sizeof(name) || old.size == 0)
		return err_set(err, ERR_USAGE,
		    "--fields wants names with commas between, or NEW=OLD");
	snprintf(name, sizeof(name), "%.*s", (int)word.size, word.data);
	own = find_own(columns, old, 0);
	if (own < columns->own_count)
		return add_column(columns, name, own, ROW_ID) == -1
			   ? err_set_memory(err, "columns")
			   : 0;
	for (int key = 0; key < ROW_KEYS; key++) {
		free_name(columns, (enum row_key)key, ours, sizeof(ours));
		if (!span_equals(old, span_of(ours)))
			continue;
		return add_column(
			   columns, name, COLUMN_OURS, (enum row_key)key) == -1
			   ? err_set_memory(err, "columns")
			   : 0;
	}
	return refuse_name(columns, old, err);
}

int
columns_choose(struct columns *columns, const char *fields, struct err *err)
{
	if (columns->failed)
		return err_set_memory(err, "columns");
	if (fields == NULL)
		return choose_all(columns, err);
	for (;;) {
		size_t size = strcspn(fields, ",");

		if (choose_one(columns, (struct span){fields, size}, err) == -1)
			return -1;
		if (fields[size] == '\0')
			return 0;
		fields += size + 1;
	}
}
