/* SPDX-License-Identifier: ISC */
/*
 * Which backend, which URL, and above all: where a key may go.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/backend.h"
#include "base/err.h"
#include "llmill_run.h"

#include "scratch.h"

#define KEY "sk-0123456789abcdef"

static const char *const variables[] = {
    "OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_API_BASE", "OTHER_KEY"};

static int
forget_environment(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
		unsetenv(variables[i]);
	return 0;
}

static void
set_url(struct llmill_run_conf *conf, const char *url)
{
	static const char *urls[] = {NULL, NULL};

	urls[0] = url;
	conf->urls = url != NULL ? urls : NULL;
}

/* The usual options. */
static struct llmill_run_conf
options(const char *url)
{
	struct llmill_run_conf conf;

	llmill_run_conf_init(&conf);
	conf.model = "m";
	set_url(&conf, url);
	return conf;
}

/* Does a key go there? -1: refused, and then without a word of the key. */
static int
key_goes(const struct llmill_run_conf *conf)
{
	struct backend backend;
	struct err err = {0};
	int goes;

	if (backend_resolve(&backend, conf, &err) == -1) {
		assert_int_equal(err.class, ERR_USAGE);
		assert_null(strstr(err.text, KEY));
		assert_null(backend.chat.key.text);
		return -1;
	}
	goes = backend.chat.key.text != NULL;
	if (goes)
		assert_string_equal(backend.chat.key.text, KEY);
	assert_int_equal(backend.key_source != NULL, goes);
	backend_free(&backend);
	return goes;
}

static void
a_key_from_the_environment_goes_over_https(void **state)
{
	struct llmill_run_conf conf = options("https://example.org/v1");

	(void)state;
	assert_int_equal(key_goes(&conf), 0);
	setenv("OPENAI_API_KEY", KEY, 1);
	assert_int_equal(key_goes(&conf), 1);
	set_url(&conf, NULL);
	assert_int_equal(key_goes(&conf), 1);
	set_url(&conf, "https://127.0.0.1:8443");
	assert_int_equal(key_goes(&conf), 1);
}

static void
an_unnamed_key_never_goes_to_a_plain_http_option(void **state)
{
	static const char *const urls[] = {"http://127.0.0.1:8000",
	    "http://localhost:1234/v1", "127.0.0.1:8080", "http://[::1]:80",
	    "http://192.168.1.2", "http://example.org/v1"};

	(void)state;
	setenv("OPENAI_API_KEY", KEY, 1);
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		struct llmill_run_conf conf = options(urls[i]);

		assert_int_equal(key_goes(&conf), 0);
		conf.allow_http_key = true;
		assert_int_equal(key_goes(&conf), 0);
	}
}

static void
an_unnamed_key_goes_to_the_url_from_the_environment(void **state)
{
	struct llmill_run_conf conf = options(NULL);

	(void)state;
	setenv("OPENAI_API_KEY", KEY, 1);
	setenv("OPENAI_BASE_URL", "http://127.0.0.1:8000/v1", 1);
	assert_int_equal(key_goes(&conf), 1);
	setenv("OPENAI_BASE_URL", "http://10.1.2.3:8000/v1", 1);
	assert_int_equal(key_goes(&conf), 1);
	/* … but to no other machine in the open. */
	setenv("OPENAI_BASE_URL", "http://example.org/v1", 1);
	assert_int_equal(key_goes(&conf), -1);
	conf.allow_http_key = true;
	assert_int_equal(key_goes(&conf), 1);
}

static void
a_named_key_goes_over_http_to_near_addresses_only(void **state)
{
	static const char *const near[] = {
	    "http://127.0.0.1:8000", "http://192.168.1.2", "http://10.0.0.1"};
	struct llmill_run_conf conf = options(NULL);

	(void)state;
	setenv("OTHER_KEY", KEY, 1);
	conf.key_env = "OTHER_KEY";
	for (size_t i = 0; i < 3; i++) {
		set_url(&conf, near[i]);
		assert_int_equal(key_goes(&conf), 1);
	}
	set_url(&conf, "http://example.org/v1");
	assert_int_equal(key_goes(&conf), -1);
	set_url(&conf, "http://8.8.8.8/v1");
	assert_int_equal(key_goes(&conf), -1);
	conf.allow_http_key = true;
	assert_int_equal(key_goes(&conf), 1);
	conf.allow_http_key = false;
	set_url(&conf, "https://example.org/v1");
	assert_int_equal(key_goes(&conf), 1);
}

static void
a_named_key_must_be_there(void **state)
{
	struct llmill_run_conf conf = options("https://example.org");

	(void)state;
	setenv("OPENAI_API_KEY", KEY, 1);
	conf.key_env = "OTHER_KEY";
	assert_int_equal(key_goes(&conf), -1);
	setenv("OTHER_KEY", "", 1);
	assert_int_equal(key_goes(&conf), -1);
	conf.key_env = NULL;
	conf.key_file = "/nonexistent/key";
	assert_int_equal(key_goes(&conf), -1);
}

static void
a_key_file_is_read_and_beats_the_environment(void **state)
{
	struct llmill_run_conf conf = options("http://127.0.0.1:1");
	struct backend backend;
	struct err err;

	(void)state;
	setenv("OPENAI_API_KEY", "sk-another-one", 1);
	scratch_write("key", KEY "\n", sizeof(KEY));
	assert_int_equal(chmod("key", 0600), 0);
	conf.key_file = "key";
	assert_int_equal(backend_resolve(&backend, &conf, &err), 0);
	assert_string_equal(backend.chat.key.text, KEY);
	assert_string_equal(backend.key_source, "key");
	backend_free(&backend);
	assert_int_equal(chmod("key", 0666), 0);
	assert_int_equal(key_goes(&conf), -1);
}

/* ---- URLs ---- */

static void
expect_url(const char *option, const char *base)
{
	struct llmill_run_conf conf = options(option);
	struct backend backend;
	struct err err;

	assert_int_equal(backend_resolve(&backend, &conf, &err), 0);
	assert_string_equal(backend.urls[0].base, base);
	assert_int_equal(backend.chat.endpoint_count, 1);
	assert_string_equal(
	    backend.chat.endpoints[0].url, backend.urls[0].chat);
	backend_free(&backend);
}

static void
the_url_comes_from_option_environment_or_default(void **state)
{
	(void)state;
	expect_url(NULL, "https://api.openai.com/v1");
	setenv("OPENAI_API_BASE", "https://old.example", 1);
	expect_url(NULL, "https://old.example/v1");
	setenv("OPENAI_BASE_URL", "", 1);
	expect_url(NULL, "https://old.example/v1");
	setenv("OPENAI_BASE_URL", "https://new.example/api/", 1);
	expect_url(NULL, "https://new.example/api");
	expect_url("localhost:8080", "http://localhost:8080/v1");
}

static void
a_bad_url_is_refused_and_nothing_is_left(void **state)
{
	struct llmill_run_conf conf = options("ftp://example.org");
	struct backend backend;
	struct err err = {0};

	(void)state;
	setenv("OPENAI_API_KEY", KEY, 1);
	assert_int_equal(backend_resolve(&backend, &conf, &err), -1);
	assert_int_equal(err.class, ERR_USAGE);
	set_url(&conf, "https://user:" KEY "@example.org");
	assert_int_equal(key_goes(&conf), -1);
	backend_free(&backend); /* once more does no harm */
}

/* ---- kinds and plans ---- */

static void
the_kind_is_http_or_exec_unless_named(void **state)
{
	static const char *const command[] = {"cat", "-n", NULL};
	struct llmill_run_conf conf = options("http://127.0.0.1:1");
	struct backend backend;
	struct err err;

	(void)state;
	assert_int_equal(backend_resolve(&backend, &conf, &err), 0);
	assert_string_equal(backend.plan.backend, "http");
	assert_int_equal(backend.plan.model.size, 1);
	assert_null(backend.plan.system.data);
	assert_null(backend.plan.params.data);
	backend_free(&backend);
	conf = options(NULL);
	conf.command = command;
	assert_int_equal(backend_resolve(&backend, &conf, &err), 0);
	assert_string_equal(backend.plan.backend, "exec");
	assert_ptr_equal(backend.plan.command, command);
	assert_ptr_equal(backend.chat.command, command);
	backend_free(&backend);
}

static void
a_script_stands_behind_the_colon(void **state)
{
	struct llmill_run_conf conf = options(NULL);
	struct backend backend;
	struct err err = {0};

	(void)state;
	conf.backend = "echo";
	assert_int_equal(backend_resolve(&backend, &conf, &err), 0);
	assert_null(backend.chat.script);
	backend_free(&backend);
	conf.backend = "echo:ms=5,fail=1%";
	assert_int_equal(backend_resolve(&backend, &conf, &err), 0);
	assert_string_equal(backend.chat.script, "ms=5,fail=1%");
	assert_string_equal(backend.plan.script, "ms=5,fail=1%");
	backend_free(&backend);
	conf.backend = "echo:nonsense=1";
	assert_int_equal(backend_resolve(&backend, &conf, &err), -1);
	assert_int_equal(err.class, ERR_USAGE);
	assert_non_null(strstr(err.text, "nonsense"));
}

static void
an_unknown_backend_is_refused_with_those_there_are(void **state)
{
	static const char *const names[] = {"htp", "", ":ms=1",
	    "a-name-that-is-longer-than-any-backend-could-ever-have"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct llmill_run_conf conf = options(NULL);
		struct backend backend;
		struct err err = {0};

		conf.backend = names[i];
		assert_int_equal(backend_resolve(&backend, &conf, &err), -1);
		assert_int_equal(err.class, ERR_USAGE);
		assert_non_null(strstr(err.text, "echo"));
		assert_non_null(strstr(err.text, "http"));
	}
}

static void
expect_params(
    const struct llmill_run_conf *conf, const char *request, const char *plan)
{
	struct backend backend;
	struct err err;

	assert_int_equal(backend_resolve(&backend, conf, &err), 0);
	if (request == NULL)
		assert_null(backend.chat.params);
	else
		assert_string_equal(backend.chat.params, request);
	assert_int_equal(backend.plan.params.size, strlen(plan));
	assert_memory_equal(backend.plan.params.data, plan, strlen(plan));
	assert_true(backend.chat.max_tokens == conf->max_tokens);
	backend_free(&backend);
}

static void
the_plan_keeps_parameters_and_max_tokens(void **state)
{
	static const char *const params[] = {"top_p=0.90", "seed=1", NULL};
	struct llmill_run_conf conf = options("http://127.0.0.1:1");

	(void)state;
	conf.max_tokens = 7;
	expect_params(&conf, NULL, "{\"max_tokens\":7}");
	conf.params = params;
	expect_params(&conf, "{\"seed\":1,\"top_p\":0.90}",
	    "{\"seed\":1,\"top_p\":0.90,\"max_tokens\":7}");
	conf.max_tokens = 0;
	expect_params(&conf, "{\"seed\":1,\"top_p\":0.90}",
	    "{\"seed\":1,\"top_p\":0.90}");
}

/* ---- several servers ---- */

static void
a_key_goes_to_those_it_may_go_to(void **state)
{
	static const char *const urls[] = {
	    "https://a.example/v1", "http://10.0.0.1:8000", NULL};
	struct llmill_run_conf conf = options(NULL);
	struct backend backend;
	struct err err;

	(void)state;
	conf.urls = urls;
	setenv("OPENAI_API_KEY", KEY, 1);
	assert_int_equal(backend_resolve(&backend, &conf, &err), 0);
	assert_non_null(backend.chat.key.text);
	assert_false(backend.chat.endpoints[0].keyless);
	assert_true(backend.chat.endpoints[1].keyless);
	backend_free(&backend);
	conf.key_env = "OPENAI_API_KEY"; /* named: meant for all */
	assert_int_equal(backend_resolve(&backend, &conf, &err), 0);
	assert_false(backend.chat.endpoints[1].keyless);
	backend_free(&backend);
}

static void
a_named_key_is_refused_if_it_may_not_go_to_one(void **state)
{
	static const char *const urls[] = {
	    "https://a.example/v1", "http://a.example:8000", NULL};
	struct llmill_run_conf conf = options(NULL);

	(void)state;
	conf.urls = urls;
	setenv("MINE", KEY, 1);
	conf.key_env = "MINE";
	assert_int_equal(key_goes(&conf), -1);
}

static void
servers_on_one_host_are_called_by_their_whole_url(void **state)
{
	static const char *const urls[] = {"http://10.0.0.1/a/v1,weight=3",
	    "http://10.0.0.2/v1,max=5,weight=2", "http://10.0.0.1/b/v1", NULL};
	struct llmill_run_conf conf = options(NULL);
	struct backend backend;
	struct err err;

	(void)state;
	conf.urls = urls;
	assert_int_equal(backend_resolve(&backend, &conf, &err), 0);
	assert_int_equal(backend.chat.endpoint_count, 3);
	assert_string_equal(backend.servers[0].name, "http://10.0.0.1/a/v1");
	assert_string_equal(backend.servers[1].name, "10.0.0.2:80");
	assert_string_equal(backend.servers[2].name, "http://10.0.0.1/b/v1");
	assert_int_equal(backend.servers[0].weight, 3);
	assert_int_equal(backend.servers[0].out_max, 0);
	assert_int_equal(backend.servers[1].weight, 2);
	assert_int_equal(backend.servers[1].out_max, 5);
	assert_int_equal(backend.servers[2].weight, 1);
	backend_free(&backend);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(test) cmocka_unit_test_setup(test, forget_environment)
	    CASE(a_key_from_the_environment_goes_over_https),
	    CASE(an_unnamed_key_never_goes_to_a_plain_http_option),
	    CASE(an_unnamed_key_goes_to_the_url_from_the_environment),
	    CASE(a_named_key_goes_over_http_to_near_addresses_only),
	    CASE(a_named_key_must_be_there),
	    CASE(a_key_goes_to_those_it_may_go_to),
	    CASE(a_named_key_is_refused_if_it_may_not_go_to_one),
	    CASE(servers_on_one_host_are_called_by_their_whole_url),
	    cmocka_unit_test_setup_teardown(
		a_key_file_is_read_and_beats_the_environment, scratch_enter,
		scratch_leave),
	    CASE(the_url_comes_from_option_environment_or_default),
	    CASE(a_bad_url_is_refused_and_nothing_is_left),
	    CASE(the_kind_is_http_or_exec_unless_named),
	    CASE(a_script_stands_behind_the_colon),
	    CASE(an_unknown_backend_is_refused_with_those_there_are),
	    CASE(the_plan_keeps_parameters_and_max_tokens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
