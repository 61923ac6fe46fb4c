/* SPDX-License-Identifier: ISC */
/*
 * The screen about a run: whatever it says, nothing leaves its place.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "view/screen.h"

static const char usual[] =
    "{\"phase\":\"running\",\"note\":\"held by --rpm\",\"asked\":100,"
    "\"answered\":40,\"failed\":2,\"open\":58,\"rate\":2.5,\"eta_ms\":20000,"
    "\"age_ms\":16000,\"history_ms\":5000,\"history\":[0,5,20,40],"
    "\"latency_ms\":{\"p50\":1.5,\"p95\":20,\"p99\":30},\"cost\":0.0012,"
    "\"workers\":{\"wanted\":4,\"busy\":3,\"idle\":1,\"oldest_worker\":2,"
    "\"oldest_id\":7,\"oldest_ms\":900},"
    "\"servers\":[{\"name\":\"gpu1:80\",\"state\":\"cooling\","
    "\"pause_ms\":3000,\"out\":2},{\"name\":\"gpu2:80\",\"state\":\"there\"}],"
    "\"errors\":[{\"at\":\"10:00:00\",\"id\":3,\"outcome\":\"crash\","
    "\"text\":\"first\"},{\"at\":\"10:00:01\",\"id\":4,\"outcome\":\"crash\","
    "\"text\":\"bad \\u001b[31m\\nline \\u202e\"}]}";

static struct buf
draw(const struct screen_conf *conf, const char *panel)
{
	struct buf out;

	buf_init(&out, 1 << 20);
	assert_true(screen_render(conf, span_of(panel), &out));
	assert_false(out.failed);
	return out;
}

static void
all_that_it_knows_is_there(void **state)
{
	const struct screen_conf conf = {.name = "a.db", .keys = "q quit"};
	struct buf out = draw(&conf, usual);

	(void)state;
	assert_non_null(strstr(
	    out.data, "a.db  running, begun 16.0 s ago: held by --rpm\n"));
	assert_non_null(strstr(out.data, "42 of 100, 2.5/s, 20.0 s left\n"));
	assert_non_null(strstr(out.data, "40 answered, 2 failed, 58 open\n"));
	assert_non_null(strstr(out.data,
	    "4 workers: 3 busy, 1 idle; the oldest call: worker 2, prompt 7, "
	    "900 ms\n"));
	assert_non_null(strstr(out.data, "p50 2 ms, p95 20 ms"));
	assert_non_null(strstr(out.data, "cost 0.0012"));
	assert_non_null(
	    strstr(out.data, "▁▂▅█ the last 20.0 s, at most 8.0/s\n"));
	assert_non_null(strstr(out.data, "gpu1:80: cooling for 3.0 s, 2 out"));
	/* The last error first. */
	assert_true(
	    strstr(out.data, "prompt 4") < strstr(out.data, "prompt 3"));
	assert_non_null(strstr(out.data, "q quit\n"));
	buf_free(&out);
}

static void
nothing_is_wider_or_higher_than_the_screen(void **state)
{
	(void)state;
	for (unsigned columns = 1; columns < 130; columns += 7)
		for (unsigned rows = 1; rows < 30; rows++) {
			const struct screen_conf conf = {.name = "a.db",
			    .columns = columns,
			    .rows = rows,
			    .keys = "q quit"};
			struct buf out = draw(&conf, usual);
			unsigned lines = 0;

			for (char *line = out.data; *line != '\0'; lines++) {
				char *end = strchr(line, '\n');

				assert_true(
				    text_columns((struct span){line,
					(size_t)(end - line)}) <= columns);
				line = end + 1;
			}
			assert_int_equal(lines, rows);
			buf_free(&out);
		}
}

static void
foreign_text_commands_nothing(void **state)
{
	const struct screen_conf conf = {.name = "\x1b]0;x\a.db"};
	struct buf out = draw(&conf, usual);

	(void)state;
	assert_null(strchr(out.data, '\x1b'));
	assert_null(strstr(out.data, "\xe2\x80\xae"));
	assert_non_null(strstr(out.data, "line"));
	buf_free(&out);
}

static void
what_is_no_panel_is_refused(void **state)
{
	static const char *const panels[] = {
	    "", "[]", "{}", "nonsense", "{\"phase\":null}"};
	const struct screen_conf conf = {.name = "a.db"};
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	for (size_t i = 0; i < sizeof(panels) / sizeof(*panels); i++)
		assert_false(screen_render(&conf, span_of(panels[i]), &out));
	buf_free(&out);
	/* Of a sort, but not of ours: zeroes, and no harm. */
	out = draw(&conf, "{\"phase\":7,\"history\":[1,\"x\",-5],"
			  "\"history_ms\":1,\"workers\":[],\"servers\":[1,2],"
			  "\"errors\":[null],\"asked\":-4,\"rate\":1e300}");
	buf_free(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(all_that_it_knows_is_there),
	    cmocka_unit_test(nothing_is_wider_or_higher_than_the_screen),
	    cmocka_unit_test(foreign_text_commands_nothing),
	    cmocka_unit_test(what_is_no_panel_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
