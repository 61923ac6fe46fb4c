/* SPDX-License-Identifier: ISC */
/*
 * Text for people: what may reach a terminal, how wide it is there, and how
 * durations and counts are written. Everything steps through UTF-8 with
 * text_decode and asks no locale.
 */
#include "base/text.h"

#include <stdio.h>
#include <string.h>

#include "base/must.h"
#include "base/width.h"

#define TEXT_MORE "…"
#define TEXT_MS ((int64_t)1000000)

/* Characters that turn or break the line they stand in. */
static bool
turns_line(uint32_t code)
{
	return code == 0x061C || code == 0x200E || code == 0x200F ||
	       (code >= 0x2028 && code <= 0x202E) ||
	       (code >= 0x2066 && code <= 0x2069);
}

static struct span
span_from(struct span text, size_t at)
{
	return (struct span){text.data + at, text.size - at};
}

size_t
text_decode(struct span text, uint32_t *code)
{
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	const unsigned char *bytes = (const unsigned char *)text.data;
	size_t size;

	if (text.size == 0)
		return 0;
	*code = bytes[0];
	if (bytes[0] < 0x80)
		return 1;
	if (bytes[0] < 0xC2 || bytes[0] > 0xF4)
		return 0;
	size = bytes[0] < 0xE0 ? 2 : bytes[0] < 0xF0 ? 3 : 4;
	if (size > text.size)
		return 0;
	*code = bytes[0] & (0x7Fu >> size);
	for (size_t i = 1; i < size; i++) {
		if ((bytes[i] & 0xC0) != 0x80)
			return 0;
		*code = *code << 6 | (bytes[i] & 0x3Fu);
	}
	if (*code < smallest[size] || *code > 0x10FFFF ||
	    (*code >= 0xD800 && *code <= 0xDFFF))
		return 0;
	return size;
}

void
text_encode(struct buf *buf, uint32_t code)
{
	char bytes[4];
	size_t size;

	if (code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF))
		code = 0xFFFD;
	if (code < 0x80) {
		buf_add_byte(buf, (char)code);
		return;
	}
	size = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
	for (size_t i = size; i-- > 1; code >>= 6)
		bytes[i] = (char)(0x80 | (code & 0x3F));
	bytes[0] = (char)((0xF00u >> size & 0xF0) | code);
	buf_add(buf, bytes, size);
}

bool
text_is_utf8(struct span text, size_t *bad)
{
	size_t at = 0;

	while (at < text.size) {
		uint64_t eight;
		uint32_t code;
		size_t size;

		/* Most text is ASCII: eight bytes a step. */
		if (text.size - at >= sizeof(eight)) {
			memcpy(&eight, text.data + at, sizeof(eight));
			if ((eight & UINT64_C(0x8080808080808080)) == 0) {
				at += sizeof(eight);
				continue;
			}
		}
		size = text_decode(span_from(text, at), &code);
		if (size == 0) {
			if (bad != NULL)
				*bad = at;
			return false;
		}
		at += size;
	}
	return true;
}

static bool
is_unsafe(size_t size, uint32_t code)
{
	return size == 0 || code < 0x20 || (code >= 0x7F && code < 0xA0) ||
	       turns_line(code);
}

static void
escape_one(struct buf *buf, size_t size, uint32_t code)
{
	switch (code) {
	case '\n':
		buf_add_text(buf, "\\n");
		break;
	case '\r':
		buf_add_text(buf, "\\r");
		break;
	case '\t':
		buf_add_text(buf, "\\t");
		break;
	default:
		buf_printf(buf, size > 1 ? "\\u{%04X}" : "\\x%02X", code);
	}
}

void
text_escape(struct buf *buf, struct span text, size_t max)
{
	size_t at = 0;
	size_t safe = 0; /* from here on nothing has been added yet */

	while (at < text.size) {
		uint32_t code = 0;
		size_t size = text_decode(span_from(text, at), &code);
		size_t step = size == 0 ? 1 : size;

		if (max > 0 && at + step > max)
			break;
		if (is_unsafe(size, code)) {
			buf_add(buf, text.data + safe, at - safe);
			if (size == 0)
				code = (unsigned char)text.data[at];
			escape_one(buf, size, code);
			safe = at + step;
		}
		at += step;
	}
	buf_add(buf, text.data + safe, at - safe);
	if (at < text.size)
		buf_add_text(buf, TEXT_MORE);
}

static bool
is_blank(char byte)
{
	return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

void
text_one_line(struct buf *buf, struct span text, size_t max)
{
	size_t used = 0;
	bool blank = false;

	for (size_t at = 0; at < text.size;) {
		uint32_t code;
		size_t step = text_decode(span_from(text, at), &code);

		if (step == 0)
			step = 1;
		if (is_blank(text.data[at])) {
			blank = used > 0;
			at++;
			continue;
		}
		if (max > 0 && used + blank + step > max) {
			buf_add_text(buf, TEXT_MORE);
			return;
		}
		if (blank)
			buf_add_byte(buf, ' ');
		buf_add(buf, text.data + at, step);
		used += blank + step;
		blank = false;
		at += step;
	}
}

/* Gives the bytes of the character at the front of a text that is not empty,
 * and its columns. */
static size_t
measure(struct span text, size_t *columns)
{
	uint32_t code;
	size_t size = text_decode(text, &code);

	*columns = size == 0 ? 1 : width_of(code);
	return size == 0 ? 1 : size;
}

size_t
text_columns(struct span text)
{
	size_t sum = 0;
	size_t columns;

	for (size_t at = 0; at < text.size; sum += columns)
		at += measure(span_from(text, at), &columns);
	return sum;
}

struct span
text_fit(struct span text, size_t columns)
{
	size_t at = 0;

	while (at < text.size) {
		size_t width;
		size_t size = measure(span_from(text, at), &width);

		if (width > columns)
			break;
		columns -= width;
		at += size;
	}
	return (struct span){text.data, at};
}

const char *
text_duration(int64_t duration_ns, char *out, size_t size)
{
	int64_t ms = duration_ns <= 0
			 ? 0
			 : duration_ns / TEXT_MS +
			       (duration_ns % TEXT_MS >= TEXT_MS / 2);
	int64_t tenths = ms / 100 + (ms % 100 >= 50);
	int64_t seconds = ms / 1000 + (ms % 1000 >= 500);
	int64_t minutes = seconds / 60 + (seconds % 60 >= 30);
	int used;

	if (ms < 1000)
		used = snprintf(out, size, "%d ms", (int)ms);
	else if (tenths < 600)
		used = snprintf(out, size, "%d.%d s", (int)(tenths / 10),
		    (int)(tenths % 10));
	else if (seconds < 3600)
		used = snprintf(out, size, "%d m %d s", (int)(seconds / 60),
		    (int)(seconds % 60));
	else
		used = snprintf(out, size, "%d h %d m", (int)(minutes / 60),
		    (int)(minutes % 60));
	MUST(used > 0 && (size_t)used < size);
	return out;
}

const char *
text_count(uint64_t count, char *out, size_t size)
{
	char digits[24];
	size_t length =
	    (size_t)snprintf(digits, sizeof(digits), "%ju", (uintmax_t)count);
	size_t used = 0;

	MUST(length + (length - 1) / 3 < size);
	for (size_t i = 0; i < length; i++) {
		if (i > 0 && (length - i) % 3 == 0)
			out[used++] = ',';
		out[used++] = digits[i];
	}
	out[used] = '\0';
	return out;
}

const char *
text_size(uint64_t bytes, char *out, size_t size)
{
	static const char *const units[] = {"kB", "MB", "GB"};
	double value = (double)bytes / 1000;
	size_t unit = 0;
	int used;

	while (unit < 2 && value >= 999.5) {
		value /= 1000;
		unit++;
	}
	if (bytes < 1000)
		used = snprintf(out, size, "%u byte%s", (unsigned)bytes,
		    bytes == 1 ? "" : "s");
	else
		used = snprintf(out, size, "%.*f %s", value < 9.95 ? 1 : 0,
		    value, units[unit]);
	MUST(used > 0 && (size_t)used < size);
	return out;
}

void
text_quote_shell(struct buf *buf, const char *word)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyz"
				   "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789_@%+=:,./-";

	if (word[0] != '\0' && word[strspn(word, safe)] == '\0') {
		buf_add_text(buf, word);
		return;
	}
	buf_add_byte(buf, '\'');
	for (; *word != '\0'; word++) {
		if (*word == '\'')
			buf_add_text(buf, "'\\''");
		else
			buf_add_byte(buf, *word);
	}
	buf_add_byte(buf, '\'');
}

void
text_base64(struct buf *buf, struct span bytes)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t at = 0; at < bytes.size; at += 3) {
		size_t left = bytes.size - at < 3 ? bytes.size - at : 3;
		uint32_t bits = 0;

		for (size_t i = 0; i < 3; i++)
			bits = bits << 8 |
			       (i < left ? (uint8_t)bytes.data[at + i] : 0U);
		for (size_t i = 0; i < 4; i++)
			buf_add_byte(buf,
			    i > left ? '=' : digits[bits >> (18 - 6 * i) & 63]);
	}
}

struct span
text_trim(struct span text)
{
	while (text.size > 0 && is_blank(text.data[0])) {
		text.data++;
		text.size--;
	}
	while (text.size > 0 && is_blank(text.data[text.size - 1]))
		text.size--;
	return text;
}
