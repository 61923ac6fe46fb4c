/* SPDX-License-Identifier: ISC */
/*
 * Keys: from where they are taken, and that they never show.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/secret.h"

#define KEY "sk-0123456789abcdef"

static char path[4096];

static int
make_file(void **state)
{
	const char *base = getenv("TMPDIR");
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "%s/secret-XXXXXX",
	    base == NULL ? "/tmp" : base);
	fd = mkostemp(path, O_CLOEXEC);
	return fd == -1 ? -1 : close(fd);
}

static int
remove_file(void **state)
{
	(void)state;
	return remove(path);
}

static void
fill(const void *data, size_t size, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, mode), 0);
	assert_int_equal(fd_write_all(fd, data, size), 0);
	fd_close(&fd);
}

static void
assert_refused(const char *file, const char *wanted)
{
	struct secret secret;
	struct err err = {0};

	assert_int_equal(secret_read_file(&secret, file, &err), -1);
	assert_int_equal(err.class, ERR_USAGE);
	assert_non_null(strstr(err.text, file));
	assert_null(strstr(err.text, "0123"));
	if (strstr(err.text, wanted) == NULL)
		fail_msg("%s", err.text);
	assert_null(secret.text);
	secret_free(&secret); /* calm */
}

static void
secret_file_may_end_in_blanks_and_lines(void **state)
{
	static const char *const contents[] = {
	    KEY, (KEY "\n"), (KEY "\r\n"), (KEY " \n\n"), (" \t" KEY)};

	(void)state;
	for (size_t i = 0; i < sizeof(contents) / sizeof(contents[0]); i++) {
		struct secret secret;

		fill(contents[i], strlen(contents[i]), 0600);
		assert_int_equal(secret_read_file(&secret, path, NULL), 0);
		assert_string_equal(secret.text, KEY);
		assert_int_equal(secret.size, strlen(KEY));
		secret_free(&secret);
		assert_null(secret.text);
	}
}

static void
secret_file_with_more_than_a_line_of_text_is_refused(void **state)
{
	(void)state;
	fill(KEY "\nsecond\n", strlen(KEY) + 8, 0600);
	assert_refused(path, "more than one line");
	fill(KEY "\0x", strlen(KEY) + 2, 0600);
	assert_refused(path, "control characters");
	fill(KEY "\rX: y", strlen(KEY) + 5, 0600);
	assert_refused(path, "control characters");
	fill(KEY "\x7F", strlen(KEY) + 1, 0600);
	assert_refused(path, "control characters");
	fill("", 0, 0600);
	assert_refused(path, "empty");
	fill(" \n", 2, 0600);
	assert_refused(path, "empty");
}

static void
secret_file_is_capped(void **state)
{
	static char big[SECRET_MAX_BYTES + 1];
	struct secret secret;

	(void)state;
	memset(big, 'k', sizeof(big));
	fill(big, SECRET_MAX_BYTES, 0600);
	assert_int_equal(secret_read_file(&secret, path, NULL), 0);
	assert_int_equal(secret.size, SECRET_MAX_BYTES);
	secret_free(&secret);
	fill(big, SECRET_MAX_BYTES + 1, 0600);
	assert_refused(path, "larger than");
	assert_refused("/dev/zero", "larger than");
}

static void
secret_file_that_others_can_write_is_refused(void **state)
{
	(void)state;
	fill(KEY, strlen(KEY), 0620);
	assert_refused(path, "chmod");
	fill(KEY, strlen(KEY), 0602);
	assert_refused(path, "chmod");
}

static void
secret_file_that_others_can_read_is_warned_of(void **state)
{
	struct secret secret;
	struct buf line;
	int read_end;
	int write_end;

	(void)state;
	buf_init(&line, 10000);
	assert_int_equal(fd_pipe(&read_end, &write_end, NULL), 0);
	log_set_screen(write_end, LOG_INFO, NULL, NULL);
	fill(KEY, strlen(KEY), 0600);
	assert_int_equal(secret_read_file(&secret, path, NULL), 0);
	secret_free(&secret);
	fill(KEY, strlen(KEY), 0644);
	assert_int_equal(secret_read_file(&secret, path, NULL), 0);
	secret_free(&secret);
	log_set_screen(-1, LOG_INFO, NULL, NULL);
	fd_close(&write_end);
	assert_int_equal(fd_read_all(read_end, &line), 0);
	assert_ptr_equal(strstr(line.data, "llmill: warning:"), line.data);
	assert_non_null(strstr(line.data, path));
	assert_ptr_equal(
	    strchr(line.data, '\n'), line.data + line.size - 1); /* one */
	assert_null(strstr(line.data, "0123"));
	fd_close(&read_end);
	buf_free(&line);
}

static void
secret_refuses_a_directory_and_what_is_not_there(void **state)
{
	(void)state;
	assert_refused("/tmp", "is a directory");
	assert_refused("/nonexistent/key", "No such file");
}

static void
secret_comes_from_a_pipe(void **state)
{
	struct secret secret;
	struct err err = {0};
	char name[32];
	int read_end;
	int write_end;

	(void)state;
	assert_int_equal(fd_pipe(&read_end, &write_end, NULL), 0);
	assert_int_equal(fd_write_all(write_end, KEY "\n", strlen(KEY) + 1), 0);
	fd_close(&write_end);
	snprintf(name, sizeof(name), "/dev/fd/%d", read_end);
	if (secret_read_file(&secret, name, &err) == -1)
		fail_msg("%s", err.text);
	assert_string_equal(secret.text, KEY);
	secret_free(&secret);
	fd_close(&read_end);
}

static void
secret_set_takes_a_copy_and_names_its_source(void **state)
{
	char text[] = KEY "\n";
	struct secret secret;
	struct err err = {0};

	(void)state;
	assert_int_equal(secret_set(&secret, text, "$KEY", &err), 0);
	memset(text, 'x', sizeof(text));
	assert_string_equal(secret.text, KEY);
	secret_free(&secret);
	assert_int_equal(secret_set(&secret, "a0123\x01", "$KEY", &err), -1);
	assert_int_equal(err.class, ERR_USAGE);
	assert_non_null(strstr(err.text, "$KEY"));
	assert_null(strstr(err.text, "0123"));
	assert_null(secret.text);
	assert_int_equal(secret_set(&secret, "", "$KEY", &err), -1);
	assert_non_null(strstr(err.text, "$KEY is empty"));
	assert_int_equal(secret_set(&secret, NULL, "$KEY", &err), -1);
}

static void
check_redact(const char *key, struct span in, struct span wanted)
{
	struct secret secret = {0};
	char *text = malloc(in.size + 1); /* exactly: ASan watches its end */
	size_t size;

	assert_non_null(text);
	memcpy(text, in.data, in.size);
	if (key != NULL)
		assert_int_equal(secret_set(&secret, key, "test", NULL), 0);
	size = secret_redact(&secret, text, in.size);
	assert_true(span_equals((struct span){text, size}, wanted));
	secret_free(&secret);
	free(text);
}

static void
secret_is_struck_out_wherever_it_stands(void **state)
{
	(void)state;
	check_redact(KEY, span_of(KEY), span_of("[key]"));
	check_redact(KEY, span_of("a " KEY " b"), span_of("a [key] b"));
	check_redact(
	    KEY, span_of(KEY KEY "-" KEY), span_of("[key][key]-[key]"));
	check_redact(KEY, span_of("Bearer sk-0123456789abcde"),
	    span_of("Bearer sk-0123456789abcde"));
	check_redact(KEY, span_of(""), span_of(""));
	check_redact(KEY, (struct span){"\0" KEY "\0", strlen(KEY) + 2},
	    (struct span){"\0[key]\0", 7});
	check_redact("aaaaaaaa", span_of("aaaaaaaaaaaa"), span_of("[key]aaaa"));
	check_redact("1234567", span_of("1234567"), span_of("1234567"));
	check_redact("EMPTY", span_of("EMPTY"), span_of("EMPTY"));
	check_redact(NULL, span_of("anything"), span_of("anything"));
}

static void
secret_guard_keeps_memory_out_of_cores_and_ptrace(void **state)
{
	pid_t child = fork();
	int status;

	(void)state;
	assert_true(child >= 0);
	if (child == 0) {
		struct rlimit limit;

		secret_guard_process();
		if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0)
			_exit(1);
		if (getrlimit(RLIMIT_CORE, &limit) == -1 ||
		    limit.rlim_cur != 0 || limit.rlim_max != 0)
			_exit(2);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

#define FILE_TEST(test)                                                        \
	cmocka_unit_test_setup_teardown(test, make_file, remove_file)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    FILE_TEST(secret_file_may_end_in_blanks_and_lines),
	    FILE_TEST(secret_file_with_more_than_a_line_of_text_is_refused),
	    FILE_TEST(secret_file_is_capped),
	    FILE_TEST(secret_file_that_others_can_write_is_refused),
	    FILE_TEST(secret_file_that_others_can_read_is_warned_of),
	    cmocka_unit_test(secret_refuses_a_directory_and_what_is_not_there),
	    cmocka_unit_test(secret_comes_from_a_pipe),
	    cmocka_unit_test(secret_set_takes_a_copy_and_names_its_source),
	    cmocka_unit_test(secret_is_struck_out_wherever_it_stands),
	    cmocka_unit_test(secret_guard_keeps_memory_out_of_cores_and_ptrace),
	};

	alarm(30);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
