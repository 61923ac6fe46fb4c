/* SPDX-License-Identifier: ISC */
/*
 * What the http backend makes of a response, against the scripted server,
 * started once per test with the script that the test needs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/prctl.h>

#include "stub.h"

#define KEY "sk-secret-0123456789"

static void
answer_carries_text_model_tokens_and_request_id(void **state)
{
	struct stub *stub = start("[]");
	struct reply reply = call(stub, "one two three");

	(void)state;
	assert_outcome(&reply, OUTCOME_OK);
	assert_text(reply.text, "echo: one two three");
	assert_text(reply.model, "m");
	assert_text(reply.finish_reason, "stop");
	assert_text(reply.request_id, "req-1");
	assert_int_equal(reply.http_status, 200);
	assert_int_equal(reply.input_tokens, 3);
	assert_int_equal(reply.output_tokens, 4);
	assert_in_range(reply.first_byte_ms, 0, 20000);
	assert_null(reply.error.data);
	stop(stub);
}

static void
request_carries_headers_and_key(void **state)
{
	static const char *const extra[] = {"X-Mine: yes", NULL};
	struct stub *stub = start("[]");
	struct json *root;
	struct json *headers;
	struct reply reply;
	char key[] = KEY;

	(void)state;
	stub->conf.key = (struct secret){.text = key, .size = strlen(key)};
	stub->conf.headers = extra;
	stub->conf.agent = "llmill/7";
	reply = call(stub, "hello");
	assert_outcome(&reply, OUTCOME_OK);
	root = read_request(stub, 0);
	headers = json_get(root, "headers");
	assert_text(
	    json_string(json_get(root, "path")), "/v1/chat/completions");
	assert_text(
	    json_string(json_get(headers, "authorization")), "Bearer " KEY);
	assert_text(
	    json_string(json_get(headers, "content-type")), "application/json");
	assert_text(json_string(json_get(headers, "x-mine")), "yes");
	assert_holds(json_string(json_get(headers, "user-agent")), "llmill/7");
	assert_null(json_get(headers, "expect"));
	json_free(root);
	stop(stub);
}

static void
azure_url_gets_key_as_api_key(void **state)
{
	struct stub *stub = start("[]");
	struct json *root;
	struct json *headers;
	struct reply reply;
	char key[] = KEY;
	char url[256];

	(void)state;
	snprintf(
	    url, sizeof(url), "%s/deployments/gpt?api-version=1", stub->url);
	stub->conf.endpoints[0].url = url;
	stub->conf.key = (struct secret){.text = key, .size = strlen(key)};
	reply = call(stub, "hello");
	assert_outcome(&reply, OUTCOME_OK);
	root = read_request(stub, 0);
	headers = json_get(root, "headers");
	assert_text(json_string(json_get(root, "path")),
	    "/v1/deployments/gpt/chat/completions?api-version=1");
	assert_text(json_string(json_get(headers, "api-key")), KEY);
	assert_null(json_get(headers, "authorization"));
	json_free(root);
	stop(stub);
}

static void
echoed_keys_are_struck_out(void **state)
{
	static const char *const extra[] = {"Cookie: session=abcdefgh", NULL};
	struct stub *stub = start(
	    "[{\"match\": {\"prompt\": \"no json\"}, \"do\": {\"body\":"
	    "  \"you sent " KEY "\"}},"
	    " {\"do\": {\"status\": 401, \"body\": {\"error\": {\"message\":"
	    "  \"wrong key " KEY " with\\nsession=abcdefgh.\"}}}}]");
	struct reply reply;
	char key[] = KEY;

	(void)state;
	stub->conf.key = (struct secret){.text = key, .size = strlen(key)};
	stub->conf.headers = extra;
	reply = call(stub, "hello");
	assert_outcome(&reply, OUTCOME_AUTH);
	assert_text(reply.error, "HTTP 401: wrong key [key] with [key].");
	assert_int_equal(reply.http_status, 401);
	reply = call(stub, "no json");
	assert_outcome(&reply, OUTCOME_GARBAGE);
	assert_text(reply.raw, "you sent [key]");
	assert_holds(reply.error, "you sent [key]");
	stop(stub);
}

static void
error_is_one_line_of_at_most_4_kib(void **state)
{
	char script[9000];
	char words[8000];
	struct stub *stub;
	struct reply reply;

	(void)state;
	memset(words, 'w', sizeof(words) - 1);
	words[sizeof(words) - 1] = '\0';
	snprintf(script, sizeof(script),
	    "[{\"do\": {\"status\": 400, \"body\": {\"error\": \"a\\r\\nb %s\""
	    "}}}]",
	    words);
	stub = start(script);
	reply = call(stub, "hello");
	assert_outcome(&reply, OUTCOME_BAD_REQUEST);
	assert_holds(reply.error, "HTTP 400: a b");
	assert_in_range(reply.error.size, 1, 4096);
	stop(stub);
}

static void
retry_after_reaches_the_reply(void **state)
{
	struct stub *stub =
	    start("[{\"do\": {\"status\": 429, \"headers\":"
		  " {\"Retry-After\": \"1.5\"}, \"body\": \"slow down\"}}]");
	struct reply reply = call(stub, "hello");

	(void)state;
	assert_outcome(&reply, OUTCOME_RATE_LIMITED);
	assert_int_equal(reply.retry_after_ms, 1500);
	assert_text(reply.error, "HTTP 429: slow down");
	stop(stub);
}

static void
should_retry_header_beats_the_status(void **state)
{
	struct stub *stub = start("[{\"do\": {\"status\": 500, \"headers\":"
				  " {\"X-Should-Retry\": \"false\"}}}]");
	struct reply reply = call(stub, "hello");

	(void)state;
	assert_outcome(&reply, OUTCOME_BAD_REQUEST);
	stop(stub);
}

static void
error_in_200_is_judged_by_its_code(void **state)
{
	struct stub *stub =
	    start("[{\"do\": {\"body\": {\"error\":"
		  " {\"code\": 429, \"message\": \"upstream is busy\"}}}}]");
	struct reply reply = call(stub, "hello");

	(void)state;
	assert_outcome(&reply, OUTCOME_RATE_LIMITED);
	assert_holds(reply.error, "upstream is busy");
	assert_int_equal(reply.http_status, 200);
	stop(stub);
}

static void
what_is_no_json_is_garbage_and_kept(void **state)
{
	struct stub *stub = start(
	    "[{\"match\": {\"prompt\": \"html\"},"
	    "  \"do\": {\"body\": \"<html>hello</html>\"}},"
	    " {\"match\": {\"prompt\": \"bytes\"},"
	    "  \"do\": {\"garbage\": 300}},"
	    " {\"match\": {\"prompt\": \"none\"}, \"do\": {\"body\": \"\"}},"
	    " {\"match\": {\"prompt\": \"other\"},"
	    "  \"do\": {\"body\": {\"hello\": 1}}},"
	    " {\"match\": {\"prompt\": \"no http\"},"
	    "  \"do\": {\"raw\": \"SSH-2.0-x\\r\\n\"}}]");
	struct reply reply = call(stub, "html");

	(void)state;
	assert_outcome(&reply, OUTCOME_GARBAGE);
	assert_text(reply.raw, "<html>hello</html>");
	assert_text(reply.error, "HTTP 200 with no JSON: <html>hello</html>");
	reply = call(stub, "bytes");
	assert_outcome(&reply, OUTCOME_GARBAGE);
	assert_int_equal(reply.raw.size, 300);
	reply = call(stub, "none");
	assert_outcome(&reply, OUTCOME_GARBAGE);
	assert_text(reply.error, "HTTP 200 with no JSON: an empty body");
	reply = call(stub, "other");
	assert_outcome(&reply, OUTCOME_GARBAGE);
	assert_text(reply.error, "HTTP 200 with no message: {\"hello\": 1}");
	reply = call(stub, "no http");
	assert_outcome(&reply, OUTCOME_GARBAGE);
	stop(stub);
}

static void
redirect_is_refused_and_named(void **state)
{
	struct stub *stub =
	    start("[{\"do\": {\"status\": 307, \"headers\":"
		  " {\"Location\": \"http://127.0.0.1:1/elsewhere\"}}}]");
	struct reply reply = call(stub, "hello");

	(void)state;
	assert_outcome(&reply, OUTCOME_BAD_REQUEST);
	assert_holds(reply.error, "http://127.0.0.1:1/elsewhere");
	assert_int_equal(reply.http_status, 307);
	assert_int_equal(connection_of(stub, 1), -1);
	stop(stub);
}

static void
tool_calls_keep_the_raw_body(void **state)
{
	struct stub *stub =
	    start("[{\"do\": {\"content\": null, \"message\": {\"tool_calls\":"
		  " [{\"id\": \"a\", \"function\": {\"name\": \"f\"}}]}}}]");
	struct reply reply = call(stub, "hello");

	(void)state;
	assert_outcome(&reply, OUTCOME_TOOL_CALLS);
	assert_text(
	    reply.text, "[{\"id\":\"a\",\"function\":{\"name\":\"f\"}}]");
	assert_holds(reply.raw, "\"tool_calls\"");
	stop(stub);
}

/* What a prepared nursery would tell of itself. */
static int
dumpable_when_prepared(const struct chat_conf *conf)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); /* as no test before us */
		if (chat_http.prepare(conf, NULL) == -1)
			_exit(99);
		_exit(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WEXITSTATUS(status);
}

static void
prepare_guards_a_process_with_a_key(void **state)
{
	static const char *const headers[] = {"x-api-key: sk-012345", NULL};
	char key[] = "sk-0123456789";
	struct chat_conf conf = {
	    .endpoints = {{.url = "http://127.0.0.1/v1"}}, .endpoint_count = 1};

	(void)state;
	assert_int_equal(dumpable_when_prepared(&conf), 1);
	conf.headers = headers;
	assert_int_equal(dumpable_when_prepared(&conf), 0);
	conf.headers = NULL;
	conf.key = (struct secret){.text = key, .size = strlen(key)};
	assert_int_equal(dumpable_when_prepared(&conf), 0);
}

static void
check_refuses_what_cannot_be_sent(void **state)
{
	const struct chat_conf good = {
	    .endpoints = {{.url = "http://127.0.0.1/v1"}},
	    .endpoint_count = 1,
	    .connect_timeout_ms = 1,
	};
	static const char *const broken[] = {"X-A: b\r\nX-Evil: c", NULL};
	static const char *const shapeless[] = {"sk-0123456789", NULL};
	static const char *const framing[] = {"content-length: 3", NULL};
	char key[] = "sk-01234\r\nX: y";
	struct chat_conf conf = good;
	struct err err;

	(void)state;
	assert_int_equal(chat_http.check(&good, &err), 0);
	conf.headers = broken;
	assert_int_equal(chat_http.check(&conf, &err), -1);
	assert_null(strstr(err.text, "Evil"));
	conf.headers = shapeless;
	assert_int_equal(chat_http.check(&conf, &err), -1);
	assert_null(strstr(err.text, "sk-"));
	conf.headers = framing;
	assert_int_equal(chat_http.check(&conf, &err), -1);
	conf = good;
	conf.key = (struct secret){.text = key, .size = strlen(key)};
	assert_int_equal(chat_http.check(&conf, &err), -1);
	assert_null(strstr(err.text, "01234"));
	conf = good;
	conf.model = "a\nb";
	assert_int_equal(chat_http.check(&conf, &err), -1);
	conf = good;
	conf.params = "[1]";
	assert_int_equal(chat_http.check(&conf, &err), -1);
	assert_int_equal(err.class, ERR_USAGE);
	conf.params = "{\"a\":}";
	assert_int_equal(chat_http.check(&conf, &err), -1);
	assert_int_equal(err.class, ERR_USAGE);
	conf = good;
	conf.endpoints[0].url = "ftp://host";
	assert_int_equal(chat_http.check(&conf, &err), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(answer_carries_text_model_tokens_and_request_id),
	    cmocka_unit_test(request_carries_headers_and_key),
	    cmocka_unit_test(azure_url_gets_key_as_api_key),
	    cmocka_unit_test(echoed_keys_are_struck_out),
	    cmocka_unit_test(error_is_one_line_of_at_most_4_kib),
	    cmocka_unit_test(retry_after_reaches_the_reply),
	    cmocka_unit_test(should_retry_header_beats_the_status),
	    cmocka_unit_test(error_in_200_is_judged_by_its_code),
	    cmocka_unit_test(what_is_no_json_is_garbage_and_kept),
	    cmocka_unit_test(redirect_is_refused_and_named),
	    cmocka_unit_test(tool_calls_keep_the_raw_body),
	    cmocka_unit_test(prepare_guards_a_process_with_a_key),
	    cmocka_unit_test(check_refuses_what_cannot_be_sent),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
