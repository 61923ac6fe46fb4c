/* SPDX-License-Identifier: ISC */
/*
 * A note as one line of JSON and back, both ends side by side. Bytes that are
 * no UTF-8 stand in hexadecimal under NAME_hex: an answer comes back byte for
 * byte, and its sha256 proves it.
 */
#include "data/spill_line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "data/note.h"
#include "data/prompts.h"

#define SPILL_VERSION 1
#define HEX_NAME_MAX 64 /* "finish_reason_hex" */

static const char *const state_names[] = {"open", "answered", "failed"};
#define STATE_COUNT (sizeof state_names / sizeof *state_names)

static const char hex_digits[] = "0123456789abcdef";

static void
put_hex(struct buf *buf, struct span span)
{
	buf_add_byte(buf, '"');
	for (size_t i = 0; i < span.size; i++) {
		unsigned char byte = (unsigned char)span.data[i];

		buf_add_byte(buf, hex_digits[byte >> 4]);
		buf_add_byte(buf, hex_digits[byte & 15]);
	}
	buf_add_byte(buf, '"');
}

static void
put_part(struct buf *buf, const char *name, struct span part)
{
	char hex_name[HEX_NAME_MAX];

	if (part.data == NULL)
		return;
	if (text_is_utf8(part, NULL)) {
		json_put_text(buf, name, part);
		return;
	}
	snprintf(hex_name, sizeof hex_name, "%s_hex", name);
	json_put_key(buf, hex_name);
	put_hex(buf, part);
}

void
spill_put_note(struct buf *lines, int64_t id, const char *settings,
    const struct note *note, const struct record *record)
{
	const struct store_note *fact = &note->fact;
	struct reply reply = note->reply;
	char request[PLAN_DIGEST_BYTES];

	plan_request_digest(settings, record, request);
	buf_add_byte(lines, '{');
	json_put_integer(lines, "llmill_spill", SPILL_VERSION);
	json_put_integer(lines, "id", id);
	json_put_text(lines, "request", span_of(request));
	json_put_integer(lines, "run_id", note->run_id);
	json_put_integer(lines, "attempt", fact->attempt);
	json_put_integer(lines, "worker", fact->worker);
	json_put_integer(lines, "tries", fact->tries);
	json_put_text(lines, "state", span_of(state_names[fact->state]));
	json_put_bool(lines, "no_attempt", fact->no_attempt);
	json_put_integer(lines, "started_ms", fact->started_wall_ms);
	json_put_text(
	    lines, "outcome", span_of(outcome_trait(reply.outcome)->name));
	json_put_integer(lines, "http_status", reply.http_status);
	json_put_integer(lines, "first_byte_ms", reply.first_byte_ms);
	json_put_integer(lines, "duration_ms", reply.duration_ms);
	json_put_integer(lines, "input_tokens", reply.input_tokens);
	json_put_integer(lines, "output_tokens", reply.output_tokens);
	json_put_text(lines, "sha256", span_of(note->sha256));
	put_part(lines, "prompt", record->text);
	for (size_t i = 0; i < NOTE_PART_COUNT; i++)
		put_part(lines, note_part_name(i), *note_part(&reply, i));
	buf_add_text(lines, "}\n");
}

static int
hex_value(char digit)
{
	const char *at = memchr(hex_digits, digit, 16);

	return at == NULL ? -1 : (int)(at - hex_digits);
}

static int
get_hex(struct buf *buf, struct span hex)
{
	if (hex.size % 2 != 0)
		return -1;
	for (size_t i = 0; i < hex.size; i += 2) {
		int high = hex_value(hex.data[i]);
		int low = hex_value(hex.data[i + 1]);

		if (high == -1 || low == -1)
			return -1;
		buf_add_byte(buf, (char)(high << 4 | low));
	}
	return buf->failed ? -1 : 0;
}

/* Fill one part; decoded bytes live in buf. */
static int
get_part(
    struct json *root, const char *name, struct buf *buf, struct span *part)
{
	char hex_name[HEX_NAME_MAX];
	struct span hex;

	*part = json_string(json_get(root, name));
	snprintf(hex_name, sizeof hex_name, "%s_hex", name);
	hex = json_string(json_get(root, hex_name));
	if (hex.data == NULL)
		return 0;
	buf_init(buf, hex.size);
	if (get_hex(buf, hex) == -1)
		return -1;
	*part = buf_span(buf);
	return 0;
}

/* Gives false when the number is not there or out of range. */
static bool
get_number(struct json *root, const char *name, int64_t least, int64_t most,
    int64_t *number)
{
	*number = json_integer(json_get(root, name), INT64_MIN);
	return *number >= least && *number <= most;
}

static bool
get_text(struct json *root, const char *name, const char **text)
{
	*text = json_string(json_get(root, name)).data;
	return *text != NULL;
}

static bool
get_state(const char *name, enum store_state *state)
{
	for (size_t i = 0; i < STATE_COUNT; i++) {
		if (strcmp(name, state_names[i]) == 0) {
			*state = (enum store_state)i;
			return true;
		}
	}
	return false;
}

/* Fill the numbers and names; false when one is not what it should be. */
static bool
get_facts(struct json *root, struct store_note *fact, struct reply *reply,
    int64_t *run_id)
{
	const char *text;
	int64_t number;

	if (!get_number(
		root, "llmill_spill", SPILL_VERSION, SPILL_VERSION, &number) ||
	    !get_number(root, "run_id", 0, INT64_MAX, run_id))
		return false;
	if (!get_number(root, "attempt", 0, UINT32_MAX, &number))
		return false;
	fact->attempt = (uint32_t)number;
	if (!get_number(root, "worker", 0, UINT32_MAX, &number))
		return false;
	fact->worker = (uint32_t)number;
	if (!get_number(root, "tries", 0, UINT32_MAX, &number))
		return false;
	fact->tries = (uint32_t)number;
	if (!get_text(root, "state", &text) || !get_state(text, &fact->state) ||
	    !get_text(root, "outcome", &text) ||
	    !outcome_by_name(text, &reply->outcome))
		return false;
	if (!get_number(root, "http_status", 0, 999, &number))
		return false;
	reply->http_status = (int32_t)number;
	fact->no_attempt = span_equals(
	    json_text(json_get(root, "no_attempt")), span_of("true"));
	return get_number(
		   root, "started_ms", 0, INT64_MAX, &fact->started_wall_ms) &&
	       get_number(root, "first_byte_ms", -1, INT64_MAX,
		   &reply->first_byte_ms) &&
	       get_number(
		   root, "duration_ms", -1, INT64_MAX, &reply->duration_ms) &&
	       get_number(
		   root, "input_tokens", -1, INT64_MAX, &reply->input_tokens) &&
	       get_number(
		   root, "output_tokens", -1, INT64_MAX, &reply->output_tokens);
}

/* Build the note of a parsed line. NULL: not sound, or no memory. */
static struct note *
note_of(struct json *root, struct buf *bufs)
{
	struct store_note fact = {0};
	struct reply reply;
	struct note *note;
	const char *sha256;
	int64_t run_id;

	reply_init(&reply);
	if (!get_facts(root, &fact, &reply, &run_id) ||
	    !get_text(root, "sha256", &sha256))
		return NULL;
	for (size_t i = 0; i < NOTE_PART_COUNT; i++)
		if (get_part(root, note_part_name(i), &bufs[i],
			note_part(&reply, i)) == -1)
			return NULL;
	fact.reply = &reply;
	note = note_new(&fact, run_id);
	if (note == NULL)
		return NULL;
	note_take_digest(note);
	if (strcmp(note->sha256, sha256) == 0)
		return note;
	note_free(note);
	return NULL;
}

int
spill_line_read(struct spill_line *line, struct span text)
{
	struct buf bufs[NOTE_PART_COUNT] = {0};
	struct json *root = json_parse(text, NULL);
	const char *request;

	line->note = NULL;
	if (get_number(root, "id", 1, INT64_MAX, &line->id) &&
	    get_text(root, "request", &request) &&
	    strlen(request) == sizeof line->request - 1) {
		memcpy(line->request, request, sizeof line->request);
		line->note = note_of(root, bufs);
	}
	for (size_t i = 0; i < NOTE_PART_COUNT; i++)
		buf_free(&bufs[i]);
	json_free(root);
	return line->note == NULL ? -1 : 0;
}

void
spill_line_free(struct spill_line *line)
{
	note_free(line->note);
	line->note = NULL;
}
