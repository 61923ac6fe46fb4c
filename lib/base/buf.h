/* SPDX-License-Identifier: ISC */
#ifndef BUF_H
#define BUF_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Bytes that are lent: pointer plus length, not NUL-terminated, may hold any
 * byte. {NULL, 0} is "none"; a pointer with size 0 is "empty".
 */
struct span {
	const char *data;
	size_t size;
};

/*
 * A growing row of bytes with a mandatory cap. data[size] is always a NUL
 * that is not counted (when data is not NULL). A failed addition (over the
 * cap, no memory) adds nothing, and failed stays true until buf_clear: many
 * additions need one check.
 */
struct buf {
	char *data;
	size_t size; /* bytes in use */
	size_t room; /* bytes allocated */
	size_t cap;  /* bytes that size may never exceed */
	bool failed;
};

void buf_init(struct buf *buf, size_t cap_bytes);
void buf_free(struct buf *buf);

/* Forget the content and the failure, keep the memory. */
void buf_clear(struct buf *buf);

/* Append. Gives 0, or -1 with failed set. */
int buf_add(struct buf *buf, const void *data, size_t size);
int buf_add_text(struct buf *buf, const char *text);
int buf_add_byte(struct buf *buf, char byte);
int buf_printf(struct buf *buf, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Make room for size more bytes behind the content.
 * Gives where they go, or NULL with failed set. buf_grow counts them in.
 */
char *buf_reserve(struct buf *buf, size_t size);
void buf_grow(struct buf *buf, size_t size);

/* Drop size bytes from the front. Cost: linear in what remains. */
void buf_drop(struct buf *buf, size_t size);

struct span buf_span(const struct buf *buf); /* never none, maybe empty */
struct span span_of(const char *text);	     /* NULL gives none */
bool span_equals(struct span a, struct span b);

#endif
