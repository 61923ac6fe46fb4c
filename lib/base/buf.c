/* SPDX-License-Identifier: ISC */
/*
 * Growing bytes. Growth doubles, so that a row of small additions stays
 * linear, but never passes the cap; one byte more than the cap is allocated
 * for the closing NUL.
 */
#include "base/buf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"

#define BUF_FIRST_BYTES 64

void
buf_init(struct buf *buf, size_t cap_bytes)
{
	MUST(cap_bytes < SIZE_MAX / 2);
	*buf = (struct buf){.cap = cap_bytes};
}

void
buf_free(struct buf *buf)
{
	free(buf->data);
	buf_init(buf, buf->cap);
}

void
buf_clear(struct buf *buf)
{
	buf->size = 0;
	buf->failed = false;
	if (buf->data != NULL)
		buf->data[0] = '\0';
}

char *
buf_reserve(struct buf *buf, size_t size)
{
	size_t room;
	char *data;

	if (buf->failed || size > buf->cap - buf->size) {
		buf->failed = true;
		return NULL;
	}
	if (buf->size + size < buf->room)
		return buf->data + buf->size;
	room = buf->room < BUF_FIRST_BYTES ? BUF_FIRST_BYTES : buf->room * 2;
	if (room < buf->size + size + 1)
		room = buf->size + size + 1;
	if (room > buf->cap + 1)
		room = buf->cap + 1;
	data = realloc(buf->data, room);
	if (data == NULL) {
		buf->failed = true;
		return NULL;
	}
	buf->data = data;
	buf->room = room;
	buf->data[buf->size] = '\0';
	return buf->data + buf->size;
}

void
buf_grow(struct buf *buf, size_t size)
{
	if (size == 0)
		return;
	MUST(size < buf->room - buf->size);
	buf->size += size;
	buf->data[buf->size] = '\0';
}

int
buf_add(struct buf *buf, const void *data, size_t size)
{
	char *place = buf_reserve(buf, size);

	if (place == NULL)
		return -1;
	if (size > 0)
		memcpy(place, data, size);
	buf_grow(buf, size);
	return 0;
}

int
buf_add_text(struct buf *buf, const char *text)
{
	return buf_add(buf, text, strlen(text));
}

int
buf_add_byte(struct buf *buf, char byte)
{
	return buf_add(buf, &byte, 1);
}

int
buf_printf(struct buf *buf, const char *format, ...)
{
	va_list args;
	char *place;
	int size;

	va_start(args, format);
	size = vsnprintf(NULL, 0, format, args);
	va_end(args);
	place = size < 0 ? NULL : buf_reserve(buf, (size_t)size);
	if (place == NULL) {
		buf->failed = true;
		return -1;
	}
	va_start(args, format);
	vsnprintf(place, (size_t)size + 1, format, args);
	va_end(args);
	buf_grow(buf, (size_t)size);
	return 0;
}

void
buf_drop(struct buf *buf, size_t size)
{
	MUST(size <= buf->size);
	if (size == 0)
		return;
	memmove(buf->data, buf->data + size, buf->size - size + 1);
	buf->size -= size;
}

struct span
buf_span(const struct buf *buf)
{
	return (struct span){buf->data == NULL ? "" : buf->data, buf->size};
}

struct span
span_of(const char *text)
{
	return (struct span){text, text == NULL ? 0 : strlen(text)};
}

bool
span_equals(struct span a, struct span b)
{
	if (a.size != b.size || (a.data == NULL) != (b.data == NULL))
		return false;
	return a.size == 0 || memcmp(a.data, b.data, a.size) == 0;
}
