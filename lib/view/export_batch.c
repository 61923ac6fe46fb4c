/* SPDX-License-Identifier: ISC */
/*
 * Rows as OpenAI's batches give them: the response as it came, if it was kept,
 * else one with the same content; and an error for what has no answer.
 */
#include <inttypes.h>

#include "base/json.h"
#include "base/scan.h"
#include "data/store.h"
#include "view/export_inner.h"

/* Is what was kept a JSON value, and so fit to stand in a line? */
static bool
is_json(struct span raw)
{
	const char *reason;
	size_t at;

	return raw.data != NULL && scan_whole(raw, &at, &reason);
}

/* A line end in JSON is white space between its parts. */
static void
put_on_a_line(struct buf *buf, struct span raw)
{
	const size_t mark = buf->size;

	buf_add(buf, raw.data, raw.size);
	for (size_t i = mark; i < buf->size; i++)
		if (buf->data[i] == '\n' || buf->data[i] == '\r')
			buf->data[i] = ' ';
}

static void
put_usage(struct buf *buf, const struct store_row *row)
{
	if (row->input_tokens < 0 || row->output_tokens < 0)
		return;
	json_put_key(buf, "usage");
	buf_add_byte(buf, '{');
	json_put_integer(buf, "prompt_tokens", row->input_tokens);
	json_put_integer(buf, "completion_tokens", row->output_tokens);
	json_put_integer(
	    buf, "total_tokens", row->input_tokens + row->output_tokens);
	buf_add_byte(buf, '}');
}

/* What a server would have said. */
static void
put_completion(struct buf *buf, const struct store_row *row)
{
	struct span reason = row->finish_reason;

	buf_printf(buf, "{\"id\":\"llmill-%" PRId64 "\"", row->id);
	json_put_text(buf, "object", span_of("chat.completion"));
	if (row->model.data != NULL)
		json_put_text(buf, "model", row->model);
	json_put_key(buf, "choices");
	buf_add_text(buf, "[{\"index\":0");
	json_put_key(buf, "message");
	buf_add_text(buf, "{\"role\":\"assistant\"");
	json_put_text(buf, "content", row->result);
	buf_add_byte(buf, '}');
	json_put_text(buf, "finish_reason",
	    reason.data != NULL ? reason : span_of("stop"));
	buf_add_text(buf, "}]");
	put_usage(buf, row);
	buf_add_byte(buf, '}');
}

static void
put_response(struct buf *buf, const struct store_row *row)
{
	json_put_key(buf, "response");
	if (row->state != STORE_ANSWERED && !is_json(row->raw)) {
		buf_add_text(buf, "null");
		return;
	}
	buf_add_byte(buf, '{');
	json_put_integer(
	    buf, "status_code", row->http_status > 0 ? row->http_status : 200);
	json_put_text(buf, "request_id", row->request_id);
	json_put_key(buf, "body");
	if (is_json(row->raw))
		put_on_a_line(buf, row->raw);
	else
		put_completion(buf, row);
	buf_add_byte(buf, '}');
}

static void
put_error(struct buf *buf, const struct store_row *row)
{
	bool open = row->state == STORE_OPEN;

	json_put_key(buf, "error");
	if (row->state == STORE_ANSWERED) {
		buf_add_text(buf, "null");
		return;
	}
	buf_add_byte(buf, '{');
	json_put_text(buf, "code",
	    open			? span_of("open")
	    : row->outcome.data != NULL ? row->outcome
					: span_of("failed"));
	json_put_text(buf, "message",
	    open ? span_of("it has no answer yet") : row_error(row));
	buf_add_byte(buf, '}');
}

void
export_put_response(struct buf *buf, const struct store_row *row)
{
	struct buf own; /* a name for one that has none */

	buf_init(&own, 32);
	buf_printf(buf, "{\"id\":\"batch_req_%" PRId64 "\"", row->id);
	buf_clear(&own);
	buf_printf(&own, "%" PRId64, row->id);
	json_put_text(buf, "custom_id",
	    row->custom_id.data != NULL ? row->custom_id : buf_span(&own));
	put_response(buf, row);
	put_error(buf, row);
	buf_add_text(buf, "}\n");
	buf->failed |= own.failed;
	buf_free(&own);
}
