/* SPDX-License-Identifier: ISC */
/*
 * Hostile messages: each one is described by the ranges of its fields, made
 * by hand with one field at the edges of its range and past them, and the
 * decoder must agree with the description.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "wire/msg.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define TEN_YEARS_MS INT64_C(316224000000)
#define TOKENS_MAX INT64_C(1000000000000)

enum shape {
	U8 = 0,
	U32 = 1,
	U64 = 2, /* any value is right */
	I64 = 3,
	BYTES = 4, /* least and most of its size; good is its size */
	NONE_OR_BYTES = 5,
};

struct field {
	const char *name;
	enum shape shape;
	int64_t good;
	int64_t least;
	int64_t most;
	int64_t also; /* a value outside that is right as well, or least */
};

struct description {
	enum msg_kind kind;
	bool (*get)(const struct frame *frame);
	size_t count;
	struct field fields[24];
};

/* Decoders of one type: the message itself is not looked at. */
#define DECODER(name)                                                          \
	static bool get_##name(const struct frame *frame)                      \
	{                                                                      \
		struct msg_##name message;                                     \
                                                                               \
		return msg_get_##name(frame, &message);                        \
	}

DECODER(job)
DECODER(hello)
DECODER(beat)
DECODER(done)
DECODER(word)

#define SOME_BYTES 10000 /* any size is right; the edge that is tried */

static const struct description descriptions[] = {
    {MSG_JOB, get_job, 5,
	{{"ticket", U64, 5, 0, 0, 0}, {"index", U32, 5, 0, UINT32_MAX, 0},
	    {"attempt", U32, 1, 1, UINT32_MAX, 1},
	    {"allowed_ms", I64, 1000, 1, TEN_YEARS_MS, 1},
	    {"endpoint", U32, 0, 0, MSG_ENDPOINTS_MAX - 1, 0}}},
    {MSG_STOP, msg_get_stop, 0, {{0}}},
    {MSG_HELLO, get_hello, 2,
	{{"outcome", U8, 0, 0, OUTCOME_COUNT - 1, 0},
	    {"text", NONE_OR_BYTES, 3, 0, MSG_WORD_MAX_BYTES, 0}}},
    {MSG_BEAT, get_beat, 2,
	{{"ticket", U64, 5, 0, 0, 0}, {"bytes", U64, 5, 0, 0, 0}}},
    {MSG_DONE, get_done, 21,
	{{"ticket", U64, 5, 0, 0, 0},
	    {"outcome", U8, 0, 0, OUTCOME_COUNT - 1, 0},
	    {"terminated", U8, 0, 0, 1, 0},
	    {"http_status", U32, 200, 100, 999, 0},
	    {"retry_after_ms", I64, -1, -1, TEN_YEARS_MS, -1},
	    {"first_byte_ms", I64, -1, -1, TEN_YEARS_MS, -1},
	    {"duration_ms", I64, 7, 0, TEN_YEARS_MS, 0},
	    {"input_tokens", I64, 7, -1, TOKENS_MAX, -1},
	    {"output_tokens", I64, 7, -1, TOKENS_MAX, -1},
	    {"requests.remaining", I64, 7, -1, MSG_QUOTA_MAX, -1},
	    {"requests.reset_ms", I64, 7, -1, TEN_YEARS_MS, -1},
	    {"tokens.remaining", I64, 7, -1, MSG_QUOTA_MAX, -1},
	    {"tokens.reset_ms", I64, 7, -1, TEN_YEARS_MS, -1},
	    {"text", BYTES, 6, 0, SOME_BYTES, 0}, /* outcome is ok */
	    {"error", NONE_OR_BYTES, 0, 0, SOME_BYTES, 0},
	    {"request_id", NONE_OR_BYTES, 3, 0, SOME_BYTES, 0},
	    {"model", NONE_OR_BYTES, 3, 0, SOME_BYTES, 0},
	    {"finish_reason", NONE_OR_BYTES, 3, 0, SOME_BYTES, 0},
	    {"reasoning", NONE_OR_BYTES, 3, 0, SOME_BYTES, 0},
	    {"refusal", NONE_OR_BYTES, 3, 0, SOME_BYTES, 0},
	    {"raw", NONE_OR_BYTES, 3, 0, SOME_BYTES, 0}}},
    {MSG_WORD, get_word, 2,
	{{"level", U8, 1, 0, LOG_DEBUG, 0},
	    {"text", BYTES, 3, 0, MSG_WORD_MAX_BYTES, 0}}},
};

static size_t
width_of(enum shape shape)
{
	return shape == U8 ? 1 : shape == U64 || shape == I64 ? 8 : 4;
}

/* What a number becomes in the field's width. */
static int64_t
narrowed(const struct field *field, int64_t value)
{
	if (field->shape == U8)
		return (uint8_t)value;
	if (width_of(field->shape) == 4)
		return (uint32_t)value;
	return value;
}

static void
put_field(struct buf *buf, const struct field *field, int64_t value)
{
	static const char filler[SOME_BYTES + 1];

	switch (field->shape) {
	case U8:
		frame_put_u8(buf, (uint8_t)value);
		break;
	case U32:
		frame_put_u32(buf, (uint32_t)value);
		break;
	case U64:
	case I64:
		frame_put_i64(buf, value);
		break;
	default:
		if (value >= 0 && value <= SOME_BYTES)
			frame_put_bytes(
			    buf, (struct span){filler, (size_t)value});
		else
			frame_put_u32(buf, (uint32_t)value); /* a lie */
	}
}

static bool
is_right(const struct field *field, int64_t value)
{
	if (field->shape == U64)
		return true;
	value = narrowed(field, value);
	if (field->shape == NONE_OR_BYTES && value == UINT32_MAX)
		return true; /* the mark of none */
	return value == field->also ||
	       (value >= field->least && value <= field->most);
}

/* One message with all fields good but one, as a frame. */
static struct frame
make(struct buf *buf, const struct description *what, size_t odd, int64_t value)
{
	struct frame frame = {0};
	size_t taken;
	size_t mark;

	buf_clear(buf);
	mark = frame_begin(buf, (uint16_t)what->kind);
	for (size_t i = 0; i < what->count; i++)
		put_field(buf, &what->fields[i],
		    i == odd ? value : what->fields[i].good);
	frame_end(buf, mark);
	assert_int_equal(
	    frame_cut(buf_span(buf), FRAME_CAP_BYTES, &frame, &taken),
	    FRAME_WHOLE);
	assert_int_equal(taken, buf->size);
	return frame;
}

static void
check_field(struct buf *buf, const struct description *what, size_t at)
{
	const struct field *field = &what->fields[at];
	const int64_t values[] = {0, 1, 2, -1, -2, field->least,
	    field->least - 1, field->most, field->most + 1, field->most - 1, 99,
	    127, 128, 255, 1000, INT32_MAX, INT32_MIN, UINT32_MAX,
	    UINT32_MAX - 1, INT64_MAX, INT64_MIN};

	for (size_t i = 0; i < COUNT(values); i++) {
		struct frame frame = make(buf, what, at, values[i]);

		if (field->most == SOME_BYTES && values[i] == SOME_BYTES + 1)
			continue; /* not a real edge */
		if (what->get(&frame) != is_right(field, values[i]))
			fail_msg("message %d, %s = %jd", (int)what->kind,
			    field->name, (intmax_t)values[i]);
	}
}

static void
msg_judges_every_field_at_its_edges(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 1000000);
	for (size_t i = 0; i < COUNT(descriptions); i++)
		for (size_t k = 0; k < descriptions[i].count; k++)
			check_field(&buf, &descriptions[i], k);
	buf_free(&buf);
}

static void
msg_refuses_every_truncation(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 1000000);
	for (size_t i = 0; i < COUNT(descriptions); i++) {
		struct frame frame = make(&buf, &descriptions[i], SIZE_MAX, 0);
		size_t whole = frame.payload.size;

		assert_true(descriptions[i].get(&frame));
		for (size_t size = 0; size < whole; size++) {
			char *copy = malloc(size + 1);
			struct frame cut = {.kind = frame.kind};

			assert_non_null(copy);
			memcpy(copy, frame.payload.data, size);
			cut.payload = (struct span){copy, size};
			if (descriptions[i].get(&cut))
				fail_msg("message %d cut to %zu bytes",
				    (int)descriptions[i].kind, size);
			free(copy);
		}
	}
	buf_free(&buf);
}

static void
msg_refuses_what_is_left_over(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 1000000);
	for (size_t i = 0; i < COUNT(descriptions); i++) {
		struct frame frame = make(&buf, &descriptions[i], SIZE_MAX, 0);

		assert_true(descriptions[i].get(&frame));
		frame.payload.size++; /* the NUL behind a buf's content */
		assert_false(descriptions[i].get(&frame));
	}
	buf_free(&buf);
}

static void
msg_refuses_every_other_kind(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 1000000);
	for (size_t i = 0; i < COUNT(descriptions); i++) {
		struct frame frame = make(&buf, &descriptions[i], SIZE_MAX, 0);

		for (uint16_t kind = 0; kind < 300; kind++) {
			frame.kind = kind;
			assert_int_equal(descriptions[i].get(&frame),
			    kind == (uint16_t)descriptions[i].kind);
		}
	}
	buf_free(&buf);
}

static struct frame
cut_one(struct buf *buf)
{
	struct frame frame = {0};
	size_t taken;

	assert_false(buf->failed);
	assert_int_equal(
	    frame_cut(buf_span(buf), FRAME_CAP_BYTES, &frame, &taken),
	    FRAME_WHOLE);
	assert_int_equal(taken, buf->size);
	return frame;
}

static void
msg_job_comes_back_and_is_small(void **state)
{
	const struct msg_job job = {
	    .ticket = UINT64_MAX,
	    .index = UINT32_MAX,
	    .attempt = UINT32_MAX,
	    .allowed_ms = MSG_TIME_MAX_MS,
	    .endpoint = 3,
	};
	struct msg_job back;
	struct frame frame;
	struct buf buf;

	(void)state;
	buf_init(&buf, MSG_JOB_MAX_BYTES);
	msg_put_job(&buf, &job);
	assert_int_equal(buf.size, MSG_JOB_BYTES);
	frame = cut_one(&buf);
	assert_true(msg_get_job(&frame, &back));
	assert_true(back.ticket == job.ticket);
	assert_int_equal(back.index, job.index);
	assert_int_equal(back.attempt, job.attempt);
	assert_true(back.allowed_ms == job.allowed_ms);
	assert_int_equal(back.endpoint, job.endpoint);
	buf_free(&buf);
}

static void
msg_small_ones_come_back(void **state)
{
	struct msg_hello hello = {OUTCOME_TLS, span_of("no such CA file")};
	struct msg_beat beat = {UINT64_MAX - 1, 12345678901};
	struct msg_word word = {LOG_DEBUG, span_of("")};
	struct frame frame;
	struct buf buf;

	(void)state;
	buf_init(&buf, 10000);
	msg_put_stop(&buf);
	frame = cut_one(&buf);
	assert_true(msg_get_stop(&frame));
	buf_clear(&buf);
	msg_put_hello(&buf, &hello);
	frame = cut_one(&buf);
	hello = (struct msg_hello){0};
	assert_true(msg_get_hello(&frame, &hello));
	assert_int_equal(hello.outcome, OUTCOME_TLS);
	assert_true(span_equals(hello.text, span_of("no such CA file")));
	buf_clear(&buf);
	msg_put_beat(&buf, &beat);
	frame = cut_one(&buf);
	beat = (struct msg_beat){0};
	assert_true(msg_get_beat(&frame, &beat));
	assert_true(beat.ticket == UINT64_MAX - 1);
	assert_true(beat.bytes == 12345678901);
	buf_clear(&buf);
	msg_put_word(&buf, &word);
	frame = cut_one(&buf);
	word = (struct msg_word){0};
	assert_true(msg_get_word(&frame, &word));
	assert_int_equal(word.level, LOG_DEBUG);
	assert_true(word.text.data != NULL && word.text.size == 0);
	buf_free(&buf);
}

/* Sends a reply over and gives what arrives; spans live in buf. */
static struct reply
pass(struct buf *buf, const struct reply *reply)
{
	struct msg_done done = {.ticket = 77, .reply = *reply};
	struct msg_done back;
	struct frame frame;

	buf_clear(buf);
	msg_put_done(buf, &done);
	frame = cut_one(buf);
	memset(&back, 0x5A, sizeof(back));
	assert_true(msg_get_done(&frame, &back));
	assert_int_equal(back.ticket, 77);
	return back.reply;
}

static void
msg_done_brings_each_field_to_its_own_place(void **state)
{
	const struct reply reply = {
	    .outcome = OUTCOME_LENGTH,
	    .terminated = true,
	    .http_status = 429,
	    .retry_after_ms = 1,
	    .first_byte_ms = 2,
	    .duration_ms = 3,
	    .input_tokens = 4,
	    .output_tokens = 5,
	    .text = {"te\0xt", 5},
	    .error = span_of("error"),
	    .request_id = span_of("request id"),
	    .model = span_of("model"),
	    .finish_reason = span_of("finish reason"),
	    .reasoning = span_of("reasoning"),
	    .refusal = span_of("refusal"),
	    .raw = span_of("{}"),
	};
	struct reply back;
	struct buf buf;

	(void)state;
	buf_init(&buf, 10000);
	back = pass(&buf, &reply);
	assert_int_equal(back.outcome, reply.outcome);
	assert_true(back.terminated);
	assert_int_equal(back.http_status, reply.http_status);
	assert_int_equal(back.retry_after_ms, reply.retry_after_ms);
	assert_int_equal(back.first_byte_ms, reply.first_byte_ms);
	assert_int_equal(back.duration_ms, reply.duration_ms);
	assert_int_equal(back.input_tokens, reply.input_tokens);
	assert_int_equal(back.output_tokens, reply.output_tokens);
	assert_true(span_equals(back.text, reply.text));
	assert_true(span_equals(back.error, reply.error));
	assert_true(span_equals(back.request_id, reply.request_id));
	assert_true(span_equals(back.model, reply.model));
	assert_true(span_equals(back.finish_reason, reply.finish_reason));
	assert_true(span_equals(back.reasoning, reply.reasoning));
	assert_true(span_equals(back.refusal, reply.refusal));
	assert_true(span_equals(back.raw, reply.raw));
	buf_free(&buf);
}

static void
msg_done_keeps_none_apart_from_empty(void **state)
{
	struct reply reply;
	struct reply back;
	struct buf buf;

	(void)state;
	buf_init(&buf, 10000);
	reply_init(&reply);
	reply.text = span_of("");
	back = pass(&buf, &reply);
	assert_non_null(back.text.data);
	assert_int_equal(back.text.size, 0);
	assert_null(back.error.data);
	assert_null(back.raw.data);
	buf_free(&buf);
}

static void
msg_done_takes_no_answer_without_text(void **state)
{
	(void)state;
	for (unsigned i = 0; i < OUTCOME_COUNT; i++) {
		struct msg_done done;
		struct frame frame;
		struct buf buf;

		buf_init(&buf, 10000);
		reply_init(&done.reply);
		done.ticket = 1;
		done.reply.outcome = OUTCOME_CRASH;
		msg_put_done(&buf, &done);
		buf.data[FRAME_HEAD_BYTES + 8] = (char)i; /* the outcome */
		frame = cut_one(&buf);
		assert_int_equal(msg_get_done(&frame, &done),
		    !outcome_trait((enum outcome)i)->answers);
		buf_free(&buf);
	}
}

static void
msg_done_sends_what_is_out_of_range_as_unknown(void **state)
{
	static const int64_t odd[] = {-2, INT64_MIN, INT64_MAX};
	struct buf buf;

	(void)state;
	buf_init(&buf, 10000);
	for (size_t i = 0; i < COUNT(odd); i++) {
		const struct reply reply = {
		    .outcome = OUTCOME_OK,
		    .http_status = i == 0 ? 99 : 1000,
		    .retry_after_ms = odd[i],
		    .first_byte_ms = odd[i],
		    .duration_ms = odd[i],
		    .input_tokens = odd[i],
		    .output_tokens = odd[i],
		    .text = span_of("paid"),
		};
		struct reply back = pass(&buf, &reply);

		assert_int_equal(back.http_status, 0);
		/* an endless wait is the longest one, not none */
		assert_true(
		    back.retry_after_ms == (odd[i] < 0 ? -1 : TEN_YEARS_MS));
		assert_int_equal(back.first_byte_ms, -1);
		assert_int_equal(back.duration_ms, 0);
		assert_int_equal(back.input_tokens, -1);
		assert_int_equal(back.output_tokens, -1);
		assert_true(span_equals(back.text, span_of("paid")));
	}
	buf_free(&buf);
}

static void
msg_texts_over_the_cap_are_cut_at_a_character(void **state)
{
	static char text[3 * MSG_WORD_MAX_BYTES];
	struct msg_word word = {LOG_INFO, {text, sizeof(text)}};
	struct msg_hello hello = {OUTCOME_OK, {text, sizeof(text)}};
	struct frame frame;
	struct buf buf;

	(void)state;
	for (size_t i = 0; i < sizeof(text); i += 3)
		memcpy(text + i, "\xE2\x82\xAC", 3);
	buf_init(&buf, 100000);
	msg_put_word(&buf, &word);
	frame = cut_one(&buf);
	assert_true(msg_get_word(&frame, &word));
	assert_int_equal(word.text.size, MSG_WORD_MAX_BYTES / 3 * 3);
	buf_clear(&buf);
	msg_put_hello(&buf, &hello);
	frame = cut_one(&buf);
	assert_true(msg_get_hello(&frame, &hello));
	assert_int_equal(hello.text.size, MSG_WORD_MAX_BYTES / 3 * 3);
	buf_free(&buf);
}

static void
msg_done_over_the_cap_is_told_and_not_made(void **state)
{
	struct msg_done done = {.ticket = 1};
	struct buf buf;

	(void)state;
	reply_init(&done.reply);
	done.reply.text = span_of("much too long for so small a buffer");
	buf_init(&buf, 100);
	msg_put_stop(&buf);
	msg_put_done(&buf, &done);
	assert_true(buf.failed);
	assert_int_equal(buf.size, FRAME_HEAD_BYTES);
	buf_free(&buf);
}

/* Bytes of chance: no decoder reads past what it is given (ASan watches), and
 * what it takes goes back through the encoder unharmed. */
static void
msg_survives_bytes_of_chance(void **state)
{
	unsigned seed = 20261123;
	struct buf buf;

	(void)state;
	print_message("seed %u\n", seed);
	srandom(seed);
	buf_init(&buf, 1000000);
	for (int turn = 0; turn < 20000; turn++) {
		const struct description *what =
		    &descriptions[(size_t)random() % COUNT(descriptions)];
		struct frame frame = make(&buf, what, SIZE_MAX, 0);
		size_t size = frame.payload.size;
		char *copy = malloc(size + 1);

		assert_non_null(copy);
		memcpy(copy, frame.payload.data, size);
		for (int i = 0; size > 0 && i < 3; i++)
			copy[(size_t)random() % size] = (char)random();
		frame.payload.data = copy;
		if (what->kind == MSG_DONE) {
			struct msg_done done;

			if (msg_get_done(&frame, &done))
				pass(&buf, &done.reply);
		} else {
			what->get(&frame);
		}
		free(copy);
	}
	buf_free(&buf);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(msg_judges_every_field_at_its_edges),
	    cmocka_unit_test(msg_refuses_every_truncation),
	    cmocka_unit_test(msg_refuses_what_is_left_over),
	    cmocka_unit_test(msg_refuses_every_other_kind),
	    cmocka_unit_test(msg_job_comes_back_and_is_small),
	    cmocka_unit_test(msg_small_ones_come_back),
	    cmocka_unit_test(msg_done_brings_each_field_to_its_own_place),
	    cmocka_unit_test(msg_done_keeps_none_apart_from_empty),
	    cmocka_unit_test(msg_done_takes_no_answer_without_text),
	    cmocka_unit_test(msg_done_sends_what_is_out_of_range_as_unknown),
	    cmocka_unit_test(msg_texts_over_the_cap_are_cut_at_a_character),
	    cmocka_unit_test(msg_done_over_the_cap_is_told_and_not_made),
	    cmocka_unit_test(msg_survives_bytes_of_chance),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
