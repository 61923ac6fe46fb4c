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

#include "chat/url.h"

#include "stub.h"

#define NAMES_CAP_BYTES 4096

static int
ask(const struct stub *stub, struct buf *names, struct err *err)
{
	struct url url;
	int count;

	buf_init(names, NAMES_CAP_BYTES);
	assert_int_equal(url_read(&url, stub->url, err), 0);
	count = models_ask(&stub->conf, &url, names, err);
	url_free(&url);
	return count;
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
	struct stub nobody = {.url = "http://127.0.0.1:1/v1",
	    .conf = {.connect_timeout_ms = 1000}};
	struct err err = {0};
	struct buf names;

	(void)state;
	assert_int_equal(ask(&nobody, &names, &err), -1);
	assert_int_equal(err.class, ERR_BACKEND);
	assert_non_null(strstr(err.text, "Connection refused"));
	buf_free(&names);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(models_are_listed_one_per_line),
	    cmocka_unit_test(models_refuses_an_empty_list),
	    cmocka_unit_test(models_says_that_nobody_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
