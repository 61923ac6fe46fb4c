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

/* What names end in whose values are keys: Proxy-Authorization, x-api-key … */
static const char *const secret_ends[] = {
    "Authorization",
    "api-key",
    "-token",
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
	size_t size = strcspn(name, ":");

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
	size_t size = strcspn(line, ":");

	for (size_t i = 0; i < COUNT(secret_ends); i++) {
		size_t tail = strlen(secret_ends[i]);

		if (size >= tail &&
		    strncasecmp(line + size - tail, secret_ends[i], tail) == 0)
			return true;
	}
	return false;
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

static size_t
redact_span(const char *value, size_t value_size, char *text, size_t size)
{
	const struct secret secret = {
	    .text = (char *)value, /* it is only read */
	    .size = value_size,
	};

	return secret_redact(&secret, text, size);
}

/* Strike out one value whole, what follows each blank of it, as the key in
 * "Bearer KEY", and each part alone, as the key in "session=KEY; lang=C". */
static size_t
redact_value(const char *value, char *text, size_t size)
{
	static const char marks[] = " ;,=";
	const char *rest;

	for (rest = value; rest != NULL; rest = strchr(rest, ' ')) {
		rest += strspn(rest, " ");
		size = redact_span(rest, strlen(rest), text, size);
	}
	for (rest = value; *rest != '\0'; rest += strcspn(rest, marks)) {
		rest += strspn(rest, marks);
		size = redact_span(rest, strcspn(rest, marks), text, size);
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
