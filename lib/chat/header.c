/* SPDX-License-Identifier: ISC */
/*
 * Header lines of users. libcurl sends what it is given, a CR LF inside a
 * value too, so what goes out is judged here, before anything is started.
 */
#include "chat/header.h"

#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/secret.h"

/* Names whose values are keys. */
static const char *const secret_names[] = {
    "Authorization",
    "Proxy-Authorization",
    "api-key",
    "x-api-key",
    "Cookie",
};

/* The message falls apart when these are not our own. */
static const char *const framing_names[] = {
    "Content-Length",
    "Transfer-Encoding",
    "Connection",
    "Expect",
};

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static bool
is_named(const char *line, const char *name)
{
	size_t size = strlen(name);

	return strncasecmp(line, name, size) == 0 && line[size] == ':';
}

static bool
is_one_of(const char *line, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (is_named(line, names[i]))
			return true;
	}
	return false;
}

static bool
is_secret(const char *line)
{
	return is_one_of(line, secret_names, COUNT(secret_names));
}

bool
header_has_control(const char *text)
{
	for (; text != NULL && *text != '\0'; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return true;
	}
	return false;
}

int
header_check(const char *line, size_t number, struct err *err)
{
	/* RFC 9110 §5.6.2 */
	static const char token[] = "!#$%&'*+-.^_`|~0123456789"
				    "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	size_t size = strspn(line, token);

	if (size == 0 || line[size] != ':')
		return err_set(err, ERR_USAGE,
		    "-H: header %zu is not of the form \"Name: value\"",
		    number);
	if (header_has_control(line))
		return err_set(err, ERR_USAGE,
		    "-H: header %.*s holds a control byte", (int)size, line);
	if (is_one_of(line, framing_names, COUNT(framing_names)))
		return err_set(err, ERR_USAGE,
		    "-H: header %.*s cannot be set: HTTP itself needs it",
		    (int)size, line);
	return 0;
}

bool
header_has(const char *const *lines, const char *name)
{
	for (; lines != NULL && *lines != NULL; lines++) {
		if (is_named(*lines, name))
			return true;
	}
	return false;
}

bool
header_has_secret(const char *const *lines)
{
	for (; lines != NULL && *lines != NULL; lines++) {
		if (is_secret(*lines))
			return true;
	}
	return false;
}

/* Strike out one value, and of "Bearer KEY" the key alone too. */
static size_t
redact_value(const char *value, char *text, size_t size)
{
	while (value != NULL) {
		struct secret secret;

		value += strspn(value, " ");
		secret.text = (char *)value; /* it is only read */
		secret.size = strlen(value);
		size = secret_redact(&secret, text, size);
		value = strchr(value, ' ');
	}
	return size;
}

size_t
header_redact(const char *const *lines, char *text, size_t size)
{
	for (; lines != NULL && *lines != NULL; lines++) {
		if (is_secret(*lines))
			size =
			    redact_value(strchr(*lines, ':') + 1, text, size);
	}
	return size;
}
