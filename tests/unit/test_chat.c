/* SPDX-License-Identifier: ISC */
/*
 * The list of backends: every one is whole, and found by its name.
 */
#include "chat/chat.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "chat/kinds.h"

static void
chat_finds_each_backend_by_its_name_and_nothing_else(void **state)
{
	(void)state;
	assert_ptr_equal(chat_by_name("http"), &chat_http);
	assert_ptr_equal(chat_by_name("exec"), &chat_exec);
	assert_ptr_equal(chat_by_name("echo"), &chat_echo);
	assert_null(chat_by_name("htt"));
	assert_null(chat_by_name("https"));
	assert_null(chat_by_name(""));
}

static void
chat_backends_have_no_holes(void **state)
{
	const struct chat *const kinds[] = {&chat_http, &chat_exec, &chat_echo};

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		assert_non_null(kinds[i]->open);
		assert_non_null(kinds[i]->call);
		assert_non_null(kinds[i]->close);
		assert_non_null(strstr(chat_names(), kinds[i]->name));
	}
	assert_true(chat_exec.owns_processes);
	assert_false(chat_http.owns_processes);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(
		chat_finds_each_backend_by_its_name_and_nothing_else),
	    cmocka_unit_test(chat_backends_have_no_holes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
