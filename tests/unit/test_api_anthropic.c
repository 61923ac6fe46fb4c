/* SPDX-License-Identifier: ISC */
/*
 * The JSON of Anthropic's /messages, requests and responses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "api_bench.h"
#include "base/json.h"
#include "chat/answer.h"
#include "chat/api.h"
#include "chat/chat.h"
#include "chat/stream.h"

#define HI "{\"role\":\"user\",\"content\":\"hi\"}"
#define MESSAGE "{\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\","

/* ---- requests ---- */

static void
assert_request(struct chat_conf conf, const char *record, const char *want)
{
	const struct record full = {
	    .text = span_of("hi"), .body = span_of(record)};

	bench_request(
	    &api_anthropic, &(struct api_shape){0}, &conf, &full, want);
}

static void
system_text_is_no_message(void **state)
{
	(void)state;
	assert_request(
	    (struct chat_conf){
		.model = "m", .max_tokens = 9, .system = "be \"brief\""},
	    NULL,
	    "{\"model\":\"m\",\"max_tokens\":9,"
	    "\"system\":\"be \\\"brief\\\"\",\"messages\":[" HI "]}");
	assert_request((struct chat_conf){.system = "run"},
	    "{\"system\":\"rec\\u006frd\"}",
	    "{\"system\":\"rec\\u006frd\",\"messages\":[" HI "]}");
	assert_request((struct chat_conf){.system = "run"}, "{\"system\":null}",
	    "{\"messages\":[" HI "]}");
}

static void
system_messages_are_taken_out(void **state)
{
	(void)state;
	assert_request((struct chat_conf){.system = "run"},
	    "{\"messages\":[{\"role\":\"system\",\"content\":\"\\u00e4\"}, " HI
	    "]}",
	    "{\"system\":\"\\u00e4\",\"messages\":[" HI "]}");
	assert_request((struct chat_conf){.system = NULL},
	    "{\"messages\":[{\"content\":\"a\",\"role\":\"developer\"}," HI
	    ",{\"role\":\"s\\u0079stem\",\"content\":"
	    "[{\"type\":\"text\",\"text\":\"b\"}]}," HI "]}",
	    "{\"system\":[{\"type\":\"text\",\"text\":\"a\"},"
	    "{\"type\":\"text\",\"text\":\"b\"}],"
	    "\"messages\":[" HI "," HI "]}");
}

static void
other_messages_go_out_untouched(void **state)
{
	(void)state;
	assert_request((struct chat_conf){.system = "s"},
	    "{\"messages\":[ {\"role\":\"user\", \"content\":"
	    "[{\"type\":\"text\", \"text\":\"\\u00e4\"}]} ]}",
	    "{\"system\":\"s\",\"messages\":[{\"role\":\"user\", \"content\":"
	    "[{\"type\":\"text\", \"text\":\"\\u00e4\"}]}]}");
}

static void
images_become_sources(void **state)
{
	(void)state;
	assert_request((struct chat_conf){.model = NULL},
	    "{\"messages\":[{\"role\":\"user\",\"content\":["
	    "{\"type\":\"text\",\"text\":\"what?\"},"
	    "{\"type\":\"image_url\",\"image_url\":"
	    "{\"url\":\"https://h/a.png\",\"detail\":\"low\"}},"
	    "{\"type\":\"image_url\",\"cache_control\":{},\"image_url\":"
	    "{\"url\":\"data:image/png;base64,AAAA\"}},"
	    "{\"type\":\"image_url\",\"image_url\":{\"url\":\"ftp://h\"}}"
	    "]}]}",
	    "{\"messages\":[{\"role\":\"user\",\"content\":["
	    "{\"type\":\"text\",\"text\":\"what?\"},"
	    "{\"type\":\"image\",\"source\":"
	    "{\"type\":\"url\",\"url\":\"https://h/a.png\"}},"
	    "{\"type\":\"image\",\"source\":{\"type\":\"base64\","
	    "\"media_type\":\"image/png\",\"data\":\"AAAA\"},"
	    "\"cache_control\":{}},"
	    "{\"type\":\"image_url\",\"image_url\":{\"url\":\"ftp://h\"}}"
	    "]}]}");
}

static void
openais_names_become_its_own(void **state)
{
	(void)state;
	assert_request((struct chat_conf){.max_tokens = 9,
			   .params = "{\"stop\":\"END\",\"top_k\":3}"},
	    NULL,
	    "{\"stop_sequences\":[\"END\"],\"top_k\":3,"
	    "\"max_tokens\":9,\"messages\":[" HI "]}");
	assert_request((struct chat_conf){.max_tokens = 9,
			   .params = "{\"stop\":[\"a\",\"b\"]}"},
	    "{\"params\":{\"max_completion_tokens\":5}}",
	    "{\"stop_sequences\":[\"a\",\"b\"],\"max_tokens\":5,"
	    "\"messages\":[" HI "]}");
	assert_request(
	    (struct chat_conf){.params = "{\"max_completion_tokens\":7}"},
	    "{\"params\":{\"max_tokens\":5}}",
	    "{\"max_tokens\":5,\"messages\":[" HI "]}");
}

static void
stream_is_asked_for_without_options(void **state)
{
	const struct chat_conf conf = {.model = "m"};
	const struct record record = {.text = span_of("hi")};
	const struct api_shape shape = {.stream = true, .usage = true};
	struct buf body;

	(void)state;
	buf_init(&body, (size_t)1 << 20);
	api_anthropic.build(&conf, &record, &shape, &body);
	assert_text(buf_span(&body),
	    "{\"model\":\"m\",\"stream\":true,\"messages\":[" HI "]}");
	buf_free(&body);
}

static void
request_over_cap_fails_the_buffer(void **state)
{
	const struct chat_conf conf = {.model = "m"};
	const struct record record = {.text = span_of("hi"),
	    .body = span_of("{\"messages\":[{\"role\":\"system\",\"content\":"
			    "\"rules\"}," HI "]}")};
	const char *want = "{\"model\":\"m\",\"system\":\"rules\","
			   "\"messages\":[" HI "]}";

	(void)state;
	for (size_t cap = strlen(want); cap > 0; cap--) {
		struct buf body;

		buf_init(&body, cap);
		api_anthropic.build(
		    &conf, &record, &(struct api_shape){0}, &body);
		assert_true(body.failed == (cap < strlen(want)));
		buf_free(&body);
	}
}

/* ---- responses ---- */

static struct reply *
read_response(struct response *response, const char *body)
{
	return bench_response(&api_anthropic, response, body, false);
}

static void
assert_failure(const char *body, enum outcome outcome, const char *error)
{
	bench_failure(&api_anthropic, body, outcome, error);
}

static void
blocks_of_text_are_joined_and_thinking_kept_apart(void **state)
{
	struct response response;
	struct reply *reply = read_response(&response,
	    MESSAGE "\"content\":["
		    "{\"type\":\"thinking\",\"thinking\":\"hm\","
		    "\"signature\":\"s\"},"
		    "{\"type\":\"redacted_thinking\",\"data\":\"x\"},"
		    "{\"type\":\"text\",\"text\":\"a\\u0000\"},"
		    "{\"type\":\"unheard_of\",\"text\":\"no\"},"
		    "{\"type\":\"text\",\"text\":\"b\"}],"
		    "\"stop_reason\":\"end_turn\",\"usage\":{"
		    "\"input_tokens\":3,\"cache_creation_input_tokens\":20,"
		    "\"cache_read_input_tokens\":100,\"output_tokens\":4}}");

	(void)state;
	assert_int_equal(reply->outcome, OUTCOME_OK);
	assert_true(
	    span_equals(reply->text, (struct span){.data = "a\0b", .size = 3}));
	assert_text(reply->reasoning, "hm");
	assert_text(reply->model, "m");
	assert_text(reply->finish_reason, "end_turn");
	assert_int_equal(reply->input_tokens, 123);
	assert_int_equal(reply->output_tokens, 4);
	drop(&response);
}

static void
limits_are_answers_cut_short(void **state)
{
	static const char *const reasons[] = {
	    "max_tokens", "model_context_window_exceeded", "pause_turn"};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		char body[256];
		struct response response;
		struct reply *reply;

		snprintf(body, sizeof(body),
		    MESSAGE "\"content\":[{\"type\":\"text\",\"text\":\"a\"}],"
			    "\"stop_reason\":\"%s\"}",
		    reasons[i]);
		reply = read_response(&response, body);
		assert_int_equal(reply->outcome, OUTCOME_LENGTH);
		assert_text(reply->text, "a");
		drop(&response);
	}
}

static void
tool_use_is_an_answer_as_json(void **state)
{
	struct response response;
	struct reply *reply = read_response(&response,
	    MESSAGE "\"content\":[{\"type\":\"tool_use\",\"id\":\"t1\","
		    "\"name\":\"weather\",\"input\":{\"city\":\"Bonn\"}}],"
		    "\"stop_reason\":\"tool_use\"}");

	(void)state;
	assert_int_equal(reply->outcome, OUTCOME_TOOL_CALLS);
	assert_text(reply->text,
	    "[{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"weather\","
	    "\"input\":{\"city\":\"Bonn\"}}]");
	drop(&response);
}

static void
refusal_and_silence_are_no_answers(void **state)
{
	(void)state;
	assert_failure(MESSAGE "\"content\":[],\"stop_reason\":\"refusal\","
			       "\"stop_details\":{\"explanation\":\"no\"}}",
	    OUTCOME_REFUSED, "the model refused: no");
	assert_failure(MESSAGE "\"content\":[],\"stop_reason\":\"end_turn\"}",
	    OUTCOME_EMPTY, "empty answer");
	assert_failure("{\"type\":\"unheard_of\"}", OUTCOME_GARBAGE,
	    "no message in the answer");
	assert_failure("{\"choices\":[{\"message\":{\"content\":\"hi\"}}]}",
	    OUTCOME_GARBAGE, "no message in the answer");
}

static void
error_with_status_200_is_judged_by_its_type(void **state)
{
	(void)state;
	assert_failure("{\"type\":\"error\",\"error\":{\"type\":"
		       "\"overloaded_error\",\"message\":\"Overloaded\"}}",
	    OUTCOME_OVERLOADED, "an error instead of an answer: Overloaded");
	assert_failure("{\"type\":\"error\",\"error\":{\"type\":"
		       "\"authentication_error\",\"message\":\"bad key\"}}",
	    OUTCOME_AUTH, "an error instead of an answer: bad key");
	assert_failure("{\"type\":\"error\"}", OUTCOME_SERVER_ERROR,
	    "an error instead of an answer");
}

/* ---- streams ---- */

#define START                                                                  \
	"event: message_start\n"                                               \
	"data: {\"type\":\"message_start\",\"message\":" MESSAGE               \
	"\"content\":[],\"stop_reason\":null,\"usage\":"                       \
	"{\"input_tokens\":25,\"output_tokens\":1}}}\n\n"
#define PING "event: ping\ndata: {\"type\": \"ping\"}\n\n"
#define OPEN(index, block)                                                     \
	"event: content_block_start\n"                                         \
	"data: {\"type\":\"content_block_start\",\"index\":" #index            \
	",\"content_block\":{" block "}}\n\n"
#define DELTA(index, delta)                                                    \
	"event: content_block_delta\n"                                         \
	"data: {\"type\":\"content_block_delta\",\"index\":" #index            \
	",\"delta\":{" delta "}}\n\n"
#define CLOSE(index)                                                           \
	"event: content_block_stop\n"                                          \
	"data: {\"type\":\"content_block_stop\",\"index\":" #index "}\n\n"
#define FINISH(reason)                                                         \
	"event: message_delta\n"                                               \
	"data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":"        \
	"\"" reason "\"},\"usage\":{\"output_tokens\":15}}\n\n"
#define STOP "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"

/* Feed a stream in pieces of so many bytes. */
static struct reply *
read_stream(
    struct response *response, const char *text, size_t step, bool *whole)
{
	struct stream stream;
	size_t size = strlen(text);

	answer_init(&response->answer, (size_t)1 << 20);
	reply_init(&response->reply);
	stream_init(
	    &stream, &api_anthropic, &response->answer, (size_t)1 << 20);
	for (size_t at = 0; at < size; at += step) {
		struct span piece = {.data = text + at,
		    .size = size - at < step ? size - at : step};

		if (!stream_feed(&stream, piece))
			break;
	}
	stream_end(&stream);
	*whole = stream_is_whole(&stream);
	stream_free(&stream);
	answer_judge(&response->answer, false, &response->reply);
	return &response->reply;
}

static const char rich[] =
    START PING OPEN(0, "\"type\":\"thinking\",\"thinking\":\"\"")
	DELTA(0, "\"type\":\"thinking_delta\",\"thinking\":\"h\"")
	    DELTA(0, "\"type\":\"thinking_delta\",\"thinking\":\"m\"") DELTA(
		0, "\"type\":\"signature_delta\",\"signature\":\"x\"") CLOSE(0)
		OPEN(1, "\"type\":\"text\",\"text\":\"\"") DELTA(
		    1, "\"type\":\"text_delta\",\"text\":\"Gr\xc3\xbc\"")
		    DELTA(1, "\"type\":\"text_delta\",\"text\":\"\xc3\x9f \"")
			DELTA(1, "\"type\":\"text_delta\",\"text\":\"dich\"")
			    CLOSE(1) FINISH("end_turn") STOP;

static void
stream_says_the_same_however_it_is_cut(void **state)
{
	(void)state;
	for (size_t step = 1; step < sizeof(rich); step++) {
		struct response response;
		bool whole;
		struct reply *reply =
		    read_stream(&response, rich, step, &whole);

		assert_true(whole);
		assert_int_equal(reply->outcome, OUTCOME_OK);
		assert_text(reply->text, "Gr\xc3\xbc\xc3\x9f dich");
		assert_text(reply->reasoning, "hm");
		assert_text(reply->finish_reason, "end_turn");
		assert_int_equal(reply->input_tokens, 25);
		assert_int_equal(reply->output_tokens, 15);
		drop(&response);
	}
}

static void
stream_of_tool_use_is_put_together(void **state)
{
	struct response response;
	bool whole;
	struct reply *reply = read_stream(&response,
	    START OPEN(0, "\"type\":\"server_tool_use\",\"id\":\"s\"")
		DELTA(0, "\"type\":\"input_json_delta\","
			 "\"partial_json\":\"{\\\"not\\\":1}\"")
		    OPEN(1, "\"type\":\"tool_use\",\"id\":\"t1\","
			    "\"name\":\"weather\",\"input\":{}")
			DELTA(1, "\"type\":\"input_json_delta\","
				 "\"partial_json\":\"{\\\"city\\\":\"")
			    DELTA(1, "\"type\":\"input_json_delta\","
				     "\"partial_json\":\"\\\"Bonn\\\"}\"")
				OPEN(2, "\"type\":\"tool_use\",\"id\":\"t2\","
					"\"name\":\"now\",\"input\":{}")
				    FINISH("tool_use") STOP,
	    7, &whole);

	(void)state;
	assert_true(whole);
	assert_int_equal(reply->outcome, OUTCOME_TOOL_CALLS);
	assert_text(reply->text,
	    "[{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"weather\","
	    "\"input\":{\"city\":\"Bonn\"}},"
	    "{\"type\":\"tool_use\",\"id\":\"t2\",\"name\":\"now\","
	    "\"input\":{}}]");
	drop(&response);
}

static void
stream_without_its_end_is_not_whole(void **state)
{
	struct response response;
	bool whole;

	(void)state;
	read_stream(&response,
	    START OPEN(0, "\"type\":\"text\",\"text\":\"\"")
		DELTA(0, "\"type\":\"text_delta\",\"text\":\"half\"") CLOSE(0),
	    9, &whole);
	assert_false(whole);
	drop(&response);
}

static void
error_in_a_stream_beats_what_was_said(void **state)
{
	struct response response;
	bool whole;
	struct reply *reply = read_stream(&response,
	    START OPEN(0,
		"\"type\":\"text\",\"text\":\"half\"") "event: error\ndata: "
						       "{\"type\":\"error\","
						       "\"error\":{\"type\":"
						       "\"overloaded_error\","
						       "\"message\":"
						       "\"Overloaded\"}}\n\n",
	    9, &whole);

	(void)state;
	assert_int_equal(reply->outcome, OUTCOME_OVERLOADED);
	assert_text(reply->error, "an error instead of an answer: Overloaded");
	assert_text(reply->text, NULL);
	drop(&response);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(system_text_is_no_message),
	    cmocka_unit_test(system_messages_are_taken_out),
	    cmocka_unit_test(other_messages_go_out_untouched),
	    cmocka_unit_test(images_become_sources),
	    cmocka_unit_test(openais_names_become_its_own),
	    cmocka_unit_test(stream_is_asked_for_without_options),
	    cmocka_unit_test(request_over_cap_fails_the_buffer),
	    cmocka_unit_test(blocks_of_text_are_joined_and_thinking_kept_apart),
	    cmocka_unit_test(limits_are_answers_cut_short),
	    cmocka_unit_test(tool_use_is_an_answer_as_json),
	    cmocka_unit_test(refusal_and_silence_are_no_answers),
	    cmocka_unit_test(error_with_status_200_is_judged_by_its_type),
	    cmocka_unit_test(stream_says_the_same_however_it_is_cut),
	    cmocka_unit_test(stream_of_tool_use_is_put_together),
	    cmocka_unit_test(stream_without_its_end_is_not_whole),
	    cmocka_unit_test(error_in_a_stream_beats_what_was_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
