/* SPDX-License-Identifier: ISC */
/*
 * Those who look on get everything, in order, and hold up nobody.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "run/watch.h"

#include "coord_bench.h"
#include "scratch.h"

#define PIPE_BYTES 4096 /* the least: it is full after every answer */

static void
nobody_looks_is_never_due(void **state)
{
	struct err err;
	struct loop *loop = loop_new(&err);
	struct watch watch = {0};

	(void)state;
	assert_non_null(loop);
	watch_end(&watch); /* not begun yet */
	watch_init(&watch, loop);
	watch_tell(&watch);
	assert_int_equal(watch_turn(&watch, NULL, 1, &err), 0);
	assert_true(watch_due_ns(&watch) == CLOCK_NEVER);
	watch_end(&watch);
	loop_free(loop);
}

static double
cpu_seconds(void)
{
	struct rusage usage;

	NEED(getrusage(RUSAGE_SELF, &usage) == 0);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* Standard output becomes a narrow pipe. Gives its reading end. */
static int
narrow_output(void)
{
	struct err err;
	int read_end;
	int write_end;

	NEED(fd_pipe(&read_end, &write_end, &err) == 0);
	NEED(fcntl(write_end, F_SETPIPE_SZ, PIPE_BYTES) == PIPE_BYTES);
	NEED(dup2(write_end, STDOUT_FILENO) == STDOUT_FILENO);
	fd_close(&write_end);
	return read_end;
}

static struct export *
open_jsonl(const char *path, struct store *store)
{
	const struct export_style style = {.format = EXPORT_JSONL};
	struct err err;

	return export_open(
	    path, &style, NULL, export_rows_of(store), 200, &err);
}

static void
open_with_output(struct stage *stage, const char *script)
{
	stage_open(stage, 200, NULL, script);
	stage->conf.output = open_jsonl("-", stage->store);
	NEED(stage->conf.output != NULL);
}

static int
close_output(struct stage *stage, bool whole)
{
	struct err err;
	int result = export_close(stage->conf.output, whole, &err);

	close(STDOUT_FILENO);
	return result;
}

/* Read lines to the end. Gives how many came in order, -1 when one did not. */
static int
read_in_order(int fd)
{
	FILE *lines = fdopen(fd, "r");
	char *line = NULL;
	size_t room = 0;
	int count = 0;

	if (lines == NULL)
		return -1;
	while (getline(&line, &room, lines) > 0) {
		char expected[32];

		snprintf(expected, sizeof(expected), "\"id\":%d,", ++count);
		if (strstr(line, expected) == NULL)
			return -1;
	}
	free(line);
	fclose(lines);
	return count;
}

static pid_t
start_reader(int read_end, unsigned delay_s)
{
	pid_t pid = fork();

	NEED(pid != -1);
	if (pid == 0) {
		close(STDOUT_FILENO);
		sleep(delay_s);
		_exit(read_in_order(read_end) == 200 ? 0 : 1);
	}
	close(read_end);
	return pid;
}

static void
write_in_order(void *arg)
{
	pid_t reader = start_reader(narrow_output(), *(unsigned *)arg);
	double cpu_s = cpu_seconds();
	struct stage stage;
	int status;

	open_with_output(&stage, "ms=5-40,bytes=3000,fail=10%,refuse=2%");
	NEED(stage_run(&stage) == 0); /* about a second */
	NEED(cpu_seconds() - cpu_s < 0.5);
	NEED(close_output(&stage, true) == 0);
	NEED(waitpid(reader, &status, 0) == reader);
	NEED(status == 0);
	stage_close(&stage);
}

static void
answers_come_in_prompt_order_through_a_narrow_pipe(void **state)
{
	unsigned delay_s = 0;

	(void)state;
	assert_int_equal(apart_run(write_in_order, &delay_s), 0);
	delay_s = 2; /* when the run has long been done */
	assert_int_equal(apart_run(write_in_order, &delay_s), 0);
}

static void
write_to_nobody(void *arg)
{
	bool private_store = *(bool *)arg;
	int read_end = narrow_output();
	struct stage stage;

	fd_close(&read_end);
	open_with_output(&stage, "ms=5");
	stage.conf.private_store = private_store;
	if (private_store) {
		NEED(stage_run(&stage) == 75);
		NEED(stage_count(&stage, STORE_OPEN) > 100);
		NEED(stage.stop.reason[0] != '\0');
	} else {
		NEED(stage_run(&stage) == 0);
		NEED(stage_count(&stage, STORE_ANSWERED) == 200);
	}
	close_output(&stage, false);
	stage_close(&stage);
}

static void
a_reader_that_went_away_stops_only_a_run_without_a_database(void **state)
{
	bool private_store = true;

	(void)state;
	assert_int_equal(apart_run(write_to_nobody, &private_store), 0);
	private_store = false;
	assert_int_equal(apart_run(write_to_nobody, &private_store), 0);
}

/* Send this process a SIGTERM in a while. */
static pid_t
start_killer(unsigned delay_s)
{
	pid_t pid = fork();

	NEED(pid != -1);
	if (pid == 0) {
		sleep(delay_s);
		kill(getppid(), SIGTERM);
		_exit(0);
	}
	return pid;
}

static void
write_to_sleeper(void *arg)
{
	int read_end = narrow_output();
	struct stage stage;
	double cpu_s = cpu_seconds();
	int64_t took_ns = clock_now_ns();
	pid_t killer = start_killer(4);

	(void)arg;
	open_with_output(&stage, "ms=40,bytes=3000");
	stage.take_signals = true;
	NEED(stage_run(&stage) == 75); /* done after 2 s, nobody reads */
	took_ns = clock_now_ns() - took_ns;
	NEED(took_ns > 3 * CLOCK_S && took_ns < 5 * CLOCK_S);
	NEED(stage_count(&stage, STORE_ANSWERED) == 200);
	NEED(cpu_seconds() - cpu_s < 1);
	took_ns = clock_now_ns();
	close_output(&stage, false);
	NEED(clock_now_ns() - took_ns < 2 * CLOCK_S);
	fd_close(&read_end);
	NEED(waitpid(killer, NULL, 0) == killer);
	stage_close(&stage);
}

static void
a_reader_that_sleeps_holds_up_nobody(void **state)
{
	(void)state;
	assert_int_equal(apart_run(write_to_sleeper, NULL), 0);
}

static void
look_at_file(struct stage *stage, const struct pool_report *report)
{
	(void)report;
	NEED(stage->stats.asked == 1);
	NEED(scratch_size("out.jsonl.part") > 199 * 20000);
}

/* More than is written in one turn, and nothing else happens. */
static void
write_what_was_there(void *arg)
{
	struct stage stage;
	struct err err;

	(void)arg;
	stage_open(&stage, 200, NULL, "bytes=20000,ms=2");
	stage.conf.timeout_ns = 10 * CLOCK_S;
	NEED(stage_run(&stage) == 0);
	stage.states[199] = STORE_OPEN; /* once more, for its time */
	stage.seen = look_at_file;
	nursery_close(stage.nursery);
	stage.chat.script = "ms=1000";
	stage_open_nursery(&stage, NULL);
	stage.conf.nursery = stage.nursery;
	stage.conf.output = open_jsonl("out.jsonl", stage.store);
	NEED(stage.conf.output != NULL);
	NEED(stage_run(&stage) == 0);
	NEED(stage.seen_count == 201);
	NEED(export_close(stage.conf.output, true, &err) == 0);
	NEED(scratch_size("out.jsonl") > 199 * 20000);
	stage_close(&stage);
}

static void
what_is_ready_is_written_without_waiting_for_more(void **state)
{
	(void)state;
	assert_int_equal(apart_run(write_what_was_there, NULL), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(nobody_looks_is_never_due),
	    cmocka_unit_test(
		answers_come_in_prompt_order_through_a_narrow_pipe),
	    cmocka_unit_test(
		a_reader_that_went_away_stops_only_a_run_without_a_database),
	    cmocka_unit_test(a_reader_that_sleeps_holds_up_nobody),
	    cmocka_unit_test_setup_teardown(
		what_is_ready_is_written_without_waiting_for_more,
		scratch_enter, scratch_leave),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
