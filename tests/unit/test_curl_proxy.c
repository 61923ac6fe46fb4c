/* SPDX-License-Identifier: ISC */
/*
 * Which proxy the environment names, and what may be said of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <bsd/string.h>

#include "chat/curl_proxy.h"

static const char *const variables[] = {"http_proxy", "HTTP_PROXY",
    "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"};

static int
forget_environment(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
		unsetenv(variables[i]);
	return 0;
}

/* Is it so named? NULL: none is found. */
static void
assert_named(bool https, const char *want)
{
	struct curl_proxy *proxy;
	struct buf name;

	buf_init(&name, 1024);
	assert_int_equal(curl_proxy_find(https, &proxy, NULL), 0);
	if (want == NULL) {
		assert_null(proxy);
		return;
	}
	assert_non_null(proxy);
	curl_proxy_put_name(proxy, &name);
	assert_string_equal(name.data, want);
	buf_free(&name);
	curl_proxy_free(proxy);
}

static void
proxy_is_chosen_as_libcurl_does(void **state)
{
	(void)state;
	assert_named(true, NULL);
	setenv("HTTP_PROXY", "capital:1", 1);
	setenv("https_proxy", "", 1); /* empty is not set */
	assert_named(true, NULL);
	assert_named(false, NULL);
	setenv("ALL_PROXY", "gate", 1);
	assert_named(true, "the proxy gate:1080 ($ALL_PROXY)");
	assert_named(false, "the proxy gate:1080 ($ALL_PROXY)");
	setenv("all_proxy", "https://gate", 1);
	assert_named(false, "the proxy gate:443 ($all_proxy)");
	setenv("HTTPS_PROXY", "http://one:3", 1);
	assert_named(true, "the proxy one:3 ($HTTPS_PROXY)");
	assert_named(false, "the proxy gate:443 ($all_proxy)");
	setenv("https_proxy", "socks5h://[::1]:4", 1);
	assert_named(true, "the proxy [::1]:4 ($https_proxy)");
	setenv("http_proxy", "http://two:5/", 1);
	assert_named(false, "the proxy two:5 ($http_proxy)");
}

static void
login_is_no_part_of_its_name(void **state)
{
	(void)state;
	setenv("https_proxy", "http://me:sesame@gate:1", 1);
	assert_named(true, "the proxy gate:1 ($https_proxy)");
	setenv("https_proxy", "http://me:sesame@gate:1x", 1);
	assert_named(true, "the proxy in $https_proxy");
	setenv("https_proxy", "me:sesame@ gate", 1);
	assert_named(true, "the proxy in $https_proxy");
}

static void
login_is_struck_out_in_all_its_forms(void **state)
{
	static const char *const forms[] = {
	    "http://me:p%40ssword@gate:1",
	    "me:p@ssword",
	    "p@ssword",
	    "bWU6cEBzc3dvcmQ=",
	};
	struct curl_proxy *proxy;

	(void)state;
	setenv("https_proxy", forms[0], 1);
	assert_int_equal(curl_proxy_find(true, &proxy, NULL), 0);
	assert_true(curl_proxy_has_secret(proxy));
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		char text[64] = "<";
		size_t size;

		strlcat(text, forms[i], sizeof(text));
		strlcat(text, ">", sizeof(text));
		size = curl_proxy_redact(proxy, text, strlen(text));
		text[size] = '\0';
		assert_string_equal(text, "<[key]>");
	}
	curl_proxy_free(proxy);
	setenv("https_proxy", "http://gate:1", 1);
	assert_int_equal(curl_proxy_find(true, &proxy, NULL), 0);
	assert_false(curl_proxy_has_secret(proxy));
	curl_proxy_free(proxy);
	assert_false(curl_proxy_has_secret(NULL));
	assert_int_equal(curl_proxy_redact(NULL, NULL, 0), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(
		proxy_is_chosen_as_libcurl_does, forget_environment),
	    cmocka_unit_test_setup(
		login_is_no_part_of_its_name, forget_environment),
	    cmocka_unit_test_setup(
		login_is_struck_out_in_all_its_forms, forget_environment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
