/* SPDX-License-Identifier: ISC */
/*
 * What "@FILE" stands for. The cap comes before the memory: /dev/zero ends as
 * one sentence.
 */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "say.h"

#define FIRST_ROOM 4096 /* bytes; doubles up to the cap */

struct content {
	char *data;
	size_t size;
	size_t room;
};

/* Make room for one more byte than there is, up to the cap and one beyond. */
static int
content_grow(struct content *content, size_t cap_bytes)
{
	size_t room = content->room ? content->room * 2 : FIRST_ROOM;
	char *grown;

	if (content->size + 1 < content->room)
		return 0;
	if (room > cap_bytes + 2)
		room = cap_bytes + 2;
	grown = realloc(content->data, room);
	if (!grown)
		return -1;
	content->data = grown;
	content->room = room;
	return 0;
}

/* Read to the end, or to one byte over the cap. Gives 0, -1 with errno. */
static int
content_read(struct content *content, int fd, size_t cap_bytes)
{
	while (content->size <= cap_bytes) {
		ssize_t got;

		if (content_grow(content, cap_bytes) < 0)
			return -1;
		got = read(fd, content->data + content->size,
		    content->room - content->size - 1);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		content->size += (size_t)got;
		content->data[content->size] = '\0';
		if (got == 0)
			return 0;
	}
	errno = EFBIG;
	return -1;
}

static mode_t
file_mode(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? st.st_mode : 0;
}

char *
file_read_text(const char *label, const char *path, size_t cap_bytes,
    mode_t *mode, struct llmill_err *err)
{
	struct content content = {0};
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		say_refuse(err, "%s: cannot read %s: %s", label, path,
		    strerror(errno));
		return NULL;
	}
	if (mode)
		*mode = file_mode(fd);
	if (content_read(&content, fd, cap_bytes) < 0) {
		if (errno == EFBIG)
			say_refuse(err, "%s: %s is longer than %zu bytes",
			    label, path, cap_bytes);
		else
			say_refuse(err, "%s: cannot read %s: %s", label, path,
			    strerror(errno));
		goto fail;
	}
	if (strlen(content.data) != content.size) {
		say_refuse(err, "%s: %s holds a NUL byte, so it is no text",
		    label, path);
		goto fail;
	}
	close(fd);
	return content.data;
fail:
	close(fd);
	free(content.data);
	return NULL;
}
