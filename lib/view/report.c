/* SPDX-License-Identifier: ISC */
/*
 * The page is assets around one JSON text, which is written as it is read, row
 * by row: a million prompts take no more memory than their sample's largest
 * answer. The text stands in a block that no browser executes, and in it every
 * "<" is \u003c, so that nothing can end it.
 */
#include "view/report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/place.h"
#include "base/sha256.h"
#include "base/text.h"
#include "data/archive.h"
#include "data/chronicle.h"
#include "data/sql.h"
#include "data/survey.h"
#include "view/assets.h"
#include "view/status.h"
#include "view/summary.h"

#define PIECE_BYTES ((size_t)65536) /* are written together */
#define PART_MAX ((size_t)1 << 30)  /* of the text, in memory */
#define LOOK_EVERY 1024		    /* rows between two looks at hurry */
/* So much of a text is shown, the less the more rows there are. */
#define TEXT_FEW ((size_t)2 << 20)
#define TEXT_SOME ((size_t)64 << 10)
#define TEXT_MANY ((size_t)2 << 10)
#define ROWS_FEW 200
#define ROWS_SOME 5000

/* Upper bounds of the bars, in steps of the fourth root of ten. */
static const int64_t bounds_ms[] = {1, 2, 3, 6, 10, 18, 32, 56, 100, 180, 320,
    560, 1000, 1800, 3200, 5600, 10000, 18000, 32000, 56000, 100000, 180000,
    320000, 560000, 1000000, 1800000, 3600000, 86400000};
#define BOUND_COUNT (sizeof bounds_ms / sizeof *bounds_ms)

struct sheet {
	const struct report_conf *conf;
	struct place place;
	struct buf json; /* not yet written */
	struct err *err;
};

/* ---- writing ---- */

static int
write_raw(struct sheet *sheet, struct span text)
{
	if (fd_write_all(sheet->place.fd, text.data, text.size) == 0)
		return 0;
	return err_set_errno(sheet->err, "cannot write %s", sheet->conf->path);
}

static int
write_text(struct sheet *sheet, const char *text)
{
	return write_raw(sheet, span_of(text));
}

/* Write what is made so far, without a "<". */
static int
flush(struct sheet *sheet)
{
	struct span rest = buf_span(&sheet->json);
	const char *mark;

	if (sheet->json.failed)
		return err_set_memory(sheet->err, "the report");
	while ((mark = memchr(rest.data, '<', rest.size)) != NULL) {
		size_t size = (size_t)(mark - rest.data);

		if (write_raw(sheet, (struct span){rest.data, size}) == -1 ||
		    write_text(sheet, "\\u003c") == -1)
			return -1;
		rest = (struct span){mark + 1, rest.size - size - 1};
	}
	if (write_raw(sheet, rest) == -1)
		return -1;
	buf_clear(&sheet->json);
	return 0;
}

static int
flush_if_full(struct sheet *sheet)
{
	return sheet->json.size < PIECE_BYTES ? 0 : flush(sheet);
}

/* ---- the policy ---- */

/* Append 'sha256-…', by which the page allows its own script and style. */
static void
put_hash(struct buf *out, struct span text)
{
	uint8_t hash[SHA256_BYTES];
	struct sha256 sha256;

	sha256_begin(&sha256);
	sha256_add(&sha256, text);
	sha256_end(&sha256, hash);
	buf_add_text(out, "'sha256-");
	text_base64(out, (struct span){(const char *)hash, sizeof hash});
	buf_add_byte(out, '\'');
}

static int
write_head(struct sheet *sheet)
{
	struct buf head;
	int done;

	buf_init(&head, PIECE_BYTES);
	buf_add_text(&head,
	    "<!doctype html>\n<html lang=\"en\">\n<head>\n"
	    "<meta charset=\"utf-8\">\n"
	    "<meta http-equiv=\"Content-Security-Policy\" content=\""
	    "default-src 'none'; base-uri 'none'; form-action 'none'; "
	    "script-src ");
	put_hash(&head, assets_script());
	buf_add_text(&head, "; style-src ");
	put_hash(&head, assets_style());
	buf_add_text(&head,
	    "\">\n<meta name=\"viewport\" content=\"width=device-width, "
	    "initial-scale=1\">\n<title>llmill</title>\n<style>");
	done = head.failed ? err_set_memory(sheet->err, "the report")
			   : write_raw(sheet, buf_span(&head));
	buf_free(&head);
	if (done == -1 || write_raw(sheet, assets_style()) == -1 ||
	    write_text(sheet, "</style>\n</head>\n<body>\n") == -1 ||
	    write_raw(sheet, assets_page()) == -1)
		return -1;
	return write_text(
	    sheet, "<script type=\"application/json\" id=\"data\">");
}

static int
write_foot(struct sheet *sheet)
{
	if (flush(sheet) == -1 ||
	    write_text(sheet, "</script>\n<script>") == -1 ||
	    write_raw(sheet, assets_script()) == -1)
		return -1;
	return write_text(sheet, "</script>\n</body>\n</html>\n");
}

/* ---- what happened ---- */

static void
put_number(struct buf *out, const char *key, double value)
{
	summary_put_thousandths(out, key, (int64_t)(value * 1000 + 0.5));
}

static void
put_share(
    struct buf *out, const char *key, const struct hist *hist, double share)
{
	json_put_key(out, key);
	if (hist->count == 0)
		buf_add_text(out, "null");
	else
		buf_printf(
		    out, "%" PRId64, hist_share_ns(hist, share) / CLOCK_MS);
}

static void
put_bin(struct buf *out, const struct chronicle *chronicle,
    const struct chronicle_bin *bin)
{
	uint64_t answers = 0;

	for (unsigned i = 0; i < OUTCOME_COUNT; i++)
		if (outcome_trait((enum outcome)i)->answers)
			answers += bin->ended[i];
	buf_add_byte(out, '{');
	json_put_integer(out, "answers", (int64_t)answers);
	put_number(out, "busy", bin->busy_ms / (double)chronicle->bin_ms);
	json_put_integer(out, "in", (int64_t)bin->input_tokens);
	json_put_integer(out, "out", (int64_t)bin->output_tokens);
	put_share(out, "p50", &bin->latency, 0.50);
	put_share(out, "p95", &bin->latency, 0.95);
	put_share(out, "p99", &bin->latency, 0.99);
	json_put_key(out, "by");
	buf_add_byte(out, '{');
	for (unsigned i = 0; i < OUTCOME_COUNT; i++)
		if (bin->ended[i] > 0)
			json_put_integer(out,
			    outcome_trait((enum outcome)i)->name,
			    bin->ended[i]);
	buf_add_text(out, "}}");
}

/* A digit of 36 for each bin: how busy it was. */
static void
put_lane(struct buf *out, const struct chronicle *chronicle, unsigned lane)
{
	static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";

	buf_add_byte(out, '"');
	for (unsigned i = 0; i < chronicle->bin_count; i++) {
		double share = (double)chronicle->bins[i].lane_ms[lane] /
			       (double)chronicle->bin_ms;

		buf_add_byte(
		    out, digits[share < 1 ? (int)(share * 35 + 0.99) : 35]);
	}
	buf_add_byte(out, '"');
}

static void
put_lanes(struct buf *out, const struct chronicle *chronicle)
{
	unsigned lanes = chronicle->workers < CHRONICLE_LANES
			     ? chronicle->workers
			     : CHRONICLE_LANES;

	json_put_integer(out, "workers", chronicle->workers);
	json_put_key(out, "lanes");
	buf_add_byte(out, '[');
	for (unsigned i = 0; i < lanes; i++) {
		if (i > 0)
			buf_add_byte(out, ',');
		put_lane(out, chronicle, i);
	}
	buf_add_byte(out, ']');
	json_put_key(out, "events");
	buf_add_byte(out, '[');
	for (unsigned i = 0; i < chronicle->event_count; i++) {
		const struct chronicle_event *event = &chronicle->events[i];

		buf_printf(out, "%s[%" PRIu32 ",%" PRId64 ",%d]",
		    i > 0 ? "," : "", event->worker, event->at_ms,
		    (int)event->kind);
	}
	buf_add_byte(out, ']');
}

static void
put_chronicle(struct buf *out, const struct chronicle *chronicle)
{
	uint64_t below = 0;
	unsigned tries = CHRONICLE_TRIES;

	json_put_integer(out, "bin_ms", chronicle->bin_ms);
	json_put_key(out, "bins");
	buf_add_byte(out, '[');
	for (unsigned i = 0; i < chronicle->bin_count; i++) {
		if (i > 0)
			buf_add_byte(out, ',');
		put_bin(out, chronicle, &chronicle->bins[i]);
	}
	buf_add_byte(out, ']');
	json_put_key(out, "latency_counts");
	buf_add_byte(out, '[');
	for (size_t i = 0; i < BOUND_COUNT; i++) {
		uint64_t upto = i + 1 < BOUND_COUNT
				    ? hist_upto(&chronicle->latency,
					  bounds_ms[i] * CLOCK_MS)
				    : chronicle->latency.count;

		buf_printf(out, "%s%" PRIu64, i > 0 ? "," : "", upto - below);
		below = upto;
	}
	buf_add_byte(out, ']');
	while (tries > 0 && chronicle->tries[tries - 1] == 0)
		tries--;
	json_put_key(out, "tries");
	buf_add_byte(out, '[');
	for (unsigned i = 0; i < tries; i++)
		buf_printf(
		    out, "%s%" PRIu64, i > 0 ? "," : "", chronicle->tries[i]);
	buf_add_byte(out, ']');
	put_lanes(out, chronicle);
}

/* ---- prompts ---- */

/* Which of them are shown, and how much of their texts. */
struct choice {
	uint32_t every;	      /* one of so many, and */
	uint32_t failed_left; /* so many failures at most */
	size_t text_max;
};

static void
put_cut(struct buf *out, struct span text, size_t most)
{
	char left[32];
	struct buf cut;

	if (text.data == NULL) {
		buf_add_text(out, "null");
		return;
	}
	if (text.size <= most) {
		json_put_string(out, text);
		return;
	}
	/* Not within a character. */
	while (most > 0 && (text.data[most] & 0xC0) == 0x80)
		most--;
	buf_init(&cut, most + 128);
	buf_add(&cut, text.data, most);
	buf_printf(&cut, "… (%s more; llmill export has all)",
	    text_size(text.size - most, left, sizeof left));
	out->failed |= cut.failed;
	json_put_string(out, buf_span(&cut));
	buf_free(&cut);
}

static void
put_known(struct buf *out, int64_t number)
{
	if (number < 0)
		buf_add_text(out, "null");
	else
		buf_printf(out, "%" PRId64, number);
	buf_add_byte(out, ',');
}

/* In the order of report.js. */
static void
put_row(struct buf *out, const struct store_row *row, size_t text_max)
{
	buf_printf(out, "[%" PRId64 ",%d,%" PRIu32 ",", row->id,
	    (int)row->state, row->attempts);
	put_known(out, row->duration_ms);
	put_known(out, row->input_tokens);
	put_known(out, row->output_tokens);
	put_cut(out, row->outcome, 64);
	buf_add_byte(out, ',');
	put_cut(out, row->prompt, text_max);
	buf_add_byte(out, ',');
	put_cut(out, row->result, text_max);
	buf_add_byte(out, ',');
	put_cut(out, row->error, text_max);
	buf_add_byte(out, ',');
	put_cut(out, row->model, 256);
	buf_add_byte(out, ']');
}

static struct choice
choose(const struct survey *survey)
{
	uint64_t total = survey->total;
	struct choice choice = {
	    .every = (uint32_t)(total / REPORT_ROWS) + 1,
	    .failed_left = REPORT_ROWS,
	    .text_max = total <= ROWS_FEW    ? TEXT_FEW
			: total <= ROWS_SOME ? TEXT_SOME
					     : TEXT_MANY,
	};

	if (total <= REPORT_ROWS)
		choice.every = 1;
	return choice;
}

static void
put_note(
    struct buf *out, const struct survey *survey, const struct choice *choice)
{
	char total[32];
	char note[160];

	if (choice->every == 1)
		return;
	snprintf(note, sizeof note,
	    "Of %s prompts every %" PRIu32 "th is shown, and %s failed ones.",
	    text_count(survey->total, total, sizeof total), choice->every,
	    survey->failed <= REPORT_ROWS ? "all" : "the first 100,000");
	json_put_text(out, "rows_note", span_of(note));
}

static int
write_rows(struct sheet *sheet, struct archive *archive, struct choice choice)
{
	const struct report_conf *conf = sheet->conf;
	struct store_row row;
	bool first = true;

	json_put_key(&sheet->json, "rows");
	buf_add_byte(&sheet->json, '[');
	for (uint32_t i = 0; i < archive->count; i++) {
		bool wanted = i % choice.every == 0;

		if (i % LOOK_EVERY == 0 && conf->hurry != NULL &&
		    conf->hurry(conf->arg))
			return err_set(sheet->err, ERR_BUSY, "interrupted");
		if (archive_read_some(archive, i, wanted, &row, sheet->err) ==
		    -1)
			return -1;
		if (!wanted && row.state == STORE_FAILED &&
		    choice.failed_left > 0) {
			choice.failed_left--;
			wanted = true;
		}
		if (!wanted)
			continue;
		if (!first)
			buf_add_byte(&sheet->json, ',');
		first = false;
		put_row(&sheet->json, &row, choice.text_max);
		if (flush_if_full(sheet) == -1)
			return -1;
	}
	buf_add_byte(&sheet->json, ']');
	return 0;
}

/* ---- databases ---- */

/* The command and the settings of the last run. */
static int
put_settings(struct sheet *sheet, const struct peek *peek)
{
	struct sqlite3_stmt *stmt;
	struct json *settings;
	int code;

	if (peek->kind == SCHEMA_SEED)
		return 0;
	code = db_prepare(peek->db, SQL_REPORT_RUN, &stmt);
	if (code == SQLITE_OK)
		code = sqlite3_step(stmt);
	if (code == SQLITE_ROW) {
		json_put_text(&sheet->json, "command", db_column(stmt, 0));
		settings = json_parse(db_column(stmt, 1), NULL);
		if (json_is_object(settings)) {
			struct span text = json_text(settings);

			json_put_key(&sheet->json, "settings");
			buf_add(&sheet->json, text.data, text.size);
		}
		json_free(settings);
		code = SQLITE_DONE;
	}
	sqlite3_finalize(stmt);
	return code == SQLITE_DONE ? 0 : peek_fail(peek, code, sheet->err);
}

/* The numbers that status has, too, without its line's end. */
static void
put_status(struct buf *out, const struct survey *survey)
{
	struct buf status;

	buf_init(&status, STATUS_MAX_BYTES);
	status_render_json(survey, &status);
	json_put_key(out, "status");
	if (status.size > 0)
		buf_add(out, status.data, status.size - 1);
	out->failed |= status.failed;
	buf_free(&status);
}

static int
write_database(struct sheet *sheet, const char *path, bool *is_running)
{
	struct chronicle *chronicle = calloc(1, sizeof *chronicle);
	struct survey survey = {0};
	struct archive archive;
	int done = -1;

	if (chronicle == NULL)
		return err_set_memory(sheet->err, "the report");
	if (survey_read(&survey, path, sheet->err) == -1 ||
	    archive_open(&archive, path, sheet->err) == -1) {
		survey_free(&survey);
		free(chronicle);
		return -1;
	}
	if (sheet->conf->called != NULL)
		survey.name = sheet->conf->called;
	*is_running |= survey.is_running;
	if (chronicle_read(chronicle, &archive.peek, sheet->err) == 0) {
		struct choice choice = choose(&survey);

		buf_add_byte(&sheet->json, '{');
		put_status(&sheet->json, &survey);
		put_chronicle(&sheet->json, chronicle);
		put_note(&sheet->json, &survey, &choice);
		done = put_settings(sheet, &archive.peek);
		if (done == 0)
			done = write_rows(sheet, &archive, choice);
		buf_add_byte(&sheet->json, '}');
	}
	archive_close(&archive);
	chronicle_free(chronicle);
	free(chronicle);
	survey_free(&survey);
	return done;
}

static int
write_data(struct sheet *sheet)
{
	const struct report_conf *conf = sheet->conf;
	bool is_running = false;
	char made[32];

	clock_wall_text("%Y-%m-%d %H:%M:%S", made, sizeof made);
	buf_add_byte(&sheet->json, '{');
	json_put_text(&sheet->json, "made", span_of(made));
	json_put_integer(&sheet->json, "tries_most", CHRONICLE_TRIES);
	json_put_key(&sheet->json, "latency_bounds_ms");
	for (size_t i = 0; i < BOUND_COUNT; i++)
		buf_printf(&sheet->json, "%c%" PRId64, i > 0 ? ',' : '[',
		    bounds_ms[i]);
	buf_add_byte(&sheet->json, ']');
	json_put_key(&sheet->json, "databases");
	buf_add_byte(&sheet->json, '[');
	for (size_t i = 0; conf->databases[i] != NULL; i++) {
		if (i > 0)
			buf_add_byte(&sheet->json, ',');
		if (write_database(sheet, conf->databases[i], &is_running) ==
		    -1)
			return -1;
	}
	buf_add_byte(&sheet->json, ']');
	json_put_integer(&sheet->json, "again_ms", conf->again_ms);
	json_put_bool(
	    &sheet->json, "running", is_running && conf->again_ms > 0);
	buf_add_byte(&sheet->json, '}');
	return 0;
}

int
report_make(const struct report_conf *conf, struct err *err)
{
	struct err unseen;
	struct sheet sheet = {.conf = conf, .err = err != NULL ? err : &unseen};

	if (place_open(&sheet.place, conf->path, err) == -1)
		return -1;
	buf_init(&sheet.json, PART_MAX);
	if (write_head(&sheet) == -1 || write_data(&sheet) == -1 ||
	    write_foot(&sheet) == -1) {
		buf_free(&sheet.json);
		place_discard(&sheet.place);
		return -1;
	}
	buf_free(&sheet.json);
	return place_commit(&sheet.place, err);
}
