/* SPDX-License-Identifier: ISC */
/*
 * Where keys live. Every copy is made here and overwritten here; what the
 * sentences of this room name is where a key came from, never the key.
 */
#include "base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/text.h"

#define SECRET_MARK "[key]"

/* Pipes have no owner worth asking; a file that others can change is not
 * ours. */
static int
check_file(int fd, const char *path, struct err *err)
{
	struct stat now;

	if (fstat(fd, &now) == -1)
		return err_set_errno(err, "cannot read key file %s", path);
	if (S_ISDIR(now.st_mode))
		return err_set(
		    err, ERR_USAGE, "key file %s is a directory", path);
	if (!S_ISREG(now.st_mode))
		return 0;
	if (now.st_mode & (S_IWGRP | S_IWOTH))
		return err_set(err, ERR_USAGE,
		    "key file %s can be written by others: chmod go-w it",
		    path);
	if (now.st_mode & (S_IRGRP | S_IROTH))
		log_say(LOG_WARN,
		    "key file %s can be read by others: chmod go-r it", path);
	return 0;
}

/* A key as it was pasted: blanks and line ends around it are not part of
 * it. */
static int
keep(struct secret *secret, struct span text, const char *kind,
    const char *named, struct err *err)
{
	if (text.size == 0)
		return err_set(err, ERR_USAGE, "%s%s is empty", kind, named);
	for (size_t i = 0; i < text.size; i++) {
		unsigned char byte = (unsigned char)text.data[i];

		if (byte < 0x20 || byte == 0x7F)
			return err_set(err, ERR_USAGE,
			    "%s%s holds %s: a key is one line of text", kind,
			    named,
			    byte == '\n' ? "more than one line"
					 : "control characters");
	}
	secret->text = malloc(text.size + 1);
	if (secret->text == NULL)
		return err_set_memory(err, "key");
	memcpy(secret->text, text.data, text.size);
	secret->text[text.size] = '\0';
	secret->size = text.size;
	return 0;
}

/* Read all of it into a buffer that never moves, so that no copy stays behind
 * in freed memory. */
static int
read_whole(int fd, const char *path, struct buf *content, struct err *err)
{
	if (buf_reserve(content, SECRET_MAX_BYTES) == NULL)
		return err_set_memory(err, "key");
	if (fd_read_all(fd, content) == 0)
		return 0;
	if (errno == EFBIG)
		return err_set(err, ERR_USAGE,
		    "key file %s is larger than %d bytes", path,
		    SECRET_MAX_BYTES);
	err_set_errno(err, "cannot read key file %s", path);
	if (err != NULL)
		err->class = ERR_USAGE;
	return -1;
}

int
secret_read_file(struct secret *secret, const char *path, struct err *err)
{
	struct buf content;
	int status = -1;
	int fd;

	*secret = (struct secret){0};
	buf_init(&content, SECRET_MAX_BYTES);
	fd = open(path, O_RDONLY | O_NOCTTY | O_CLOEXEC);
	if (fd == -1) {
		err_set_errno(err, "cannot read key file %s", path);
		if (err != NULL)
			err->class = ERR_USAGE;
	} else if (check_file(fd, path, err) == 0 &&
		   read_whole(fd, path, &content, err) == 0) {
		status = keep(secret, text_trim(buf_span(&content)),
		    "key file ", path, err);
	}
	fd_close(&fd);
	if (content.data != NULL)
		explicit_bzero(content.data, content.room);
	buf_free(&content);
	return status;
}

int
secret_set(
    struct secret *secret, const char *text, const char *named, struct err *err)
{
	*secret = (struct secret){0};
	return keep(secret, text_trim(span_of(text)), "", named, err);
}

void
secret_free(struct secret *secret)
{
	if (secret->text != NULL)
		explicit_bzero(secret->text, secret->size);
	free(secret->text);
	*secret = (struct secret){0};
}

size_t
secret_redact(const struct secret *secret, char *text, size_t size)
{
	const size_t mark_size = sizeof(SECRET_MARK) - 1;
	size_t kept = 0; /* bytes in front that are done */
	size_t at = 0;	 /* bytes looked at */

	if (secret->text == NULL || secret->size < SECRET_REDACT_MIN)
		return size;
	while (at < size) {
		const char *found =
		    memmem(text + at, size - at, secret->text, secret->size);
		size_t clean =
		    found == NULL ? size - at : (size_t)(found - (text + at));

		memmove(text + kept, text + at, clean);
		kept += clean;
		at += clean;
		if (found != NULL) {
			memcpy(text + kept, SECRET_MARK, mark_size);
			kept += mark_size;
			at += secret->size;
		}
	}
	return kept;
}

void
secret_guard_process(void)
{
	const struct rlimit none = {0, 0};

	/* Neither can fail for a process's own self and a lower limit. */
	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}
