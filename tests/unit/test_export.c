/* SPDX-License-Identifier: ISC */
/*
 * How rows follow a run, to whom they go and who is not waited for. The store
 * is a table here.
 */
#include "view/export.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <bsd/string.h>
#include <cmocka.h>

#include "base/err.h"
#include "base/fd.h"
#include "data/store.h"

#define ROWS_MAX 20000

struct store {
	struct store_row rows[ROWS_MAX];
	uint8_t states[ROWS_MAX];
	uint32_t reads;
	bool broken;
};

int
store_read_row(
    struct store *store, uint32_t index, struct store_row *row, struct err *err)
{
	store->reads++;
	if (store->broken)
		return err_set(err, ERR_SYSTEM, "database is gone");
	*row = store->rows[index];
	return 0;
}

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

static struct store *
store_of(uint32_t count, const char *result)
{
	struct store *store = calloc(1, sizeof(*store));

	assert_non_null(store);
	for (uint32_t i = 0; i < count; i++) {
		store->rows[i] = row_of(i, STORE_ANSWERED, result);
		store->states[i] = STORE_ANSWERED;
	}
	return store;
}

static void
store_set(struct store *store, uint32_t index, enum store_state state,
    const char *result)
{
	store->rows[index] = row_of(index, state, result);
	store->states[index] = (uint8_t)state;
}

static struct export *
open_export(const char *path, enum export_format format, struct store *store,
    uint32_t count, struct err *err)
{
	const struct export_style style = {.format = format};

	return export_open(
	    path, &style, NULL, export_rows_of(store), count, err);
}

/* Descriptor 1 becomes something else for a while: cmocka writes there. */
static int
stdout_becomes(int fd)
{
	int old;

	fflush(stdout);
	old = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 10);
	assert_true(old >= 0);
	assert_int_equal(dup2(fd, STDOUT_FILENO), STDOUT_FILENO);
	return old;
}

static void
stdout_returns(int old)
{
	dup2(old, STDOUT_FILENO);
	close(old);
}

/* Take all that is there; the end is non-blocking. */
static void
drain(int fd, struct buf *seen)
{
	while (fd_read(fd, seen, 65536) > 0)
		continue;
}

struct piped {
	int ends[2];
	int old;
	struct buf seen;
	struct export *export;
};

static void
piped_open(struct piped *piped, struct store *store, enum export_format format,
    uint32_t count)
{
	struct err err;

	assert_int_equal(fd_pipe(&piped->ends[0], &piped->ends[1], &err), 0);
	fd_set_nonblocking(piped->ends[0], true);
	buf_init(&piped->seen, 1 << 27);
	piped->old = stdout_becomes(piped->ends[1]);
	piped->export = open_export("-", format, store, count, &err);
	stdout_returns(piped->old);
	assert_non_null(piped->export);
	alarm(20); /* a write that waits ends the test */
}

static void
piped_close(struct piped *piped)
{
	alarm(0);
	fd_close(&piped->ends[0]);
	fd_close(&piped->ends[1]);
	buf_free(&piped->seen);
}

static void
rows_come_in_order_as_they_become_ready(void **state)
{
	struct store *store = store_of(3, "x");
	struct piped piped;
	struct err err;

	(void)state;
	store_set(store, 0, STORE_OPEN, NULL);
	store_set(store, 1, STORE_ANSWERED, "second");
	store_set(store, 2, STORE_OPEN, NULL);
	piped_open(&piped, store, EXPORT_TXT, 3);
	assert_int_equal(export_follow(piped.export, store->states, &err), 0);
	drain(piped.ends[0], &piped.seen);
	assert_int_equal(piped.seen.size, 0);
	assert_int_equal(store->reads, 0);

	store_set(store, 0, STORE_FAILED, "Error: no");
	assert_int_equal(export_follow(piped.export, store->states, &err), 0);
	drain(piped.ends[0], &piped.seen);
	assert_string_equal(piped.seen.data, "Error: no\nsecond\n");
	assert_int_equal(export_wait_fd(piped.export), -1);

	assert_int_equal(export_close(piped.export, true, &err), 0);
	drain(piped.ends[0], &piped.seen);
	assert_string_equal(piped.seen.data, "Error: no\nsecond\n\n");
	piped_close(&piped);
	free(store);
}

static void
pipe_gets_jsonl_by_default(void **state)
{
	struct store *store = store_of(1, "x");
	struct piped piped;
	struct err err;

	(void)state;
	piped_open(&piped, store, EXPORT_AUTO, 1);
	assert_int_equal(export_close(piped.export, true, &err), 0);
	drain(piped.ends[0], &piped.seen);
	assert_memory_equal(piped.seen.data, "{\"id\":1,", 8);
	piped_close(&piped);
	free(store);
}

static void
full_pipe_is_never_waited_for_and_memory_stays_small(void **state)
{
	static char line[1000];
	struct store *store;
	struct piped piped;
	struct err err;
	uint32_t reads;

	(void)state;
	memset(line, 'x', sizeof(line) - 1);
	store = store_of(ROWS_MAX, line);
	piped_open(&piped, store, EXPORT_TXT, ROWS_MAX);
	assert_int_equal(export_follow(piped.export, store->states, &err), 0);
	assert_true(export_wait_fd(piped.export) >= 0);
	reads = store->reads;
	assert_true(reads < 300); /* the pipe's 64 KiB, and 64 KiB pending */
	assert_int_equal(export_follow(piped.export, store->states, &err), 0);
	assert_int_equal(store->reads, reads);

	/* It goes on where it stood, to the last byte. */
	while (piped.seen.size < (size_t)ROWS_MAX * sizeof(line)) {
		drain(piped.ends[0], &piped.seen);
		assert_true(
		    export_follow(piped.export, store->states, &err) >= 0);
	}
	assert_int_equal(piped.seen.size, (size_t)ROWS_MAX * sizeof(line));
	for (size_t i = 0; i < ROWS_MAX; i++)
		assert_int_equal(
		    piped.seen.data[(i + 1) * sizeof(line) - 1], '\n');
	assert_int_equal(export_close(piped.export, true, &err), 0);
	piped_close(&piped);
	free(store);
}

static void
shared_stdout_stays_blocking(void **state)
{
	struct store *store = store_of(1, "x");
	struct piped piped;
	struct err err;

	(void)state;
	piped_open(&piped, store, EXPORT_TXT, 1);
	export_follow(piped.export, store->states, &err);
	assert_int_equal(fcntl(piped.ends[1], F_GETFL) & O_NONBLOCK, 0);
	export_close(piped.export, true, &err);
	piped_close(&piped);
	free(store);
}

/* A socket cannot be opened anew: looked at before each write instead. */
static void
full_socket_is_never_waited_for(void **state)
{
	static char line[1500000]; /* more than a socket holds */
	struct store *store;
	struct export *export;
	struct buf seen;
	struct err err;
	size_t wanted = 20 * sizeof(line);
	int ends[2];
	int old;

	(void)state;
	memset(line, 'x', sizeof(line) - 1);
	store = store_of(20, line);
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	fd_set_nonblocking(ends[0], true);
	buf_init(&seen, 1 << 27);
	old = stdout_becomes(ends[1]);
	export = open_export("-", EXPORT_TXT, store, 20, &err);
	assert_non_null(export);
	alarm(20); /* a write that waits ends the test */
	while (export_follow(export, store->states, &err) == 1)
		continue;
	stdout_returns(old);
	assert_true(export_wait_fd(export) >= 0);
	assert_true(store->reads < 20);

	old = stdout_becomes(ends[1]);
	while (seen.size < wanted) {
		drain(ends[0], &seen);
		if (export_follow(export, store->states, &err) == -1)
			break;
	}
	export_close(export, true, &err);
	stdout_returns(old);
	assert_int_equal(seen.size, wanted);
	alarm(0);
	fd_close(&ends[0]);
	fd_close(&ends[1]);
	buf_free(&seen);
	free(store);
}

static void
row_longer_than_all_buffers_comes_whole(void **state)
{
	size_t size = 5 << 20;
	char *text = malloc(size + 1);
	struct store *store;
	struct piped piped;
	struct err err;

	(void)state;
	assert_non_null(text);
	memset(text, 'y', size);
	text[size] = '\0';
	store = store_of(2, text);
	piped_open(&piped, store, EXPORT_TXT, 2);
	while (piped.seen.size < 2 * (size + 1)) {
		assert_true(
		    export_follow(piped.export, store->states, &err) >= 0);
		drain(piped.ends[0], &piped.seen);
	}
	assert_int_equal(piped.seen.data[size], '\n');
	assert_int_equal(piped.seen.data[2 * size + 1], '\n');
	export_close(piped.export, true, &err);
	piped_close(&piped);
	free(store);
	free(text);
}

static void
reader_that_goes_away_is_told_once(void **state)
{
	struct store *store = store_of(2, "x");
	struct piped piped;
	struct err err;

	(void)state;
	piped_open(&piped, store, EXPORT_TXT, 2);
	fd_close(&piped.ends[0]);
	assert_int_equal(export_follow(piped.export, store->states, &err), -1);
	assert_string_equal(err.text, "output closed");
	assert_int_equal(err.number, EPIPE);
	assert_int_equal(export_wait_fd(piped.export), -1);
	store->reads = 0;
	assert_int_equal(export_follow(piped.export, store->states, &err), 0);
	assert_int_equal(store->reads, 0);
	assert_int_equal(export_close(piped.export, true, &err), 0);
	piped_close(&piped);
	free(store);
}

static void
row_that_cannot_be_read_is_tried_again(void **state)
{
	struct store *store = store_of(2, "x");
	struct piped piped;
	struct err err;

	(void)state;
	piped_open(&piped, store, EXPORT_TXT, 2);
	store->broken = true;
	assert_int_equal(export_follow(piped.export, store->states, &err), 0);
	store->broken = false;
	/* Answered, but only the spill file has it so far. */
	store->rows[0] = row_of(0, STORE_OPEN, NULL);
	assert_int_equal(export_follow(piped.export, store->states, &err), 0);
	drain(piped.ends[0], &piped.seen);
	assert_int_equal(piped.seen.size, 0);

	store->rows[0] = row_of(0, STORE_ANSWERED, "here");
	assert_int_equal(export_follow(piped.export, store->states, &err), 0);
	drain(piped.ends[0], &piped.seen);
	assert_string_equal(piped.seen.data, "here\nx\n");
	export_close(piped.export, true, &err);
	piped_close(&piped);
	free(store);
}

static void
early_end_leaves_no_half_line(void **state)
{
	static char line[100000];
	struct store *store;
	struct piped piped;
	struct err err;

	(void)state;
	memset(line, 'x', sizeof(line) - 1);
	store = store_of(3, line);
	store->states[1] = STORE_OPEN;
	piped_open(&piped, store, EXPORT_TXT, 3);
	assert_int_equal(export_follow(piped.export, store->states, &err), 0);
	assert_true(export_wait_fd(piped.export) >= 0);
	drain(piped.ends[0], &piped.seen);
	assert_true(piped.seen.size < sizeof(line));
	assert_int_equal(export_close(piped.export, false, &err), 0);
	drain(piped.ends[0], &piped.seen);
	assert_int_equal(piped.seen.size, sizeof(line));
	assert_int_equal(piped.seen.data[sizeof(line) - 1], '\n');
	piped_close(&piped);
	free(store);
}

struct folder {
	char path[64];
	char file[96];
	char part[104];
};

static void
folder_make(struct folder *folder)
{
	strlcpy(folder->path, "/tmp/llmill-test-export-XXXXXX",
	    sizeof(folder->path));
	assert_non_null(mkdtemp(folder->path));
	snprintf(folder->file, sizeof(folder->file), "%s/out", folder->path);
	snprintf(folder->part, sizeof(folder->part), "%s.part", folder->file);
}

static void
folder_remove(struct folder *folder)
{
	unlink(folder->file);
	unlink(folder->part);
	assert_int_equal(rmdir(folder->path), 0);
}

static void
assert_file(const char *path, const char *wanted)
{
	struct buf seen;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	buf_init(&seen, 1 << 20);
	buf_add_text(&seen, "");
	assert_int_equal(fd_read_all(fd, &seen), 0);
	assert_string_equal(buf_span(&seen).data, wanted);
	buf_free(&seen);
	fd_close(&fd);
}

static void
file_grows_beside_its_place_and_is_renamed_when_whole(void **state)
{
	struct store *store = store_of(2, "x");
	struct folder folder;
	struct export *export;
	struct err err;

	(void)state;
	store->states[1] = STORE_OPEN;
	store->rows[1] = row_of(1, STORE_OPEN, NULL);
	folder_make(&folder);
	export = open_export(folder.file, EXPORT_TXT, store, 2, &err);
	assert_non_null(export);
	assert_int_equal(export_follow(export, store->states, &err), 0);
	assert_file(folder.part, "x\n");
	assert_int_equal(access(folder.file, F_OK), -1);
	store->rows[1] = row_of(1, STORE_ANSWERED, "late");
	assert_int_equal(export_close(export, true, &err), 0);
	assert_file(folder.file, "x\nlate\n");
	assert_int_equal(access(folder.part, F_OK), -1);
	folder_remove(&folder);
	free(store);
}

static void
early_end_leaves_the_part_file(void **state)
{
	struct store *store = store_of(2, "x");
	struct folder folder;
	struct export *export;
	struct err err;

	(void)state;
	store->states[1] = STORE_OPEN;
	folder_make(&folder);
	export = open_export(folder.file, EXPORT_TXT, store, 2, &err);
	assert_non_null(export);
	export_follow(export, store->states, &err);
	assert_int_equal(export_close(export, false, &err), 0);
	assert_file(folder.part, "x\n");
	assert_int_equal(access(folder.file, F_OK), -1);
	folder_remove(&folder);
	free(store);
}

static void
file_that_misses_rows_is_not_renamed(void **state)
{
	struct store *store = store_of(2, "x");
	struct folder folder;
	struct export *export;
	struct err err;

	(void)state;
	folder_make(&folder);
	export = open_export(folder.file, EXPORT_TXT, store, 2, &err);
	assert_non_null(export);
	store->broken = true;
	assert_int_equal(export_close(export, true, &err), -1);
	assert_non_null(strstr(err.text, folder.file));
	assert_non_null(strstr(err.text, "database is gone"));
	assert_int_equal(access(folder.file, F_OK), -1);
	folder_remove(&folder);
	free(store);
}

static void
long_turn_ends_and_says_that_there_is_more(void **state)
{
	static char line[1000];
	struct store *store;
	struct folder folder;
	struct export *export;
	struct stat status;
	struct err err;
	int turns = 1;

	(void)state;
	memset(line, 'x', sizeof(line) - 1);
	store = store_of(3000, line);
	folder_make(&folder);
	export = open_export(folder.file, EXPORT_TXT, store, 3000, &err);
	assert_non_null(export);
	while (export_follow(export, store->states, &err) == 1)
		turns++;
	assert_int_equal(turns, 3);
	assert_int_equal(stat(folder.part, &status), 0);
	assert_int_equal(status.st_size, 3000000);
	assert_int_equal(export_close(export, true, &err), 0);
	folder_remove(&folder);
	free(store);
}

static void
full_disk_is_told_at_once_and_at_the_end(void **state)
{
	struct store *store = store_of(1, "x");
	struct export *export;
	struct err err;

	(void)state;
	export = open_export("/dev/full", EXPORT_TXT, store, 1, &err);
	assert_non_null(export);
	assert_int_equal(export_follow(export, store->states, &err), -1);
	assert_int_equal(err.number, ENOSPC);
	assert_non_null(strstr(err.text, "/dev/full"));
	assert_int_equal(export_follow(export, store->states, &err), 0);
	err.number = 0;
	assert_int_equal(export_close(export, true, &err), -1);
	assert_int_equal(err.number, ENOSPC);
	free(store);
}

static void
devices_are_written_as_they_stand(void **state)
{
	struct store *store = store_of(1, "x");
	struct export *export;
	struct err err;

	(void)state;
	export = open_export("/dev/null", EXPORT_AUTO, store, 1, &err);
	assert_non_null(export);
	assert_int_equal(export_close(export, true, &err), 0);
	assert_int_equal(access("/dev/null.part", F_OK), -1);
	free(store);
}

static void
bad_places_are_named(void **state)
{
	struct err err;

	(void)state;
	assert_null(open_export("/tmp", EXPORT_TXT, NULL, 1, &err));
	assert_non_null(strstr(err.text, "/tmp"));
	assert_null(open_export("/no/such/dir/out", EXPORT_TXT, NULL, 1, &err));
	assert_non_null(strstr(err.text, "/no/such/dir/out"));
	assert_int_equal(err.class, ERR_SYSTEM);
	assert_int_equal(export_close(NULL, true, &err), 0);
}

static void
terminal_gets_safe_text_and_is_never_waited_for(void **state)
{
	struct store *store = store_of(1, "a\x1b[2Jb");
	struct export *export;
	struct termios mode;
	struct buf seen;
	struct err err;
	int other = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
	int screen;
	int old;

	(void)state;
	assert_true(other >= 0 && grantpt(other) == 0 && unlockpt(other) == 0);
	screen = open(ptsname(other), O_RDWR | O_NOCTTY);
	assert_true(screen >= 0);
	assert_int_equal(tcgetattr(screen, &mode), 0);
	cfmakeraw(&mode);
	assert_int_equal(tcsetattr(screen, TCSANOW, &mode), 0);
	buf_init(&seen, 65536);
	old = stdout_becomes(screen);
	export = open_export("-", EXPORT_AUTO, store, 1, &err);
	stdout_returns(old);
	assert_non_null(export);

	alarm(20); /* a write that waits ends the test */
	assert_int_equal(tcflow(screen, TCOOFF), 0);
	assert_int_equal(export_follow(export, store->states, &err), 0);
	assert_true(export_wait_fd(export) >= 0);
	assert_int_equal(tcflow(screen, TCOON), 0);
	assert_int_equal(export_follow(export, store->states, &err), 0);
	drain(other, &seen);
	assert_string_equal(seen.data, "a\\x1B[2Jb\n");
	assert_int_equal(export_close(export, true, &err), 0);
	alarm(0);
	fd_close(&other);
	fd_close(&screen);
	buf_free(&seen);
	free(store);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(rows_come_in_order_as_they_become_ready),
	    cmocka_unit_test(pipe_gets_jsonl_by_default),
	    cmocka_unit_test(
		full_pipe_is_never_waited_for_and_memory_stays_small),
	    cmocka_unit_test(shared_stdout_stays_blocking),
	    cmocka_unit_test(full_socket_is_never_waited_for),
	    cmocka_unit_test(row_longer_than_all_buffers_comes_whole),
	    cmocka_unit_test(reader_that_goes_away_is_told_once),
	    cmocka_unit_test(row_that_cannot_be_read_is_tried_again),
	    cmocka_unit_test(early_end_leaves_no_half_line),
	    cmocka_unit_test(
		file_grows_beside_its_place_and_is_renamed_when_whole),
	    cmocka_unit_test(early_end_leaves_the_part_file),
	    cmocka_unit_test(file_that_misses_rows_is_not_renamed),
	    cmocka_unit_test(long_turn_ends_and_says_that_there_is_more),
	    cmocka_unit_test(full_disk_is_told_at_once_and_at_the_end),
	    cmocka_unit_test(devices_are_written_as_they_stand),
	    cmocka_unit_test(bad_places_are_named),
	    cmocka_unit_test(terminal_gets_safe_text_and_is_never_waited_for),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
