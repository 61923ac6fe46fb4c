/* SPDX-License-Identifier: ISC */
/*
 * What error bodies say, whoever sent them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "assert_text.h"
#include "base/json.h"
#include "chat/api_error.h"

static void
errors_are_read_in_all_their_shapes(void **state)
{
	static const struct {
		const char *body;
		const char *type;
		const char *code;
		const char *message;
	} rows[] = {
	    {"{\"error\":{\"message\":\"m\",\"type\":\"t\",\"param\":null,"
	     "\"code\":\"c\"}}",
		"t", "c", "m"},
	    {"{\"error\":{\"message\":\"m\",\"type\":\"t\",\"code\":null}}",
		"t", NULL, "m"},
	    {"{\"error\":{\"message\":\"m\",\"type\":\"t\",\"code\":404}}", "t",
		"404", "m"},
	    {"{\"object\":\"error\",\"message\":\"m\",\"type\":\"t\","
	     "\"code\":400}",
		"t", "400", "m"},
	    {"{\"object\":\"error\",\"message\":{\"detail\":[1]},"
	     "\"type\":\"t\"}",
		"t", NULL, "{\"detail\":[1]}"},
	    {"{\"error\":\"m\"}", NULL, NULL, "m"},
	    {"{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\","
	     "\"message\":\"m\"},\"request_id\":\"r\"}",
		"overloaded_error", NULL, "m"},
	    {"{\"detail\":\"m\"}", NULL, NULL, "m"},
	    {"{\"detail\":[{\"loc\":[\"body\"]}]}", NULL, NULL,
		"[{\"loc\":[\"body\"]}]"},
	    {"[{\"error\":{\"code\":400,\"message\":\"m\"}}]", NULL, "400",
		"m"},
	    {"{\"error\":{\"status\":\"X\"}}", NULL, NULL,
		"{\"status\":\"X\"}"},
	    {"{\"error\":{}}", NULL, NULL, NULL},
	    {"{\"hello\":1}", NULL, NULL, NULL},
	    {"null", NULL, NULL, NULL},
	    {"\"text\"", NULL, NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct json *root =
		    json_parse_lenient(span_of(rows[i].body), NULL);
		struct api_error said;
		struct buf scratch;

		buf_init(&scratch, 4096);
		api_error_read(root, &scratch, &said);
		assert_text(said.type, rows[i].type);
		assert_text(said.code, rows[i].code);
		assert_text(said.message, rows[i].message);
		json_free(root);
		buf_free(&scratch);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(errors_are_read_in_all_their_shapes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
