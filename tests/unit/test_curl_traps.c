/* SPDX-License-Identifier: ISC */
/*
 * Traps of libcurl that are seen best between it and the C library: its calls
 * of send() and getaddrinfo() come here first.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>

#include "chat/curl.h"

#include "stub.h"

#define EXPORT __attribute__((visibility("default")))
#define SLOW_HOST "slow.invalid"

static struct {
	int count;	    /* of calls for an internet socket */
	size_t first_bytes; /* that the first of them took */
} sent;

/* Held for as long as a name lookup shall last. */
static pthread_mutex_t lookups = PTHREAD_MUTEX_INITIALIZER;

EXPORT ssize_t
send(int fd, const void *data, size_t size, int flags)
{
	struct sockaddr_storage address;
	socklen_t length = sizeof(address);
	ssize_t done = sendto(fd, data, size, flags, NULL, 0);

	if (getsockname(fd, (struct sockaddr *)&address, &length) == 0 &&
	    address.ss_family == AF_INET && sent.count++ == 0)
		sent.first_bytes = done > 0 ? (size_t)done : 0;
	return done;
}

EXPORT int
getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
    struct addrinfo **list)
{
	static int (*real)(const char *, const char *, const struct addrinfo *,
	    struct addrinfo **);

	if (name != NULL && strcmp(name, SLOW_HOST) == 0) {
		pthread_mutex_lock(&lookups);
		pthread_mutex_unlock(&lookups);
		return EAI_NONAME;
	}
	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
	return real(name, service, hints, list);
}

/* Nagle and delayed acknowledgements make two writes cost 40 ms. */
static void
head_and_body_go_out_in_one_write(void **state)
{
	struct stub *stub = start("[]");
	struct reply reply;

	(void)state;
	for (int i = 0; i < 3; i++) {
		memset(&sent, 0, sizeof(sent));
		reply = call(stub, i < 2 ? "hello" : "a second one");
		assert_outcome(&reply, OUTCOME_OK);
		assert_int_equal(sent.count, 1);
		assert_true(sent.first_bytes > 200);
	}
	stop(stub);
}

static void
slow_name_lookup_ends_with_the_connect_timeout(void **state)
{
	struct stub stub = {
	    .conf = {.endpoints = {{.url = "http://" SLOW_HOST "/v1"}},
		.endpoint_count = 1,
		.answer_cap_bytes = 1000,
		.connect_timeout_ms = 200}};
	int64_t began_ns = clock_now_ns();
	struct sigaction action;
	struct reply reply;

	(void)state;
	pthread_mutex_lock(&lookups);
	reply = call(&stub, "hello");
	assert_outcome(&reply, OUTCOME_TIMEOUT_CONNECT);
	assert_text(reply.error, "no connection within 0.2 s");
	/* Nor is it waited for when the client is closed. */
	chat_http.close(stub.self);
	assert_true(clock_now_ns() - began_ns < 2 * CLOCK_S);
	pthread_mutex_unlock(&lookups);
	/* No alarm was used for it. */
	assert_int_equal(sigaction(SIGALRM, NULL, &action), 0);
	assert_true(action.sa_handler == SIG_DFL);
}

static void
slow_name_lookup_is_given_up_when_told_to(void **state)
{
	struct stub stub = {
	    .conf = {.endpoints = {{.url = "http://" SLOW_HOST "/v1"}},
		.endpoint_count = 1,
		.answer_cap_bytes = 1000,
		.connect_timeout_ms = 10000}};
	int64_t began_ns = clock_now_ns();
	struct reply reply;
	int read_end;
	int write_end;

	(void)state;
	assert_int_equal(fd_pipe(&read_end, &write_end, NULL), 0);
	assert_int_equal(write(write_end, "s", 1), 1);
	pthread_mutex_lock(&lookups);
	reply = call_with(&stub, "hello", CALL_WAIT_NS, read_end);
	assert_outcome(&reply, OUTCOME_INTERRUPTED);
	chat_http.close(stub.self);
	assert_true(clock_now_ns() - began_ns < 2 * CLOCK_S);
	pthread_mutex_unlock(&lookups);
	close(read_end);
	close(write_end);
}

/* Whatever the rest of the program lets through. */
static void
only_http_and_https_are_spoken(void **state)
{
	static const char *const urls[] = {
	    "file:///etc/passwd",
	    "ftp://127.0.0.1/",
	    "gopher://127.0.0.1/",
	    "dict://127.0.0.1/",
	    "telnet://127.0.0.1/",
	    "smtp://127.0.0.1/",
	    "ldap://127.0.0.1/",
	};
	struct curl_request request = {
	    .cap_bytes = 100000,
	    .started_ns = clock_now_ns(),
	    .allowed_ns = CALL_WAIT_NS,
	    .stop_fd = -1,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		const struct curl_client_conf conf = {
		    .url = urls[i],
		    .peer = "",
		    .agent = "test",
		    .get = true,
		    .connect_timeout_ms = 1000,
		};
		struct curl_client *client = curl_client_open(&conf, NULL);
		struct curl_response response;

		assert_non_null(client);
		curl_client_post(client, &request, &response);
		assert_int_equal(response.outcome, OUTCOME_GARBAGE);
		assert_int_equal(response.body_size, 0);
		assert_holds(response.error, "not supported or disabled");
		curl_client_close(client);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(head_and_body_go_out_in_one_write),
	    cmocka_unit_test(slow_name_lookup_ends_with_the_connect_timeout),
	    cmocka_unit_test(slow_name_lookup_is_given_up_when_told_to),
	    cmocka_unit_test(only_http_and_https_are_spoken),
	};

	alarm(60); /* a lookup that is waited for would last for ever */
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
