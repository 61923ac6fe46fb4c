/* SPDX-License-Identifier: ISC */
/*
 * Both ends of each message side by side, fields in the same order. A decoder
 * trusts nothing: it reads all fields, asks frame_done whether that was all,
 * and then judges every range. An encoder never makes what its decoder
 * refuses: a number from outside that is out of range travels as unknown.
 */
#include "wire/msg.h"

#include "base/log.h"
#include "base/must.h"
#include "base/text.h"

static bool
in_range(int64_t value, int64_t least, int64_t most)
{
	return value >= least && value <= most;
}

static int64_t
known(int64_t value, int64_t least, int64_t most, int64_t unknown)
{
	return in_range(value, least, most) ? value : unknown;
}

/* At most max bytes of a text, cut at a character; none stays none. */
static struct span
cut(struct span text, size_t max)
{
	size_t bad;

	if (text.size <= max)
		return text;
	text.size = max;
	if (!text_is_utf8(text, &bad) && bad + 4 > max)
		text.size = bad;
	return text;
}

static bool
begins(
    const struct frame *frame, enum msg_kind kind, struct frame_cursor *cursor)
{
	*cursor = (struct frame_cursor){.rest = frame->payload};
	return frame->kind == kind;
}

static bool
job_in_range(const struct msg_job *job)
{
	return job->attempt >= 1 && job->endpoint < MSG_ENDPOINTS_MAX &&
	       in_range(job->allowed_ms, 1, MSG_TIME_MAX_MS);
}

void
msg_put_job(struct buf *buf, const struct msg_job *job)
{
	size_t mark = frame_begin(buf, MSG_JOB);

	MUST(job_in_range(job));
	frame_put_u64(buf, job->ticket);
	frame_put_u32(buf, job->index);
	frame_put_u32(buf, job->attempt);
	frame_put_i64(buf, job->allowed_ms);
	frame_put_u32(buf, job->endpoint);
	frame_end(buf, mark);
}

bool
msg_get_job(const struct frame *frame, struct msg_job *job)
{
	struct frame_cursor cursor;

	if (!begins(frame, MSG_JOB, &cursor))
		return false;
	job->ticket = frame_get_u64(&cursor);
	job->index = frame_get_u32(&cursor);
	job->attempt = frame_get_u32(&cursor);
	job->allowed_ms = frame_get_i64(&cursor);
	job->endpoint = frame_get_u32(&cursor);
	return frame_done(&cursor) && job_in_range(job);
}

void
msg_put_stop(struct buf *buf)
{
	frame_end(buf, frame_begin(buf, MSG_STOP));
}

bool
msg_get_stop(const struct frame *frame)
{
	struct frame_cursor cursor;

	return begins(frame, MSG_STOP, &cursor) && frame_done(&cursor);
}

void
msg_put_hello(struct buf *buf, const struct msg_hello *hello)
{
	size_t mark = frame_begin(buf, MSG_HELLO);

	MUST((unsigned)hello->outcome < OUTCOME_COUNT);
	frame_put_u8(buf, (uint8_t)hello->outcome);
	frame_put_bytes(buf, cut(hello->text, MSG_WORD_MAX_BYTES));
	frame_end(buf, mark);
}

bool
msg_get_hello(const struct frame *frame, struct msg_hello *hello)
{
	struct frame_cursor cursor;

	if (!begins(frame, MSG_HELLO, &cursor))
		return false;
	hello->outcome = (enum outcome)frame_get_u8(&cursor);
	hello->text = frame_get_bytes(&cursor);
	return frame_done(&cursor) &&
	       (unsigned)hello->outcome < OUTCOME_COUNT &&
	       hello->text.size <= MSG_WORD_MAX_BYTES;
}

void
msg_put_beat(struct buf *buf, const struct msg_beat *beat)
{
	size_t mark = frame_begin(buf, MSG_BEAT);

	frame_put_u64(buf, beat->ticket);
	frame_put_u64(buf, beat->bytes);
	frame_end(buf, mark);
}

bool
msg_get_beat(const struct frame *frame, struct msg_beat *beat)
{
	struct frame_cursor cursor;

	if (!begins(frame, MSG_BEAT, &cursor))
		return false;
	beat->ticket = frame_get_u64(&cursor);
	beat->bytes = frame_get_u64(&cursor);
	return frame_done(&cursor);
}

static bool
status_in_range(int32_t status)
{
	return status == 0 || in_range(status, 100, 999);
}

/* An answer without a text could not be stored as one. */
static bool
reply_is_whole(const struct reply *reply)
{
	return (unsigned)reply->outcome < OUTCOME_COUNT &&
	       (!outcome_trait(reply->outcome)->answers ||
		   reply->text.data != NULL);
}

static bool
quota_in_range(const struct reply_quota *quota)
{
	return in_range(quota->remaining, -1, MSG_QUOTA_MAX) &&
	       in_range(quota->reset_ms, -1, MSG_TIME_MAX_MS);
}

static bool
reply_in_range(const struct reply *reply)
{
	return reply_is_whole(reply) && status_in_range(reply->http_status) &&
	       in_range(reply->retry_after_ms, -1, MSG_TIME_MAX_MS) &&
	       in_range(reply->first_byte_ms, -1, MSG_TIME_MAX_MS) &&
	       in_range(reply->duration_ms, 0, MSG_TIME_MAX_MS) &&
	       in_range(reply->input_tokens, -1, MSG_TOKENS_MAX) &&
	       in_range(reply->output_tokens, -1, MSG_TOKENS_MAX) &&
	       quota_in_range(&reply->requests) &&
	       quota_in_range(&reply->tokens);
}

static void
put_quota(struct buf *buf, const struct reply_quota *quota)
{
	frame_put_i64(buf, known(quota->remaining, -1, MSG_QUOTA_MAX, -1));
	frame_put_i64(buf, known(quota->reset_ms, -1, MSG_TIME_MAX_MS, -1));
}

static void
get_quota(struct frame_cursor *cursor, struct reply_quota *quota)
{
	quota->remaining = frame_get_i64(cursor);
	quota->reset_ms = frame_get_i64(cursor);
}

void
msg_put_done(struct buf *buf, const struct msg_done *done)
{
	const struct reply *reply = &done->reply;
	size_t mark = frame_begin(buf, MSG_DONE);

	MUST(reply_is_whole(reply));
	frame_put_u64(buf, done->ticket);
	frame_put_u8(buf, (uint8_t)reply->outcome);
	frame_put_u8(buf, reply->terminated);
	frame_put_u32(buf, status_in_range(reply->http_status)
			       ? (uint32_t)reply->http_status
			       : 0);
	frame_put_i64(
	    buf, known(reply->retry_after_ms, -1, MSG_TIME_MAX_MS,
		     reply->retry_after_ms < 0 ? -1 : MSG_TIME_MAX_MS));
	frame_put_i64(
	    buf, known(reply->first_byte_ms, -1, MSG_TIME_MAX_MS, -1));
	frame_put_i64(buf, known(reply->duration_ms, 0, MSG_TIME_MAX_MS, 0));
	frame_put_i64(buf, known(reply->input_tokens, -1, MSG_TOKENS_MAX, -1));
	frame_put_i64(buf, known(reply->output_tokens, -1, MSG_TOKENS_MAX, -1));
	put_quota(buf, &reply->requests);
	put_quota(buf, &reply->tokens);
	frame_put_bytes(buf, reply->text);
	frame_put_bytes(buf, reply->error);
	frame_put_bytes(buf, reply->request_id);
	frame_put_bytes(buf, reply->model);
	frame_put_bytes(buf, reply->finish_reason);
	frame_put_bytes(buf, reply->reasoning);
	frame_put_bytes(buf, reply->refusal);
	frame_put_bytes(buf, reply->raw);
	frame_end(buf, mark);
}

bool
msg_get_done(const struct frame *frame, struct msg_done *done)
{
	struct reply *reply = &done->reply;
	struct frame_cursor cursor;
	uint32_t status;
	uint8_t terminated;

	if (!begins(frame, MSG_DONE, &cursor))
		return false;
	done->ticket = frame_get_u64(&cursor);
	reply->outcome = (enum outcome)frame_get_u8(&cursor);
	terminated = frame_get_u8(&cursor);
	reply->terminated = terminated == 1;
	status = frame_get_u32(&cursor);
	reply->http_status = status > 999 ? -1 : (int32_t)status;
	reply->retry_after_ms = frame_get_i64(&cursor);
	reply->first_byte_ms = frame_get_i64(&cursor);
	reply->duration_ms = frame_get_i64(&cursor);
	reply->input_tokens = frame_get_i64(&cursor);
	reply->output_tokens = frame_get_i64(&cursor);
	get_quota(&cursor, &reply->requests);
	get_quota(&cursor, &reply->tokens);
	reply->text = frame_get_bytes(&cursor);
	reply->error = frame_get_bytes(&cursor);
	reply->request_id = frame_get_bytes(&cursor);
	reply->model = frame_get_bytes(&cursor);
	reply->finish_reason = frame_get_bytes(&cursor);
	reply->reasoning = frame_get_bytes(&cursor);
	reply->refusal = frame_get_bytes(&cursor);
	reply->raw = frame_get_bytes(&cursor);
	return frame_done(&cursor) && terminated <= 1 && reply_in_range(reply);
}

void
msg_put_word(struct buf *buf, const struct msg_word *word)
{
	size_t mark = frame_begin(buf, MSG_WORD);

	MUST(word->level <= LOG_DEBUG && word->text.data != NULL);
	frame_put_u8(buf, word->level);
	frame_put_bytes(buf, cut(word->text, MSG_WORD_MAX_BYTES));
	frame_end(buf, mark);
}

bool
msg_get_word(const struct frame *frame, struct msg_word *word)
{
	struct frame_cursor cursor;

	if (!begins(frame, MSG_WORD, &cursor))
		return false;
	word->level = frame_get_u8(&cursor);
	word->text = frame_get_bytes(&cursor);
	return frame_done(&cursor) && word->level <= LOG_DEBUG &&
	       word->text.data != NULL && word->text.size <= MSG_WORD_MAX_BYTES;
}
