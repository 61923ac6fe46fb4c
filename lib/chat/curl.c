/* SPDX-License-Identifier: ISC */
/*
 * libcurl behind one door. One easy handle in one multi handle lives as long
 * as its worker, so the connection is kept. libcurl is given no total timeout
 * and no cap, which it keeps only half: our own loop holds the clock and looks
 * at stop_fd beside the socket, our own write callback counts the bytes.
 */
#include "chat/curl_impl.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <curl/curl.h>

#include "base/clock.h"
#include "base/err.h"

#if LIBCURL_VERSION_NUM < 0x075700
#error "libcurl 7.87 or newer is needed (CURLOPT_QUICK_EXIT)"
#endif

#define HEAD_CAP_BYTES ((size_t)256 << 10) /* all headers of one response */
#define KEEP_BODY_BYTES ((size_t)1 << 20)  /* room kept between two calls */
/* A kept connection that was closed before it took the request says so within
 * two round trips; this much more for a machine that is busy. */
#define RESEND_SLACK_NS (200 * CLOCK_MS)
#define ERROR_CAP_BYTES ((size_t)4 << 10)
/* A response of which nothing more is wanted may still end by itself, which
 * keeps its connection; longer it is not waited for. */
#define TAIL_WITHIN_NS (250 * CLOCK_MS)

int
curl_client_prepare(struct err *err)
{
	CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);

	if (code == CURLE_OK)
		return 0;
	return err_set(err, ERR_SYSTEM, "libcurl cannot be prepared: %s",
	    curl_easy_strerror(code));
}

const char *
curl_client_version(void)
{
	return curl_version_info(CURLVERSION_NOW)->version;
}

static size_t
on_header(char *data, size_t one, size_t size, void *arg)
{
	struct curl_client *client = arg;
	long status = 0;

	(void)one;
	if (size > 0 && (data[0] == '\r' || data[0] == '\n')) {
		curl_easy_getinfo(
		    client->easy, CURLINFO_RESPONSE_CODE, &status);
		client->head_ended |= status >= 200; /* 1xx come before it */
	}
	client->head_bytes += size;
	client->head_over = client->head_bytes > HEAD_CAP_BYTES;
	return client->head_over ? 0 : size;
}

static enum curl_piece
offer(struct curl_client *client, const char *data, size_t size)
{
	const struct curl_request *request = client->request;
	long status = 0;

	if (request->piece == NULL)
		return CURL_PIECE_GATHER;
	curl_easy_getinfo(client->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status != 200)
		return CURL_PIECE_GATHER;
	return request->piece(
	    request->piece_arg, (struct span){.data = data, .size = size});
}

/* Gives false when reading has to end here. */
static bool
keep_piece(struct curl_client *client, const char *data, size_t size)
{
	switch (offer(client, data, size)) {
	case CURL_PIECE_TAKEN:
		return true;
	case CURL_PIECE_LAST:
		if (client->tail_until_ns == CLOCK_NEVER)
			client->tail_until_ns =
			    clock_add(client->last_byte_ns, TAIL_WITHIN_NS);
		return true;
	case CURL_PIECE_STOP:
		client->stopped = true;
		return false;
	default:
		client->body_over =
		    size > client->request->cap_bytes - client->body.size;
		return !client->body_over &&
		       buf_add(&client->body, data, size) == 0;
	}
}

static size_t
on_body(char *data, size_t one, size_t size, void *arg)
{
	struct curl_client *client = arg;
	const struct curl_request *request = client->request;

	(void)one;
	client->last_byte_ns = clock_now_ns();
	if (client->first_byte_ns == -1)
		client->first_byte_ns = client->last_byte_ns;
	client->body_bytes += size;
	if (!keep_piece(client, data, size))
		return 0;
	if (request->beat != NULL)
		request->beat(request->beat_arg, client->body_bytes);
	return size;
}

/* Which socket is ours now? libcurl does not say of a connection in use. */
static int
on_socket(void *arg, curl_socket_t fd, curlsocktype purpose)
{
	struct curl_client *client = arg;

	(void)purpose;
	client->socket = fd;
	return CURL_SOCKOPT_OK;
}

/* Did any of this call's request go out? */
static bool
was_sent(const struct curl_client *client)
{
	long size = 0;

	curl_easy_getinfo(client->easy, CURLINFO_REQUEST_SIZE, &size);
	return size > 0;
}

static int
on_socket_close(void *arg, curl_socket_t fd)
{
	struct curl_client *client = arg;

	if (client->socket == fd) {
		client->socket = -1;
		client->taken = client->kept && client->head_bytes == 0 &&
				was_sent(client) &&
				clock_now_ns() > client->resend_until_ns;
		client->kept = false;
	}
	return close(fd);
}

/*
 * libcurl itself sends again, on a fresh connection, whatever a kept one
 * closed on without a byte of an answer; it does not ask whether the request
 * was taken and worked on meanwhile. Refusing the fresh socket prevents that.
 * (So it does for a stream that HTTP/2 refused late, which cannot be told from
 * it.)
 */
static curl_socket_t
on_socket_open(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct curl_client *client = arg;

	(void)purpose;
	if (client->taken)
		return CURL_SOCKET_BAD;
	return socket(address->family, address->socktype | SOCK_CLOEXEC,
	    address->protocol);
}

static int
set_callbacks(struct curl_client *client)
{
	CURL *easy = client->easy;

	return curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, client->detail) ||
	       curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header) ||
	       curl_easy_setopt(easy, CURLOPT_HEADERDATA, client) ||
	       curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) ||
	       curl_easy_setopt(easy, CURLOPT_WRITEDATA, client) ||
	       curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, on_socket) ||
	       curl_easy_setopt(easy, CURLOPT_SOCKOPTDATA, client) ||
	       curl_easy_setopt(
		   easy, CURLOPT_OPENSOCKETFUNCTION, on_socket_open) ||
	       curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, client) ||
	       curl_easy_setopt(
		   easy, CURLOPT_CLOSESOCKETFUNCTION, on_socket_close) ||
	       curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, client);
}

struct curl_client *
curl_client_open(const struct curl_client_conf *conf, struct err *err)
{
	struct curl_client *client = calloc(1, sizeof(*client));

	if (client == NULL)
		goto no_memory;
	buf_init(&client->error, ERROR_CAP_BYTES);
	buf_init(&client->body, 0);
	client->socket = -1;
	client->get = conf->get;
	client->is_local = conf->socket != NULL;
	client->proxy = conf->proxy;
	client->connect_timeout_ms = conf->connect_timeout_ms;
	client->peer = strdup(conf->peer);
	client->easy = curl_easy_init();
	client->url = curl_url();
	client->multi = curl_multi_init();
	if (client->peer == NULL || client->easy == NULL ||
	    client->url == NULL || client->multi == NULL ||
	    curl_set_headers(client, conf->headers) != 0)
		goto no_memory;
	if (set_callbacks(client) != 0 || curl_set(client, conf) != 0) {
		err_set(err, ERR_SYSTEM,
		    "libcurl %s lacks what is needed (https, TLS 1.2)",
		    curl_client_version());
		goto fail;
	}
	signal(SIGPIPE, SIG_IGN);
	return client;

no_memory:
	err_set_memory(err, "HTTP client");
fail:
	curl_client_close(client);
	return NULL;
}

void
curl_client_close(struct curl_client *client)
{
	if (client == NULL)
		return;
	curl_easy_cleanup(client->easy);
	curl_multi_cleanup(client->multi);
	curl_url_cleanup(client->url);
	curl_slist_free_all(client->headers);
	curl_slist_free_all(client->proxy_headers);
	buf_free(&client->body);
	buf_free(&client->error);
	free(client->peer);
	free(client);
}

/* How long may a kept connection take to say that it was closed already? */
static int64_t
resend_within_ns(const struct curl_client *client)
{
	struct tcp_info info = {0};
	socklen_t size = sizeof(info);

	if (getsockopt(client->socket, IPPROTO_TCP, TCP_INFO, &info, &size) ==
	    -1)
		info.tcpi_rtt = 0;
	return 2 * (int64_t)info.tcpi_rtt * (CLOCK_MS / 1000) + RESEND_SLACK_NS;
}

/*
 * Did the server send more than its answer? libcurl would take that for the
 * beginning of the next one: another prompt's. With HTTP/2 answers have
 * numbers, and between two of them there may be frames.
 */
static bool
has_leftovers(const struct curl_client *client)
{
	long version = 0;
	char byte;

	curl_easy_getinfo(client->easy, CURLINFO_HTTP_VERSION, &version);
	return client->socket != -1 && version != CURL_HTTP_VERSION_2_0 &&
	       recv(client->socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/* Forget the last call, begin this one. */
static int
begin(struct curl_client *client, const struct curl_request *request)
{
	CURL *easy = client->easy;
	bool fresh = has_leftovers(client);

	if (client->body.room > KEEP_BODY_BYTES)
		buf_free(&client->body);
	buf_clear(&client->body);
	buf_clear(&client->error);
	client->body.cap = request->cap_bytes;
	client->request = request;
	client->begun_ns = request->started_ns;
	client->last_byte_ns = request->started_ns;
	client->until_ns = clock_add(request->started_ns, request->allowed_ns);
	clock_nap_begin(&client->nap, clock_now_ns(), request->allowed_ns);
	client->detail[0] = '\0';
	client->turns = 0;
	client->head_bytes = 0;
	client->body_bytes = 0;
	client->first_byte_ns = -1;
	client->tail_until_ns = CLOCK_NEVER;
	client->stopped = false;
	client->head_ended = false;
	client->head_over = false;
	client->body_over = false;
	client->taken = false;
	client->kept = client->socket != -1 && !fresh;
	client->resend_until_ns =
	    clock_add(clock_now_ns(), resend_within_ns(client));
	if (buf_add(&client->body, "", 0) == -1) /* body is never NULL */
		return -1;
	if (curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, (long)fresh) != 0)
		return -1;
	if (client->get)
		return curl_multi_add_handle(client->multi, easy) != CURLM_OK;
	return curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body.data) ||
	       curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
		   (curl_off_t)request->body.size) ||
	       curl_multi_add_handle(client->multi, easy);
}

/*
 * Acknowledge what has come at once: a server that sends head and body in two
 * writes waits between them for our acknowledgement, which the kernel holds
 * back for 40 ms. Linux forgets the setting with the next receive. Before the
 * third turn (to begin, to have it sent) nothing can have come.
 */
static void
hasten(const struct curl_client *client)
{
	const int on = 1;

	if (client->socket != -1 && client->turns > 2)
		setsockopt(
		    client->socket, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
}

/* Until when may the phase last that the call is in, and what is it then? The
 * silence before the first byte is another than the one between two: a server
 * can think for long, but once it speaks it does not fall silent. */
static int64_t
phase_until_ns(const struct curl_client *client, enum outcome *outcome)
{
	const struct curl_request *request = client->request;
	bool begun = client->first_byte_ns != -1;
	int64_t from_ns = begun ? client->last_byte_ns : client->begun_ns;
	int64_t most_ns = begun ? request->stall_ns : request->first_byte_ns;
	int64_t until_ns =
	    most_ns > 0 ? clock_add(from_ns, most_ns) : CLOCK_NEVER;

	*outcome = begun ? OUTCOME_TIMEOUT_STALL : OUTCOME_TIMEOUT_FIRST_BYTE;
	if (client->until_ns <= until_ns) {
		*outcome = OUTCOME_TIMEOUT_TOTAL;
		until_ns = client->until_ns;
	}
	return client->tail_until_ns < until_ns ? client->tail_until_ns
						: until_ns;
}

/* Nobody's clock runs while we are stopped. */
static void
forgive_sleep(struct curl_client *client, int64_t now_ns)
{
	int64_t slept_ns = clock_nap_slept_ns(&client->nap, now_ns);

	client->until_ns = clock_add(client->until_ns, slept_ns);
	client->begun_ns = clock_add(client->begun_ns, slept_ns);
	client->last_byte_ns = clock_add(client->last_byte_ns, slept_ns);
}

/* Wait for something to do. Gives OK, or why the call is over. */
static enum outcome
wait_turn(struct curl_client *client, const struct curl_request *request)
{
	struct curl_waitfd stop = {
	    .fd = request->stop_fd, .events = CURL_WAIT_POLLIN};
	int64_t now_ns = clock_now_ns();
	enum outcome outcome;
	int64_t then_ns;

	forgive_sleep(client, now_ns);
	then_ns = phase_until_ns(client, &outcome);
	if (now_ns >= then_ns)
		return outcome;
	then_ns = clock_nap_next_ns(&client->nap, then_ns);
	client->turns++;
	hasten(client);
	if (curl_multi_poll(client->multi, &stop, 1,
		clock_wait_ms(now_ns, then_ns), NULL) != CURLM_OK)
		return OUTCOME_OUT_OF_MEMORY;
	return stop.revents != 0 ? OUTCOME_INTERRUPTED : OUTCOME_OK;
}

/* Turn until libcurl has come to its end. Gives OK with *code, or why the
 * call was given up before. */
static enum outcome
transfer(struct curl_client *client, const struct curl_request *request,
    CURLcode *code)
{
	for (;;) {
		enum outcome outcome = wait_turn(client, request);
		const struct CURLMsg *message;
		int count;

		if (outcome != OUTCOME_OK)
			return outcome;
		if (curl_multi_perform(client->multi, &count) != CURLM_OK)
			return OUTCOME_OUT_OF_MEMORY;
		message = curl_multi_info_read(client->multi, &count);
		if (message == NULL)
			continue;
		*code = message->data.result;
		return OUTCOME_OK;
	}
}

static void
post_once(struct curl_client *client, const struct curl_request *request,
    struct curl_response *response)
{
	enum outcome outcome = OUTCOME_OUT_OF_MEMORY;
	CURLcode code = CURLE_OK;
	long status = 0;

	if (begin(client, request) == 0)
		outcome = transfer(client, request, &code);
	if (outcome == OUTCOME_OK)
		outcome = curl_judge(client, code);
	/* However it ended: all that matters had come. */
	if (client->tail_until_ns != CLOCK_NEVER)
		outcome = OUTCOME_OK;
	if (outcome != OUTCOME_OK)
		curl_explain(client, outcome, code);
	curl_easy_getinfo(client->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_multi_remove_handle(client->multi, client->easy);
	*response = (struct curl_response){
	    .outcome = outcome,
	    .status = (int)status,
	    .body = client->body.data,
	    .body_size = client->body.size,
	    .first_byte_ns = client->first_byte_ns,
	    .error = buf_span(&client->error),
	};
}

/* Is the connection still good? Then it was the server that gave the request
 * up: with HTTP/2 it can reset one stream. */
static bool
is_alive(const struct curl_client *client)
{
	char byte;

	return client->socket != -1 &&
	       recv(client->socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == -1 &&
	       errno == EAGAIN;
}

/* Did a kept connection turn out to be closed? libcurl sends again by itself,
 * but counts that over the life of the handle and gives up after five. */
static bool
was_stale(
    const struct curl_client *client, const struct curl_response *response)
{
	long made = 1;

	if (response->outcome != OUTCOME_TRUNCATED || client->head_bytes > 0 ||
	    client->taken || is_alive(client) ||
	    clock_now_ns() > client->resend_until_ns)
		return false;
	curl_easy_getinfo(client->easy, CURLINFO_NUM_CONNECTS, &made);
	return made == 0;
}

void
curl_client_post(struct curl_client *client, const struct curl_request *request,
    struct curl_response *response)
{
	post_once(client, request, response);
	if (was_stale(client, response))
		post_once(client, request, response);
}

struct span
curl_client_header(struct curl_client *client, const char *name)
{
	struct curl_header *header;

	if (curl_easy_header(
		client->easy, name, 0, CURLH_HEADER, -1, &header) != CURLHE_OK)
		return (struct span){NULL, 0};
	return span_of(header->value);
}
