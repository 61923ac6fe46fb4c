/* SPDX-License-Identifier: ISC */
/*
 * A line at a time. A line that lies whole in what was fed is read where it
 * lies; only what is cut off by the end of the bytes is copied.
 */
#include "chat/sse.h"

#include <string.h>

static const char bom[] = "\xef\xbb\xbf";

void
sse_init(struct sse *sse, size_t cap_bytes)
{
	*sse = (struct sse){.begun = false};
	buf_init(&sse->line, cap_bytes);
	buf_init(&sse->data, cap_bytes);
	buf_init(&sse->name, cap_bytes);
}

void
sse_clear(struct sse *sse)
{
	buf_clear(&sse->line);
	buf_clear(&sse->data);
	buf_clear(&sse->name);
	sse->begun = false;
	sse->after_cr = false;
	sse->has_data = false;
}

void
sse_free(struct sse *sse)
{
	buf_free(&sse->line);
	buf_free(&sse->data);
	buf_free(&sse->name);
}

static bool
has_failed(const struct sse *sse)
{
	return sse->line.failed || sse->data.failed || sse->name.failed;
}

static void
dispatch(struct sse *sse, sse_take *take, void *arg)
{
	const struct sse_event event = {
	    .name = buf_span(&sse->name), .data = buf_span(&sse->data)};

	if (sse->has_data)
		take(arg, &event);
	buf_clear(&sse->data);
	buf_clear(&sse->name);
	sse->has_data = false;
}

static bool
is_field(struct span field, const char *name)
{
	return span_equals(field, span_of(name));
}

static void
add_data(struct sse *sse, struct span value)
{
	if (sse->has_data)
		buf_add_byte(&sse->data, '\n');
	buf_add(&sse->data, value.data, value.size);
	sse->has_data = true;
}

static void
take_line(struct sse *sse, struct span line, sse_take *take, void *arg)
{
	const char *colon;
	struct span field = line;
	struct span value = {"", 0};

	if (!sse->begun && line.size >= strlen(bom) &&
	    memcmp(line.data, bom, strlen(bom)) == 0) {
		line.data += strlen(bom);
		line.size -= strlen(bom);
		field = line;
	}
	sse->begun = true;
	if (line.size == 0) {
		dispatch(sse, take, arg);
		return;
	}
	colon = memchr(line.data, ':', line.size);
	if (colon != NULL) {
		field.size = (size_t)(colon - line.data);
		value.data = colon + 1;
		value.size = line.size - field.size - 1;
		if (value.size > 0 && value.data[0] == ' ') {
			value.data++;
			value.size--;
		}
	}
	if (is_field(field, "data")) {
		add_data(sse, value);
	} else if (is_field(field, "event")) {
		buf_clear(&sse->name);
		buf_add(&sse->name, value.data, value.size);
	} else if (is_field(field, "error")) {
		const struct sse_event event = {.name = field, .data = value};

		take(arg, &event);
	}
}

/* Where does the line at hand end? NULL: not in these bytes. */
static const char *
find_end(struct span bytes)
{
	const char *lf = memchr(bytes.data, '\n', bytes.size);
	const char *cr = memchr(bytes.data, '\r',
	    lf != NULL ? (size_t)(lf - bytes.data) : bytes.size);

	return cr != NULL ? cr : lf;
}

int
sse_feed(struct sse *sse, struct span bytes, sse_take *take, void *arg)
{
	while (bytes.size > 0 && !has_failed(sse)) {
		const char *end;
		size_t size;

		if (sse->after_cr && bytes.data[0] == '\n') {
			bytes.data++;
			bytes.size--;
			sse->after_cr = false;
			continue;
		}
		sse->after_cr = false;
		end = find_end(bytes);
		size = end != NULL ? (size_t)(end - bytes.data) : bytes.size;
		if (end == NULL || sse->line.size > 0)
			buf_add(&sse->line, bytes.data, size);
		if (end == NULL || has_failed(sse))
			break;
		take_line(sse,
		    sse->line.size > 0 ? buf_span(&sse->line)
				       : (struct span){bytes.data, size},
		    take, arg);
		buf_clear(&sse->line);
		sse->after_cr = *end == '\r';
		bytes.data += size + 1;
		bytes.size -= size + 1;
	}
	return has_failed(sse) ? -1 : 0;
}

int
sse_end(struct sse *sse, sse_take *take, void *arg)
{
	if (has_failed(sse))
		return -1;
	if (sse->line.size > 0)
		take_line(sse, buf_span(&sse->line), take, arg);
	buf_clear(&sse->line);
	dispatch(sse, take, arg);
	return has_failed(sse) ? -1 : 0;
}
