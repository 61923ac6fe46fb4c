/* SPDX-License-Identifier: ISC */
#ifndef URL_H
#define URL_H

#include <stdbool.h>

struct api;
struct err;

#define URL_MAX_BYTES 8192	 /* more than any server takes */
#define URL_SOCKET_MAX_BYTES 107 /* sun_path of Linux, less a NUL */

/*
 * What people type as a base URL → the one that is called. Pure.
 */
struct url {
	char *base;   /* "http://127.0.0.1:8000/v1", no trailing slash; a query
			 ("?api-version=…") stays at its end */
	char *chat;   /* base + the API's path, before the query */
	char *models; /* base + "/models", likewise */
	char *host;   /* lower case, IPv6 without brackets */
	int port;     /* 1 … 65535 */
	char *socket; /* path of a Unix socket; NULL: TCP. Its host is
			 localhost, its base "unix:/run/llm.sock:/v1" */
	char *peer;   /* "127.0.0.1:8000", "unix:/run/llm.sock": for errors */
	bool https;
	bool loopback;	   /* this machine: no proxy is ever asked */
	bool private_host; /* loopback or private address */
	bool openai;	   /* api.openai.com */
	bool azure;	   /* OpenAI's API at …/deployments/NAME: the key goes
			      as api-key */
};

/*
 * Apply the rules: no scheme → http for loopback and private addresses, else
 * https; no path → /v1 (where the API wants that, no /v1 at the end of a path
 * as well); trailing slashes and the API's path dropped. A Unix socket is
 * written as nginx does, unix:/run/llm.sock or unix:/run/llm.sock:/base, or
 * with two more slashes as docker does; it is http on this machine.
 * Reading chat again gives the same url. (So does reading base, but where
 * somebody typed HOST/chat/completions because the server has no /v1.)
 * Fails ERR_USAGE: userinfo (never echoed), other schemes, control bytes,
 * blanks, a fragment, no host, a bad port, over URL_MAX_BYTES, a socket's
 * path that is relative or over URL_SOCKET_MAX_BYTES; ERR_MEMORY.
 */
int url_read(
    struct url *url, const char *text, const struct api *api, struct err *err);
void url_free(struct url *url);

/* Gives how url->chat or url->models is asked for, which is the same but for a
 * socket: "http://localhost/v1/models". The caller frees it; NULL without
 * memory. */
char *url_request(const struct url *url, const char *whole);

/* Does a URL as url_read gives it lead to api.openai.com? */
bool url_is_openai(const char *url);

#endif
