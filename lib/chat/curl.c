/* SPDX-License-Identifier: ISC */
/*
 * libcurl behind one door. One easy handle in one multi handle lives as long
 * as its worker, so the connection is kept. libcurl is given no total timeout
 * and no cap, which it keeps only half: our own loop holds the clock and looks
 * at stop_fd beside the socket, our own write callback counts the bytes.
 */
#include "chat/curl.h"

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

struct curl_client {
	CURLM *multi;
	CURL *easy;
	struct curl_slist *headers;
	char *host;
	int port;
	int64_t connect_timeout_ms;
	bool get;
	int socket; /* libcurl's own, lent; -1 none */
	char detail[CURL_ERROR_SIZE];
	struct buf error;
	struct buf body;

	/* of the call at hand */
	const struct curl_request *request;
	int64_t until_ns; /* later than asked for when we were stopped */
	struct clock_nap nap;
	size_t head_bytes;
	int64_t first_byte_ns;
	bool head_over;
	bool body_over;
	bool kept;		 /* it began on the connection of the last */
	int64_t resend_until_ns; /* a kept one that closes later has taken it */
	bool taken;		 /* so it did: nothing is sent again */
};

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

	(void)data;
	(void)one;
	if (client->first_byte_ns == -1)
		client->first_byte_ns = clock_now_ns();
	client->head_bytes += size;
	client->head_over = client->head_bytes > HEAD_CAP_BYTES;
	return client->head_over ? 0 : size;
}

static size_t
on_body(char *data, size_t one, size_t size, void *arg)
{
	struct curl_client *client = arg;
	const struct curl_request *request = client->request;

	(void)one;
	client->body_over = size > request->cap_bytes - client->body.size;
	if (client->body_over || buf_add(&client->body, data, size) != 0)
		return 0;
	if (request->beat != NULL)
		request->beat(request->beat_arg, client->body.size);
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

static int
on_socket_close(void *arg, curl_socket_t fd)
{
	struct curl_client *client = arg;

	if (client->socket == fd) {
		client->socket = -1;
		client->taken = client->kept && client->head_bytes == 0 &&
				clock_now_ns() > client->resend_until_ns;
		client->kept = false;
	}
	return close(fd);
}

/*
 * libcurl itself sends again, on a fresh connection, whatever a kept one
 * closed on without a byte of an answer; it does not ask whether the request
 * was taken and worked on meanwhile. Refusing the fresh socket prevents that.
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

static const struct {
	CURLoption option;
	long value;
} settings[] = {
    {CURLOPT_NOSIGNAL, 1},
    {CURLOPT_QUICK_EXIT, 1}, /* do not wait for a slow name lookup */
    {CURLOPT_FOLLOWLOCATION, 0},
    {CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2},
    {CURLOPT_SSL_VERIFYPEER, 1},
    {CURLOPT_SSL_VERIFYHOST, 2},
    {CURLOPT_DISALLOW_USERNAME_IN_URL, 1},
    /* One request at a time has nothing to gain from HTTP/2. */
    {CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1},
    {CURLOPT_SUPPRESS_CONNECT_HEADERS, 1},
    {CURLOPT_TCP_NODELAY, 1},
    {CURLOPT_TCP_KEEPALIVE, 1}, /* long silences pass through NAT */
    {CURLOPT_POST, 1},
};

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

/* Gives 0, or another number when libcurl refuses one of the settings. */
static int
set_options(struct curl_client *client, const struct curl_client_conf *conf)
{
	CURL *easy = client->easy;
	int bad = set_callbacks(client);

	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		bad |= curl_easy_setopt(
			   easy, settings[i].option, settings[i].value) != 0;
	if (conf->get)
		bad |= curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L) != 0;
	if (conf->direct) /* else a proxy is used for loopback too */
		bad |= curl_easy_setopt(easy, CURLOPT_PROXY, "") != 0;
	return bad ||
	       curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") ||
	       curl_easy_setopt(easy, CURLOPT_URL, conf->url) ||
	       curl_easy_setopt(easy, CURLOPT_USERAGENT, conf->agent) ||
	       curl_easy_setopt(
		   easy, CURLOPT_ACCEPT_ENCODING, "gzip, deflate") ||
	       curl_easy_setopt(easy, CURLOPT_HTTPHEADER, client->headers) ||
	       curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
		   (long)conf->connect_timeout_ms) ||
	       curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, 1L);
}

static int
add_header(struct curl_client *client, const char *line)
{
	struct curl_slist *more = curl_slist_append(client->headers, line);

	if (more == NULL)
		return -1;
	client->headers = more;
	return 0;
}

static int
add_headers(struct curl_client *client, const char *const *lines)
{
	/* Without this a body over 1 MB waits a second for "100 Continue". */
	if (add_header(client, "Expect:") != 0)
		return -1;
	for (; lines != NULL && *lines != NULL; lines++) {
		if (add_header(client, *lines) != 0)
			return -1;
	}
	return 0;
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
	client->port = conf->port;
	client->get = conf->get;
	client->connect_timeout_ms = conf->connect_timeout_ms;
	client->host = strdup(conf->host);
	client->easy = curl_easy_init();
	client->multi = curl_multi_init();
	if (client->host == NULL || client->easy == NULL ||
	    client->multi == NULL || add_headers(client, conf->headers) != 0)
		goto no_memory;
	if (set_options(client, conf) != 0) {
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
	curl_slist_free_all(client->headers);
	buf_free(&client->body);
	buf_free(&client->error);
	free(client->host);
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

/* Forget the last call, begin this one. */
static int
begin(struct curl_client *client, const struct curl_request *request)
{
	CURL *easy = client->easy;

	if (client->body.room > KEEP_BODY_BYTES)
		buf_free(&client->body);
	buf_clear(&client->body);
	buf_clear(&client->error);
	client->body.cap = request->cap_bytes;
	client->request = request;
	client->until_ns = clock_add(request->started_ns, request->allowed_ns);
	clock_nap_begin(&client->nap, clock_now_ns(), request->allowed_ns);
	client->detail[0] = '\0';
	client->head_bytes = 0;
	client->first_byte_ns = -1;
	client->head_over = false;
	client->body_over = false;
	client->taken = false;
	client->kept = client->socket != -1;
	client->resend_until_ns =
	    clock_add(clock_now_ns(), resend_within_ns(client));
	if (buf_add(&client->body, "", 0) == -1) /* body is never NULL */
		return -1;
	if (client->get)
		return curl_multi_add_handle(client->multi, easy) != CURLM_OK;
	return curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body.data) ||
	       curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
		   (curl_off_t)request->body.size) ||
	       curl_multi_add_handle(client->multi, easy);
}

/*
 * Acknowledge at once: a server that sends head and body in two writes waits
 * between them for our acknowledgement, which the kernel holds back for 40 ms.
 * Linux forgets the setting with the next receive.
 */
static void
hasten(const struct curl_client *client)
{
	const int on = 1;

	if (client->socket != -1)
		setsockopt(
		    client->socket, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
}

/* Wait for something to do. Gives OK, or why the call is over. */
static enum outcome
wait_turn(struct curl_client *client, const struct curl_request *request)
{
	struct curl_waitfd stop = {
	    .fd = request->stop_fd, .events = CURL_WAIT_POLLIN};
	int64_t now_ns = clock_now_ns();
	int64_t then_ns;

	client->until_ns = clock_add(
	    client->until_ns, clock_nap_slept_ns(&client->nap, now_ns));
	if (now_ns >= client->until_ns)
		return OUTCOME_TIMEOUT_TOTAL;
	then_ns = clock_nap_next_ns(&client->nap, client->until_ns);
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

/* Anything not listed is a connection that broke. */
static enum outcome
judge(const struct curl_client *client, CURLcode code)
{
	long proxy_status = 0;

	if (code != CURLE_OK && client->taken)
		return OUTCOME_TRUNCATED;
	switch (code) {
	case CURLE_OK:
		return OUTCOME_OK;
	case CURLE_WRITE_ERROR:
		if (client->head_over)
			return OUTCOME_GARBAGE;
		return client->body_over ? OUTCOME_TOO_LONG
					 : OUTCOME_OUT_OF_MEMORY;
	case CURLE_OUT_OF_MEMORY:
		return OUTCOME_OUT_OF_MEMORY;
	case CURLE_OPERATION_TIMEDOUT:
		return OUTCOME_TIMEOUT_CONNECT;
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
	case CURLE_PROXY:
		return OUTCOME_NO_SERVER;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_SSL_ENGINE_NOTFOUND:
	case CURLE_SSL_ENGINE_SETFAILED:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CRL_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_INVALIDCERTSTATUS:
		return OUTCOME_TLS;
	case CURLE_UNSUPPORTED_PROTOCOL: /* "HTTP/0.9": no status line */
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_BAD_CONTENT_ENCODING:
		return OUTCOME_GARBAGE;
	default:
		curl_easy_getinfo(
		    client->easy, CURLINFO_HTTP_CONNECTCODE, &proxy_status);
		return proxy_status >= 300 ? OUTCOME_NO_SERVER
					   : OUTCOME_TRUNCATED;
	}
}

static void
say_no_server(struct curl_client *client, CURLcode code)
{
	const char *format = strchr(client->host, ':') != NULL
				 ? "cannot connect to [%s]:%d: "
				 : "cannot connect to %s:%d: ";
	long number = 0;

	curl_easy_getinfo(client->easy, CURLINFO_OS_ERRNO, &number);
	buf_printf(&client->error, format, client->host, client->port);
	/* libcurl names the peer that failed; another one is a proxy. */
	if (code == CURLE_COULDNT_CONNECT && number != 0 &&
	    strstr(client->detail, client->host) != NULL)
		buf_printf(&client->error, "%s; is the server running?",
		    strerror((int)number));
	else
		buf_add_text(&client->error, client->detail);
}

/* The sentence for an outcome that is not OK. */
static void
explain(struct curl_client *client, enum outcome outcome, CURLcode code)
{
	const struct curl_request *request = client->request;
	struct buf *error = &client->error;

	if (client->taken) /* libcurl speaks of the fresh one it did not get */
		snprintf(client->detail, sizeof(client->detail),
		    "the server closed it without an answer");
	if (client->detail[0] == '\0')
		snprintf(client->detail, sizeof(client->detail), "%s",
		    curl_easy_strerror(code));
	switch (outcome) {
	case OUTCOME_INTERRUPTED:
		buf_add_text(error, "given up: told to stop");
		break;
	case OUTCOME_TIMEOUT_TOTAL:
		buf_printf(error, "no answer within %g s (%zu bytes)",
		    (double)request->allowed_ns / CLOCK_S, client->body.size);
		break;
	case OUTCOME_TIMEOUT_CONNECT:
		buf_printf(error, "no connection within %g s",
		    (double)client->connect_timeout_ms / 1000);
		break;
	case OUTCOME_TOO_LONG:
		buf_printf(error,
		    "the response is longer than %zu bytes; reading stopped",
		    request->cap_bytes);
		break;
	case OUTCOME_NO_SERVER:
		say_no_server(client, code);
		break;
	case OUTCOME_TLS:
		buf_printf(error, "TLS with %s:%d failed: %s", client->host,
		    client->port, client->detail);
		break;
	case OUTCOME_GARBAGE:
		buf_printf(error, "no HTTP response: %s",
		    client->head_over ? "endless headers" : client->detail);
		break;
	case OUTCOME_OUT_OF_MEMORY:
		buf_add_text(error, "no memory for the call");
		break;
	default:
		buf_printf(error, "the connection broke after %zu bytes: %s",
		    client->body.size, client->detail);
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
		outcome = judge(client, code);
	if (outcome != OUTCOME_OK)
		explain(client, outcome, code);
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

/* Did a kept connection turn out to be closed? libcurl sends again by itself,
 * but counts that over the life of the handle and gives up after five. */
static bool
was_stale(
    const struct curl_client *client, const struct curl_response *response)
{
	long made = 1;

	if (response->outcome != OUTCOME_TRUNCATED || client->head_bytes > 0 ||
	    client->taken)
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
