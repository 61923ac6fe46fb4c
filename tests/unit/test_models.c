/* SPDX-License-Identifier: ISC */
/*
 * The list of models, asked of the scripted server.
 */
#include "chat/models.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "chat/api.h"
#include "chat/url.h"

#include "stub.h"

#define NAMES_CAP_BYTES 4096

static enum outcome met; /* by the last call of ask */

static int
ask(const struct stub *stub, struct buf *names, struct err *err)
{
	buf_init(names, NAMES_CAP_BYTES);
	return models_ask(&stub->conf, 0, names, -1, &met, err);
}

static void
models_are_listed_one_per_line(void **state)
{
	struct stub *stub = start("{\"models\": [\"a/b\", \"c\"]}");
	struct err err = {0};
	struct buf names;

	(void)state;
	assert_int_equal(ask(stub, &names, &err), 2);
	assert_string_equal(names.data, "a/b\nc\n");
	buf_free(&names);
	stop(stub);
}

static void
models_refuses_an_empty_list(void **state)
{
	struct stub *stub = start("{\"models\": []}");
	struct err err = {0};
	struct buf names;

	(void)state;
	assert_int_equal(ask(stub, &names, &err), -1);
	assert_int_equal(err.class, ERR_USAGE);
	buf_free(&names);
	stop(stub);
}

static void
models_says_that_nobody_answers(void **state)
{
	struct stub nobody = {
	    .conf = {
		.endpoints = {{.url = "http://127.0.0.1:1/v1"}},
		.endpoint_count = 1,
		.connect_timeout_ms = 1000,
	    }};
	struct err err = {0};
	struct buf names;

	(void)state;
	assert_int_equal(ask(&nobody, &names, &err), -1);
	assert_int_equal(err.class, ERR_BACKEND);
	assert_non_null(strstr(err.text, "Connection refused"));
	buf_free(&names);
}

/* What a server that refuses says back. */
static void
check_refusal(const char *rule, enum err_class class, enum outcome outcome)
{
	static const char *const headers[] = {
	    "Authorization: Bearer sk-from-a-file-1234", NULL};
	struct stub *stub = start(rule);
	struct err err = {0};
	struct buf names;

	stub->conf.headers = headers;
	assert_int_equal(ask(stub, &names, &err), -1);
	assert_int_equal(err.class, class);
	assert_int_equal(met, outcome);
	assert_non_null(strstr(err.text, "[key]"));
	assert_null(strstr(err.text, "sk-from-a-file-1234"));
	buf_free(&names);
	stop(stub);
}

static void
models_strikes_out_keys_of_headers_too(void **state)
{
	(void)state;
	check_refusal("[{\"match\": {\"path\": \"/v1/models\"}, \"do\": "
		      "{\"status\": 401, \"body\": {\"error\": {\"message\": "
		      "\"bad key sk-from-a-file-1234\"}}}}]",
	    ERR_BACKEND, OUTCOME_AUTH);
	check_refusal("[{\"match\": {\"path\": \"/v1/models\"}, \"do\": "
		      "{\"status\": 400, \"body\": "
		      "\"what is sk-from-a-file-1234?\"}}]",
	    ERR_USAGE, OUTCOME_BAD_REQUEST);
}

static void
models_tells_a_server_that_comes_up_from_one_that_lists_none(void **state)
{
	(void)state;
	check_refusal("[{\"match\": {\"path\": \"/v1/models\"}, \"do\": "
		      "{\"status\": 503, \"body\": "
		      "\"Loading model for sk-from-a-file-1234\"}}]",
	    ERR_BACKEND, OUTCOME_NO_SERVER);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(models_are_listed_one_per_line),
	    cmocka_unit_test(models_refuses_an_empty_list),
	    cmocka_unit_test(models_says_that_nobody_answers),
	    cmocka_unit_test(models_strikes_out_keys_of_headers_too),
	    cmocka_unit_test(
		models_tells_a_server_that_comes_up_from_one_that_lists_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
