/* SPDX-License-Identifier: ISC */
/*
 * The JSON of /chat/completions, requests and responses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "api_bench.h"
#include "chat/api.h"
#include "chat/chat.h"

/* ---- requests ---- */

static void
assert_shaped(const struct api_shape *shape, struct chat_conf conf,
    const char *prompt, const char *record, const char *want)
{
	const struct record full = {
	    .text = span_of(prompt), .body = span_of(record)};

	bench_request(&api_openai, shape, &conf, &full, want);
}

static void
assert_request(struct chat_conf conf, const char *prompt, const char *record,
    const char *want)
{
	assert_shaped(&(struct api_shape){0}, conf, prompt, record, want);
}

static void
prompt_becomes_one_user_message(void **state)
{
	(void)state;
	assert_request((struct chat_conf){.model = "m"}, "say \"hi\"\n", NULL,
	    "{\"model\":\"m\",\"messages\":"
	    "[{\"role\":\"user\",\"content\":\"say \\\"hi\\\"\\n\"}]}");
	assert_request((struct chat_conf){.system = "be brief"}, "hi", NULL,
	    "{\"messages\":[{\"role\":\"system\",\"content\":\"be brief\"},"
	    "{\"role\":\"user\",\"content\":\"hi\"}]}");
}

static void
params_go_out_byte_for_byte(void **state)
{
	(void)state;
	assert_request((struct chat_conf){.model = "m",
			   .params = "{ \"temperature\" : 0.30,"
				     "\"seed\":12345678901234567890,"
				     "\"x\":{\"y\":[ 1 ]}}"},
	    "hi", NULL,
	    "{\"model\":\"m\",\"temperature\":0.30,"
	    "\"seed\":12345678901234567890,\"x\":{\"y\":[ 1 ]},"
	    "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}");
}

static void
record_overrides_run(void **state)
{
	(void)state;
	assert_request((struct chat_conf){.model = "m",
			   .system = "run",
			   .params = "{\"a\":1,\"b\":2,\"c\\u0041\":3}"},
	    "hi",
	    "{\"model\":\"own\",\"system\":\"rec\\u006frd\","
	    "\"params\":{\"b\":9,\"d\":4,\"cA\":5}}",
	    "{\"model\":\"own\",\"a\":1,\"b\":9,\"d\":4,\"cA\":5,"
	    "\"messages\":[{\"role\":\"system\",\"content\":\"rec\\u006frd\"},"
	    "{\"role\":\"user\",\"content\":\"hi\"}]}");
	assert_request((struct chat_conf){.system = "run", .model = "m"}, "hi",
	    "{\"system\":null,\"model\":null,\"params\":null}",
	    "{\"model\":\"m\",\"messages\":"
	    "[{\"role\":\"user\",\"content\":\"hi\"}]}");
}

static void
own_messages_go_out_untouched(void **state)
{
	const char *plain = "{\"messages\": [ {\"role\":\"user\",\"content\":"
			    "[{\"type\":\"text\", \"text\":\"\\u00e4\"}]} ]}";

	(void)state;
	assert_request((struct chat_conf){.model = NULL}, "shown", plain,
	    "{\"messages\":[ {\"role\":\"user\",\"content\":"
	    "[{\"type\":\"text\", \"text\":\"\\u00e4\"}]} ]}");
	assert_request((struct chat_conf){.system = "s"}, "shown", plain,
	    "{\"messages\":[{\"role\":\"system\",\"content\":\"s\"},"
	    " {\"role\":\"user\",\"content\":"
	    "[{\"type\":\"text\", \"text\":\"\\u00e4\"}]} ]}");
	assert_request((struct chat_conf){.system = "s"}, "shown",
	    "{\"messages\":[]}",
	    "{\"messages\":[{\"role\":\"system\",\"content\":\"s\"}]}");
}

static void
own_system_message_stays_alone(void **state)
{
	(void)state;
	assert_request((struct chat_conf){.system = "s"}, "shown",
	    "{\"messages\":[{\"role\":\"system\",\"content\":\"mine\"}]}",
	    "{\"messages\":[{\"role\":\"system\",\"content\":\"mine\"}]}");
	assert_request((struct chat_conf){.system = "s"}, "shown",
	    "{\"messages\":[{\"role\":\"developer\",\"content\":\"mine\"}]}",
	    "{\"messages\":[{\"role\":\"developer\",\"content\":\"mine\"}]}");
}

static void
token_limit_has_the_name_the_server_knows(void **state)
{
	const struct api_shape local = {
	    .url = "http://127.0.0.1:8000/v1/chat/completions"};
	const struct api_shape openai = {
	    .url = "https://api.openai.com/v1/chat/completions"};

	(void)state;
	assert_shaped(&local, (struct chat_conf){.max_tokens = 9}, "hi", NULL,
	    "{\"max_tokens\":9,\"messages\":"
	    "[{\"role\":\"user\",\"content\":\"hi\"}]}");
	assert_shaped(&openai, (struct chat_conf){.max_tokens = 9}, "hi", NULL,
	    "{\"max_completion_tokens\":9,\"messages\":"
	    "[{\"role\":\"user\",\"content\":\"hi\"}]}");
}

static void
token_limit_is_said_once(void **state)
{
	(void)state;
	assert_request((struct chat_conf){.max_tokens = 9,
			   .params = "{\"max_completion_tokens\":5}"},
	    "hi", NULL,
	    "{\"max_completion_tokens\":5,\"messages\":"
	    "[{\"role\":\"user\",\"content\":\"hi\"}]}");
	assert_request((struct chat_conf){.max_tokens = 9}, "hi",
	    "{\"params\":{\"max_tokens\":5}}",
	    "{\"max_tokens\":5,\"messages\":"
	    "[{\"role\":\"user\",\"content\":\"hi\"}]}");
}

static void
params_cannot_say_twice_what_is_ours(void **state)
{
	(void)state;
	assert_request((struct chat_conf){.model = "m",
			   .params = "{\"model\":\"p\",\"stream\":true,"
				     "\"messages\":[],\"stream_options\":{}}"},
	    "hi", NULL,
	    "{\"model\":\"m\",\"messages\":"
	    "[{\"role\":\"user\",\"content\":\"hi\"}]}");
	assert_request((struct chat_conf){.params = "{\"model\":\"p\"}"}, "hi",
	    NULL,
	    "{\"model\":\"p\",\"messages\":"
	    "[{\"role\":\"user\",\"content\":\"hi\"}]}");
}

static void
request_over_cap_fails_the_buffer(void **state)
{
	const struct chat_conf conf = {.model = "m"};
	const struct record record = {.text = span_of("a long long prompt")};
	struct buf body;

	(void)state;
	buf_init(&body, 20);
	api_openai.build(&conf, &record, &(struct api_shape){0}, &body);
	assert_true(body.failed);
	buf_free(&body);
}

/* ---- responses ---- */

static struct reply *
read_response(struct response *response, const char *body, bool allow_empty)
{
	return bench_response(&api_openai, response, body, allow_empty);
}

static void
assert_failure(const char *body, enum outcome outcome, const char *error)
{
	bench_failure(&api_openai, body, outcome, error);
}

static void
whole_answer_is_read(void **state)
{
	struct response response;
	struct reply *reply = read_response(&response,
	    "{\"model\":\"m\",\"choices\":[{\"message\":{\"content\":"
	    "\"a\\u0000b\",\"refusal\":null,\"tool_calls\":[]},"
	    "\"finish_reason\":\"stop\"}],\"usage\":"
	    "{\"prompt_tokens\":3,\"completion_tokens\":4}}",
	    false);

	(void)state;
	assert_int_equal(reply->outcome, OUTCOME_OK);
	assert_true(
	    span_equals(reply->text, (struct span){.data = "a\0b", .size = 3}));
	assert_text(reply->model, "m");
	assert_text(reply->finish_reason, "stop");
	assert_int_equal(reply->input_tokens, 3);
	assert_int_equal(reply->output_tokens, 4);
	assert_text(reply->reasoning, NULL);
	drop(&response);
}

static void
bare_answer_is_enough(void **state)
{
	struct response response;
	struct reply *reply = read_response(&response,
	    "{\"choices\":[{\"message\":{\"content\":\"hi\"},"
	    "\"finish_reason\":null}],\"usage\":null,\"error\":null}",
	    false);

	(void)state;
	assert_int_equal(reply->outcome, OUTCOME_OK);
	assert_text(reply->text, "hi");
	assert_int_equal(reply->input_tokens, -1);
	assert_int_equal(reply->output_tokens, -1);
	drop(&response);
}

static void
parts_of_content_are_joined(void **state)
{
	struct response response;
	struct reply *reply = read_response(&response,
	    "{\"choices\":[{\"message\":{\"content\":["
	    "{\"type\":\"text\",\"text\":\"one \"},\"two\","
	    "{\"type\":\"image\"},{\"type\":\"text\",\"text\":\" three\"}]}}]}",
	    false);

	(void)state;
	assert_int_equal(reply->outcome, OUTCOME_OK);
	assert_text(reply->text, "one two three");
	drop(&response);
}

static void
reasoning_is_kept_apart_under_either_name(void **state)
{
	static const char *const names[] = {"reasoning_content", "reasoning"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct response response;
		struct reply *reply;
		struct buf body;

		buf_init(&body, 1000);
		buf_printf(&body,
		    "{\"choices\":[{\"message\":{\"content\":\"4\","
		    "\"%s\":\"2+2\"}}]}",
		    names[i]);
		reply = read_response(&response, body.data, false);
		assert_text(reply->text, "4");
		assert_text(reply->reasoning, "2+2");
		drop(&response);
		buf_free(&body);
	}
}

static void
length_is_an_answer_cut_short(void **state)
{
	struct response response;
	struct reply *reply = read_response(&response,
	    "{\"choices\":[{\"message\":{\"content\":\"so far\"},"
	    "\"finish_reason\":\"length\"}]}",
	    false);

	(void)state;
	assert_int_equal(reply->outcome, OUTCOME_LENGTH);
	assert_text(reply->text, "so far");
	drop(&response);
}

static void
tool_calls_are_an_answer_as_json(void **state)
{
	struct response response;
	struct reply *reply = read_response(&response,
	    "{\"choices\":[{\"message\":{\"content\":null,\"tool_calls\":"
	    "[ {\"id\": \"x\", \"function\": {\"arguments\": \"{}\"}} ]},"
	    "\"finish_reason\":\"tool_calls\"}]}",
	    false);

	(void)state;
	assert_int_equal(reply->outcome, OUTCOME_TOOL_CALLS);
	assert_text(reply->text,
	    "[{\"id\":\"x\",\"function\":{\"arguments\":\"{}\"}}]");
	drop(&response);
}

static void
refusal_is_an_outcome_of_its_own(void **state)
{
	struct response response;
	struct reply *reply = read_response(&response,
	    "{\"choices\":[{\"message\":{\"content\":null,"
	    "\"refusal\":\"I can not.\"},\"finish_reason\":\"stop\"}]}",
	    true);

	(void)state;
	assert_int_equal(reply->outcome, OUTCOME_REFUSED);
	assert_text(reply->refusal, "I can not.");
	assert_text(reply->error, "the model refused: I can not.");
	drop(&response);
}

static void
silence_is_no_answer_unless_allowed(void **state)
{
	static const char silent[] =
	    "{\"choices\":[{\"message\":{\"content\":\"\"},"
	    "\"finish_reason\":\"stop\"}]}";
	struct response response;
	struct reply *reply;

	(void)state;
	assert_failure(silent, OUTCOME_EMPTY, "empty answer");
	assert_failure("{\"choices\":[{\"message\":{\"content\":null}}]}",
	    OUTCOME_EMPTY, "empty answer");
	assert_failure("{\"choices\":[{\"message\":{\"content\":[]}}]}",
	    OUTCOME_EMPTY, "empty answer");
	reply = read_response(&response, silent, true);
	assert_int_equal(reply->outcome, OUTCOME_OK);
	assert_non_null(reply->text.data);
	assert_int_equal(reply->text.size, 0);
	drop(&response);
}

static void
silence_at_the_token_limit_says_so(void **state)
{
	(void)state;
	assert_failure("{\"choices\":[{\"message\":{\"content\":\"\","
		       "\"reasoning\":\"hm\"},\"finish_reason\":\"length\"}]}",
	    OUTCOME_EMPTY, "empty answer: the token limit was reached");
}

static void
content_filter_is_no_answer(void **state)
{
	(void)state;
	assert_failure("{\"choices\":[{\"message\":{\"content\":\"half\"},"
		       "\"finish_reason\":\"content_filter\"}]}",
	    OUTCOME_CONTENT_FILTER,
	    "the server's content filter stopped the answer");
}

static void
what_has_no_choices_is_garbage(void **state)
{
	static const char *const bodies[] = {"{}", "{\"choices\":[]}",
	    "{\"choices\":null}", "{\"choices\":[{}]}",
	    "{\"choices\":[{\"message\":\"hi\"}]}", "{\"choices\":{}}"};

	(void)state;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
		assert_failure(
		    bodies[i], OUTCOME_GARBAGE, "no message in the answer");
}

static void
embedded_error_is_judged_by_its_code(void **state)
{
	(void)state;
	assert_failure("{\"error\":{\"code\":502,\"message\":\"no one\"}}",
	    OUTCOME_SERVER_ERROR, "an error instead of an answer: 502 no one");
	assert_failure("{\"error\":{\"code\":429,\"message\":\"slow\"}}",
	    OUTCOME_RATE_LIMITED, "an error instead of an answer: 429 slow");
	assert_failure("{\"error\":\"bad luck\"}", OUTCOME_SERVER_ERROR,
	    "an error instead of an answer: bad luck");
	assert_failure("{\"error\":{\"code\":\"insufficient_quota\","
		       "\"message\":\"pay\"}}",
	    OUTCOME_NO_MONEY,
	    "an error instead of an answer: insufficient_quota pay");
	assert_failure(
	    "{\"choices\":[{\"error\":{\"code\":500,"
	    "\"message\":\"broke\"},\"message\":{\"content\":\"\"}}]}",
	    OUTCOME_SERVER_ERROR, "an error instead of an answer: 500 broke");
	assert_failure("{\"detail\":\"Not here\"}", OUTCOME_SERVER_ERROR,
	    "an error instead of an answer: Not here");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(prompt_becomes_one_user_message),
	    cmocka_unit_test(params_go_out_byte_for_byte),
	    cmocka_unit_test(record_overrides_run),
	    cmocka_unit_test(own_messages_go_out_untouched),
	    cmocka_unit_test(own_system_message_stays_alone),
	    cmocka_unit_test(token_limit_has_the_name_the_server_knows),
	    cmocka_unit_test(token_limit_is_said_once),
	    cmocka_unit_test(params_cannot_say_twice_what_is_ours),
	    cmocka_unit_test(request_over_cap_fails_the_buffer),
	    cmocka_unit_test(whole_answer_is_read),
	    cmocka_unit_test(bare_answer_is_enough),
	    cmocka_unit_test(parts_of_content_are_joined),
	    cmocka_unit_test(reasoning_is_kept_apart_under_either_name),
	    cmocka_unit_test(length_is_an_answer_cut_short),
	    cmocka_unit_test(tool_calls_are_an_answer_as_json),
	    cmocka_unit_test(refusal_is_an_outcome_of_its_own),
	    cmocka_unit_test(silence_is_no_answer_unless_allowed),
	    cmocka_unit_test(silence_at_the_token_limit_says_so),
	    cmocka_unit_test(content_filter_is_no_answer),
	    cmocka_unit_test(what_has_no_choices_is_garbage),
	    cmocka_unit_test(embedded_error_is_judged_by_its_code),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
