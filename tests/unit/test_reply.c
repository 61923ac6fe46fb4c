/* SPDX-License-Identifier: ISC */
/*
 * A blank reply knows nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "wire/reply.h"

static void
reply_init_forgets_everything(void **state)
{
	struct reply reply;

	(void)state;
	memset(&reply, 0x5A, sizeof(reply));
	reply_init(&reply);
	assert_int_equal(reply.outcome, OUTCOME_OK);
	assert_int_equal(reply.http_status, 0);
	assert_int_equal(reply.retry_after_ms, -1);
	assert_int_equal(reply.first_byte_ms, -1);
	assert_int_equal(reply.duration_ms, 0);
	assert_int_equal(reply.input_tokens, -1);
	assert_int_equal(reply.output_tokens, -1);
	assert_null(reply.text.data);
	assert_null(reply.error.data);
	assert_null(reply.request_id.data);
	assert_null(reply.model.data);
	assert_null(reply.finish_reason.data);
	assert_null(reply.reasoning.data);
	assert_null(reply.refusal.data);
	assert_null(reply.raw.data);
	assert_int_equal(reply.text.size + reply.raw.size, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reply_init_forgets_everything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
