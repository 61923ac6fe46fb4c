/* SPDX-License-Identifier: ISC */
/*
 * Headers of the user's own. The rules are about secrets alone: where a key
 * may come from, and who else could have written it.
 */
#include "headers.h"

#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "file.h"
#include "say.h"

#define LABEL "-H, --header"
#define FILE_MAX_BYTES ((size_t)64 << 10) /* more is no list of headers */

/* Would the line carry a key? Then its name ends so, as x-api-key does. */
static bool
is_secret(const char *line)
{
	static const char *const ends[] = {
	    "Authorization", "api-key", "-token", "Cookie"};
	size_t size = strcspn(line, ": ");

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		size_t tail = strlen(ends[i]);

		if (line[size] != '\0' && size >= tail &&
		    strncasecmp(line + size - tail, ends[i], tail) == 0)
			return true;
	}
	return false;
}

static int
add_typed(struct opts *opts, const char *line, struct llmill_err *err)
{
	if (is_secret(line))
		return say_refuse(err,
		    LABEL ": all users of the machine could see what is in "
			  "%.*s; put that line into a file and give -H @FILE, "
			  "or use --key-file or --key-env",
		    (int)strcspn(line, ": "), line);
	return list_add(&opts->lines, line) < 0 ? say_no_memory(err) : 0;
}

/* A file with a key in it is judged like --key-file. */
static int
judge_mode(const char *path, mode_t mode, struct llmill_err *err)
{
	if (mode & (S_IWGRP | S_IWOTH))
		return say_refuse(err,
		    LABEL ": %s holds a key but others can write to it; "
			  "chmod 600 it",
		    path);
	if (mode & (S_IRGRP | S_IROTH))
		say_warning("%s holds a key and others can read it; "
			    "chmod 600 it",
		    path);
	return 0;
}

static int
add_file(struct opts *opts, const char *path, struct llmill_err *err)
{
	bool secret = false;
	mode_t mode;
	char *text = file_read_text(LABEL, path, FILE_MAX_BYTES, &mode, err);
	char *line;

	if (!text)
		return -1;
	if (!opts_own(opts, text, err))
		return -1;
	while ((line = strsep(&text, "\n")) != NULL) {
		size_t size = strlen(line);

		if (size > 0 && line[size - 1] == '\r')
			line[--size] = '\0';
		if (size == 0)
			continue;
		secret = secret || is_secret(line);
		if (list_add(&opts->lines, line) < 0)
			return say_no_memory(err);
	}
	return secret ? judge_mode(path, mode, err) : 0;
}

int
headers_fill(struct opts *opts, struct llmill_err *err)
{
	for (size_t i = 0; i < opts->headers.count; i++) {
		const char *item = opts->headers.items[i];
		int result = item[0] == '@' ? add_file(opts, item + 1, err)
					    : add_typed(opts, item, err);

		if (result < 0)
			return -1;
	}
	return 0;
}
