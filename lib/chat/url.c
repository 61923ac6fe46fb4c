/* SPDX-License-Identifier: ISC */
/*
 * Base URLs as people type them. The text is cut into parts once, each part
 * is judged alone, and what is called is put together again from the parts.
 * A text with an @ in it may hold a password: it never stands in an error.
 */
#include "chat/url.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <bsd/stdlib.h>
#include <bsd/string.h>

#include "base/buf.h"
#include "base/err.h"
#include "chat/api.h"

#define HOST_MAX_BYTES 253 /* of a DNS name */
#define MODELS_PATH "/models"
#define SOCKET_MARK "unix:"
#define V1_PATH "/v1"
#define OPENAI_BASE "https://api.openai.com/"

/* All lent by the text. */
struct parts {
	struct span socket; /* none for TCP */
	struct span scheme; /* none when not typed */
	struct span host;   /* without brackets */
	struct span port;   /* none when not typed */
	struct span path;   /* "" or "/…", no trailing slash, no chat path */
	struct span query;  /* "?…", or none */
	bool bracketed;
	bool typed_chat; /* the path ended in the API's */
};

static int
refuse(struct err *err, const char *text, const char *why)
{
	if (strchr(text, '@') != NULL)
		return err_set(err, ERR_USAGE, "the URL is refused: %s", why);
	return err_set(err, ERR_USAGE, "URL %s: %s", text, why);
}

static bool
has_bad_byte(const char *text)
{
	for (; *text != '\0'; text++) {
		unsigned char byte = (unsigned char)*text;

		if (byte <= ' ' || byte == 0x7f)
			return true;
	}
	return false;
}

/* Cut "host", "host:port" or "[v6]:port". Gives NULL, or why not. */
static const char *
cut_authority(struct span text, struct parts *parts)
{
	const char *end = text.data + text.size;
	const char *colon;

	if (memchr(text.data, '@', text.size) != NULL)
		return "a user name or password does not belong into a URL; "
		       "give the key with --key-file or --key-env";
	if (text.size > 0 && text.data[0] == '[') {
		const char *close = memchr(text.data, ']', text.size);

		if (close == NULL)
			return "the bracket of the address is not closed";
		parts->bracketed = true;
		parts->host.data = text.data + 1;
		parts->host.size = (size_t)(close - text.data) - 1;
		colon = close + 1;
		if (colon < end && *colon != ':')
			return "only a port can follow the address";
	} else {
		colon = memchr(text.data, ':', text.size);
		if (colon == NULL)
			colon = end;
		parts->host.data = text.data;
		parts->host.size = (size_t)(colon - text.data);
	}
	if (colon < end) {
		parts->port.data = colon + 1;
		parts->port.size = (size_t)(end - colon) - 1;
	}
	if (parts->host.size == 0)
		return "there is no host in it";
	if (parts->host.size > HOST_MAX_BYTES)
		return "the host name is too long";
	return NULL;
}

/* "unix:8000" is a host of that name. */
static bool
is_socket(const char *text)
{
	const size_t size = strlen(SOCKET_MARK);

	return strncasecmp(text, SOCKET_MARK, size) == 0 &&
	       !isdigit((unsigned char)text[size]);
}

/* Cut "unix:/path", up to the path of the URL if there is one: ":/base". Gives
 * NULL with *text behind it, or why not. */
static const char *
cut_socket(const char **text, struct parts *parts)
{
	const char *path = *text + strlen(SOCKET_MARK);
	const char *end;

	if (strncmp(path, "//", 2) == 0)
		path += 2;
	if (path[0] != '/')
		return "the path of a socket begins with a slash, as in "
		       "unix:/run/llm.sock";
	end = strstr(path, ":/");
	parts->socket = span_of(path);
	if (end != NULL)
		parts->socket.size = (size_t)(end - path);
	*text = end != NULL ? end + 1 : path + parts->socket.size;
	if (parts->socket.size > URL_SOCKET_MAX_BYTES)
		return "the path of a socket is longer than 107 bytes, which "
		       "Linux does not take";
	parts->host = span_of("localhost");
	return NULL;
}

/* Cut "scheme://host:port". Gives NULL with *text behind it, or why not. */
static const char *
cut_host(const char **text, struct parts *parts)
{
	const char *mark = strstr(*text, "://");
	struct span authority;

	if (mark != NULL && strcspn(*text, "/?@") > (size_t)(mark - *text)) {
		parts->scheme.data = *text;
		parts->scheme.size = (size_t)(mark - *text);
		*text = mark + 3;
	}
	authority.data = *text;
	authority.size = strcspn(*text, "/?");
	*text += authority.size;
	return cut_authority(authority, parts);
}

static void
drop_slashes(struct span *path)
{
	while (path->size > 0 && path->data[path->size - 1] == '/')
		path->size--;
}

static bool
ends_in(struct span path, const char *tail)
{
	size_t size = strlen(tail);

	return path.size >= size &&
	       memcmp(path.data + path.size - size, tail, size) == 0;
}

static void
trim_path(struct parts *parts, const struct api *api)
{
	struct span *path = &parts->path;

	drop_slashes(path);
	parts->typed_chat = ends_in(*path, api->path);
	if (!parts->typed_chat)
		return;
	path->size -= strlen(api->path);
	drop_slashes(path);
}

/* Gives NULL, or why not. */
static const char *
cut(const char *text, const struct api *api, struct parts *parts)
{
	const char *why;

	*parts = (struct parts){.bracketed = false};
	if (strlen(text) > URL_MAX_BYTES)
		return "it is too long";
	if (has_bad_byte(text))
		return "there is a blank or control byte in it";
	if (strchr(text, '#') != NULL)
		return "a fragment (#) means nothing to a server";
	why =
	    is_socket(text) ? cut_socket(&text, parts) : cut_host(&text, parts);
	if (why != NULL)
		return why;
	parts->path.data = text;
	parts->path.size = strcspn(text, "?");
	text += parts->path.size;
	if (*text == '?')
		parts->query = span_of(text);
	trim_path(parts, api);
	return NULL;
}

struct range {
	uint32_t net;
	uint32_t mask;
	bool loopback;
};

/* RFC 1122, 1918 and 3927; Linux takes 0.0.0.0 for this machine. */
static const struct range ranges[] = {
    {0x7f000000, 0xff000000, true},
    {0x00000000, 0xffffffff, true},
    {0x0a000000, 0xff000000, false},
    {0xac100000, 0xfff00000, false},
    {0xc0a80000, 0xffff0000, false},
    {0xa9fe0000, 0xffff0000, false},
};

static void
place_v4(struct url *url, uint32_t address)
{
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		if ((address & ranges[i].mask) != ranges[i].net)
			continue;
		url->private_host = true;
		url->loopback = ranges[i].loopback;
		return;
	}
}

static void
place_v6(struct url *url, const struct in6_addr *address)
{
	const uint8_t *byte = address->s6_addr;

	if (IN6_IS_ADDR_V4MAPPED(address)) {
		uint32_t inner;

		memcpy(&inner, byte + 12, sizeof(inner));
		place_v4(url, ntohl(inner));
		return;
	}
	url->loopback =
	    IN6_IS_ADDR_LOOPBACK(address) || IN6_IS_ADDR_UNSPECIFIED(address);
	url->private_host = url->loopback || IN6_IS_ADDR_LINKLOCAL(address) ||
			    (byte[0] & 0xfe) == 0xfc; /* RFC 4193 */
}

static bool
is_local_name(const char *host)
{
	static const char name[] = "localhost";
	const size_t tail = sizeof(name) - 1;
	size_t size = strlen(host);

	if (size < tail || strcmp(host + size - tail, name) != 0)
		return false;
	return size == tail || host[size - tail - 1] == '.';
}

/* Where is it? Gives NULL, or why the host cannot be. */
static const char *
place_host(struct url *url, bool bracketed)
{
	struct in6_addr v6;
	struct in_addr v4;

	if (bracketed) {
		if (inet_pton(AF_INET6, url->host, &v6) != 1)
			return "what stands in brackets is no IPv6 address";
		place_v6(url, &v6);
		return NULL;
	}
	for (const char *at = url->host; *at != '\0'; at++) {
		unsigned char byte = (unsigned char)*at;

		if (byte < 0x80 && !isalnum(byte) &&
		    strchr("-._", byte) == NULL)
			return "the host name has a byte that none can have";
	}
	/* As the resolver reads them: 127.1 and 0x7f.1 are addresses too. */
	if (inet_aton(url->host, &v4) == 1) {
		place_v4(url, ntohl(v4.s_addr));
	} else if (is_local_name(url->host)) {
		url->loopback = true;
		url->private_host = true;
	}
	return NULL;
}

static char *
lower_copy(struct span text)
{
	char *copy = strndup(text.data, text.size);

	for (char *at = copy; at != NULL && *at != '\0'; at++)
		*at = (char)tolower((unsigned char)*at);
	return copy;
}

static const char *
read_scheme(struct url *url, struct span scheme)
{
	if (scheme.data == NULL)
		url->https = !url->private_host;
	else if (scheme.size == 5 && strncasecmp(scheme.data, "https", 5) == 0)
		url->https = true;
	else if (scheme.size == 4 && strncasecmp(scheme.data, "http", 4) == 0)
		url->https = false;
	else
		return "only http:// and https:// are known";
	return NULL;
}

static const char *
read_port(struct url *url, struct span text)
{
	const char *wrong = NULL;
	char digits[8];

	url->port = url->https ? 443 : 80;
	if (text.data == NULL)
		return NULL;
	if (text.size == 0 || text.size >= sizeof(digits) ||
	    !isdigit((unsigned char)text.data[0]))
		return "the port is no number from 1 to 65535";
	strlcpy(digits, text.data, text.size + 1);
	url->port = (int)strtonum(digits, 1, 65535, &wrong);
	return wrong == NULL ? NULL : "the port is no number from 1 to 65535";
}

/* Who typed where to send requests meant that place. */
static bool
lacks_v1(const struct parts *parts, const struct api *api)
{
	if (parts->typed_chat)
		return false;
	return parts->path.size == 0 ||
	       (api->wants_v1 && !ends_in(parts->path, V1_PATH));
}

/* Put the whole together again, with more behind the path. */
static char *
compose(const struct url *url, const struct parts *parts, bool lacks_v1,
    const char *more)
{
	struct buf buf;

	buf_init(&buf, 2 * URL_MAX_BYTES);
	if (url->socket != NULL) {
		buf_printf(&buf, SOCKET_MARK "%s:", url->socket);
	} else {
		buf_add_text(&buf, url->https ? "https://" : "http://");
		buf_printf(&buf, parts->bracketed ? "[%s]" : "%s", url->host);
		if (url->port != (url->https ? 443 : 80))
			buf_printf(&buf, ":%d", url->port);
	}
	buf_add(&buf, parts->path.data, parts->path.size);
	buf_add_text(&buf, lacks_v1 ? V1_PATH : "");
	buf_add_text(&buf, more);
	buf_add(&buf, parts->query.data, parts->query.size);
	if (!buf.failed)
		return buf.data;
	buf_free(&buf);
	return NULL;
}

static char *
compose_peer(const struct url *url, bool bracketed)
{
	char *peer;
	int done;

	if (url->socket != NULL)
		done = asprintf(&peer, SOCKET_MARK "%s", url->socket);
	else
		done = asprintf(&peer, bracketed ? "[%s]:%d" : "%s:%d",
		    url->host, url->port);
	return done == -1 ? NULL : peer;
}

/* Gives 0, or -1 without memory. */
static int
compose_all(struct url *url, const struct parts *parts, const struct api *api)
{
	bool lacks = lacks_v1(parts, api);

	if (parts->socket.data != NULL) {
		url->socket = strndup(parts->socket.data, parts->socket.size);
		if (url->socket == NULL)
			return -1;
	}
	url->peer = compose_peer(url, parts->bracketed);
	url->base = compose(url, parts, lacks, "");
	url->chat = compose(url, parts, lacks, api->path);
	url->models = compose(url, parts, lacks, MODELS_PATH);
	return url->peer == NULL || url->base == NULL || url->chat == NULL ||
		       url->models == NULL
		   ? -1
		   : 0;
}

int
url_read(
    struct url *url, const char *text, const struct api *api, struct err *err)
{
	struct parts parts;
	const char *why;

	*url = (struct url){.port = 0};
	why = cut(text, api, &parts);
	if (why != NULL)
		return has_bad_byte(text) || strlen(text) > URL_MAX_BYTES
			   ? err_set(
				 err, ERR_USAGE, "the URL is refused: %s", why)
			   : refuse(err, text, why);
	url->host = lower_copy(parts.host);
	if (url->host == NULL)
		goto no_memory;
	why = place_host(url, parts.bracketed);
	if (why == NULL)
		why = read_scheme(url, parts.scheme);
	if (why == NULL)
		why = read_port(url, parts.port);
	if (why != NULL) {
		url_free(url);
		return refuse(err, text, why);
	}
	if (compose_all(url, &parts, api) == -1)
		goto no_memory;
	url->openai = url_is_openai(url->chat);
	url->azure =
	    api == &api_openai && strstr(url->chat, "/deployments/") != NULL;
	return 0;

no_memory:
	url_free(url);
	return err_set_memory(err, "URL");
}

void
url_free(struct url *url)
{
	free(url->base);
	free(url->chat);
	free(url->models);
	free(url->host);
	free(url->socket);
	free(url->peer);
	*url = (struct url){.port = 0};
}

char *
url_request(const struct url *url, const char *whole)
{
	char *text;

	if (url->socket == NULL)
		return strdup(whole);
	whole += strlen(SOCKET_MARK) + strlen(url->socket) + 1;
	return asprintf(&text, "http://localhost%s", whole) == -1 ? NULL : text;
}

bool
url_is_openai(const char *url)
{
	return strncmp(url, OPENAI_BASE, strlen(OPENAI_BASE)) == 0;
}
