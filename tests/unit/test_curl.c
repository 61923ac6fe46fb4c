/* SPDX-License-Identifier: ISC */
/*
 * Connections as the http backend uses them: kept, closed, refused, slow,
 * endless. Against the scripted server, and against listeners of the test's
 * own where a server has to misbehave below HTTP.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "chat/curl_proxy.h"

#include "stub.h"

static void
two_requests_share_one_connection(void **state)
{
	struct stub *stub = start("[]");
	struct reply reply = call(stub, "first");

	(void)state;
	assert_outcome(&reply, OUTCOME_OK);
	reply = call(stub, "second");
	assert_text(reply.text, "echo: second");
	assert_int_equal(connection_of(stub, 0), 1);
	assert_int_equal(connection_of(stub, 1), 1);
	stop(stub);
}

static void
connection_closed_between_calls_is_no_failure(void **state)
{
	struct stub *stub = start("[{\"do\": {\"close_kept\": true}}]");

	(void)state;
	for (int i = 0; i < 20; i++) {
		struct reply reply = call(stub, "again");

		assert_outcome(&reply, OUTCOME_OK);
	}
	assert_int_equal(connection_of(stub, 19), 20);
	stop(stub);
}

static int late_ms; /* how long a call is held up before libcurl sends it */

/* In place of libc's, for libcurl too: what a call begins with. */
int late_poll(struct pollfd *fds, nfds_t count, int timeout_ms) __asm__("poll");

__attribute__((visibility("default"))) int
late_poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
	if (late_ms > 0)
		syscall(SYS_poll, NULL, 0, late_ms);
	late_ms = 0;
	return (int)syscall(SYS_poll, fds, count, timeout_ms);
}

/* On a busy machine much time may pass before a connection that is closed
 * already is found to be so: nothing was sent on it. */
static void
connection_closed_before_a_late_call_is_no_failure(void **state)
{
	struct stub *stub = start("[{\"do\": {\"close_kept\": true}}]");
	struct reply reply = call(stub, "first");

	(void)state;
	assert_outcome(&reply, OUTCOME_OK);
	late_ms = 300; /* longer than a kept connection may take to say it */
	reply = call(stub, "second");
	assert_int_equal(late_ms, 0);
	assert_outcome(&reply, OUTCOME_OK);
	assert_int_equal(connection_of(stub, 1), 2);
	stop(stub);
}

/* libcurl sends again by itself, but only five times in a handle's life. */
static void
kept_connection_closed_on_request_is_no_failure(void **state)
{
	struct stub *stub = start("[{\"do\": {\"close_kept\": \"read\"}}]");
	struct reply reply = call(stub, "first");

	(void)state;
	assert_outcome(&reply, OUTCOME_OK);
	for (int64_t i = 1; i <= 12; i++) {
		reply = call(stub, "hello");
		assert_outcome(&reply, OUTCOME_OK);
		/* Read and closed on the old one, answered on a new one. */
		assert_int_equal(connection_of(stub, (size_t)i * 2 - 1), i);
		assert_int_equal(connection_of(stub, (size_t)i * 2), i + 1);
	}
	stop(stub);
}

static bool
has_request(const struct stub *stub, size_t number)
{
	struct json *root = read_request(stub, number);

	json_free(root);
	return root != NULL;
}

/* It worked on it, and gave up: to send it again would cost twice. */
static void
kept_connection_closed_after_a_while_has_taken_the_request(void **state)
{
	struct stub *stub =
	    start("[{\"match\":{\"prompt\":\"close\"},\"do\":{\"raw\":\"\","
		  "\"delay\":0.6}},"
		  "{\"match\":{\"prompt\":\"reset\"},\"do\":{\"reset\":true,"
		  "\"delay\":0.6}}]");
	static const char *const ends[] = {"close", "reset"};
	struct reply reply;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		reply = call(stub, "hello");
		assert_outcome(&reply, OUTCOME_OK);
		reply = call(stub, ends[i]);
		assert_outcome(&reply, OUTCOME_TRUNCATED);
		assert_holds(
		    reply.error, "the server closed it without an answer");
		assert_true(has_request(stub, 2 * i + 1));
		assert_int_equal(
		    connection_of(stub, 2 * i + 1), connection_of(stub, 2 * i));
		assert_false(has_request(stub, 2 * i + 2));
	}
	reply = call(stub, "hello");
	assert_outcome(&reply, OUTCOME_OK);
	stop(stub);
}

/* A server that closes with bytes unread resets the connection. */
static void
kept_connection_reset_while_sending_is_no_failure(void **state)
{
	static const char body[] =
	    "{\"choices\":[{\"message\":{\"content\":\"a whole answer\"}}]}";
	char answer[256];
	int answer_size = snprintf(answer, sizeof(answer),
	    "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
	    sizeof(body) - 1, body);
	struct sockaddr_in address = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	size_t size = (size_t)8 << 20;
	char *large = malloc(size + 1);
	struct stub stub = {.pid = -1};
	struct reply reply;
	int status;

	(void)state;
	assert_int_equal(
	    bind(listener, (struct sockaddr *)&address, length), 0);
	assert_int_equal(listen(listener, 8), 0);
	getsockname(listener, (struct sockaddr *)&address, &length);
	memset(large, 'a', size);
	large[size] = '\0';
	stub.pid = fork();
	if (stub.pid == 0) {
		char *sink = large;

		int fd;

		alarm(20);
		fd = accept(listener, NULL, NULL);
		/* The first request whole, of the second a piece. */
		(void)!read(fd, sink, size);
		(void)!write(fd, answer, (size_t)answer_size);
		(void)!recv(fd, sink, 100, MSG_WAITALL);
		close(fd); /* unread bytes make it a reset */
		fd = accept(listener, NULL, NULL);
		(void)!recv(fd, sink, size, MSG_WAITALL);
		(void)!write(fd, answer, (size_t)answer_size);
		while (read(fd, sink, size) > 0)
			;
		_exit(0);
	}
	snprintf(stub.url, sizeof(stub.url), "http://127.0.0.1:%d/v1",
	    ntohs(address.sin_port));
	stub.conf = (struct chat_conf){.endpoints = {{.url = stub.url}},
	    .endpoint_count = 1,
	    .answer_cap_bytes = 1 << 20,
	    .connect_timeout_ms = 10000};
	reply = call(&stub, "small");
	assert_outcome(&reply, OUTCOME_OK);
	reply = call(&stub, large);
	assert_outcome(&reply, OUTCOME_OK);
	assert_text(reply.text, "a whole answer");
	chat_http.close(stub.self);
	waitpid(stub.pid, &status, 0);
	close(listener);
	free(large);
}

static void
large_body_waits_for_no_permission(void **state)
{
	struct stub *stub = start("[{\"do\": {\"content\": \"got it\"}}]");
	size_t size = (size_t)2 << 20;
	char *large = malloc(size + 1);
	struct reply reply;
	struct json *root;

	(void)state;
	assert_non_null(large);
	memset(large, 'a', size);
	large[size] = '\0';
	reply = call(stub, large);
	assert_outcome(&reply, OUTCOME_OK);
	root = read_request(stub, 0);
	assert_int_equal(json_string(json_get(root, "prompt")).size, size);
	assert_null(json_get(json_get(root, "headers"), "expect"));
	json_free(root);
	free(large);
	stop(stub);
}

static void
refused_port_names_address_and_reason(void **state)
{
	struct stub stub = {
	    .conf = {.endpoints = {{.url = "http://127.0.0.1:9/v1"}},
		.endpoint_count = 1,
		.answer_cap_bytes = 1000,
		.connect_timeout_ms = 10000}};
	struct reply reply = call(&stub, "hello");

	(void)state;
	assert_outcome(&reply, OUTCOME_NO_SERVER);
	assert_text(reply.error, "cannot connect to 127.0.0.1:9: Connection "
				 "refused; is the server running?");
	assert_int_equal(reply.first_byte_ms, -1);
	chat_http.close(stub.self);
}

static void
unknown_host_is_no_server(void **state)
{
	struct stub stub = {
	    .conf = {.endpoints = {{.url = "http://no-such-host.invalid/v1"}},
		.endpoint_count = 1,
		.answer_cap_bytes = 1000,
		.connect_timeout_ms = 10000}};
	struct reply reply = call(&stub, "hello");

	(void)state;
	assert_outcome(&reply, OUTCOME_NO_SERVER);
	assert_holds(reply.error, "no-such-host.invalid");
	chat_http.close(stub.self);
}

/* A listener whose queue is full drops what comes next. */
static void
unanswered_connect_is_timeout_connect(void **state)
{
	struct sockaddr_in address = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int filler[4];
	struct stub stub = {.pid = -1};
	struct reply reply;

	(void)state;
	assert_int_equal(
	    bind(listener, (struct sockaddr *)&address, length), 0);
	assert_int_equal(listen(listener, 0), 0);
	getsockname(listener, (struct sockaddr *)&address, &length);
	for (size_t i = 0; i < 4; i++) {
		filler[i] = socket(
		    AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		connect(filler[i], (struct sockaddr *)&address, length);
	}
	snprintf(stub.url, sizeof(stub.url), "127.0.0.1:%d",
	    ntohs(address.sin_port));
	stub.conf = (struct chat_conf){.endpoints = {{.url = stub.url}},
	    .endpoint_count = 1,
	    .answer_cap_bytes = 1000,
	    .connect_timeout_ms = 250};
	reply = call(&stub, "hello");
	assert_outcome(&reply, OUTCOME_TIMEOUT_CONNECT);
	assert_text(reply.error, "no connection within 0.25 s");
	chat_http.close(stub.self);
	for (size_t i = 0; i < 4; i++)
		close(filler[i]);
	close(listener);
}

static void
tls_to_a_plain_server_is_tls(void **state)
{
	struct stub *stub = start("[]");
	struct reply reply;
	char url[80];

	(void)state;
	snprintf(url, sizeof(url), "https%s", stub->url + strlen("http"));
	stub->conf.endpoints[0].url = url;
	reply = call(stub, "hello");
	assert_outcome(&reply, OUTCOME_TLS);
	assert_holds(reply.error, "TLS with 127.0.0.1:");
	stop(stub);
}

static void
cut_body_is_truncated_and_next_call_is_well(void **state)
{
	struct stub *stub =
	    start("[{\"match\": {\"nth\": 1}, \"do\": {\"cut_after\": 20}},"
		  " {\"match\": {\"nth\": 2}, \"do\": {\"cut_after\": 20,"
		  "   \"chunk\": 7}}]");
	struct reply reply;

	(void)state;
	for (int i = 0; i < 2; i++) {
		reply = call(stub, "hello");
		assert_outcome(&reply, OUTCOME_TRUNCATED);
		assert_holds(reply.error, "20 bytes");
		assert_null(reply.text.data);
	}
	reply = call(stub, "hello");
	assert_outcome(&reply, OUTCOME_OK);
	stop(stub);
}

static void
fresh_connection_closed_without_a_word_is_one_attempt(void **state)
{
	struct stub *stub = start("[{\"match\": {\"attempt\": 1},"
				  " \"do\": {\"reset\": true}}]");
	struct reply reply = call(stub, "hello");

	(void)state;
	assert_outcome(&reply, OUTCOME_TRUNCATED);
	assert_int_equal(connection_of(stub, 0), 1);
	assert_int_equal(connection_of(stub, 1), -1);
	stop(stub);
}

static void
hanging_server_is_timeout_total(void **state)
{
	struct stub *stub =
	    start("[{\"match\": {\"nth\": 1}, \"do\": {\"hang\": true}},"
		  " {\"match\": {\"nth\": 2}, \"do\": {\"stall_after\": 9}}]");
	struct reply reply = call_with(stub, "hello", 300 * CLOCK_MS, -1);

	(void)state;
	assert_outcome(&reply, OUTCOME_TIMEOUT_TOTAL);
	assert_text(
	    reply.error, "no answer within 0.3 s before the first byte");
	reply = call_with(stub, "hello", 300 * CLOCK_MS, -1);
	assert_outcome(&reply, OUTCOME_TIMEOUT_TOTAL);
	assert_text(reply.error, "no answer within 0.3 s after 9 bytes");
	reply = call(stub, "hello");
	assert_outcome(&reply, OUTCOME_OK);
	stop(stub);
}

static void
stop_gives_up_at_once(void **state)
{
	struct stub *stub = start("[{\"do\": {\"hang\": true}}]");
	int64_t began_ns;
	int read_end;
	int write_end;
	struct reply reply;

	(void)state;
	/* At its end: the coordinator died. */
	assert_int_equal(fd_pipe(&read_end, &write_end, NULL), 0);
	fd_close(&write_end);
	began_ns = clock_now_ns();
	reply = call_with(stub, "hello", CALL_WAIT_NS, read_end);
	assert_outcome(&reply, OUTCOME_INTERRUPTED);
	assert_true(clock_now_ns() - began_ns < CALL_WAIT_NS / 4);
	fd_close(&read_end);

	/* Readable: told to stop. What is there stays unread. */
	assert_int_equal(fd_pipe(&read_end, &write_end, NULL), 0);
	assert_int_equal(write(write_end, "s", 1), 1);
	reply = call_with(stub, "hello", CALL_WAIT_NS, read_end);
	assert_outcome(&reply, OUTCOME_INTERRUPTED);
	assert_null(read_request(stub, 0)); /* nothing was even sent */
	fd_close(&write_end);
	assert_int_equal(read(read_end, &(char){0}, 1), 1);
	fd_close(&read_end);
	stop(stub);
}

/* The server, once it has read the request, is what makes stop readable: its
 * log grows, and the test's beat is not there yet. */
static void
stop_during_a_call_gives_up_at_once(void **state)
{
	struct stub *stub = start("[{\"do\": {\"hang\": true}}]");
	int64_t began_ns = clock_now_ns();
	struct reply reply;
	int read_end;
	int write_end;
	pid_t pid;

	(void)state;
	assert_int_equal(fd_pipe(&read_end, &write_end, NULL), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		alarm(20);
		while (access(stub->log, R_OK) != 0 ||
		       connection_of(stub, 0) == -1)
			poll(NULL, 0, 5);
		(void)!write(write_end, "s", 1);
		_exit(0);
	}
	reply = call_with(stub, "hello", CALL_WAIT_NS, read_end);
	assert_outcome(&reply, OUTCOME_INTERRUPTED);
	assert_true(clock_now_ns() - began_ns < CALL_WAIT_NS / 4);
	waitpid(pid, NULL, 0);
	fd_close(&read_end);
	fd_close(&write_end);
	stop(stub);
}

static void
body_over_cap_is_too_long_however_it_comes(void **state)
{
	struct stub *stub =
	    start("[{\"match\": {\"prompt\": \"plain\"},"
		  "  \"do\": {\"content_bytes\": 4000000}},"
		  " {\"match\": {\"prompt\": \"chunked\"},"
		  "  \"do\": {\"content_bytes\": 4000000, \"chunk\": 50000}},"
		  " {\"match\": {\"prompt\": \"bomb\"},"
		  "  \"do\": {\"content_bytes\": 40000000, \"gzip\": true}},"
		  " {\"match\": {\"prompt\": \"small\"},"
		  "  \"do\": {\"content_bytes\": 60000, \"gzip\": true}}]");
	static const char *const prompts[] = {"plain", "chunked", "bomb"};
	struct reply reply;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		reply = call(stub, prompts[i]);
		assert_outcome(&reply, OUTCOME_TOO_LONG);
		assert_true(reply.text.size > 64 << 10);
	}
	reply = call(stub, "small");
	assert_outcome(&reply, OUTCOME_OK);
	assert_int_equal(reply.text.size, 60000);
	stop(stub);
}

static void
endless_headers_are_garbage(void **state)
{
	struct buf script;
	struct stub *stub;
	struct reply reply;

	(void)state;
	buf_init(&script, (size_t)1 << 20);
	buf_add_text(&script, "[{\"do\": {\"raw\": \"HTTP/1.1 200 OK\\r\\n");
	for (int i = 0; i < 4000; i++)
		buf_printf(&script, "X-%d: %080d\\r\\n", i, i);
	buf_add_text(&script, "\"}}]");
	assert_false(script.failed);
	stub = start(script.data);
	reply = call(stub, "hello");
	assert_outcome(&reply, OUTCOME_GARBAGE);
	assert_holds(reply.error, "endless headers");
	buf_free(&script);
	stop(stub);
}

static void
proxy_is_never_asked_for_loopback(void **state)
{
	struct stub *stub = start("[]");
	struct reply reply;

	(void)state;
	setenv("http_proxy", "http://127.0.0.1:9", 1);
	reply = call(stub, "hello");
	assert_outcome(&reply, OUTCOME_OK);
	unsetenv("http_proxy");
	stop(stub);
}

static void
proxy_of_environment_is_asked_for_others(void **state)
{
	struct stub *stub = start("[]");
	struct json *root;
	struct reply reply;

	(void)state;
	setenv("http_proxy", stub->url, 1);
	stub->conf.endpoints[0].url = "http://model.example/v1";
	assert_int_equal(
	    curl_proxy_find(false, &stub->conf.endpoints[0].proxy, NULL), 0);
	reply = call(stub, "hello");
	assert_outcome(&reply, OUTCOME_OK);
	root = read_request(stub, 0);
	assert_text(json_string(json_get(root, "path")),
	    "http://model.example/v1/chat/completions");
	json_free(root);
	setenv("http_proxy", "http://127.0.0.1:9", 1);
	chat_http.close(stub->self);
	stub->self = NULL;
	curl_proxy_free(stub->conf.endpoints[0].proxy);
	assert_int_equal(
	    curl_proxy_find(false, &stub->conf.endpoints[0].proxy, NULL), 0);
	reply = call(stub, "hello");
	assert_outcome(&reply, OUTCOME_NO_SERVER);
	assert_text(reply.error, "cannot connect to the proxy 127.0.0.1:9 "
				 "($http_proxy): Connection refused");
	curl_proxy_free(stub->conf.endpoints[0].proxy);
	unsetenv("http_proxy");
	stop(stub);
}

static void
count_beats(void *arg, uint64_t bytes)
{
	uint64_t *most = arg;

	assert_true(bytes >= *most);
	*most = bytes;
}

static void
beats_tell_bytes_so_far(void **state)
{
	struct stub *stub = start("[{\"do\": {\"chunk\": 10}}]");
	uint64_t most = 0;
	struct chat_request request = {
	    .attempt = 1,
	    .record.text = span_of("hello"),
	    .started_ns = clock_now_ns(),
	    .allowed_ns = CALL_WAIT_NS,
	    .stop_fd = -1,
	    .beat = count_beats,
	    .beat_arg = &most,
	};
	struct reply reply;

	(void)state;
	open_backend(stub);
	chat_http.call(stub->self, &request, &reply);
	assert_outcome(&reply, OUTCOME_OK);
	assert_true(most > 100);
	stop(stub);
}

/* Head and body in two writes cost 40 ms each time when our acknowledgement
 * is held back. */
static void
split_responses_are_not_held_up(void **state)
{
	struct stub *stub = start("[{\"do\": {\"split\": true}}]");
	int64_t began_ns;
	struct reply reply = call(stub, "first");

	(void)state;
	began_ns = clock_now_ns();
	for (int i = 0; i < 20; i++) {
		reply = call(stub, "hello");
		assert_outcome(&reply, OUTCOME_OK);
	}
	assert_true(clock_now_ns() - began_ns < 20 * 35 * CLOCK_MS);
	stop(stub);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(two_requests_share_one_connection),
	    cmocka_unit_test(connection_closed_between_calls_is_no_failure),
	    cmocka_unit_test(
		connection_closed_before_a_late_call_is_no_failure),
	    cmocka_unit_test(kept_connection_closed_on_request_is_no_failure),
	    cmocka_unit_test(
		kept_connection_closed_after_a_while_has_taken_the_request),
	    cmocka_unit_test(kept_connection_reset_while_sending_is_no_failure),
	    cmocka_unit_test(large_body_waits_for_no_permission),
	    cmocka_unit_test(refused_port_names_address_and_reason),
	    cmocka_unit_test(unknown_host_is_no_server),
	    cmocka_unit_test(unanswered_connect_is_timeout_connect),
	    cmocka_unit_test(tls_to_a_plain_server_is_tls),
	    cmocka_unit_test(cut_body_is_truncated_and_next_call_is_well),
	    cmocka_unit_test(
		fresh_connection_closed_without_a_word_is_one_attempt),
	    cmocka_unit_test(hanging_server_is_timeout_total),
	    cmocka_unit_test(stop_gives_up_at_once),
	    cmocka_unit_test(stop_during_a_call_gives_up_at_once),
	    cmocka_unit_test(body_over_cap_is_too_long_however_it_comes),
	    cmocka_unit_test(endless_headers_are_garbage),
	    cmocka_unit_test(proxy_is_never_asked_for_loopback),
	    cmocka_unit_test(proxy_of_environment_is_asked_for_others),
	    cmocka_unit_test(beats_tell_bytes_so_far),
	    cmocka_unit_test(split_responses_are_not_held_up),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
