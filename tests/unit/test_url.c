/* SPDX-License-Identifier: ISC */
/*
 * Base URLs as people type them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "chat/api.h"
#include "chat/url.h"

struct typed {
	const char *text;
	const char *base;
};

static struct url
read_well(const char *text)
{
	struct url url;
	struct err err;

	if (url_read(&url, text, &api_openai, &err) != 0)
		fail_msg("%s: %s", text, err.text);
	return url;
}

static void
assert_bases(const struct typed *typed, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct url url = read_well(typed[i].text);

		assert_string_equal(url.base, typed[i].base);
		url_free(&url);
	}
}

#define ASSERT_BASES(list) assert_bases(list, sizeof(list) / sizeof((list)[0]))

static void
scheme_is_guessed_from_the_address(void **state)
{
	static const struct typed typed[] = {
	    {"localhost:8000", "http://localhost:8000/v1"},
	    {"gpu.localhost", "http://gpu.localhost/v1"},
	    {"127.0.0.1", "http://127.0.0.1/v1"},
	    {"127.9.9.9:1", "http://127.9.9.9:1/v1"},
	    {"0.0.0.0:8000", "http://0.0.0.0:8000/v1"},
	    {"10.1.2.3", "http://10.1.2.3/v1"},
	    {"172.16.0.1", "http://172.16.0.1/v1"},
	    {"172.31.255.255", "http://172.31.255.255/v1"},
	    {"172.32.0.1", "https://172.32.0.1/v1"},
	    {"172.15.0.1", "https://172.15.0.1/v1"},
	    {"192.168.0.7:8000", "http://192.168.0.7:8000/v1"},
	    {"169.254.1.1", "http://169.254.1.1/v1"},
	    {"11.0.0.1", "https://11.0.0.1/v1"},
	    {"[::1]:8000", "http://[::1]:8000/v1"},
	    {"[fd00::1]", "http://[fd00::1]/v1"},
	    {"[fe80::1]", "http://[fe80::1]/v1"},
	    {"[::ffff:10.0.0.1]", "http://[::ffff:10.0.0.1]/v1"},
	    {"[2001:db8::1]", "https://[2001:db8::1]/v1"},
	    {"api.openai.com", "https://api.openai.com/v1"},
	    {"notlocalhost", "https://notlocalhost/v1"},
	    {"localhost.example", "https://localhost.example/v1"},
	    {"10.0.0.1.example", "https://10.0.0.1.example/v1"},
	};

	(void)state;
	ASSERT_BASES(typed);
}

static void
typed_scheme_stays(void **state)
{
	static const struct typed typed[] = {
	    {"https://127.0.0.1", "https://127.0.0.1/v1"},
	    {"http://example.org", "http://example.org/v1"},
	    {"HTTPS://Example.ORG/V1", "https://example.org/V1"},
	};

	(void)state;
	ASSERT_BASES(typed);
}

static void
path_slashes_and_chat_are_tidied(void **state)
{
	static const struct typed typed[] = {
	    {"http://h/", "http://h/v1"},
	    {"http://h///", "http://h/v1"},
	    {"http://h/v1/", "http://h/v1"},
	    {"http://h/v1/chat/completions", "http://h/v1"},
	    {"http://h/v1/chat/completions/", "http://h/v1"},
	    {"http://h/api/v3//chat/completions", "http://h/api/v3"},
	    {"http://h/chat", "http://h/chat"},
	    {"http://h:80/v1", "http://h/v1"},
	    {"http://h:443/v1", "http://h:443/v1"},
	    {"https://h:443/v1", "https://h/v1"},
	};

	(void)state;
	ASSERT_BASES(typed);
}

static void
chat_without_v1_can_be_typed_whole(void **state)
{
	struct url url = read_well("https://api.example/chat/completions");

	(void)state;
	assert_string_equal(url.chat, "https://api.example/chat/completions");
	url_free(&url);
}

static void
query_stays_behind_the_path(void **state)
{
	struct url url = read_well(
	    "https://x.openai.azure.com/openai/deployments/g?api-version=1");

	(void)state;
	assert_string_equal(url.base,
	    "https://x.openai.azure.com/openai/deployments/g?api-version=1");
	assert_string_equal(url.chat,
	    "https://x.openai.azure.com/openai/deployments/g"
	    "/chat/completions?api-version=1");
	assert_true(url.azure);
	assert_false(url.openai);
	url_free(&url);
}

static void
reading_again_changes_nothing(void **state)
{
	static const char *const typed[] = {
	    "localhost:8000",
	    "http://h/chat/completions",
	    "https://h/deployments/g/?a=/b//",
	    "[::1]",
	    "h/v1/",
	    "unix:/run/llm.sock",
	    "unix:/run/llm.sock:/chat/completions",
	    "unix:/run/llm.sock:/a?b=:/c",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(typed) / sizeof(typed[0]); i++) {
		struct url first = read_well(typed[i]);
		struct url again = read_well(first.chat);

		assert_string_equal(again.chat, first.chat);
		assert_string_equal(again.base, first.base);
		assert_int_equal(again.port, first.port);
		url_free(&first);
		url_free(&again);
	}
}

static void
host_port_and_place_are_told(void **state)
{
	struct url url = read_well("http://[::1]:8080/v1");

	(void)state;
	assert_string_equal(url.host, "::1");
	assert_int_equal(url.port, 8080);
	assert_true(url.loopback && url.private_host && !url.https);
	url_free(&url);
	url = read_well("http://10.0.0.1");
	assert_int_equal(url.port, 80);
	assert_true(url.private_host && !url.loopback);
	url_free(&url);
	url = read_well("https://API.openai.com");
	assert_int_equal(url.port, 443);
	assert_true(url.openai && url.https && !url.private_host);
	url_free(&url);
	url = read_well("https://api.openai.com.example");
	assert_false(url.openai);
	url_free(&url);
}

static void
socket_is_http_on_this_machine(void **state)
{
	static const struct typed typed[] = {
	    {"unix:/run/llm.sock", "unix:/run/llm.sock:/v1"},
	    {"unix:///run/llm.sock", "unix:/run/llm.sock:/v1"},
	    {"UNIX:/Run/llm.sock:/", "unix:/Run/llm.sock:/v1"},
	    {"unix:/run/llm.sock:/openai/v1/", "unix:/run/llm.sock:/openai/v1"},
	    {"unix:/a:b.sock:/v1/chat/completions", "unix:/a:b.sock:/v1"},
	    {"unix:8000", "https://unix:8000/v1"}, /* a host */
	};
	struct url url = read_well("unix:/run/llm.sock:/v1?a=b");
	char *request = url_request(&url, url.models);

	(void)state;
	ASSERT_BASES(typed);
	assert_string_equal(url.socket, "/run/llm.sock");
	assert_string_equal(url.host, "localhost");
	assert_string_equal(url.peer, "unix:/run/llm.sock");
	assert_string_equal(
	    url.chat, "unix:/run/llm.sock:/v1/chat/completions?a=b");
	assert_string_equal(request, "http://localhost/v1/models?a=b");
	assert_true(url.loopback && url.private_host && !url.https);
	free(request);
	url_free(&url);
	url = read_well("[::1]:8080");
	assert_null(url.socket);
	assert_string_equal(url.peer, "[::1]:8080");
	url_free(&url);
}

static void
path_of_a_socket_has_at_most_107_bytes(void **state)
{
	char text[256] = "unix:/";
	struct url url;
	struct err err;

	(void)state;
	memset(text + 6, 'a', 106);
	url = read_well(text);
	assert_int_equal(strlen(url.socket), URL_SOCKET_MAX_BYTES);
	url_free(&url);
	memset(text + 6, 'a', 107);
	assert_int_equal(url_read(&url, text, &api_openai, &err), -1);
	assert_non_null(strstr(err.text, "longer than 107 bytes"));
}

static void
addresses_are_read_as_the_resolver_does(void **state)
{
	struct url url = read_well("127.1");

	(void)state;
	assert_true(url.loopback);
	url_free(&url);
	url = read_well("0x7f000001");
	assert_true(url.loopback);
	url_free(&url);
	url = read_well("010.0.0.1"); /* octal: 8.0.0.1 */
	assert_false(url.private_host);
	url_free(&url);
}

static void
what_is_no_url_is_refused(void **state)
{
	static const char *const typed[] = {
	    "",
	    "http://",
	    "http:///v1",
	    "://h",
	    "ftp://h",
	    "file:///etc/passwd",
	    "unix://h",
	    "unix:llm.sock",
	    "unix:",
	    "unix:/a b.sock",
	    "unix:/a\n.sock",
	    "http://h:0",
	    "http://h:65536",
	    "http://h:8o",
	    "http://h:",
	    "http://h:-1",
	    "http://h:+80",
	    "::1",
	    "http://[::1",
	    "http://[::1]x",
	    "http://[]",
	    "http://[h]",
	    "http://h i",
	    " http://h",
	    "http://h\r\nX: y",
	    "http://h/\x7f",
	    "http://h\t",
	    "http://h#x",
	    "http://h%41",
	    "http://h\"",
	    "http://h\\x",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(typed) / sizeof(typed[0]); i++) {
		struct url url;
		struct err err;

		if (url_read(&url, typed[i], &api_openai, &err) == 0)
			fail_msg("%s is taken as %s", typed[i], url.chat);
		assert_int_equal(err.class, ERR_USAGE);
		assert_null(url.chat);
	}
}

static void
user_and_password_are_refused_and_not_echoed(void **state)
{
	static const char *const typed[] = {
	    "http://user:sesame@h/v1",
	    "user:sesame@h",
	    "http://sesame@h",
	    "http://user:ses/ame@h", /* the slash ends the authority */
	    "ftp://user:sesame@h",
	    "http://user:sesame@h\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(typed) / sizeof(typed[0]); i++) {
		struct url url;
		struct err err;

		assert_int_equal(
		    url_read(&url, typed[i], &api_openai, &err), -1);
		assert_null(strstr(err.text, "ses"));
		if (i < 3)
			assert_non_null(strstr(err.text, "--key-file"));
		assert_int_equal(err.class, ERR_USAGE);
	}
}

static void
length_is_capped(void **state)
{
	size_t size = URL_MAX_BYTES + 1;
	char *text = malloc(size + 1);
	struct url url;
	struct err err;

	(void)state;
	assert_non_null(text);
	memset(text, 'a', size);
	memcpy(text, "http://h/", 9);
	text[size] = '\0';
	assert_int_equal(url_read(&url, text, &api_openai, &err), -1);
	text[size - 1] = '\0';
	assert_int_equal(url_read(&url, text, &api_openai, &err), 0);
	url_free(&url);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(scheme_is_guessed_from_the_address),
	    cmocka_unit_test(typed_scheme_stays),
	    cmocka_unit_test(path_slashes_and_chat_are_tidied),
	    cmocka_unit_test(chat_without_v1_can_be_typed_whole),
	    cmocka_unit_test(query_stays_behind_the_path),
	    cmocka_unit_test(reading_again_changes_nothing),
	    cmocka_unit_test(host_port_and_place_are_told),
	    cmocka_unit_test(socket_is_http_on_this_machine),
	    cmocka_unit_test(path_of_a_socket_has_at_most_107_bytes),
	    cmocka_unit_test(addresses_are_read_as_the_resolver_does),
	    cmocka_unit_test(what_is_no_url_is_refused),
	    cmocka_unit_test(user_and_password_are_refused_and_not_echoed),
	    cmocka_unit_test(length_is_capped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
