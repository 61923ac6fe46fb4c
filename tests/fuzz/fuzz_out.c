/* SPDX-License-Identifier: ISC */
/*
 * What goes out comes in again: an answer, an own column and its name, through
 * every writer that can hold them.
 */
#include "fuzz_input.h"

#include "base/json.h"
#include "data/store.h"
#include "view/columns.h"
#include "view/export.h"

#define CAP ((size_t)1 << 22)

/* The bytes are a name, a value and an answer with a 0xfe between. */
struct words {
	struct span name;
	struct span value;
	struct span result;
};

static struct span
next_word(struct span *rest)
{
	const char *end =
	    rest->size > 0 ? memchr(rest->data, 0xfe, rest->size) : NULL;
	struct span word = {rest->data, rest->size};

	if (end != NULL)
		word.size = (size_t)(end - rest->data);
	rest->data += word.size + (end != NULL);
	rest->size -= word.size + (end != NULL);
	return word;
}

static bool
is_text(struct span word)
{
	return text_is_utf8(word, NULL) &&
	       (word.size == 0 || memchr(word.data, '\0', word.size) == NULL);
}

/* The row with its own column as JSON. */
static void
put_fields(struct buf *fields, const struct words *words)
{
	buf_add_byte(fields, '{');
	json_put_string(fields, words->name);
	buf_add_byte(fields, ':');
	json_put_string(fields, words->value);
	buf_add_byte(fields, '}');
}

/* Gives the member of a record as text, decoded into out. */
static void
find_member(struct span object, struct span name, struct buf *out)
{
	struct buf scratch;
	struct span key;
	struct span raw;
	size_t at = 0;

	buf_init(&scratch, CAP);
	buf_clear(out);
	while (json_next_member(object, &at, &scratch, &key, &raw))
		if (span_equals(key, name)) {
			buf_clear(out);
			scan_decode(out, raw);
		}
	buf_free(&scratch);
}

/* A table, read again: each of its columns is what it was. */
static void
check_table(const struct words *words, const struct store_row *row,
    enum export_format format)
{
	const struct export_style style = {.format = format};
	struct err err = {.class = ERR_NONE};
	struct columns columns;
	struct prompts *prompts;
	struct input_facts facts;
	struct record record;
	struct buf table;
	struct buf out;

	columns_init(&columns);
	columns_learn(&columns, row->fields);
	HOLDS(columns_choose(&columns, NULL, &err) == 0);
	buf_init(&table, CAP);
	buf_init(&out, CAP);
	export_put_names(&table, &style, &columns);
	HOLDS(export_put_row(&table, &style, &columns, row, &err) == 0);
	HOLDS(fuzz_read(format == EXPORT_CSV ? INPUT_CSV : INPUT_TSV, "x",
		  buf_span(&table), true, &prompts, &facts, &err) == 0);
	HOLDS(prompts_count(prompts) == 1 && facts.bad_count == 0);
	record = prompts_at(prompts, 0);
	find_member(record.fields, words->name, &out);
	HOLDS(span_equals(buf_span(&out), words->value));
	find_member(record.fields,
	    span_equals(words->name, span_of("result"))
		? span_of("llmill_result")
		: span_of("result"),
	    &out);
	HOLDS(span_equals(buf_span(&out), words->result));
	input_facts_free(&facts);
	prompts_free(prompts);
	columns_free(&columns);
	buf_free(&table);
	buf_free(&out);
}

/* A line of JSON that has it at a path of one or more members. */
static void
check_line(const struct words *words, const struct store_row *row,
    enum export_format format)
{
	const struct export_style style = {.format = format};
	struct json *root;
	struct json *at;
	struct buf line;

	buf_init(&line, CAP);
	HOLDS(export_put_row(&line, &style, NULL, row, NULL) == 0);
	HOLDS(line.size > 0 && line.data[line.size - 1] == '\n');
	HOLDS(memchr(line.data, '\n', line.size - 1) == NULL);
	root = json_parse((struct span){line.data, line.size - 1}, NULL);
	HOLDS(root != NULL);
	if (format == EXPORT_BATCH) {
		at = json_get(json_get(root, "response"), "body");
		at = json_at(json_get(at, "choices"), 0);
		at = json_get(json_get(at, "message"), "content");
	} else {
		at = json_get(root, span_equals(words->name, span_of("result"))
					? "llmill_result"
					: "result");
	}
	HOLDS(span_equals(json_string(at), words->result));
	json_free(root);
	buf_free(&line);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = {(const char *)data, size};
	const struct words words = {
	    .name = next_word(&rest),
	    .value = next_word(&rest),
	    .result = next_word(&rest),
	};
	struct buf fields;
	struct store_row row = {
	    .id = 1,
	    .state = STORE_ANSWERED,
	    .result = words.result,
	    .duration_ms = -1,
	    .input_tokens = -1,
	    .output_tokens = -1,
	};

	if (!is_text(words.name) || !is_text(words.value) ||
	    !is_text(words.result) || size == 0)
		return 0;
	buf_init(&fields, CAP);
	put_fields(&fields, &words);
	row.fields = buf_span(&fields);
	check_line(&words, &row, EXPORT_JSONL);
	check_line(&words, &row, EXPORT_BATCH);
	check_table(&words, &row, EXPORT_CSV);
	check_table(&words, &row, EXPORT_TSV);
	buf_free(&fields);
	return 0;
}
