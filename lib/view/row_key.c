/* SPDX-License-Identifier: ISC */
/*
 * What we say of a row, under the same names in every format.
 */
#include "view/row_key.h"

#include <inttypes.h>

#include "base/json.h"
#include "base/text.h"
#include "data/store.h"

static const char *const names[ROW_KEYS] = {
    [ROW_ID] = "id",
    [ROW_CUSTOM_ID] = "custom_id",
    [ROW_RESULT] = "result",
    [ROW_RESULT_BASE64] = "result_base64",
    [ROW_OK] = "ok",
    [ROW_ERROR] = "error",
    [ROW_MODEL] = "model",
    [ROW_FINISH_REASON] = "finish_reason",
    [ROW_REASONING] = "reasoning",
    [ROW_ATTEMPTS] = "attempts",
    [ROW_DURATION_MS] = "duration_ms",
    [ROW_INPUT_TOKENS] = "input_tokens",
    [ROW_OUTPUT_TOKENS] = "output_tokens",
    [ROW_PROMPT] = "prompt",
    [ROW_STATE] = "state",
};

static const char *const states[] = {
    [STORE_OPEN] = "open",
    [STORE_ANSWERED] = "ok",
    [STORE_FAILED] = "failed",
};

const char *
row_key_name(enum row_key key)
{
	return names[key];
}

struct span
row_error(const struct store_row *row)
{
	if (row->state != STORE_FAILED)
		return (struct span){NULL, 0};
	if (row->result.data != NULL)
		return row->result;
	return row->error.data != NULL ? row->error : span_of("Error");
}

static struct span
result_of(const struct store_row *row)
{
	return row->state == STORE_ANSWERED ? row->result
					    : (struct span){NULL, 0};
}

/* -1 is null. */
static struct span
number(struct buf *scratch, int64_t value)
{
	if (value < 0)
		return (struct span){NULL, 0};
	buf_clear(scratch);
	buf_printf(scratch, "%" PRId64, value);
	return buf_span(scratch);
}

/* The bytes of an answer that is no UTF-8, and so cannot stand in JSON. */
static struct span
base64(struct buf *scratch, struct span result)
{
	if (result.data == NULL || text_is_utf8(result, NULL))
		return (struct span){NULL, 0};
	buf_clear(scratch);
	text_base64(scratch, result);
	return buf_span(scratch);
}

struct span
row_key_text(const struct store_row *row, enum row_key key, struct buf *scratch)
{
	switch (key) {
	case ROW_ID:
		return number(scratch, row->id);
	case ROW_CUSTOM_ID:
		return row->custom_id;
	case ROW_RESULT:
		return result_of(row);
	case ROW_RESULT_BASE64:
		return base64(scratch, result_of(row));
	case ROW_OK:
		return span_of(row->state == STORE_ANSWERED ? "true" : "false");
	case ROW_ERROR:
		return row_error(row);
	case ROW_MODEL:
		return row->model;
	case ROW_FINISH_REASON:
		return row->finish_reason;
	case ROW_REASONING:
		return row->reasoning;
	case ROW_ATTEMPTS:
		return number(scratch, row->attempts);
	case ROW_DURATION_MS:
		return number(scratch, row->duration_ms);
	case ROW_INPUT_TOKENS:
		return number(scratch, row->input_tokens);
	case ROW_OUTPUT_TOKENS:
		return number(scratch, row->output_tokens);
	case ROW_PROMPT:
		return row->prompt;
	case ROW_STATE:
		return span_of(states[row->state]);
	}
	return (struct span){NULL, 0};
}

/* Is it written without quotes? */
static bool
is_bare(enum row_key key)
{
	return key == ROW_ID || key == ROW_OK || key == ROW_ATTEMPTS ||
	       key == ROW_DURATION_MS || key == ROW_INPUT_TOKENS ||
	       key == ROW_OUTPUT_TOKENS;
}

void
row_key_put_json(struct buf *buf, const struct store_row *row, enum row_key key,
    struct buf *scratch)
{
	struct span text = row_key_text(row, key, scratch);

	if (text.data == NULL)
		buf_add_text(buf, "null");
	else if (is_bare(key))
		buf_add(buf, text.data, text.size);
	else
		json_put_string(buf, text);
}
