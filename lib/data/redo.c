/* SPDX-License-Identifier: ISC */
/*
 * The list behind --redo: words for kinds of prompts, and ids.
 */
#include "data/redo.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"

#define ID_DIGITS 18 /* of an int64_t, on the safe side */

static bool *
find_word(struct redo *redo, const char *word, size_t size)
{
	const struct {
		const char *name;
		bool *flag;
	} words[] = {
	    {"failed", &redo->failed},
	    {"empty", &redo->empty},
	    {"na", &redo->na},
	    {"length", &redo->length},
	};

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (strlen(words[i].name) == size &&
		    memcmp(words[i].name, word, size) == 0)
			return words[i].flag;
	return NULL;
}

/* Read an id at *at, up to end. Gives false when there is none. */
static bool
read_id(const char **at, const char *end, int64_t *id)
{
	const char *from = *at;

	*id = 0;
	while (
	    *at < end && *at - from < ID_DIGITS && **at >= '0' && **at <= '9')
		*id = *id * 10 + (*(*at)++ - '0');
	return *id > 0;
}

/* Read "7" or "20-30". */
static bool
read_range(const char *word, size_t size, struct redo_range *range)
{
	const char *end = word + size;

	if (!read_id(&word, end, &range->first))
		return false;
	range->last = range->first;
	if (word < end && *word == '-') {
		word++;
		if (!read_id(&word, end, &range->last))
			return false;
	}
	return word == end && range->last >= range->first;
}

static int
add_range(struct redo *redo, const struct redo_range *range, struct err *err)
{
	struct redo_range *ranges =
	    reallocarray(redo->ranges, redo->range_count + 1, sizeof *ranges);

	if (ranges == NULL)
		return err_set_memory(err, "--redo");
	redo->ranges = ranges;
	ranges[redo->range_count++] = *range;
	return 0;
}

static int
take_word(struct redo *redo, const char *word, size_t size, struct err *err)
{
	struct redo_range range;
	bool *flag = find_word(redo, word, size);

	if (flag != NULL) {
		*flag = true;
		return 0;
	}
	if (read_range(word, size, &range))
		return add_range(redo, &range, err);
	return err_set(err, ERR_USAGE,
	    "--redo: \"%.*s\" is not allowed; it takes failed, empty, na, "
	    "length, and ids such as 7 or 20-30, with commas between",
	    (int)(size < 80 ? size : 80), word);
}

int
redo_parse(struct redo *redo, const char *text, struct err *err)
{
	*redo = (struct redo){0};
	while (text != NULL) {
		size_t size = strcspn(text, ",");

		if (take_word(redo, text, size, err) == -1)
			return -1;
		text = text[size] == ',' ? text + size + 1 : NULL;
	}
	return 0;
}

bool
redo_is_none(const struct redo *redo)
{
	return !redo->failed && !redo->empty && !redo->na && !redo->length &&
	       redo->range_count == 0;
}

void
redo_free(struct redo *redo)
{
	free(redo->ranges);
	redo->ranges = NULL;
	redo->range_count = 0;
}
