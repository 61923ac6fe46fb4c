/* SPDX-License-Identifier: ISC */
/*
 * The file that stands in for the database: whole batches or nothing, at the
 * first place that takes them, and every byte back.
 */
#include "data/spill.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "data/note.h"
#include "data/prompts.h"
#include "data/spill_line.h"

#include "scratch.h"

#define SOME_ID 4294967294

static struct note *
note_of(const struct reply *reply)
{
	const struct store_note fact = {
	    .attempt = 7,
	    .worker = 8191,
	    .state = STORE_ANSWERED,
	    .tries = 3,
	    .started_wall_ms = 1700000000123,
	    .reply = reply,
	};
	struct note *note = note_new(&fact, 42);

	assert_non_null(note);
	note_take_digest(note);
	return note;
}

static void
assert_same(const struct note *a, const struct note *b)
{
	struct reply x = a->reply;
	struct reply y = b->reply;

	assert_int_equal(a->fact.attempt, b->fact.attempt);
	assert_int_equal(a->fact.worker, b->fact.worker);
	assert_int_equal(a->fact.state, b->fact.state);
	assert_int_equal(a->fact.tries, b->fact.tries);
	assert_int_equal(a->fact.no_attempt, b->fact.no_attempt);
	assert_true(a->fact.started_wall_ms == b->fact.started_wall_ms);
	assert_true(a->run_id == b->run_id);
	assert_string_equal(a->sha256, b->sha256);
	assert_int_equal(x.outcome, y.outcome);
	assert_int_equal(x.http_status, y.http_status);
	assert_true(x.first_byte_ms == y.first_byte_ms);
	assert_true(x.duration_ms == y.duration_ms);
	assert_true(x.input_tokens == y.input_tokens);
	assert_true(x.output_tokens == y.output_tokens);
	for (size_t i = 0; i < NOTE_PART_COUNT; i++)
		assert_true(span_equals(*note_part(&x, i), *note_part(&y, i)));
}

static void
a_line_brings_back_every_byte(void **state)
{
	char every[256];
	const struct record record = {
	    .text = span_of("q\n"), .body = span_of("{}")};
	struct spill_line line;
	struct reply reply;
	struct note *note;
	struct buf lines;

	(void)state;
	for (int i = 0; i < 256; i++)
		every[i] = (char)i;
	reply_init(&reply);
	reply.outcome = OUTCOME_LENGTH;
	reply.http_status = 200;
	reply.first_byte_ms = 5;
	reply.duration_ms = 77;
	reply.output_tokens = 9000000000;
	reply.text = (struct span){every, sizeof every};
	reply.model = span_of("m\"\\\x7f");
	reply.finish_reason = span_of("");
	reply.reasoning = (struct span){"a\0b", 3};
	reply.raw = span_of("\xFE");
	note = note_of(&reply);
	buf_init(&lines, 100000);
	spill_put_note(&lines, SOME_ID, "settings", note, &record);
	assert_false(lines.failed);
	assert_ptr_equal(
	    memchr(lines.data, '\n', lines.size), lines.data + lines.size - 1);
	assert_int_equal(spill_line_read(&line, buf_span(&lines)), 0);
	assert_int_equal(line.id, SOME_ID);
	assert_same(note, line.note);
	spill_line_free(&line);
	buf_free(&lines);
	note_free(note);
}

/* Each change to a sound line makes it unsound. */
static void
a_line_that_is_not_sound_is_refused(void **state)
{
	static const char *const changes[][2] = {
	    {"\"llmill_spill\":1", "\"llmill_spill\":2"},
	    {"\"id\":4294967294", "\"id\":0000000000"},
	    {"\"id\":4294967294", "\"id\":-294967294"},
	    {"\"worker\":8191", "\"worker\":-191"},
	    {"\"state\":\"answered\"", "\"state\":\"answerex\""},
	    {"\"outcome\":\"ok\"", "\"outcome\":\"ko\""},
	    {"\"text_hex\":\"ff", "\"text_hex\":\"fg"},
	    {"\"text_hex\":\"ff", "\"text_hex\":\"fe"},
	    {"\"http_status\":200", "\"http_status\":\"0\""},
	    {"\"sha256\"", "\"sha257\""},
	    {"\"request\"", "\"requesT\""},
	    {"}\n", "]\n"},
	};
	const struct record record = {.text = span_of("q")};
	struct spill_line line;
	struct reply reply;
	struct note *note;
	struct buf lines;

	(void)state;
	reply_init(&reply);
	reply.http_status = 200;
	reply.text = span_of("\xFF\x01");
	note = note_of(&reply);
	buf_init(&lines, 100000);
	for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
		char *at;

		buf_clear(&lines);
		spill_put_note(&lines, SOME_ID, "settings", note, &record);
		assert_int_equal(spill_line_read(&line, buf_span(&lines)), 0);
		spill_line_free(&line);
		at = strstr(lines.data, changes[i][0]);
		assert_non_null(at);
		memcpy(at, changes[i][1], strlen(changes[i][1]));
		if (spill_line_read(&line, buf_span(&lines)) != -1)
			fail_msg("taken: %s", lines.data);
	}
	buf_free(&lines);
	note_free(note);
}

static int
append(struct spill *spill, const char *lines)
{
	int64_t offset;
	size_t place;

	return spill_append(spill, span_of(lines), &place, &offset, NULL);
}

static void
append_goes_to_the_first_place_that_takes_it(void **state)
{
	struct spill *spill = spill_new("/nowhere/x.db", NULL);
	struct stat st;

	(void)state;
	assert_non_null(spill);
	assert_null(spill_path(spill));
	assert_int_equal(append(spill, "a\n"), 0);
	assert_int_equal(append(spill, "b\n"), 0);
	assert_non_null(strstr(spill_path(spill), scratch_path));
	assert_int_equal(stat("x.db.spill.jsonl", &st), 0);
	assert_int_equal(st.st_size, 4);
	assert_int_equal(st.st_mode & 07777, 0600);
	spill_clear(spill);
	assert_null(spill_path(spill));
	assert_int_equal(scratch_size("x.db.spill.jsonl"), -1);
	spill_free(spill);
}

static void
clear_leaves_what_was_there_before(void **state)
{
	struct spill *spill = spill_new("x.db", NULL);

	(void)state;
	scratch_write("x.db.spill.jsonl", "{}\ntorn", 7);
	assert_int_equal(append(spill, "a\n"), 0);
	/* The torn line got its end, so that ours begins a line. */
	assert_int_equal(scratch_size("x.db.spill.jsonl"), 10);
	spill_clear(spill);
	assert_int_equal(scratch_size("x.db.spill.jsonl"), 7);
	spill_free(spill);
}

/* A spill with no other place than here. */
static struct spill *
spill_here(void)
{
	char *home = strdup(getenv("HOME") != NULL ? getenv("HOME") : "");
	char *tmp =
	    strdup(getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp");
	struct spill *spill;

	unsetenv("HOME");
	unsetenv("TMPDIR");
	spill = spill_new("x.db", NULL);
	setenv("HOME", home, 1);
	setenv("TMPDIR", tmp, 1);
	free(home);
	free(tmp);
	assert_non_null(spill);
	return spill;
}

static void
append_follows_no_link(void **state)
{
	struct spill *spill = spill_here();
	struct err err = {0};
	int64_t offset;
	size_t place;

	(void)state;
	assert_int_equal(symlink("victim", "x.db.spill.jsonl"), 0);
	assert_int_equal(
	    spill_append(spill, span_of("a\n"), &place, &offset, &err), -1);
	assert_int_equal(err.class, ERR_SYSTEM);
	assert_int_equal(scratch_size("victim"), -1);
	spill_free(spill);
}

/* The disk fills up in the middle of a batch: no half of it stays. */
static void
append_is_whole_or_nothing(void **state)
{
	static const char lines[] =
	    "0123456789012345678901234567890123456789\n";
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		const struct rlimit limit = {64, 64};
		struct spill *spill = spill_here();

		signal(SIGXFSZ, SIG_IGN);
		if (setrlimit(RLIMIT_FSIZE, &limit) == -1 ||
		    append(spill, lines) == -1)
			_exit(1);
		/* One place may stand twice: beside it is also here. */
		if (append(spill, lines) == 0)
			_exit(2);
		_exit(scratch_size("x.db.spill.jsonl") == 41 ? 0 : 3);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static int
count_line(void *arg, struct spill_line *line)
{
	*(int *)arg += 1;
	return line->note->fact.attempt == 7 ? 1 : 0;
}

static void
read_passes_over_a_torn_end(void **state)
{
	const struct record record = {.text = span_of("q")};
	struct spill *spill = spill_new("x.db", NULL);
	struct reply reply;
	struct note *note;
	struct buf lines;
	uint64_t left;
	int seen = 0;

	(void)state;
	reply_init(&reply);
	reply.text = span_of("answer");
	note = note_of(&reply);
	buf_init(&lines, 100000);
	spill_put_note(&lines, SOME_ID, "settings", note, &record);
	buf_add_text(&lines, "rubbish\n");
	spill_put_note(&lines, SOME_ID, "settings", note, &record);
	scratch_write("x.db.spill.jsonl", lines.data, lines.size - 1);
	assert_int_equal(spill_hold(spill, 0, NULL), 1);
	assert_int_equal(
	    spill_read(spill, 0, count_line, &seen, &left, NULL), 1);
	assert_int_equal(seen, 1);
	assert_int_equal(left, 1);
	spill_clear(spill);
	assert_int_equal(scratch_size("x.db.spill.jsonl"), -1);
	assert_int_equal(spill_hold(spill, 0, NULL), 0);
	buf_free(&lines);
	note_free(note);
	spill_free(spill);
}

#define IN_SCRATCH(test)                                                       \
	cmocka_unit_test_setup_teardown(test, scratch_enter, scratch_leave)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_line_brings_back_every_byte),
	    cmocka_unit_test(a_line_that_is_not_sound_is_refused),
	    IN_SCRATCH(append_goes_to_the_first_place_that_takes_it),
	    IN_SCRATCH(clear_leaves_what_was_there_before),
	    IN_SCRATCH(append_follows_no_link),
	    IN_SCRATCH(append_is_whole_or_nothing),
	    IN_SCRATCH(read_passes_over_a_torn_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
