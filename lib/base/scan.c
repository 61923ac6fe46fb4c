/* SPDX-License-Identifier: ISC */
/*
 * The JSON library is generous even when strict: it takes NaN, 007, -01, "1."
 * and control bytes inside strings. What goes out again byte for byte must be
 * right by the letter, so it is judged here. Two rules keep it simple: the
 * text is checked for UTF-8 as a whole, and every step leaves at where it
 * stopped.
 */
#include "base/scan.h"

#include <stdint.h>
#include <string.h>

#include "base/must.h"
#include "base/text.h"

#define SCAN_BOM "\xEF\xBB\xBF"

void
scan_init(struct scan *scan, struct span text)
{
	*scan = (struct scan){.text = text};
	if (text.size >= 3 && memcmp(text.data, SCAN_BOM, 3) == 0)
		scan->at = 3;
}

static bool
wrong(struct scan *scan, const char *reason)
{
	scan->reason = reason;
	return false;
}

/* Gives the next byte, or -1 at the end. */
static int
peek(const struct scan *scan)
{
	if (scan->at == scan->text.size)
		return -1;
	return (unsigned char)scan->text.data[scan->at];
}

void
scan_blanks(struct scan *scan)
{
	int byte = peek(scan);

	while (byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t') {
		scan->at++;
		byte = peek(scan);
	}
}

bool
scan_byte(struct scan *scan, char byte)
{
	if (peek(scan) != (unsigned char)byte)
		return false;
	scan->at++;
	return true;
}

static int
hex_value(int byte)
{
	if (byte >= '0' && byte <= '9')
		return byte - '0';
	if (byte >= 'a' && byte <= 'f')
		return byte - 'a' + 10;
	if (byte >= 'A' && byte <= 'F')
		return byte - 'A' + 10;
	return -1;
}

/* Behind the backslash. */
static bool
scan_escape(struct scan *scan)
{
	int byte = peek(scan);

	if (byte <= 0 || strchr("\"\\/bfnrtu", byte) == NULL)
		return wrong(scan, "no such escape in a string");
	scan->at++;
	for (int i = 0; byte == 'u' && i < 4; i++) {
		if (hex_value(peek(scan)) < 0)
			return wrong(scan, "four hex digits expected");
		scan->at++;
	}
	return true;
}

bool
scan_string(struct scan *scan)
{
	if (!scan_byte(scan, '"'))
		return wrong(scan, "a string expected");
	for (;;) {
		int byte = peek(scan);

		if (byte == -1)
			return wrong(scan, "a string is not closed");
		if (byte < 0x20)
			return wrong(scan, "a control character in a string");
		scan->at++;
		if (byte == '"')
			return true;
		if (byte == '\\' && !scan_escape(scan))
			return false;
	}
}

static bool
scan_digits(struct scan *scan)
{
	size_t first = scan->at;

	while (peek(scan) >= '0' && peek(scan) <= '9')
		scan->at++;
	return scan->at > first || wrong(scan, "a digit expected");
}

static bool
scan_number(struct scan *scan)
{
	scan_byte(scan, '-');
	if (!scan_byte(scan, '0') && !scan_digits(scan))
		return false;
	if (scan_byte(scan, '.') && !scan_digits(scan))
		return false;
	if (scan_byte(scan, 'e') || scan_byte(scan, 'E')) {
		if (!scan_byte(scan, '+'))
			scan_byte(scan, '-');
		return scan_digits(scan);
	}
	return true;
}

static bool
scan_word(struct scan *scan, const char *word)
{
	size_t size = strlen(word);

	if (scan->text.size - scan->at < size ||
	    memcmp(scan->text.data + scan->at, word, size) != 0)
		return wrong(scan, "a value expected");
	scan->at += size;
	return true;
}

/* Behind the opening bracket of an object (keyed) or an array. */
static bool
scan_members(struct scan *scan, bool keyed, unsigned depth)
{
	const char close = keyed ? '}' : ']';

	if (depth >= SCAN_DEPTH_MAX)
		return wrong(scan, "nested too deep");
	scan_blanks(scan);
	if (scan_byte(scan, close))
		return true;
	do {
		scan_blanks(scan);
		if (keyed) {
			if (!scan_string(scan))
				return false;
			scan_blanks(scan);
			if (!scan_byte(scan, ':'))
				return wrong(scan, "':' expected");
		}
		if (!scan_value(scan, depth + 1))
			return false;
		scan_blanks(scan);
	} while (scan_byte(scan, ','));
	if (!scan_byte(scan, close))
		return wrong(scan,
		    keyed ? "',' or '}' expected" : "',' or ']' expected");
	return true;
}

bool
scan_value(struct scan *scan, unsigned depth)
{
	scan_blanks(scan);
	switch (peek(scan)) {
	case '{':
		scan->at++;
		return scan_members(scan, true, depth);
	case '[':
		scan->at++;
		return scan_members(scan, false, depth);
	case '"':
		return scan_string(scan);
	case 't':
		return scan_word(scan, "true");
	case 'f':
		return scan_word(scan, "false");
	case 'n':
		return scan_word(scan, "null");
	case '-':
	case '0' ... '9':
		return scan_number(scan);
	case -1:
		return wrong(scan, "the text ends too early");
	default:
		return wrong(scan, "a value expected");
	}
}

bool
scan_whole(struct span text, size_t *at, const char **reason)
{
	struct scan scan;
	size_t bad;

	scan_init(&scan, text);
	if (!text_is_utf8(text, &bad)) {
		scan.at = bad;
		wrong(&scan, "bytes that are not UTF-8");
	} else if (scan_value(&scan, 0)) {
		scan_blanks(&scan);
		if (scan.at < text.size)
			wrong(&scan, "something behind the value");
	}
	*at = scan.at;
	*reason = scan.reason;
	return scan.reason == NULL;
}

static uint32_t
decode_hex(const char *digits)
{
	uint32_t code = 0;

	for (int i = 0; i < 4; i++)
		code =
		    code << 4 | (uint32_t)hex_value((unsigned char)digits[i]);
	return code;
}

/* Append the character of \uXXXX, or of a pair of them. Gives the bytes that
 * stand behind the 'u' and belong to it. */
static size_t
decode_unicode(struct buf *buf, const char *digits, size_t left)
{
	uint32_t code = decode_hex(digits);
	uint32_t low;

	if (code >= 0xD800 && code <= 0xDBFF && left >= 10 &&
	    digits[4] == '\\' && digits[5] == 'u') {
		low = decode_hex(digits + 6);
		if (low >= 0xDC00 && low <= 0xDFFF) {
			text_encode(buf,
			    0x10000 + ((code - 0xD800) << 10) + low - 0xDC00);
			return 10;
		}
	}
	text_encode(buf, code);
	return 4;
}

void
scan_decode(struct buf *buf, struct span raw)
{
	static const char escapes[] = "bfnrt";
	static const char meanings[] = "\b\f\n\r\t";
	const char *at = raw.data + 1;
	const char *end = raw.data + raw.size - 1;

	MUST(raw.size >= 2);
	while (at < end) {
		const char *stop = memchr(at, '\\', (size_t)(end - at));
		const char *escape;

		if (stop == NULL)
			stop = end;
		buf_add(buf, at, (size_t)(stop - at));
		if (stop == end)
			return;
		at = stop + 2;
		escape = strchr(escapes, stop[1]);
		if (stop[1] == 'u')
			at += decode_unicode(buf, at, (size_t)(end - at));
		else
			buf_add_byte(buf, escape == NULL
					      ? stop[1]
					      : meanings[escape - escapes]);
	}
}
