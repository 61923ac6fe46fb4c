/* SPDX-License-Identifier: ISC */
/*
 * What became of a call, from libcurl's last word to an outcome and a sentence
 * for people.
 */
#include "chat/curl_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

/* Gives the status with which a proxy answered our CONNECT; 0 none. */
static long
connect_status(const struct curl_client *client)
{
	long status = 0;

	curl_easy_getinfo(client->easy, CURLINFO_HTTP_CONNECTCODE, &status);
	return status;
}

/* Did it end before anything could be sent to the server? */
static bool
is_still_on_its_way(const struct curl_client *client)
{
	curl_off_t sending_us = 0;

	curl_easy_getinfo(
	    client->easy, CURLINFO_PRETRANSFER_TIME_T, &sending_us);
	return sending_us == 0;
}

/* Did it end while the server's first words were read? */
static bool
is_in_head(const struct curl_client *client)
{
	return !is_still_on_its_way(client) && !client->head_ended;
}

enum outcome
curl_judge(const struct curl_client *client, CURLcode code)
{
	if (client->stopped)
		return OUTCOME_OK;
	if (code != CURLE_OK && client->taken)
		return OUTCOME_TRUNCATED;
	switch (code) {
	case CURLE_OK: /* for libcurl the end of a connection ends a head */
		return client->head_ended ? OUTCOME_OK : OUTCOME_TRUNCATED;
	case CURLE_WRITE_ERROR:
		if (client->head_over)
			return OUTCOME_GARBAGE;
		return client->body_over ? OUTCOME_TOO_LONG
					 : OUTCOME_OUT_OF_MEMORY;
	case CURLE_OUT_OF_MEMORY: /* so it calls a line it will not hold, too */
		return is_in_head(client) ? OUTCOME_GARBAGE
					  : OUTCOME_OUT_OF_MEMORY;
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
		return is_still_on_its_way(client) ? OUTCOME_NO_SERVER
						   : OUTCOME_TRUNCATED;
	}
}

/* Is it the proxy where it ended, not the server? */
static bool
blames_proxy(const struct curl_client *client, CURLcode code)
{
	if (client->proxy == NULL)
		return false;
	return code == CURLE_PROXY || connect_status(client) >= 300 ||
	       curl_proxy_is_named(client->proxy, client->detail);
}

static void
say_proxy(struct curl_client *client, CURLcode code, long number)
{
	struct buf *error = &client->error;
	long status = connect_status(client);
	bool is_refused = code == CURLE_COULDNT_CONNECT && number != 0;

	if (is_refused)
		buf_add_text(error, "cannot connect to ");
	curl_proxy_put_name(client->proxy, error);
	if (is_refused)
		buf_printf(error, ": %s", strerror((int)number));
	else if (strstr(client->detail, "Unsupported proxy") != NULL)
		/* libcurl shows its URL here, password and all. */
		buf_add_text(error, " is of no known kind: it wants http://, "
				    "https://, socks4:// or socks5h://");
	else if (status == 407)
		buf_add_text(error,
		    " wants a user name and a password (HTTP 407): "
		    "http://USER:PASSWORD@HOST:PORT");
	else if (status >= 500)
		buf_printf(error, " does not get through to %s (HTTP %ld)",
		    client->peer, status);
	else if (status >= 300)
		buf_printf(error,
		    " lets nobody through to %s (HTTP %ld); should it stand in "
		    "$no_proxy?",
		    client->peer, status);
	else
		buf_printf(error, ": %s", client->detail);
}

static void
say_no_server(struct curl_client *client, CURLcode code)
{
	long number = 0;

	curl_easy_getinfo(client->easy, CURLINFO_OS_ERRNO, &number);
	if (blames_proxy(client, code)) {
		say_proxy(client, code, number);
		return;
	}
	buf_printf(&client->error, "cannot connect to %s: ", client->peer);
	if (code != CURLE_COULDNT_CONNECT || number == 0)
		buf_add_text(&client->error, client->detail);
	else if (client->is_local && number == EACCES)
		buf_printf(&client->error,
		    "%s; may this user read and write the socket?",
		    strerror(EACCES));
	else
		buf_printf(&client->error, "%s; is the server running?",
		    strerror((int)number));
}

/* What libcurl and OpenSSL say of a handshake that failed, what it means and
 * what to do. The first that fits. */
static const struct {
	const char *sign;
	const char *words;
} tls_troubles[] = {
    {"certificate has expired",
	"its certificate has expired; it has to be renewed there, or the clock "
	"here is wrong"},
    {"not yet valid", "its certificate is not valid yet; is the clock here "
		      "right?"},
    {"certificate in certificate chain",
	"nobody here trusts who signed its certificate; give the "
	"authority's own with --cacert FILE"},
    {"self-signed certificate",
	"it vouches for itself; if it is yours, give its certificate with "
	"--cacert FILE"},
    {"unable to", "nobody here trusts who signed its certificate; give the "
		  "authority's own with --cacert FILE"},
    {"subject name", "its certificate is for another host; is the name in the "
		     "URL right?"},
    {"wrong version number",
	"it speaks no TLS on this port; if it is plain http, give http://…"},
    {"error setting certificate",
	"the system has no list of authorities; install ca-certificates, or "
	"give --cacert FILE"},
    {"protocol version",
	"it speaks only TLS older than 1.2, which is not safe"},
};

static void
say_tls(struct curl_client *client)
{
	const char *words = NULL;
	long proxy_trouble = 0;

	for (size_t i = 0; i < sizeof(tls_troubles) / sizeof(tls_troubles[0]);
	     i++) {
		if (words == NULL &&
		    strstr(client->detail, tls_troubles[i].sign) != NULL)
			words = tls_troubles[i].words;
	}
	curl_easy_getinfo(
	    client->easy, CURLINFO_PROXY_SSL_VERIFYRESULT, &proxy_trouble);
	buf_add_text(&client->error, "TLS with ");
	if (client->proxy != NULL && proxy_trouble != 0)
		curl_proxy_put_name(client->proxy, &client->error);
	else
		buf_add_text(&client->error, client->peer);
	buf_add_text(&client->error, " failed: ");
	buf_printf(&client->error, words != NULL ? "%s (%s)" : "%s%s",
	    words != NULL ? words : "", client->detail);
}

/* " after 12 kB", or " before the first byte". */
static void
put_so_far(struct curl_client *client)
{
	char size[32];

	if (client->body_bytes == 0)
		buf_add_text(&client->error, " before the first byte");
	else
		buf_printf(&client->error, " after %s",
		    text_size(client->body_bytes, size, sizeof(size)));
}

void
curl_explain(struct curl_client *client, enum outcome outcome, CURLcode code)
{
	const struct curl_request *request = client->request;
	struct buf *error = &client->error;

	if (client->taken) /* libcurl speaks of the fresh one it did not get */
		snprintf(client->detail, sizeof(client->detail),
		    "the server closed it without an answer");
	else if (code == CURLE_OK)
		snprintf(client->detail, sizeof(client->detail),
		    "the server closed it in the middle of the headers");
	if (client->detail[0] == '\0')
		snprintf(client->detail, sizeof(client->detail), "%s",
		    curl_easy_strerror(code));
	switch (outcome) {
	case OUTCOME_INTERRUPTED:
		buf_add_text(error, "given up: told to stop");
		break;
	case OUTCOME_TIMEOUT_TOTAL:
		buf_printf(error, "no answer within %g s",
		    (double)request->allowed_ns / CLOCK_S);
		put_so_far(client);
		break;
	case OUTCOME_TIMEOUT_FIRST_BYTE:
		buf_printf(error, "no first byte within %g s",
		    (double)request->first_byte_ns / CLOCK_S);
		break;
	case OUTCOME_TIMEOUT_STALL:
		buf_printf(error, "no byte for %g s",
		    (double)request->stall_ns / CLOCK_S);
		put_so_far(client);
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
		say_tls(client);
		break;
	case OUTCOME_GARBAGE:
		buf_printf(error, "no HTTP response: %s",
		    client->head_over || code == CURLE_OUT_OF_MEMORY
			? "endless headers"
			: client->detail);
		break;
	case OUTCOME_OUT_OF_MEMORY:
		buf_add_text(error, "no memory for the call");
		break;
	default:
		buf_add_text(error, "the connection broke");
		put_so_far(client);
		buf_printf(error, ": %s", client->detail);
	}
}
