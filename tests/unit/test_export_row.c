/* SPDX-License-Identifier: ISC */
/*
 * One row as bytes: jsonl, txt, and txt for a terminal.
 */
#include "view/export.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/json.h"
#include "data/store.h"

static struct store_row
row_of(uint32_t index, enum store_state state, const char *result)
{
	return (struct store_row){
	    .index = index,
	    .id = (int64_t)index + 1,
	    .state = state,
	    .result = span_of(result),
	    .duration_ms = -1,
	    .input_tokens = -1,
	    .output_tokens = -1,
	};
}

static void
put_row(struct buf *buf, enum export_format format, const struct store_row *row)
{
	const struct export_style style = {.format = format};

	assert_int_equal(export_put_row(buf, &style, NULL, row, NULL), 0);
}

static void
assert_row(
    const struct store_row *row, enum export_format format, const char *wanted)
{
	struct buf buf;

	buf_init(&buf, 65536);
	put_row(&buf, format, row);
	assert_false(buf.failed);
	assert_string_equal(buf.data, wanted);
	buf_free(&buf);
}

static void
jsonl_record_has_all_keys_in_order(void **state)
{
	struct store_row row = row_of(0, STORE_ANSWERED, "He said \"hi\"\n");

	(void)state;
	row.custom_id = span_of("a-1");
	row.model = span_of("small");
	row.finish_reason = span_of("stop");
	row.reasoning = span_of("hm");
	row.error = span_of("of an earlier attempt");
	row.attempts = 2;
	row.duration_ms = 340;
	row.input_tokens = 12;
	row.output_tokens = 0;
	assert_row(&row, EXPORT_JSONL,
	    "{\"id\":1,\"custom_id\":\"a-1\",\"result\":\"He said \\\"hi\\\""
	    "\\n\",\"ok\":true,\"error\":null,\"model\":\"small\","
	    "\"finish_reason\":\"stop\",\"reasoning\":\"hm\",\"attempts\":2,"
	    "\"duration_ms\":340,\"input_tokens\":12,\"output_tokens\":0}\n");
}

static void
failed_record_has_its_text_as_error(void **state)
{
	struct store_row row =
	    row_of(4, STORE_FAILED, "Error: Failed after 3 attempts: no");

	(void)state;
	row.error = span_of("no");
	row.attempts = 3;
	assert_row(&row, EXPORT_JSONL,
	    "{\"id\":5,\"custom_id\":null,\"result\":null,\"ok\":false,"
	    "\"error\":\"Error: Failed after 3 attempts: no\",\"model\":null,"
	    "\"finish_reason\":null,\"reasoning\":null,\"attempts\":3,"
	    "\"duration_ms\":null,\"input_tokens\":null,"
	    "\"output_tokens\":null}\n");
	assert_row(&row, EXPORT_TXT, "Error: Failed after 3 attempts: no\n");
}

static void
open_record_has_neither_result_nor_error(void **state)
{
	struct store_row row = row_of(0, STORE_OPEN, NULL);

	(void)state;
	row.error = span_of("the first try");
	assert_row(&row, EXPORT_JSONL,
	    "{\"id\":1,\"custom_id\":null,\"result\":null,\"ok\":false,"
	    "\"error\":null,\"model\":null,\"finish_reason\":null,"
	    "\"reasoning\":null,\"attempts\":0,\"duration_ms\":null,"
	    "\"input_tokens\":null,\"output_tokens\":null}\n");
	assert_row(&row, EXPORT_TXT, "\n");
}

static void
empty_answer_is_not_null(void **state)
{
	struct store_row row = row_of(0, STORE_ANSWERED, "");
	struct buf buf;

	(void)state;
	buf_init(&buf, 65536);
	put_row(&buf, EXPORT_JSONL, &row);
	assert_non_null(strstr(buf.data, "\"result\":\"\",\"ok\":true"));
	buf_free(&buf);
}

#define REST                                                                   \
	"\"custom_id\":null,\"result\":\"x\",\"ok\":true,\"error\":null,"      \
	"\"model\":null,\"finish_reason\":null,\"reasoning\":null,"            \
	"\"attempts\":0,\"duration_ms\":null,\"input_tokens\":null,"           \
	"\"output_tokens\":null}\n"

static void
own_keys_come_first_as_they_were_written(void **state)
{
	struct store_row row = row_of(0, STORE_ANSWERED, "x");

	(void)state;
	row.fields =
	    span_of(" { \"n\": 0.30, \"big\":12345678901234567890,\n"
		    "\"u\":\"\\u0000\\ud800\", \"o\":{\"id\":[1, {}]} } ");
	assert_row(&row, EXPORT_JSONL,
	    "{\"n\": 0.30, \"big\":12345678901234567890, "
	    "\"u\":\"\\u0000\\ud800\", \"o\":{\"id\":[1, {}]},\"id\":1," REST);
	row.fields = span_of("{ }");
	assert_row(&row, EXPORT_JSONL, "{\"id\":1," REST);
}

static void
taken_names_are_prefixed(void **state)
{
	struct store_row row = row_of(0, STORE_ANSWERED, "x");

	(void)state;
	row.fields = span_of("{\"id\":7}");
	assert_row(&row, EXPORT_JSONL, "{\"id\":7,\"llmill_id\":1," REST);
	row.fields = span_of("{\"\\u0069d\":7}"); /* the same key */
	assert_row(&row, EXPORT_JSONL, "{\"\\u0069d\":7,\"llmill_id\":1," REST);
	row.fields = span_of("{\"id\":7,\"llmill_id\":8}");
	assert_row(&row, EXPORT_JSONL,
	    "{\"id\":7,\"llmill_id\":8,\"llmill_llmill_id\":1," REST);
	row.fields = span_of("{\"llmill_id\":8}");
	assert_row(&row, EXPORT_JSONL, "{\"llmill_id\":8,\"id\":1," REST);
}

static void
every_own_name_can_be_taken(void **state)
{
	struct store_row row = row_of(0, STORE_ANSWERED, "x");
	struct json *root;
	struct buf buf;
	struct err err;

	(void)state;
	row.fields = span_of("{\"id\":1,\"custom_id\":1,\"result\":1,\"ok\":1,"
			     "\"error\":1,\"model\":1,\"finish_reason\":1,"
			     "\"reasoning\":1,\"attempts\":1,\"duration_ms\":1,"
			     "\"input_tokens\":1,\"output_tokens\":1}");
	buf_init(&buf, 65536);
	put_row(&buf, EXPORT_JSONL, &row);
	root = json_parse(buf_span(&buf), &err);
	assert_non_null(root);
	assert_int_equal(json_count(root), 24);
	json_free(root);
	buf_free(&buf);
}

static void
damaged_own_keys_do_not_damage_the_record(void **state)
{
	static const char *const damaged[] = {
	    "",
	    "{",
	    "{\"a\":",
	    "{\"a\":1}}",
	    "[{\"a\":1}]",
	    "7",
	    "\"{}\"",
	    "{\"a\":1,}",
	};
	struct store_row row = row_of(0, STORE_ANSWERED, "x");

	(void)state;
	for (size_t i = 0; i < sizeof(damaged) / sizeof(*damaged); i++) {
		row.fields = span_of(damaged[i]);
		assert_row(&row, EXPORT_JSONL, "{\"id\":1," REST);
	}
}

static void
bytes_that_are_no_utf8_stay_in_txt_and_are_replaced_in_json(void **state)
{
	struct store_row row = row_of(0, STORE_ANSWERED, NULL);
	struct buf buf;

	(void)state;
	row.result = (struct span){"a\xff\0b", 4};
	buf_init(&buf, 65536);
	put_row(&buf, EXPORT_TXT, &row);
	assert_int_equal(buf.size, 5);
	assert_memory_equal(buf.data, "a\xff\0b\n", 5);
	buf_clear(&buf);
	put_row(&buf, EXPORT_JSONL, &row);
	assert_non_null(
	    strstr(buf.data, "\"result\":\"a\xef\xbf\xbd\\u0000b\""));
	buf_free(&buf);
}

static void
terminal_gets_no_controls_but_lines_and_tabs(void **state)
{
	struct store_row row =
	    row_of(0, STORE_ANSWERED, "one\n\ttwo\x1b[2J\xc2\x9b\r\n\n");

	(void)state;
	assert_row(
	    &row, EXPORT_TERMINAL, "one\n\ttwo\\x1B[2J\\u{009B}\\r\n\n\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(jsonl_record_has_all_keys_in_order),
	    cmocka_unit_test(failed_record_has_its_text_as_error),
	    cmocka_unit_test(open_record_has_neither_result_nor_error),
	    cmocka_unit_test(empty_answer_is_not_null),
	    cmocka_unit_test(own_keys_come_first_as_they_were_written),
	    cmocka_unit_test(taken_names_are_prefixed),
	    cmocka_unit_test(every_own_name_can_be_taken),
	    cmocka_unit_test(damaged_own_keys_do_not_damage_the_record),
	    cmocka_unit_test(
		bytes_that_are_no_utf8_stay_in_txt_and_are_replaced_in_json),
	    cmocka_unit_test(terminal_gets_no_controls_but_lines_and_tabs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
